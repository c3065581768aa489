/*---
id = "A08"
title = "an operation that the engine calls has the capability's rights: promise, timer, microtask, array, regular expression, JSON, proxy"
boundary = "modules"
app_grants = ["fs.read=./data/**"]
control_grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt",
]
---*/
import { fs } from "cap:self";

const read = fs.readTextFile.bind(fs);
const path = "data/a.txt";
const ways = {
  promise: () => Promise.resolve(path).then(read),
  timer: () => new Promise((resolve) => setTimeout((value) => resolve(read(value)), 0, path)),
  microtask: () => new Promise((resolve) => queueMicrotask(() => resolve(read(path)))),
  array: () => [path].map(read)[0],
  "regular expression": () => {
    let result;
    path.replace(path, (value) => { result = read(value); return ""; });
    return result;
  },
  JSON: () => {
    let result;
    JSON.parse(JSON.stringify(path), (_key, value) => { result = read(value); });
    return result;
  },
  Reflect: () => Reflect.apply(fs.readTextFile, fs, [path]),
  proxy: () => new Proxy(read, {})(path),
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
