// Hides the symbol that deno_core trusts.
//
// An array under this symbol names properties of an error. deno_core copies them from each uncaught error, without a
// limit on their number. No guest may get the symbol, so each request for it returns a new one.
"use strict";
((globalThis) => {
  const { hidden } = globalThis.__secure;
  const { defineProperty } = Object;
  const { apply } = Reflect;

  const TRUSTED_KEY = "errorAdditionalPropertyKeys";
  const { for: symbolOf } = Symbol;
  defineProperty(Symbol, "for", hidden({
    for(key) {
      const name = `${key}`;
      return name === TRUSTED_KEY ? Symbol(name) : apply(symbolOf, Symbol, [name]);
    },
  }.for));
})(globalThis);
