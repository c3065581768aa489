// Web APIs that the manifest can give to a package by name, as `globals = ["fetch", ...]`. They are not part of the
// language. Each module gets its own objects, over its own capabilities. So a name gives a module no right that it does
// not also have by "cap:self". modules/scope.rs lists the same names.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { ops, families, often, checked } = secure;
  const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { apply } = Reflect;

  const getter = (name) => {
    const { get } = getOwnPropertyDescriptor(getPrototypeOf(Uint8Array.prototype), name);
    return (view) => apply(get, view, []);
  };
  const kindOf = getter(Symbol.toStringTag); // undefined if it is not a typed array, even if it pretends to be one
  const bufferOf = getter("buffer");
  const offsetOf = getter("byteOffset");
  const sizeOf = getter("byteLength");
  const { set } = Uint8Array.prototype;
  let toHex;
  secure.late.push((() => ({ toHex } = Uint8Array.prototype)));
  const { slice } = String.prototype;
  const Bytes = Uint8Array;
  const ofIntegers = new Set([
    "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array",
    "BigUint64Array",
  ]);
  const { has } = ofIntegers;

  /** Creates `crypto`: https://w3c.github.io/webcrypto/#Crypto-interface, without `subtle`. */
  const makeCrypto = (chain) => {
    const random = ops.op_sr_random(chain);
    return {
      getRandomValues(view) {
        if (!apply(has, ofIntegers, [kindOf(view)])) {
          throw new web.DOMException("getRandomValues: needs a typed array of integers", "TypeMismatchError");
        }
        const size = sizeOf(view);
        if (size > 65536) throw new web.DOMException("getRandomValues: at most 65,536 bytes", "QuotaExceededError");
        apply(set, new Bytes(bufferOf(view), offsetOf(view), size), [ops.op_sr_random_bytes(random, size)]);
        return view;
      },
      randomUUID() {
        const bytes = ops.op_sr_random_bytes(random, 16);
        bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4 of RFC 9562
        bytes[8] = (bytes[8] & 0x3f) | 0x80; // the variant of RFC 9562
        const hex = apply(toHex, bytes, []);
        const part = (from, to) => apply(slice, hex, [from, to]);
        return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20)}`;
      },
    };
  };

  // Creates `performance`. As https://w3c.github.io/hr-time/ requires, `now()` never goes back. It starts at the
  // module's first access.
  const makePerformance = (chain) => {
    const clock = ops.op_sr_clock(chain);
    let origin;
    let latest = 0;
    const now = () => checked(often.op_sr_clock_now, clock);
    const begin = () => origin ??= now();
    return {
      now() {
        const begun = begin();
        const elapsed = now() - begun;
        if (elapsed > latest) latest = elapsed;
        return latest;
      },
      get timeOrigin() {
        return begin();
      },
    };
  };

  const makeFetch = (chain) => {
    const network = families.net(chain);
    // A method, because unlike other functions it has no `prototype`.
    return { fetch(input, init = undefined) { return network.fetch(input, init); } }.fetch;
  };

  /** Returns the functions that create the APIs, by name. */
  secure.endowments = (chain) => {
    let timers;
    const timer = (name) => () => (timers ??= secure.timersOf(chain))[name];
    return {
      __proto__: null,
      clearInterval: timer("clearInterval"),
      clearTimeout: timer("clearTimeout"),
      crypto: () => makeCrypto(chain),
      fetch: () => makeFetch(chain),
      performance: () => makePerformance(chain),
      setInterval: timer("setInterval"),
      setTimeout: timer("setTimeout"),
    };
  };
})(globalThis);
