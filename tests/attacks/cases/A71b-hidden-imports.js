/*---
id = "A71b"
title = "an import that a lexer without regular expressions takes for part of a string has the importing module's own rights"
boundary = "modules"
expect = "nothing"
audit = ["denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt"]
control_grants = ["fs.read=./data/**"]
[a]
grants = ["fs.read=./data/**"]
---*/
const before = /"/; import { fs } from "cap:self"; // "
import { read } from "./other.js";

export async function attack({ a, denied }) {
  return (await denied("hidden by a quote", () => fs.readTextFile("data/a.txt"))) + (await denied("by a back-tick", read)) +
    (a.fs === fs ? "the victim's capability; " : "");
}

export async function control({ a }) {
  return before.test('"') && (await fs.readTextFile("data/a.txt")) === (await a.fs.readTextFile("data/a.txt"));
}
//// suspect/other.js
export const before = /`/, read = () => own.readTextFile("data/a.txt");
import { fs as own } from "cap:self";
//// a/index.js
export { fs } from "cap:self";
//// data/a.txt
public
