/*---
id = "A45"
title = "a buffer that shrinks, is transferred or changes during an operation does no harm"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**", "fs.write=./data/**"]
expect = "nothing"
audit = [
  "allowed fs write ${base}/data/b.txt", "allowed fs read ${base}/data/b.txt", "allowed fs read ${base}/data/a.txt",
  "allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt",
]
---*/
import { fs } from "cap:self";

export async function attack() {
  let gained = "";
  const bytes = new Uint8Array(new ArrayBuffer(6, { maxByteLength: 16 }));
  bytes.set(new TextEncoder().encode("before"));
  const writing = fs.writeFile("data/b.txt", bytes);
  bytes.fill(88);
  bytes.buffer.resize?.(0);
  await writing;
  if ((await fs.readTextFile("data/b.txt")) !== "before") gained += "what was decided on is not what was written; ";

  const file = await fs.open("data/a.txt");
  for (const spoil of [(buffer) => buffer.resize?.(0), (buffer) => buffer.transfer?.()]) {
    const target = new Uint8Array(new ArrayBuffer(6, { maxByteLength: 16 }));
    const reading = file.read(target);
    spoil(target.buffer);
    try {
      await reading;
    } catch (error) {
      if (!(error instanceof Error)) gained += `${error}; `;
    }
  }
  file.close();
  return gained;
}

export async function control() {
  const file = await fs.open("data/a.txt");
  const target = new Uint8Array(6);
  return (await file.read(target)) === 6 && new TextDecoder().decode(target) === "public";
}
//// data/a.txt
public, and more of it
