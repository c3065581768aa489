// The `random` capability of guests.
"use strict";
((globalThis) => {
  const { ops, families, delegation, often, checked } = globalThis.__secure;
  const secret = Symbol("random");

  class Random {
    #chain;
    #handle;
    static {
      delegation.chainOf.random = (object) => delegation.isObject(object) && #chain in object ? object.#chain : undefined;
    }
    constructor(token, chain) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#chain = chain;
      this.#handle = ops.op_sr_random(chain);
      Object.freeze(this);
    }
    /** Returns `length` bytes (at most 65,536) from the operating system. */
    bytes(length) {
      return ops.op_sr_random_bytes(this.#handle, length);
    }
    /** Returns a number in [0, 1) with 53 random bits. */
    number() {
      return checked(often.op_sr_random_number, this.#handle);
    }
    attenuate(bag) {
      return new Random(secret, delegation.narrowed(this.#chain, "random", ["read"], bag));
    }
    /** Returns `{ capability, revoke }`: a copy of this capability that works until `revoke()` is called. */
    revocable() {
      return delegation.revocable(this.#chain, (chain) => new Random(secret, chain));
    }
  }
  delete Random.prototype.constructor;

  families.random = (chain) => new Random(secret, chain);
  Object.assign(globalThis.__secure.named, { "%RandomPrototype%": Random.prototype });
})(globalThis);
