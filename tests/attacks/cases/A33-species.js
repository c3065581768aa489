/*---
id = "A33"
title = "arrays and buffers of the runtime create no objects of the attacker's species"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**", "random=true"]
expect = "nothing"
audit = ["allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt", "allowed random read os"]
---*/
import { fs, random } from "cap:self";

export async function attack() {
  const made = [];
  class Evil extends Uint8Array {
    constructor(...given) {
      super(...given);
      made.push(this);
    }
    static get [Symbol.species]() {
      return Evil;
    }
  }
  const bytes = await fs.readFile("data/a.txt");
  Object.defineProperty(bytes, "constructor", { value: Evil });
  const file = await fs.open("data/a.txt");
  made.length = 0;
  const target = new Evil(6);
  made.length = 0;
  await file.read(target);
  file.close();
  const text = new TextDecoder().decode(bytes);
  random.bytes(2);
  if (made.length > 0) return `${made.length} objects of the attacker's class were made by the runtime`;
  return text.trim() === "public" ? "" : `it read ${text}`;
}

export async function control() {
  const bytes = await fs.readFile("data/a.txt");
  return bytes.constructor === Uint8Array && bytes.map((byte) => byte).length === bytes.length;
}
//// data/a.txt
public
