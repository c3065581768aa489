/*---
# RUN-14
id = "A13"
title = "an argument that changes between two reads is read once, or refused"
boundary = "program"
elsewhere = "the arguments that operations accept besides plain text are defined by that system"
grants = ["fs.read=./data/ok.txt", "net.connect=${server}", "env.read=OK"]
expect = "nothing"
audit = ["denied net connect http://127.0.0.1:9", "denied fs read ${base}/data/secret.txt"]
---*/
import { env, fs, net } from "cap:self";

/** Says the first text once, then the second. */
const changing = (first, second) => {
  let looks = 0;
  return { toString: () => (looks++ === 0 ? first : second), [Symbol.toPrimitive]: undefined };
};

export async function attack({ server, denied, refuses }) {
  let gained = "";
  for (const method of ["readTextFile", "readFile", "stat", "open", "remove", "mkdir"]) {
    gained += await refuses(method, "TypeError", () => fs[method](changing("data/ok.txt", "data/secret.txt")));
    gained += await refuses(method, "TypeError", () => fs[method](new String("data/ok.txt")));
    gained += await refuses(method, "TypeError", () => fs[method](["data/ok.txt"]));
  }
  gained += await refuses("env", "TypeError", () => env.get(changing("OK", "SECRET")));
  // fetch takes a URL object: one look, and that is the one that is decided.
  gained += await denied("fetch", () => net.fetch(changing("http://127.0.0.1:9", server)));
  // So does attenuate: what it saw is what it holds.
  const less = fs.attenuate({ read: [changing("./data/ok.txt", "./data/secret.txt")] });
  gained += await denied("attenuate", () => less.readTextFile("data/secret.txt"));
  return gained;
}

export async function control({ server }) {
  const less = fs.attenuate({ read: [changing("./data/ok.txt", "./data/secret.txt")] });
  const answer = await net.fetch(changing(`${server}/ok`, "http://127.0.0.1:9"));
  return (await answer.text()) === "hello" && (await less.readTextFile("data/ok.txt")).trim() === "public";
}
//// data/ok.txt
public
//// data/secret.txt
secret
