/*---
id = "A43b"
title = "a file handle for reading does not write, one for writing does not read, and a closed one does neither"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**", "fs.write=./other/**"]
control_grants = ["fs.read=./data/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt", "allowed fs write ${base}/other/b.txt",
  "allowed fs read ${base}/data/a.txt", "denied fs write ${base}/data/a.txt", "denied fs read ${base}/other/b.txt",
  "allowed fs read ${base}/data/a.txt", "allowed fs write ${base}/other/b.txt",
]
---*/
import { fs } from "cap:self";

export async function attack({ denied, refuses }) {
  let gained = "";
  const reading = await fs.open("data/a.txt");
  const writing = await fs.open("other/b.txt", { write: true });
  gained += await refuses("write", "PermissionDenied", () => reading.write(new Uint8Array(1)));
  gained += await refuses("read", "PermissionDenied", () => writing.read(new Uint8Array(1)));
  gained += await denied("opened to write", () => fs.open("data/a.txt", { read: true, write: true }));
  gained += await denied("opened to read", () => fs.open("other/b.txt"));
  await reading.close();
  await writing.close();
  gained += await refuses("read when closed", "Error", () => reading.read(new Uint8Array(1)));
  gained += await refuses("written when closed", "Error", () => writing.write(new Uint8Array(1)));
  return gained;
}

export async function control() {
  const file = await fs.open("data/a.txt", { read: true, write: true });
  return (await file.read(new Uint8Array(6))) === 6 && (await file.write(new Uint8Array([33]))) === 1;
}
//// data/a.txt
public
//// other/b.txt
public
