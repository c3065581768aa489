// The `clock` capability that guests hold.
"use strict";
((globalThis) => {
  const { ops, families, delegation, often, checked } = globalThis.__secure;
  const secret = Symbol("clock");

  class Clock {
    #chain;
    #handle;
    static {
      delegation.chainOf.clock = (object) => delegation.isObject(object) && #chain in object ? object.#chain : undefined;
    }
    constructor(token, chain) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#chain = chain;
      this.#handle = ops.op_sr_clock(chain);
      Object.freeze(this);
    }
    /** Milliseconds since the Unix epoch, rounded down to the resolution that is held. */
    now() {
      return checked(often.op_sr_clock_now, this.#handle);
    }
    attenuate(bag) {
      return new Clock(secret, delegation.narrowed(this.#chain, "clock", ["read"], bag));
    }
    /** { capability, revoke }: the same once more, until `revoke()` is called. */
    revocable() {
      return delegation.revocable(this.#chain, (chain) => new Clock(secret, chain));
    }
  }
  delete Clock.prototype.constructor;

  families.clock = (chain) => new Clock(secret, chain);
  Object.assign(globalThis.__secure.named, { "%ClockPrototype%": Clock.prototype });
})(globalThis);
