// The `random` capability that guests hold.
"use strict";
((globalThis) => {
  const { ops, narrowing, families } = globalThis.__secure;
  const secret = Symbol("random");

  class Random {
    #handle;
    constructor(token, handle) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#handle = handle;
      Object.freeze(this);
    }
    /** `length` bytes (at most 65,536) from the operating system. */
    bytes(length) {
      return ops.op_sr_random_bytes(this.#handle, length);
    }
    /** A number in [0, 1) with 53 random bits. */
    number() {
      return ops.op_sr_random_number(this.#handle);
    }
    attenuate(bag) {
      const [grants, expires] = narrowing(bag, ["read"]);
      return new Random(secret, ops.op_sr_random_attenuate(this.#handle, grants, expires));
    }
  }
  delete Random.prototype.constructor;

  families.random = (handle) => new Random(secret, handle);
  globalThis.__secure.classes.push(Random.prototype);
})(globalThis);
