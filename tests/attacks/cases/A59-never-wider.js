/*---
# RUN-12
id = "A59"
title = "narrowing never widens: not by more scopes, other families, other actions, long expiry or many blocks"
boundary = "modules"
elsewhere = "there is nothing to narrow or revoke; under SES, the embedder provides it"
grants = ["fs.read=./data/public/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/data/secret.txt", "denied fs read ${base}/data/secret.txt", "denied fs write ${base}/data/public/a.txt",
  "denied fs read ${base}/data/public/a.txt", "denied fs read ${base}/data/secret.txt",
]
---*/
import { fs, net } from "cap:self";

export async function attack({ denied, refuses }) {
  let gained = "";
  for (const bag of [{ read: ["/**"] }, { read: "./**", expires: "1000days" }]) {
    gained += await denied(JSON.stringify(bag), () => fs.attenuate(bag).readTextFile("data/secret.txt"));
  }
  gained += await denied("write", () => fs.attenuate({ write: ["/**"] }).writeTextFile("data/public/a.txt", "x"));
  gained += await denied("nothing", () => fs.attenuate({ read: [] }).readTextFile("data/public/a.txt"));
  for (const bag of [undefined, null, {}, 1, "read", [], { reads: ["/**"] }, { read: ["/**"], toString: 1 }, { __proto__: { read: ["/**"] } },
    { read: ["*"] }, { read: [""] }, { read: ["data/*"] }, { expires: "tomorrow" }, { expires: "-1s" }, { expires: "99999999999999999999s" }]) {
    gained += await refuses(`attenuate(${JSON.stringify(bag)})`, "TypeError", () => fs.attenuate(bag));
  }
  gained += await refuses("another family's scope", "TypeError", () => net.attenuate({ connect: ["./data/**"] }));
  gained += await refuses("another family's action", "TypeError", () => net.attenuate({ read: ["/**"] }));
  // Blocks can be added until a token is full; never does the last one forget the first.
  let less = fs;
  for (let count = 0; count < 40; count++) {
    try {
      less = less.attenuate({ read: ["/**"] });
    } catch (error) {
      if (!(error instanceof TypeError)) gained += `${error}; `;
      break;
    }
  }
  gained += await denied("many blocks", () => less.readTextFile("data/secret.txt"));
  return gained;
}

export async function control() {
  const less = fs.attenuate({ read: ["/**"], expires: "1h" }).attenuate({ read: ["./**"] });
  return (await less.readTextFile("data/public/a.txt")).trim() === "public";
}
//// data/public/a.txt
public
//// data/secret.txt
secret
