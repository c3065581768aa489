/*---
id = "A49"
title = "dot-dot, doubled and trailing slashes do not leave the grant"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/secret.txt",
  "denied fs read ${base}/secret.txt",
  "denied fs read ${base}/secret.txt",
  "denied fs read ${base}/secret.txt",
  "denied fs read ${base}/database/x.txt",
  "denied fs read /etc/passwd",
  "denied fs read /etc/passwd",
  "denied fs read /",
]
---*/
import { fs } from "cap:self";

const paths = [
  "data/../secret.txt",
  "data/sub/../../secret.txt",
  "./data//..//secret.txt",
  "data/a.txt/../../secret.txt/",
  "database/x.txt",
  "/etc/passwd",
  "//etc//passwd",
  "/data/..",
];

export async function attack({ denied }) {
  let gained = "";
  for (const path of paths) gained += await denied(path, () => fs.readTextFile(path));
  return gained;
}

export async function control() {
  const read = [];
  for (const path of ["data/a.txt", "./data//a.txt", "data/sub/../a.txt"]) read.push(await fs.readTextFile(path));
  return read.every((text) => text.trim() === "public");
}
//// data/a.txt
public
//// data/sub/b.txt
public
//// secret.txt
secret
//// database/x.txt
secret
