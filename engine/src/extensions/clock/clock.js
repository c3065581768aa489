// The `clock` capability of guests.
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
    /** Returns the milliseconds since the Unix epoch, rounded down to the granted resolution. */
    now() {
      return checked(often.op_sr_clock_now, this.#handle);
    }
    attenuate(bag) {
      return new Clock(secret, delegation.narrowed(this.#chain, "clock", ["read"], bag));
    }
    /** Returns `{ capability, revoke }`: a copy of this capability that works until `revoke()` is called. */
    revocable() {
      return delegation.revocable(this.#chain, (chain) => new Clock(secret, chain));
    }
  }
  delete Clock.prototype.constructor;

  families.clock = (chain) => new Clock(secret, chain);
  Object.assign(globalThis.__secure.named, { "%ClockPrototype%": Clock.prototype });
})(globalThis);
