// Capabilities that modules make: objects with methods, over a capability that the module holds and does not reveal.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { text } = secure;
  const { defineProperty, freeze, getOwnPropertyDescriptor } = Object;
  const { apply, ownKeys } = Reflect;
  const { add, has } = WeakSet.prototype;

  // Returns a function that calls `method`. It is another object, so what the module stores on its own function is not
  // revealed, and it has no `prototype`.
  const forwarding = (method, name) => {
    const forward = { forward(...given) { return apply(method, undefined, given); } }.forward;
    defineProperty(forward, "name", { value: name, writable: false, enumerable: false, configurable: true });
    defineProperty(forward, "length", { value: method.length, writable: false, enumerable: false, configurable: true });
    return freeze(forward);
  };

  /**
   * Defines a kind of capability. `methodsOf(...given)` returns an object with the methods of one capability, which are
   * called without `this` and keep what they need in their closures.
   *
   * Returns `{ make, is }`. `make(...given)` returns a frozen object with these methods and nothing else. `is(value)`
   * is true only for objects that this `make` has returned.
   */
  const defineCapability = (name, methodsOf) => {
    text(name, "the name of a capability");
    if (typeof methodsOf !== "function") throw new TypeError("defineCapability needs a function that returns the methods");
    const made = new WeakSet();
    const make = (...given) => {
      const methods = apply(methodsOf, undefined, given);
      if (typeof methods !== "object" || methods === null) throw new TypeError(`the methods of ${name} must be an object`);
      const capability = { __proto__: null };
      for (const key of ownKeys(methods)) {
        const method = getOwnPropertyDescriptor(methods, key)?.value;
        // An accessor or a value could reveal more than a call does.
        if (typeof key !== "string" || typeof method !== "function") {
          throw new TypeError(`${name}: ${String(key)} is not a method; a capability has only methods with names`);
        }
        defineProperty(capability, key, { value: forwarding(method, key), enumerable: true });
      }
      defineProperty(capability, Symbol.toStringTag, { value: name });
      apply(add, made, [freeze(capability)]);
      return capability;
    };
    const is = (value) => ((typeof value === "object" && value !== null) || typeof value === "function") && apply(has, made, [value]);
    return freeze({ __proto__: null, make: freeze(make), is: freeze(is) });
  };
  secure.defineCapability = defineCapability;
  secure.named["%defineCapability%"] = defineCapability;
})(globalThis);
