/*---
id = "A20"
title = "the error of a victim's operation has no path that the attacker did not know, and leads to no constructor of code"
boundary = "modules"
elsewhere = "code from text is allowed there"
expect = "nothing"
audit = ["allowed fs read ${base}/data/missing.txt", "denied fs read /etc/passwd"]
[a]
grants = ["fs.read=./data/**"]
---*/
const errorOf = async (call) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
};

export async function attack({ a, base, refuses }) {
  let gained = "";
  for (const path of ["data/missing.txt", "/etc/passwd"]) {
    const error = await errorOf(() => a.read(path));
    // Also what its properties hold: one engine keeps descriptions of the call sites there.
    const found = new Set([error, `${error}`]);
    for (const value of found) {
      if (typeof value === "string" && value.includes(base)) gained += `${path}: ${value}; `;
      if (typeof value === "function") {
        gained += await refuses("a function", "EvalError", () => value.constructor("return globalThis")());
        const given = value.call(found);
        if (given === globalThis || typeof given === "function") gained += `${path}: ${value.name}() gives ${given}; `;
        found.add(given);
      } else if (Object(value) === value) {
        for (const key of Reflect.ownKeys(value)) found.add(value[key]);
      }
    }
    gained += await refuses("constructor", "EvalError", () => error.constructor.constructor("return globalThis")());
  }
  return gained;
}

export async function control({ a }) {
  const error = await errorOf(() => a.read("data/missing.txt"));
  return error.name === "NotFound" && error.code === "ENOENT" && error instanceof Error;
}
//// a/index.js
import { fs } from "cap:self";
export const read = (path) => fs.readTextFile(path);
//// data/a.txt
public
