/*---
id = "A34"
title = "a function cannot inspect its caller"
boundary = "modules"
expect = "nothing"
audit = []
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ a, refuses }) {
  let gained = "";
  const probe = function probe() {
    for (const look of [() => probe.caller, () => probe.arguments, () => arguments.callee, () => a.call.caller, () => a.call.arguments]) {
      let seen;
      try {
        seen = look();
      } catch (error) {
        if (!(error instanceof TypeError)) gained += `${error}; `;
      }
      if (seen !== undefined && seen !== null) gained += `saw ${String(seen)}; `;
    }
  };
  a.call(probe);
  gained += await refuses("Function.prototype.caller", "TypeError", () => {
    const descriptor = Object.getOwnPropertyDescriptor(Function.prototype, "caller");
    if (descriptor?.get === undefined) throw new TypeError("there is none");
    return descriptor.get.call(a.call);
  });
  return gained;
}

export async function control({ a }) {
  let called = false;
  a.call(() => { called = true; });
  return called;
}
//// a/index.js
export function call(callback) {
  const secret = "of the victim";
  callback(secret.length);
}
