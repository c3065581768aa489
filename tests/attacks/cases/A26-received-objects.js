/*---
id = "A26"
title = "no object that a victim passes leads to a constructor of code or to the global object"
boundary = "modules"
elsewhere = "code from text is allowed there"
expect = "nothing"
audit = []
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ a, shared, refuses }) {
  let gained = "";
  const values = { ...a.values(), "the namespace": a, "a promise's result": await a.values().promise };
  for (const [name, value] of Object.entries(values)) {
    const seen = new Set([value]);
    // Prototypes, constructors, and what properties and accessors hold, up to a few hundred things each.
    for (const step of seen) {
      if (seen.size > 400) break;
      const next = [Object.getPrototypeOf(step)];
      for (const key of Reflect.ownKeys(step)) {
        const descriptor = Reflect.getOwnPropertyDescriptor(step, key);
        next.push(descriptor.value, descriptor.get, descriptor.set);
      }
      for (const found of next) if (Object(found) === found) seen.add(found);
    }
    for (const found of seen) {
      if (found === shared) gained += `${name} leads to the global object; `;
      if (typeof found !== "function" || Object.getOwnPropertyDescriptor(found, "prototype") === undefined) continue;
      if (!/^(Async)?(Generator)?Function$/.test(found.name)) continue;
      gained += await refuses(`${name}: ${found.name}`, "EvalError", () => found("return globalThis")());
      gained += await refuses(`${name}: new ${found.name}`, "EvalError", () => new found("return globalThis")());
    }
    for (const way of [(each) => each.constructor.constructor, (each) => each.__proto__.__proto__.constructor.constructor, (each) => each.valueOf.constructor]) {
      let constructor;
      try {
        constructor = way(value);
      } catch {
        continue;
      }
      if (typeof constructor !== "function") continue;
      gained += await refuses(name, "EvalError", () => {
        if (constructor === Object) throw new EvalError("no constructor of code");
        return constructor("return globalThis")();
      });
    }
  }
  return gained;
}

export async function control({ a }) {
  const { arrow, instance, list } = a.values();
  return arrow() === 1 && instance.secret() === 1 && list[0] === 1;
}
//// a/index.js
import { fs } from "cap:self";
class Own {
  #secret = 1;
  secret() { return this.#secret; }
}
function plain() { return 1; }
export const values = () => ({
  arrow: () => 1, plain, "async": async () => 1, generator: function* () { yield 1; }, "async generator": async function* () { yield 1; },
  "a generator's object": (function* () { yield 1; })(), bound: plain.bind(null), Own, instance: new Own(), list: [1], map: new Map([[1, plain]]),
  promise: Promise.resolve({ plain }), error: new RangeError("x"), proxy: new Proxy(plain, {}), regexp: /x/, date: new Date(0), lent: fs.attenuate({ read: [] }),
  "a symbol's object": Object(Symbol("x")), bytes: new Uint8Array(1), "a method": { method() {} }.method,
  "a getter": Object.getOwnPropertyDescriptor({ get x() { return 1; } }, "x").get,
});
