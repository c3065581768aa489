/*---
id = "A57"
title = "a grant of a folder does not cover folders with the same prefix, and a grant of a file covers nothing below it"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**", "fs.read=./file.txt"]
expect = "nothing"
audit = [
  "denied fs read ${base}/data2/a.txt", "denied fs read ${base}/data-secret", "denied fs read ${base}/dat",
  "denied fs read ${base}/Data/a.txt", "denied fs read ${base}/data /a.txt", "denied fs read ${base}/file.txt.bak",
  "denied fs read ${base}/file.txt/x", "denied fs read ${base}/file", "denied fs read ${base}", "denied fs read ${base}/data\\a.txt",
  "denied fs read ${base}/data*/a.txt", "denied fs read ${base}/**",
]
---*/
import { fs } from "cap:self";

const paths = [
  "data2/a.txt", "data-secret", "dat", "Data/a.txt", "data /a.txt", "file.txt.bak", "file.txt/x", "file", ".", "data\\a.txt",
  "data*/a.txt", "**",
];

export async function attack({ denied }) {
  let gained = "";
  for (const path of paths) gained += await denied(path, () => fs.readTextFile(path));
  return gained;
}

export async function control() {
  return (await fs.readTextFile("data/a.txt")) + (await fs.readTextFile("file.txt")) === "public\npublic\n";
}
//// data/a.txt
public
//// file.txt
public
//// data2/a.txt
secret
//// file.txt.bak
secret
