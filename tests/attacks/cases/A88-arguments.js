/*---
id = "A88"
title = "no argument of any type to any operation breaks the host"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**", "fs.write=./data/**", "env.read=X", "clock=1ms", "random=true", "net.connect=http://127.0.0.1:9"]
expect = "nothing"
audit = ["allowed fs read ${base}/data/a.txt"]
---*/
import * as own from "cap:self";

const values = () => [
  undefined, null, true, 0, -1, NaN, Infinity, 2 ** 53, 1n, 2n ** 80n, "", "\0", Symbol("x"), () => {}, {}, [],
  new Proxy({}, {}), new Proxy(() => {}, { apply() { throw new TypeError("trap"); } }), Object.create(null),
  new Uint8Array(0), new ArrayBuffer(0), new Date(0), /x/, new Map(), new WeakMap(), Promise.resolve("x"), globalThis,
  { get recursive() { throw new TypeError("getter"); } }, { [Symbol.iterator]: () => ({ next: () => ({ done: true }) }) },
  { toString() { throw new TypeError("toString"); } }, new Error("x"), own.fs, class {},
];
const known = ["TypeError", "RangeError", "SyntaxError", "CapabilityError", "PermissionDenied", "NotFound", "ConnectionRefused", "DataCloneError"];

async function all(object, names, note) {
  for (const name of names) {
    if (name === "constructor") continue;
    for (const first of values()) {
      for (const second of [undefined, null, 1, {}, { recursive: true, read: ["x"], method: 1, headers: 1 }, Symbol("y")]) {
        try {
          const result = await object[name](first, second);
          await result?.next?.();
        } catch (error) {
          if (!known.includes(error?.name)) note(`${name}(${typeof first}): ${error?.name}: ${error?.message}; `);
        }
      }
    }
  }
}

export async function attack() {
  let gained = "";
  const note = (text) => { gained += text; };
  // Only what cannot reach a file: no value above is a path within the grant.
  for (const family of ["net", "env", "random"]) {
    await all(own[family], ["fetch", "get", "has", "attenuate"].filter((name) => name in own[family]), note);
  }
  await all(own.fs, ["attenuate"], note);
  const file = await own.fs.open("data/a.txt");
  await all(file, ["write"], note);
  for (const name of ["structuredClone", "setTimeout", "clearTimeout", "setInterval", "clearInterval", "queueMicrotask"]) {
    const call = globalThis[name];
    await all({ [name]: (first, second) => clearTimeout(call(typeof first === "function" ? () => {} : first, second)) }, [name], note);
  }
  return gained;
}

export async function control() {
  return own.random.bytes(4).length === 4 && (await own.fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
