// The `env` capability of guests.
"use strict";
((globalThis) => {
  const { ops, text, families, delegation, often } = globalThis.__secure;
  const secret = Symbol("env");

  class Environment {
    #chain;
    #handle;
    static {
      delegation.chainOf.env = (object) => delegation.isObject(object) && #chain in object ? object.#chain : undefined;
    }
    constructor(token, chain) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#chain = chain;
      this.#handle = ops.op_sr_env(chain);
      Object.freeze(this);
    }
    /** Returns the variable's value, or undefined if it is not set. */
    get(name) {
      // The type is checked inline. On QuickJS, a function call takes about as long as the decision.
      return often.op_sr_env_get(this.#handle, typeof name === "string" && name.length < 1024 ? name : text(name, "name")) ?? undefined;
    }
    has(name) {
      return often.op_sr_env_get(this.#handle, text(name, "name")) !== null;
    }
    attenuate(bag) {
      return new Environment(secret, delegation.narrowed(this.#chain, "env", ["read"], bag));
    }
    /** Returns `{ capability, revoke }`: a copy of this capability that works until `revoke()` is called. */
    revocable() {
      return delegation.revocable(this.#chain, (chain) => new Environment(secret, chain));
    }
  }
  delete Environment.prototype.constructor;

  families.env = (chain) => new Environment(secret, chain);
  Object.assign(globalThis.__secure.named, { "%EnvironmentPrototype%": Environment.prototype });
})(globalThis);
