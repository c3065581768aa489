/*---
id = "A36"
title = "shared objects hold no state: all are frozen, and no setter stores a value"
boundary = "modules"
elsewhere = "its replacements and walks end the process there; A21b and A36b try the same with fewer"
expect = "nothing"
audit = []
app_grants = ["fs.read=./data/**"]
[a]
grants = []
---*/
import * as own from "cap:self";

function reachable(global) {
  const found = new Map();
  const visit = (value, way) => {
    if ((typeof value === "object" && value !== null) || typeof value === "function") {
      if (!found.has(value)) found.set(value, way);
    }
  };
  visit(global, "globalThis");
  // A copy of the global object is not shared; what it has is.
  for (const key of Reflect.ownKeys(globalThis)) if (globalThis[key] !== globalThis) visit(globalThis[key], `own ${String(key)}`);
  const samples = {
    "async function": async () => {}, generator: function* () {}, "async generator": async function* () {},
    "array iterator": [][Symbol.iterator](), "map iterator": new Map().entries(), "set iterator": new Set().values(),
    "string iterator": ""[Symbol.iterator](), "match iterator": "".matchAll(/a/g), error: new Error(), arguments: (function () { return arguments; })(),
    "iterator helper": [].values().map?.((x) => x), "joined iterator": globalThis.Iterator?.concat?.([]), "wrapped iterator": globalThis.Iterator?.from({ next() {} }),
    "parameters": new URLSearchParams().entries(), timer: setTimeout(() => {}, 0), "reason": AbortSignal.abort().reason,
    segmenter: globalThis.Intl?.Segmenter && new Intl.Segmenter().segment("a"),
    segments: globalThis.Intl?.Segmenter && new Intl.Segmenter().segment("a")[Symbol.iterator](),
  };
  for (const [name, sample] of Object.entries(samples)) {
    if (sample !== undefined) visit(Object.getPrototypeOf(sample), `prototype of ${name}`);
  }
  for (const [name, value] of Object.entries(own)) visit(value, name);
  for (const [value, way] of found) {
    visit(Object.getPrototypeOf(value), `${way}.[[Prototype]]`);
    for (const key of Reflect.ownKeys(value)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
      for (const part of ["value", "get", "set"]) visit(descriptor[part], `${way}.${String(key)}`);
    }
  }
  return found;
}

export async function attack({ a, shared }) {
  let gained = a.global === globalThis || a.global === shared ? "the copy is shared; " : "";
  for (const [value, way] of reachable(shared)) {
    if (!Object.isFrozen(value)) gained += `${way} is not frozen; `;
    for (const key of Reflect.ownKeys(value)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
      if (descriptor.set === undefined) continue;
      const read = () => {
        try {
          return Reflect.apply(descriptor.get, value, []);
        } catch (error) {
          return error.constructor;
        }
      };
      const before = read();
      for (const mark of [12345, "mark", () => {}]) {
        try {
          Reflect.apply(descriptor.set, value, [mark]);
        } catch {
          // It refuses, which is what a frozen object does.
        }
      }
      if (!Object.is(read(), before)) gained += `the setter of ${way}.${String(key)} remembers; `;
    }
  }
  return gained;
}

export async function control({ shared }) {
  const found = reachable(shared);
  return found.size > 300 && found.has(Error) && found.has(own.fs);
}
//// a/index.js
export const global = globalThis;
