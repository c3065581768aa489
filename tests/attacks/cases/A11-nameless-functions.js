/*---
id = "A11"
title = "a function without a name, or with the victim's name, has the rights of the module that defines it"
boundary = "modules"
expect = "nothing"
audit = [
  "denied fs read ${base}/data/secret.txt by suspect/index.js", "denied fs read ${base}/data/secret.txt by suspect/index.js",
  "denied fs read ${base}/data/secret.txt by suspect/index.js", "denied fs read ${base}/data/secret.txt by suspect/index.js",
  "denied fs read ${base}/data/secret.txt by suspect/index.js",
]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";

const path = "data/secret.txt";
const named = (name) => Object.defineProperty(() => fs.readTextFile(path), "name", { value: name });
const functions = {
  nameless: named(""),
  "of the victim's name": named("call"),
  bound: fs.readTextFile.bind(fs, path),
  "a method": { ""() { return fs.readTextFile(path); } }[""],
  "a class": () => new (class { result = fs.readTextFile(path); })().result,
};

export async function attack({ a, denied }) {
  let gained = "";
  for (const [name, callback] of Object.entries(functions)) gained += await denied(name, () => a.call(callback));
  return gained;
}

export async function control({ a }) {
  return (await a.call(() => "called")) === "called" && (await a.length(path)) > 0;
}
//// a/index.js
import { fs } from "cap:self";
export const call = (callback) => callback();
export const length = async (path) => (await fs.readTextFile(path)).length;
//// data/secret.txt
secret
