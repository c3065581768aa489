/*---
id = "A28c"
title = "replacing the functions that read bodies does not reveal a body that a victim receives"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["net.connect=${server}"]
expect = "nothing"
audit = ["allowed net connect ${server}", "allowed net connect ${server}", "allowed net connect ${server}", "allowed net connect ${server}"]
[a]
grants = ["net.connect=${server}"]
---*/
import { net } from "cap:self";

export async function attack({ a, server }) {
  const stolen = [];
  const own = (await net.fetch(`${server}/ok`)).body;
  const readers = [own[Symbol.asyncIterator], own.getReader, own.tee].filter((make) => make !== undefined);
  const objects = [own, ...readers.map((make) => {
    try {
      return make.call(own);
    } catch {
      return own; // A stream has only one reader.
    }
  })];
  const steps = new Set();
  for (const object of objects) for (let step = object; step !== null; step = Object.getPrototypeOf(step)) steps.add(step);
  for (const step of steps) {
    for (const key of Reflect.ownKeys(step)) {
      const original = Reflect.getOwnPropertyDescriptor(step, key).value;
      if (typeof original !== "function" || key === "constructor") continue;
      try {
        Object.defineProperty(step, key, {
          configurable: true,
          value(...given) {
            if (!objects.includes(this)) stolen.push(this);
            return original.apply(this, given);
          },
        });
      } catch {
        // Frozen, as it should be.
      }
    }
  }
  await a.secret(server);
  return stolen.length > 0 ? "the victim's body was intercepted" : "";
}

export async function control({ a, server }) {
  return (await a.secret(server)) === "hello";
}
//// a/index.js
import { net } from "cap:self";
export const secret = async (server) => await (await net.fetch(`${server}/ok`)).text();
