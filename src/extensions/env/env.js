// The `env` capability that guests hold.
"use strict";
((globalThis) => {
  const { ops, text, narrowing, families } = globalThis.__secure;
  const secret = Symbol("env");

  class Environment {
    #handle;
    constructor(token, handle) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#handle = handle;
      Object.freeze(this);
    }
    /** The variable's value, or undefined where it is not set. */
    get(name) {
      return ops.op_sr_env_get(this.#handle, text(name, "name")) ?? undefined;
    }
    has(name) {
      return ops.op_sr_env_get(this.#handle, text(name, "name")) !== null;
    }
    attenuate(bag) {
      const [grants, expires] = narrowing(bag, ["read"]);
      return new Environment(secret, ops.op_sr_env_attenuate(this.#handle, grants, expires));
    }
  }
  delete Environment.prototype.constructor;

  families.env = (handle) => new Environment(secret, handle);
  globalThis.__secure.classes.push(Environment.prototype);
})(globalThis);
