/*---
id = "A15"
title = "a capability that a victim exports is used in the victim's name and within its rights"
boundary = "modules"
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/secret.txt by a/index.js", "denied fs read ${base}/other.txt by a/index.js",
  "denied fs read ${base}/data/secret.txt by suspect/index.js", "denied fs write ${base}/data/secret.txt by a/index.js",
]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";

export async function attack({ a, denied }) {
  // Not an attack that fails: the victim's author gave this away, and the record says whose rights were used.
  const deputised = (await a.readAny("data/secret.txt")).trim() === "secret";
  let gained = deputised ? "" : "the deputy does not do what it is there for; ";
  gained += await denied("what the deputy may not", () => a.readAny("other.txt"));
  gained += await denied("without the deputy", () => fs.readTextFile("data/secret.txt"));
  gained += await denied("another action", () => a.writeAny("data/secret.txt"));
  return gained;
}

export async function control({ a }) {
  return (await a.readAny("data/secret.txt")).trim() === "secret";
}
//// a/index.js
import { fs } from "cap:self";
export const readAny = (path) => fs.readTextFile(path);
export const writeAny = (path) => fs.writeTextFile(path, "x");
//// data/secret.txt
secret
//// other.txt
secret
