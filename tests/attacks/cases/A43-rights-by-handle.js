/*---
id = "A43"
title = "an open file allows only what it was opened for, and nothing after it is closed"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt",
  "allowed fs write ${base}/data/b.txt",
  "allowed fs read ${base}/data/a.txt",
  "allowed fs read ${base}/data/a.txt",
  "allowed fs read ${base}/data/a.txt",
]
---*/
import { fs } from "cap:self";

export async function attack({ refuses }) {
  let gained = "";
  const reading = await fs.open("data/a.txt");
  gained += await refuses("write", "PermissionDenied", () => reading.write(new Uint8Array(1)));
  const writing = await fs.open("data/b.txt", { write: true, create: true });
  gained += await refuses("read", "PermissionDenied", () => writing.read(new Uint8Array(1)));
  writing.close();
  // A second handle does not come back under the first one's identity.
  reading.close();
  const second = await fs.open("data/a.txt");
  gained += await refuses("closed", "Error", () => reading.read(new Uint8Array(1)));
  for (const key of Reflect.ownKeys(second)) gained += `file.${String(key)}; `;
  gained += await refuses("forged", "TypeError", () => second.read.call({}, new Uint8Array(1)));
  await second.read(new Uint8Array(1));
  second.close();
  second.close();
  return gained;
}

export async function control() {
  const file = await fs.open("data/a.txt", { read: true, write: true });
  const buffer = new Uint8Array(6);
  const read = await file.read(buffer);
  const written = await file.write(new Uint8Array([33]));
  file.close();
  return read === 6 && written === 1 && new TextDecoder().decode(buffer) === "public";
}
//// data/a.txt
public
