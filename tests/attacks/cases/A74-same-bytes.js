/*---
id = "A74"
title = "the same bytes in two packages are two instances with two authorities"
boundary = "modules"
expect = "nothing"
audit = ["denied fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt"]
control_grants = ["fs.read=./data/**"]
[a]
grants = ["fs.read=./data/**"]
---*/
import * as own from "./shared.js";

export async function attack({ a, denied }) {
  let gained = "";
  gained += await denied("its own instance", () => own.read("data/a.txt"));
  if (own.fs === a.fs || own.read === a.read) gained += "one instance; ";
  own.state.mark = "by the attacker";
  if ((await a.read("data/a.txt")).trim() !== "public") gained += "the victim lost its rights; ";
  return gained + (a.state.mark === undefined ? "" : "shared state; ");
}

export async function control() {
  return (await own.read("data/a.txt")).trim() === "public";
}
//// suspect/shared.js
import { fs } from "cap:self";
export { fs };
export const state = {};
export const read = (path) => fs.readTextFile(path);
//// a/index.js
export * from "./shared.js";
//// a/shared.js
import { fs } from "cap:self";
export { fs };
export const state = {};
export const read = (path) => fs.readTextFile(path);
//// data/a.txt
public
