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
  for (let step = own; step !== null; step = Object.getPrototypeOf(step)) {
    for (const key of ["next", "return", Symbol.asyncIterator]) {
      const original = own[key];
      try {
        Object.defineProperty(step, key, {
          configurable: true,
          value(...given) {
            if (this !== own) stolen.push(this);
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
