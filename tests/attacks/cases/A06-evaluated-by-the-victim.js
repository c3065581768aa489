/*---
id = "A06"
title = "a victim cannot evaluate a text as code either"
boundary = "modules"
elsewhere = "code from text is allowed there"
expect = "nothing"
audit = ["denied fs read ${base}/data/secret.txt"]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";

const code = "globalThis.gained = true";

export async function attack({ a, denied, refuses }) {
  let gained = "";
  for (const way of ["direct", "indirect", "constructed", "asynchronous"]) {
    gained += await refuses(way, "EvalError", () => a.evaluate[way](code));
  }
  gained += await refuses("timer", "TypeError", () => a.evaluate.timer(code));
  // What it can give the victim is a function, and a function has the rights of where it was written.
  gained += await denied("function", () => a.call(() => fs.readTextFile("data/secret.txt")));
  return gained;
}

export async function control({ a }) {
  return (await a.call((text) => text)) === "called";
}
//// a/index.js
export const evaluate = {
  direct: (text) => eval(text),
  indirect: (text) => (0, eval)(text),
  constructed: (text) => new Function(text)(),
  asynchronous: (text) => new (async () => {}).constructor(text)(),
  timer: (text) => setTimeout(text, 0),
};
export const call = async (callback) => await callback("called");
//// data/secret.txt
secret
