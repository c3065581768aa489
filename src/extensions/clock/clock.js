// The `clock` capability that guests hold.
"use strict";
((globalThis) => {
  const { ops, narrowing, families } = globalThis.__secure;
  const secret = Symbol("clock");

  class Clock {
    #handle;
    constructor(token, handle) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#handle = handle;
      Object.freeze(this);
    }
    /** Milliseconds since the Unix epoch, rounded down to the resolution that is held. */
    now() {
      return ops.op_sr_clock_now(this.#handle);
    }
    attenuate(bag) {
      const [grants, expires] = narrowing(bag, ["read"]);
      return new Clock(secret, ops.op_sr_clock_attenuate(this.#handle, grants, expires));
    }
  }
  delete Clock.prototype.constructor;

  families.clock = (handle) => new Clock(secret, handle);
  globalThis.__secure.classes.push(Clock.prototype);
})(globalThis);
