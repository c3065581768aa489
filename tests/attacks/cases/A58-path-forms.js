/*---
id = "A58"
title = "a path is a string with one spelling: bytes, URLs, escapes, NUL or lone surrogates mean nothing else"
boundary = "program"
elsewhere = "the arguments that operations accept besides plain text are defined by that system"
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/file:/etc/passwd", "allowed fs read ${base}/data/%2e%2e/secret.txt",
  "allowed fs read ${base}/data/..%2fsecret.txt", "denied fs read ${base}/C:\\secret.txt",
  "allowed fs read ${base}/data/a\n.txt",
]
---*/
import { fs } from "cap:self";

export async function attack({ base, denied, refuses }) {
  let gained = "";
  for (const value of [new TextEncoder().encode("data/a.txt"), new URL(`file://${base}/data/a.txt`), ["data/a.txt"], null, undefined, 1, Symbol(), {}]) {
    gained += await refuses("a value", "TypeError", () => fs.readTextFile(value));
  }
  for (const path of ["", "data/a.txt\0", "data/a.txt\0.png", "\0", `data/${"x".repeat(256)}`, `data/${"x/".repeat(3000)}`]) {
    gained += await refuses(JSON.stringify(path.slice(0, 20)), "TypeError", () => fs.readTextFile(path));
  }
  gained += await denied("file URL", () => fs.readTextFile("file:///etc/passwd"));
  gained += await refuses("percent dots", "NotFound", () => fs.readTextFile("data/%2e%2e/secret.txt"));
  gained += await refuses("percent slash", "NotFound", () => fs.readTextFile("data/..%2fsecret.txt"));
  gained += await denied("drive", () => fs.readTextFile("C:\\secret.txt"));
  gained += await refuses("newline", "NotFound", () => fs.readTextFile("data/a\n.txt"));
  return gained;
}

export async function control() {
  return (await fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
//// secret.txt
secret
