/*---
# RUN-14
id = "A24"
title = "options are own properties: inherited ones have no effect"
boundary = "program"
elsewhere = "the arguments that operations accept besides plain text are defined by that system"
grants = ["fs.read=./data/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "allowed fs write ${base}/data/x/y/z",
  "allowed fs write ${base}/data/a.txt",
  "allowed fs read ${base}/data/a.txt",
  "allowed fs write ${base}/data/full",
  "allowed fs read ${base}/data/full/b.txt",
]
---*/
import { fs } from "cap:self";

const inherited = (options) => Object.create(options);

export async function attack({ refuses }) {
  let gained = "";
  for (const key of ["recursive", "append", "createNew", "create", "write", "signal", "headers", "then", "get"]) {
    gained += await refuses(key, "TypeError", () => { Object.prototype[key] = true; });
  }
  gained += await refuses("mkdir", "NotFound", () => fs.mkdir("data/x/y/z", inherited({ recursive: true })));
  await fs.writeTextFile("data/a.txt", "new", inherited({ append: true }));
  if ((await fs.readTextFile("data/a.txt")) !== "new") gained += "append was inherited; ";
  gained += await refuses("remove", "Busy", () => fs.remove("data/full", inherited({ recursive: true })));
  if ((await fs.readTextFile("data/full/b.txt")).trim() !== "kept") gained += "recursive was inherited; ";
  return gained;
}

export async function control() {
  await fs.mkdir("data/x/y/z", { recursive: true });
  await fs.writeTextFile("data/a.txt", "new", { append: true });
  await fs.remove("data/full", { recursive: true });
  return (await fs.readTextFile("data/a.txt")) === "old\nnew";
}
//// data/a.txt
old
//// data/full/b.txt
kept
