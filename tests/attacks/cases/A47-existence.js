/*---
# RUN-11
id = "A47"
title = "a refusal does not reveal if the resource exists"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/there.txt", "denied fs read ${base}/not-there.txt",
  "denied fs read ${base}/there.txt", "denied fs read ${base}/not-there.txt",
  "denied fs read ${base}/there.txt", "denied fs read ${base}/not-there.txt",
  "denied fs read ${base}/there.txt", "denied fs read ${base}/not-there.txt",
  "denied fs read ${base}/there.txt", "denied fs read ${base}/not-there.txt",
  "denied fs write ${base}/there.txt", "denied fs write ${base}/not-there.txt",
  "denied fs write ${base}/there.txt", "denied fs write ${base}/not-there.txt",
  "denied fs write ${base}/there.txt", "denied fs write ${base}/not-there.txt",
  "denied fs write ${base}/there.txt", "denied fs write ${base}/not-there.txt",
  "denied fs write ${base}/there.txt", "denied fs write ${base}/not-there.txt",
  "allowed fs write ${base}/data/a.txt", "denied fs write ${base}/there.txt",
  "allowed fs write ${base}/data/a.txt", "denied fs write ${base}/not-there.txt",
]
---*/
import { fs } from "cap:self";

const ways = {
  readTextFile: (path) => fs.readTextFile(path),
  readFile: (path) => fs.readFile(path),
  stat: (path) => fs.stat(path),
  readDir: (path) => fs.readDir(path).next(),
  open: (path) => fs.open(path),
  writeTextFile: (path) => fs.writeTextFile(path, "x"),
  createNew: (path) => fs.open(path, { write: true, createNew: true }),
  mkdir: (path) => fs.mkdir(path),
  remove: (path) => fs.remove(path),
  rename: (path) => fs.rename(path, "data/b.txt"),
  "rename to": (path) => fs.rename("data/a.txt", path),
};
const shape = async (call, path) => {
  try {
    await call(path);
    return "it went through";
  } catch (error) {
    const keys = ["name", "code", "family", "action", "module"].map((key) => `${key}=${error[key]}`);
    return [...keys, error.message.replaceAll(path, "PATH"), error.resource === path].join(" ");
  }
};

export async function attack() {
  let gained = "";
  for (const [name, call] of Object.entries(ways)) {
    const there = await shape(call, "there.txt");
    const notThere = await shape(call, "not-there.txt");
    if (there !== notThere) gained += `${name}: ${there} / ${notThere}; `;
  }
  return gained;
}

export async function control() {
  return (await shape(ways.stat, "data/a.txt")) !== (await shape(ways.stat, "data/missing.txt"));
}
//// data/a.txt
public
//// there.txt
secret
