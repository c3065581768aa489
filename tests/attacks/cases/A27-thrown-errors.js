/*---
id = "A27"
title = "no error leads to a constructor of code: not the victim's, not an operation's, not the engine's for an exhausted stack"
boundary = "modules"
elsewhere = "code from text is allowed there"
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/missing", "denied fs read /etc/passwd", "allowed fs read ${base}/data/missing",
]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";

const errorOf = async (call) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
};
const deep = (call) => {
  try {
    return deep(call);
  } catch {
    // As near to the stack's end as one gets: whatever runs here is short of it.
    return call();
  }
};

export async function attack({ a, refuses }) {
  const errors = {
    "of the victim": await errorOf(() => a.fail(null)),
    "of the victim's operation": await errorOf(() => a.read("data/missing")),
    "of a refusal": await errorOf(() => fs.readTextFile("/etc/passwd")),
    "of an operation": await errorOf(() => fs.readTextFile("data/missing")),
    "of an argument": await errorOf(() => fs.readTextFile(Symbol())),
    "of the stack": await errorOf(() => (function again() { return again() + 1; })()),
    "of the victim's stack": await errorOf(() => a.recurse()),
    "in an operation near the stack's end": await errorOf(() => deep(() => fs.attenuate(null))),
    "of a parser": await errorOf(() => JSON.parse("{")),
    "of a pattern": await errorOf(() => new RegExp("(")),
    "of a clone": await errorOf(() => structuredClone(() => {})),
    "of a URL": await errorOf(() => new URL("")),
    "of a decoder": await errorOf(() => new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255]))),
    "of an import": await errorOf(() => import(["./none", "js"].join("."))),
    "of a length": await errorOf(() => [].length = -1),
    "of a number": await errorOf(() => (1).toFixed(101)),
    "of an aborted signal": AbortSignal.abort().reason,
  };
  let gained = "";
  for (const [name, error] of Object.entries(errors)) {
    if (Object(error) !== error) {
      gained += `${name}: ${String(error)} was thrown; `;
      continue;
    }
    if (!(error instanceof Error)) gained += `${name}: it is of another realm; `;
    for (let step = error, depth = 0; step !== null && depth < 6; step = Object.getPrototypeOf(step), depth++) {
      const constructor = step.constructor?.constructor;
      gained += await refuses(`${name}, step ${depth}`, "EvalError", () => constructor("return globalThis")());
      if (depth > 0 && !Object.isFrozen(step)) gained += `${name}: prototype ${depth} can be changed; `;
    }
  }
  return gained;
}

export async function control({ a }) {
  const error = await errorOf(() => a.fail(null));
  return error instanceof TypeError && (await errorOf(() => a.read("data/missing"))).name === "NotFound";
}
//// a/index.js
import { fs } from "cap:self";
export const fail = (given) => given.property;
export const read = (path) => fs.readTextFile(path);
export const recurse = () => recurse() + 1;
