/*---
id = "A22"
title = "no function that the runtime's own JavaScript or a victim uses can be replaced"
boundary = "modules"
elsewhere = "its replacements and walks end the process there; A21b and A36b try the same with fewer"
grants = ["fs.read=./data/**", "net.connect=${server}"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt by suspect/index.js", "allowed fs read ${base}/data by suspect/index.js",
  "allowed net connect ${server} by suspect/index.js", "allowed net connect ${server} by suspect/index.js",
  "allowed net connect ${server} by suspect/index.js", "allowed fs read ${base}/data/a.txt by a/index.js",
]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs, net } from "cap:self";

const owners = {
  "Function.prototype": [Function.prototype, ["call", "apply", "bind", Symbol.hasInstance]],
  "Promise.prototype": [Promise.prototype, ["then", "catch", "finally"]],
  Promise: [Promise, ["resolve", "all", "withResolvers"]],
  Object: [Object, ["defineProperty", "freeze", "getOwnPropertyDescriptor", "hasOwn", "create"]],
  Reflect: [Reflect, ["apply", "get", "has", "ownKeys", "getOwnPropertyDescriptor"]],
  "Array.prototype": [Array.prototype, [Symbol.iterator, "push", "map", "join", 0]],
  "an array iterator": [Object.getPrototypeOf([][Symbol.iterator]()), ["next"]],
  "an async iterator": [Object.getPrototypeOf(Object.getPrototypeOf((async function* () {}).prototype)), ["next", "return"]],
  "Map.prototype": [Map.prototype, ["get", "set"]],
  "WeakMap.prototype": [WeakMap.prototype, ["get", "has"]],
  "Uint8Array": [Object.getPrototypeOf(Uint8Array.prototype), ["set", "subarray", "buffer", "length"]],
  Symbol: [Symbol, ["asyncIterator"]],
  JSON: [JSON, ["stringify", "parse"]],
};

export async function attack({ a, server }) {
  const seen = [];
  for (const [name, [owner, keys]] of Object.entries(owners)) {
    for (const key of keys) {
      let original;
      try {
        original = owner[key];
      } catch {
        // An accessor that wants another receiver.
      }
      const spy = function (...given) {
        seen.push(`${name}.${String(key)}`);
        return typeof original === "function" ? original.apply(this, given) : original;
      };
      try {
        Object.defineProperty(owner, key, { configurable: true, writable: true, value: spy });
        seen.push(`${name}.${String(key)} was replaced`);
      } catch {
        // Frozen, as it should be.
      }
      try {
        owner[key] = spy;
      } catch {
        // The same.
      }
    }
  }
  await fs.readTextFile("data/a.txt");
  for await (const _ of fs.readDir("data")) break;
  await (await net.fetch(`${server}/ok`, { headers: { "x-own": "1" } })).text();
  await a.length("data/a.txt");
  return [...new Set(seen)].join(", ");
}

export async function control({ a, server }) {
  return (await a.length("data/a.txt")) > 0 && (await (await net.fetch(`${server}/ok`)).text()) === "hello";
}
//// a/index.js
import { fs } from "cap:self";
const read = fs.readTextFile.bind(fs);
export const length = async (path) => (await Promise.all([path].map((each) => read(each))))[0].length;
//// data/a.txt
public
