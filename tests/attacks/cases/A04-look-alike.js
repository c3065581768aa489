/*---
id = "A04"
title = "a module whose path looks like another package's has the rights of its own package"
boundary = "modules"
expect = "denied"
audit = ["denied fs read ${base}/data/a.txt"]
control_grants = ["fs.read=./data/**"]
[a]
grants = ["fs.read=./data/**"]
---*/
import { read } from "./a/index.js";

export async function attack() {
  return await read("data/a.txt");
}

export async function control() {
  return (await read("data/a.txt")).trim() === "public";
}
//// suspect/a/index.js
import { fs } from "cap:self";
export const read = (path) => fs.readTextFile(path);
//// a/index.js
import { fs } from "cap:self";
export const read = (path) => fs.readTextFile(path);
//// data/a.txt
public
