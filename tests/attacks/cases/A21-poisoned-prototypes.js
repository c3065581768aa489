/*---
id = "A21"
title = "no built-in function that a victim calls can be replaced"
boundary = "modules"
elsewhere = "its replacements and walks end the process there; A21b and A36b try the same with fewer"
expect = "nothing"
audit = []
[a]
grants = ["fs.read=./data/**"]
---*/
const targets = {
  "Array.prototype": [Array.prototype, ["map", "push", "join", "forEach", Symbol.iterator, "new"]],
  "Object.prototype": [Object.prototype, ["toString", "valueOf", "constructor", "then", "get", "hasOwnProperty"]],
  "Function.prototype": [Function.prototype, ["call", "apply", "bind", Symbol.hasInstance]],
  "String.prototype": [String.prototype, ["normalize", "split", "startsWith"]],
  "Promise.prototype": [Promise.prototype, ["then", "catch", "finally", "constructor"]],
  "RegExp.prototype": [RegExp.prototype, ["exec", "test", Symbol.replace, "lastIndex"]],
  "Map.prototype": [Map.prototype, ["get", "set"]],
  "WeakMap.prototype": [WeakMap.prototype, ["get", "has"]],
  "URL.prototype": [URL.prototype, ["href", "toString"]],
  "TextEncoder.prototype": [TextEncoder.prototype, ["encode"]],
  "TextDecoder.prototype": [TextDecoder.prototype, ["decode"]],
  "AbortSignal.prototype": [AbortSignal.prototype, ["throwIfAborted", "addEventListener"]],
  "Error.prototype": [Error.prototype, ["message", "stack", "toString"]],
  "Uint8Array.prototype": [Uint8Array.prototype, ["set", "byteLength"]],
  "an array iterator": [Object.getPrototypeOf([][Symbol.iterator]()), ["next"]],
  "an async generator": [Object.getPrototypeOf(Object.getPrototypeOf((async function* () {}).prototype)), ["next"]],
  Array: [Array, ["isArray", "from", Symbol.species]],
  Object: [Object, ["defineProperty", "freeze", "keys", "hasOwn"]],
  Reflect: [Reflect, ["apply", "ownKeys"]],
  Promise: [Promise, ["all", "resolve", Symbol.species]],
  JSON: [JSON, ["parse", "stringify"]],
  Symbol: [Symbol, ["iterator", "for"]],
  Math: [Math, ["max", "random"]],
  Error: [Error, ["captureStackTrace", "prepareStackTrace", "stackTraceLimit"]],
  URL: [URL, ["canParse"]],
  console: [console, ["log"]],
};

export async function attack({ a, shared, refuses }) {
  targets["the global object"] = [shared, ["Array", "Object", "URL", "fetch", "undefined", "poison"]];
  let stolen;
  const poison = (thief) => {
    stolen = thief;
    return [];
  };
  let gained = "";
  for (const [name, [owner, keys]] of Object.entries(targets)) {
    for (const key of keys) {
      const before = Reflect.getOwnPropertyDescriptor(owner, key);
      const what = `${name}.${String(key)}`;
      gained += await refuses(`define ${what}`, "TypeError", () => Object.defineProperty(owner, key, { value: poison }));
      gained += await refuses(`delete ${what}`, "TypeError", () => {
        if (before === undefined) throw new TypeError("there is nothing to delete");
        delete owner[key];
      });
      try {
        owner[key] = poison;
      } catch {
        // Where it throws it is refused; where it does not, it must not have had an effect.
      }
      const after = Reflect.getOwnPropertyDescriptor(owner, key);
      if (before?.value !== after?.value || before?.get !== after?.get) gained += `assign ${what}; `;
    }
    gained += await refuses(`prototype of ${name}`, "TypeError", () => Object.setPrototypeOf(owner, { poison }));
  }
  // A module's own copy of the global object may be changed, and nobody else sees it.
  globalThis.Array = globalThis.poison = poison;
  gained += a.sees(poison);
  a.use(["data/a.txt"]);
  if (stolen !== undefined) gained += "the victim's callback was stolen; ";
  return gained;
}

export async function control({ a }) {
  return a.use(["data/a.txt"])[0] === "read data/a.txt";
}
//// a/index.js
export const use = (list) => list.map((path) => `read ${path}`);
export const sees = (poison) => [globalThis.Array, Array, globalThis.poison, self.Array].includes(poison) ? "the victim sees it; " : "";
