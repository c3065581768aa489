/*---
id = "A29"
title = "no hook reveals call sites, functions or receivers of others"
boundary = "modules"
expect = "nothing"
audit = []
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ a }) {
  let gained = "";
  const seen = [];
  const hook = (error, sites) => {
    seen.push(sites);
    return sites;
  };
  for (const set of [
    () => { Error.prepareStackTrace = hook; }, () => { Error.stackTraceLimit = 1; }, () => Object.defineProperty(Error, "stackTraceLimit", { value: 1 }),
  ]) {
    try {
      set();
    } catch {
      // Frozen, as it should be.
    }
  }
  if (!Object.isFrozen(Error)) gained += "Error can be changed; ";
  class Hooked extends Error {
    static prepareStackTrace = hook;
  }
  class Hooking extends Error {
    static get prepareStackTrace() {
      return hook;
    }
  }
  for (const make of [() => new Hooked(), () => new Hooking(), () => a.fail(Hooked), () => a.fail(Error)]) {
    let error;
    try {
      error = make();
    } catch (thrown) {
      error = thrown;
    }
    const { stack } = error;
    if (stack !== undefined && typeof stack !== "string") gained += `stack is ${typeof stack}; `;
  }
  if (typeof Error.captureStackTrace === "function") {
    const target = { __proto__: { prepareStackTrace: hook } };
    Error.captureStackTrace(target);
    if (typeof target.stack !== "string") gained += "captureStackTrace; ";
  }
  if (seen.length > 0) gained += "the hook was called; ";
  return gained;
}

export async function control({ a }) {
  try {
    a.fail(RangeError);
  } catch (error) {
    return error instanceof RangeError && typeof error.stack === "string";
  }
}
//// a/index.js
export function fail(Kind) {
  throw new Kind("of the victim");
}
