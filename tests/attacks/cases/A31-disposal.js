/*---
id = "A31"
title = "errors of disposal or aggregation contain the thrown values, and lead to no constructor of code"
boundary = "modules"
elsewhere = "code from text is allowed there"
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt", "denied fs read /etc/passwd", "allowed fs read ${base}/data/missing", "denied fs read /etc/passwd",
  "allowed fs read ${base}/data/missing",
]
---*/
import { fs } from "cap:self";

const errorOf = async (call) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
};

/** Returns the error that disposing of these throws, if the engine has such stacks. */
async function disposed(failures) {
  if (globalThis.AsyncDisposableStack === undefined) return [];
  const stack = new AsyncDisposableStack();
  for (const fail of failures) stack.defer(fail);
  return [await errorOf(() => stack.disposeAsync())];
}

export async function attack({ refuses }) {
  let gained = "";
  const file = await fs.open("data/a.txt");
  for (const name of ["dispose", "asyncDispose"]) {
    const key = Symbol[name];
    if (key === undefined || file[key] === undefined) continue;
    gained += await refuses(name, "TypeError", () => file[key].call({}));
  }
  file.close();
  const failures = [() => fs.readTextFile("data/missing"), () => fs.readTextFile("/etc/passwd")];
  const together = await disposed(failures);
  // Where there are none, the same operations are made without one.
  if (together.length === 0) for (const fail of failures.toReversed()) await errorOf(fail);
  together.push(await errorOf(() => Promise.any([...failures].reverse().map((fail) => fail()))));
  const seen = new Set(together);
  for (const error of seen) {
    if (!(error instanceof Error)) gained += `${String(error)} is of another realm; `;
    gained += await refuses("constructor", "EvalError", () => error.constructor.constructor("return globalThis")());
    for (const part of [error.error, error.suppressed, error.cause, ...(error.errors ?? [])]) if (part !== undefined) seen.add(part);
  }
  const names = [...seen].map((error) => error.name).sort().join();
  const wanted = together.length === 2
    ? "AggregateError,CapabilityError,CapabilityError,NotFound,NotFound,SuppressedError"
    : "AggregateError,CapabilityError,NotFound";
  return names === wanted ? gained : `${gained}it found ${names}; `;
}

export async function control() {
  const error = await errorOf(() => Promise.any([fs.readTextFile("data/missing")]));
  return error instanceof AggregateError && error.errors[0].name === "NotFound";
}
//// data/a.txt
public
