/*---
id = "A25"
title = "no value that is passed leads to a constructor of code: arguments, results, errors, promises, events"
boundary = "modules"
elsewhere = "code from text is allowed there"
grants = ["fs.read=./data/**", "net.connect=${server}"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data/missing",
  "allowed net connect ${server}", "allowed fs read ${base}/data", "allowed net connect ${server}",
]
---*/
import { fs, net } from "cap:self";

const deep = () => deep() + 1;
const errorOf = async (call) => {
  try {
    return await call();
  } catch (error) {
    return error;
  }
};

export async function attack(help) {
  const values = {
    help,
    "a function of the host": help.denied,
    "a promise of the host": fs.readTextFile("data/a.txt"),
    "a result": await fs.stat("data/a.txt"),
    "an iterator": fs.readDir("data"),
    "a missing file": await errorOf(() => fs.readTextFile("data/missing")),
    "a stack overflow": await errorOf(deep),
    "a response": await net.fetch(`${help.server}/ok`),
    "a timer": setTimeout(() => {}, 0),
    "an abort reason": AbortSignal.abort().reason,
    "a clone": structuredClone({}),
    "a URL": new URL("https://example.com"),
    "the namespace": await import("cap:self"),
    "import.meta": import.meta,
  };
  for await (const _ of values["an iterator"]) break;
  values["a chunk"] = (await values["a response"].body[Symbol.asyncIterator]().next()).value;
  let gained = "";
  for (const [name, value] of Object.entries(values)) {
    for (let step = value, depth = 0; step !== null && step !== undefined && depth < 8; step = Object.getPrototypeOf(step), depth++) {
      for (const owner of [step, step.constructor, step.constructor?.constructor]) {
        if (typeof owner !== "function" || owner.constructor === undefined) continue;
        gained += await help.refuses(name, "EvalError", () => owner.constructor("return globalThis")());
      }
    }
  }
  return gained;
}

export async function control() {
  return (await fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
