/*---
id = "A18"
title = "resuming a generator passes data, but no rights in either direction"
boundary = "modules"
expect = "nothing"
audit = ["allowed fs read ${base}/data/a.txt", "denied fs read ${base}/data/secret.txt"]
[a]
grants = ["fs.read=./data/a.txt"]
---*/
import { fs } from "cap:self";

export async function attack({ a, denied }) {
  const lines = a.lines("data/a.txt");
  let gained = "";
  const first = await lines.next("data/secret.txt");
  if (String(first.value).trim() !== "public") gained += "the argument of next() was taken for the path; ";
  gained += await denied("resume", () => lines.throw(null).catch(() => fs.readTextFile("data/secret.txt")));
  return gained;
}

export async function control({ a }) {
  for await (const line of a.lines("data/a.txt")) return line.trim() === "public";
}
//// a/index.js
import { fs } from "cap:self";
export async function* lines(path) {
  for (const line of (await fs.readTextFile(path)).split("\n")) yield line;
}
//// data/a.txt
public
//// data/secret.txt
secret
