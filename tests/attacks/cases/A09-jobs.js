/*---
id = "A09"
title = "an operation that a job of the engine calls has the capability's rights: intervals, events, thenables, iteration, disposal"
boundary = "modules"
app_grants = ["fs.read=./data/**"]
control_grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/data/a.txt by suspect/index.js", "denied fs read ${base}/data/a.txt by suspect/index.js",
  "denied fs read ${base}/data/a.txt by suspect/index.js", "denied fs read ${base}/data/a.txt by suspect/index.js",
  "denied fs read ${base}/data/a.txt by suspect/index.js", "denied fs read ${base}/data/a.txt by suspect/index.js",
]
---*/
import { fs } from "cap:self";

const path = "data/a.txt";
const read = fs.readTextFile.bind(fs, path);
const ways = {
  interval: () => new Promise((resolve) => {
    const handle = setInterval(() => {
      clearInterval(handle);
      resolve(read());
    }, 1);
  }),
  "an event": () => new Promise((resolve) => {
    const controller = new AbortController();
    controller.signal.addEventListener("abort", () => resolve(read()));
    controller.abort();
  }),
  thenable: async () => await { then: (resolve) => resolve(read()) },
  iteration: async () => {
    for await (const text of { [Symbol.asyncIterator]: () => ({ next: async () => ({ value: await read(), done: false }) }) }) return text;
  },
  executor: () => new Promise((resolve) => resolve(read())),
  "finally": () => new Promise((resolve) => Promise.reject(new Error("mine")).finally(() => resolve(read())).catch(() => {})),
};

export async function attack({ denied }) {
  let gained = "";
  for (const [name, way] of Object.entries(ways)) gained += await denied(name, way);
  return gained;
}

export async function control() {
  for (const way of Object.values(ways)) {
    if ((await way()).trim() !== "public") return false;
  }
  return true;
}
//// data/a.txt
public
