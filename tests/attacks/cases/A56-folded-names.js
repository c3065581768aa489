/*---
id = "A56"
title = "a name that differs from a granted one in case, composition or another system's rules is another name"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./pass\u00f6rter/**", "fs.read=./stra\u00dfe/**", "fs.read=./\ufb01le/**", "fs.read=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/passo\u0308rter/a.txt", "denied fs read ${base}/PASS\u00d6RTER/a.txt", "denied fs read ${base}/Pass\u00f6rter/a.txt",
  "denied fs read ${base}/strasse/a.txt", "denied fs read ${base}/STRASSE/a.txt", "denied fs read ${base}/stra\u1e9ee/a.txt",
  "denied fs read ${base}/file/a.txt", "denied fs read ${base}/DATA/a.txt", "denied fs read ${base}/\uff44ata/a.txt",
  "denied fs read ${base}/d\u0430ta/a.txt", "denied fs read ${base}/data\u200b/a.txt", "denied fs read ${base}/data./a.txt",
  "denied fs read ${base}/DATA~1/a.txt", "denied fs read ${base}/\\\\?\\data\\a.txt", "denied fs read ${base}/data::$INDEX_ALLOCATION/a.txt",
  "denied fs read ${base}/COM\u00b9",
  "allowed fs read ${base}/data/a.txt::$DATA", "allowed fs read ${base}/data/A.TXT", "allowed fs read ${base}/data/a.txt.",
  "allowed fs read ${base}/data/a.txt ",
]
---*/
import { fs } from "cap:self";

const others = [
  "passo\u0308rter/a.txt", "PASS\u00d6RTER/a.txt", "Pass\u00f6rter/a.txt", "strasse/a.txt", "STRASSE/a.txt", "stra\u1e9ee/a.txt", "file/a.txt",
  "DATA/a.txt", "\uff44ata/a.txt", "d\u0430ta/a.txt", "data\u200b/a.txt", "data./a.txt", "DATA~1/a.txt", "\\\\?\\data\\a.txt",
  "data::$INDEX_ALLOCATION/a.txt", "COM\u00b9",
];
const within = ["data/a.txt::$DATA", "data/A.TXT", "data/a.txt.", "data/a.txt "];

export async function attack({ denied, refuses }) {
  let gained = "";
  for (const path of others) gained += await denied(JSON.stringify(path), () => fs.readTextFile(path));
  for (const path of within) gained += await refuses(JSON.stringify(path), "NotFound", () => fs.readTextFile(path));
  return gained;
}

export async function control() {
  const read = [];
  for (const folder of ["pass\u00f6rter", "stra\u00dfe", "\ufb01le", "data"]) read.push(await fs.readTextFile(`${folder}/a.txt`));
  return read.every((text) => text.trim() === "public");
}
//// passörter/a.txt
public
//// straße/a.txt
public
//// ﬁle/a.txt
public
//// data/a.txt
public
//// passörter/a.txt
secret
//// strasse/a.txt
secret
//// file/a.txt
secret
