/*---
id = "A30"
title = "an error whose name or message cannot be shown does not break the host"
boundary = "program"
expect = "nothing"
audit = []
---*/
const strange = [
  () => { const error = new Error(); error.name = Symbol("name"); return error; },
  () => { const error = new Error(); Object.defineProperty(error, "message", { get() { throw 1; } }); return error; },
  () => { const error = new Error(); Object.defineProperty(error, "stack", { get() { throw 1; } }); return error; },
  () => { const error = new Error(); error.cause = error; return error; },
  () => { const error = new AggregateError([]); error.errors = [error]; return error; },
  () => Object.create(null),
  () => Object.create(Error.prototype),
  () => new Proxy(new Error(), { get() { throw 1; }, getPrototypeOf() { throw 2; } }),
  () => Symbol("thrown"),
  () => undefined,
  () => ({ toString() { throw 1; } }),
];

export async function attack({ refuses }) {
  let gained = "";
  for (const make of strange) {
    let caught = false;
    try {
      await Promise.reject(make());
    } catch (error) {
      caught = true;
      try {
        void error?.stack;
        console.log(error);
      } catch {
        // A getter of our own: its error is ours.
      }
    }
    if (!caught) gained += "it vanished; ";
  }
  gained += await refuses("null", "TypeError", () => null.constructor);
  return gained;
}

export async function control() {
  console.log(new Error("shown"));
  return true;
}
