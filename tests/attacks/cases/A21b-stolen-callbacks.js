/*---
id = "A21b"
title = "replacing a method of arrays does not reveal the callbacks that a victim passes to it"
boundary = "modules"
expect = "nothing"
audit = []
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ a }) {
  const original = Array.prototype.map;
  let stolen;
  const thief = function (callback) {
    stolen = callback;
    return original.call(this, callback);
  };
  for (const replace of [() => { Array.prototype.map = thief; }, () => Object.defineProperty(Array.prototype, "map", { value: thief })]) {
    try {
      replace();
    } catch {
      // Frozen, as it should be.
    }
  }
  a.use(["data/a.txt"]);
  return stolen === undefined ? "" : "the victim's callback was stolen";
}

export async function control({ a }) {
  return a.use(["data/a.txt"])[0] === "read data/a.txt";
}
//// a/index.js
export const use = (list) => list.map((path) => `read ${path}`);
