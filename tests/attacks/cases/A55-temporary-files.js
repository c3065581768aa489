/*---
id = "A55"
title = "no operation invents a name: there are no temporary files, and the created path is the decided one"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.write=./data/**"]
expect = "nothing"
audit = [
  "denied fs write ${base}/x", "denied fs write ${base}/y", "denied fs write ${base}/x", "denied fs write ${base}/data2/x",
  "allowed fs write ${base}/data/a.txt", "denied fs write ${base}/x",
]
---*/
import { fs } from "cap:self";

export async function attack({ denied }) {
  let gained = "";
  for (let step = fs; step !== Object.prototype; step = Object.getPrototypeOf(step)) {
    for (const key of Reflect.ownKeys(step)) if (/te?mp|unique|mkstemp/i.test(String(key))) gained += `fs.${String(key)}; `;
  }
  gained += await denied("prefix", () => fs.writeTextFile("data/../x", "x"));
  gained += await denied("suffix", () => fs.writeTextFile("data/name/../../y", "x"));
  gained += await denied("folder", () => fs.mkdir("data/../x/", { recursive: true }));
  gained += await denied("run together", () => fs.writeTextFile(`${"data"}2/x`, "x"));
  return gained + (await denied("moved", () => fs.rename("data/a.txt", "data/../x")));
}

export async function control() {
  await fs.mkdir("data/x/y", { recursive: true });
  await fs.writeTextFile("data/x/y/z.txt", "x");
  return true;
}
//// data/a.txt
public
