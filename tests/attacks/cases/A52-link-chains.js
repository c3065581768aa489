/*---
id = "A52"
title = "chains of links, loops of links and links between granted folders do not leave the grant"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
unclaimed = { deno = "its documentation says that the location of a link decides", node = "its documentation says that links are followed out of the granted folders" }
grants = ["fs.read=./one/**", "fs.read=./two/**"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/one/a/b/c/link/passwd", "allowed fs read ${base}/one/first", "allowed fs read ${base}/one/loop",
  "allowed fs read ${base}/one/self", "denied fs read ${base}/etc/passwd",
]
[links]
"one/a/b/c/link" = "../../../../../../../../../../../../etc"
"one/first" = "second"
"one/second" = "third/../../secret.txt"
"one/loop" = "pool"
"one/pool" = "loop"
"one/self" = "self/self"
"one/narrow/sibling" = "../other.txt"
---*/
import { fs } from "cap:self";

export async function attack({ refuses, denied }) {
  let gained = "";
  gained += await refuses("chain", "PermissionDenied", () => fs.readTextFile("one/a/b/c/link/passwd"));
  gained += await refuses("chain of names", "PermissionDenied", () => fs.readTextFile("one/first"));
  gained += await refuses("loop", "FilesystemLoop", () => fs.readTextFile("one/loop"));
  gained += await refuses("self", "FilesystemLoop", () => fs.readTextFile("one/self"));
  gained += await denied("lexical", () => fs.readTextFile("one/a/b/c/link/../../../../../etc/passwd"));
  return gained;
}

export async function control() {
  return (await fs.readTextFile("one/narrow/sibling")).trim() === "of the wider grant";
}
//// one/other.txt
of the wider grant
//// one/third/x.txt
x
//// two/x.txt
x
//// secret.txt
secret
