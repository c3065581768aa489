/*---
# RUN-8
id = "A05"
title = "no constructor or function creates code from strings"
boundary = "modules"
elsewhere = "code from text is allowed there"
app_grants = ["fs.read=./data/**"]
expect = "nothing"
audit = []
---*/
const constructors = {
  Function,
  "(() => {}).constructor": (() => {}).constructor,
  "method.constructor": { method() {} }.method.constructor,
  "class.constructor": class {}.constructor,
  "bound.constructor": (() => {}).bind(null).constructor,
  "built-in.constructor": Math.max.constructor,
  "Function.prototype.constructor": Function.prototype.constructor,
  AsyncFunction: (async () => {}).constructor,
  GeneratorFunction: (function* () {}).constructor,
  AsyncGeneratorFunction: (async function* () {}).constructor,
  "of a generator's prototype": Object.getPrototypeOf(Object.getPrototypeOf(function* () {})).constructor,
  "of a promise": Promise.resolve().constructor.constructor,
  "of a getter": Object.getOwnPropertyDescriptor(RegExp.prototype, "flags").get.constructor,
};

export async function attack({ refuses }) {
  let gained = "";
  for (const [way, Constructor] of Object.entries(constructors)) {
    gained += await refuses(`${way}()`, "EvalError", () => Constructor("return globalThis"));
    gained += await refuses(`new ${way}`, "EvalError", () => new Constructor("return globalThis"));
    gained += await refuses(`construct ${way}`, "EvalError", () => Reflect.construct(Constructor, ["return 1"], Object));
    gained += await refuses(`extends ${way}`, "EvalError", () => new (class extends Constructor {})("return 1"));
    gained += await refuses(`call ${way}`, "EvalError", () => Constructor.call(null, "return 1"));
  }
  gained += await refuses("eval", "EvalError", () => eval("1"));
  gained += await refuses("indirect eval", "EvalError", () => (0, eval)("1"));
  gained += await refuses("globalThis.eval", "EvalError", () => globalThis.eval("1"));
  gained += await refuses("setTimeout", "TypeError", () => setTimeout("globalThis.stolen = 1", 0));
  gained += await refuses("setInterval", "TypeError", () => setInterval("globalThis.stolen = 1", 0));
  gained += await refuses("queueMicrotask", "TypeError", () => queueMicrotask("globalThis.stolen = 1"));
  return gained;
}

// What such code is used for without strings goes on working.
export async function control() {
  return (() => {}) instanceof Function && Object.getPrototypeOf(() => {}) === Function.prototype;
}
