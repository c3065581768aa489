/*---
id = "A16"
title = "a lent capability is narrower than the lender's, and stays so"
boundary = "modules"
elsewhere = "there is nothing to narrow or revoke; under SES, the embedder provides it"
expect = "nothing"
audit = [
  "denied fs read ${base}/data/secret.txt",
  "denied fs read ${base}/data/secret.txt",
  "denied fs read ${base}/data/secret.txt",
  "denied fs write ${base}/data/public/new.txt",
  "denied fs read ${base}/data/public/a.txt",
]
[a]
grants = ["fs.read=./data/**", "fs.write=./data/**"]
---*/
import { fs } from "cap:self";

export async function attack({ a, denied }) {
  const lent = a.lend();
  let gained = "";
  gained += await denied("outside", () => lent.readTextFile("data/secret.txt"));
  gained += await denied("dot-dot", () => lent.readTextFile("data/public/../secret.txt"));
  gained += await denied("wider again", () => lent.attenuate({ read: ["./data/**"] }).readTextFile("data/secret.txt"));
  gained += await denied("another action", () => lent.attenuate({ write: ["./data/**"] }).writeTextFile("data/public/new.txt", "x"));
  gained += await denied("its own", () => fs.readTextFile("data/public/a.txt"));
  return gained;
}

export async function control({ a }) {
  return (await a.lend().readTextFile("data/public/a.txt")).trim() === "public";
}
//// a/index.js
import { fs } from "cap:self";
export const lend = () => fs.attenuate({ read: ["./data/public/**"] });
//// data/public/a.txt
public
//// data/secret.txt
secret
