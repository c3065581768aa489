// Refuses code from strings: `eval` and the constructors of functions.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { install, hidden, named } = secure;
  const { defineProperty, getPrototypeOf, setPrototypeOf } = Object;

  const forbidden = new Set([globalThis.eval]);
  secure.forbidden = forbidden;
  const refuse = (what) => {
    throw new EvalError(`${what} is refused: this runtime does not run code from strings`);
  };
  const functionKinds = [
    function () {}, async function () {}, function* () {}, async function* () {},
  ];
  for (const sample of functionKinds) {
    const prototype = getPrototypeOf(sample);
    const original = prototype.constructor;
    forbidden.add(original);
    const { name } = original;
    const tamed = { [name]: function () { refuse(`${name}()`); } }[name];
    defineProperty(tamed, "prototype", { value: prototype, writable: false, enumerable: false, configurable: false });
    defineProperty(prototype, "constructor", hidden(tamed));
    if (name === "Function") {
      install("Function", tamed);
    } else {
      setPrototypeOf(tamed, globalThis.Function);
      named[`%${name}%`] = tamed;
    }
  }
  install("eval", { eval: () => refuse("eval()") }.eval);
})(globalThis);
