// The `random` capability of guests, and the free names that need chance.
({ Capability, calls, bound, makeMath, makeSubtle, DOMException }) => {
  const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { apply } = Reflect;

  class Random extends Capability {
    /** Returns `length` bytes (at most 65,536) from the operating system. */
    bytes(length) {
      return calls.bytes(this, +length);
    }
    /** Returns a number in [0, 1) with 53 random bits. */
    number() {
      return calls.number(this);
    }
  }

  const getter = (name) => {
    const { get } = getOwnPropertyDescriptor(getPrototypeOf(Uint8Array.prototype), name);
    return (view) => apply(get, view, []);
  };
  const kindOf = getter(Symbol.toStringTag); // undefined if it is not a typed array, even if it pretends to be one
  const bufferOf = getter("buffer");
  const offsetOf = getter("byteOffset");
  const sizeOf = getter("byteLength");
  const ofIntegers = new Set([
    "Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array",
    "BigUint64Array",
  ]);

  // Creates `crypto`: https://w3c.github.io/webcrypto/#Crypto-interface. On QuickJS, `subtle` does not exist. Of its
  // methods, those that need chance get it from the module's capability.
  const makeCrypto = (random) => ({
    ...(makeSubtle === undefined ? {} : { subtle: makeSubtle((size) => calls.bytes(random, size)) }),
    getRandomValues(view) {
      if (!ofIntegers.has(kindOf(view))) {
        throw new DOMException("getRandomValues: needs a typed array of integers", "TypeMismatchError");
      }
      const size = sizeOf(view);
      if (size > 65536) throw new DOMException("getRandomValues: at most 65,536 bytes", "QuotaExceededError");
      new Uint8Array(bufferOf(view), offsetOf(view), size).set(calls.bytes(random, size));
      return view;
    },
    randomUUID() {
      const bytes = calls.bytes(random, 16);
      bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4 of RFC 9562
      bytes[8] = (bytes[8] & 0x3f) | 0x80; // the variant of RFC 9562
      const hex = bytes.toHex();
      const part = (from, to) => hex.slice(from, to);
      return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20)}`;
    },
  });

  return {
    capability: Random,
    globals: {
      Math: (random) => makeMath(bound(calls.number, random)),
      crypto: makeCrypto,
    },
  };
}
