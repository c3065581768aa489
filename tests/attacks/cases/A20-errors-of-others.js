/*---
id = "A20"
title = "the error of a victim's operation holds no path that the attacker did not know, and no way to a constructor of code"
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
    const texts = [error.message, error.stack, `${error}`, ...Reflect.ownKeys(error).map((key) => `${String(error[key])}`)];
    for (const text of texts) {
      if (text.includes(base)) gained += `${path}: ${text}; `;
    }
    for (const key of Reflect.ownKeys(error)) {
      const value = error[key];
      const texts = Array.isArray(value) ? value : [value];
      if (texts.some((text) => Object(text) === text)) gained += `${path}: error.${String(key)}; `;
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
