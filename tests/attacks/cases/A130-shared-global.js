/*---
id = "A130"
title = "other packages do not see what a package adds to its global object"
elsewhere = "all modules share one global object there"
boundary = "modules"
expect = "nothing"
audit = ["allowed fs read ${base}/data/a.txt"]
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ a }) {
  let gained = "";
  globalThis.taken = [];
  globalThis.hook = (value) => globalThis.taken.push(value);
  globalThis.Math = self.Date = global.console = undefined;
  Object.setPrototypeOf(globalThis, { inherited: 1 });
  if ((await a.read("data/a.txt")).trim() !== "public") gained += "the victim does not work any more; ";
  if (globalThis.taken.length > 0) gained += "the victim's capability; ";
  if (a.found() !== "undefined,undefined,object,function,object") gained += `the victim found ${a.found()}; `;
  if (a.object() === globalThis) gained += "one object; ";
  a.object().mark = 1;
  if (globalThis.mark !== undefined) gained += "the victim's object is its own; ";
  return gained;
}

export async function control() {
  globalThis.mine = 1;
  return self.mine === 1 && (await import("./other.js")).found() === 1;
}
//// suspect/other.js
export const found = () => globalThis.mine;
//// a/index.js
import { fs } from "cap:self";
export * from "./object.js";
export const read = (path) => {
  globalThis.hook?.(fs);
  return fs.readTextFile(path);
};
//// a/object.js
export const object = () => globalThis;
export const found = () =>
  [typeof globalThis.hook, typeof globalThis.inherited, typeof globalThis.Math, typeof globalThis.Date, typeof globalThis.console].join();
//// data/a.txt
public
