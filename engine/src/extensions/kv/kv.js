// The `kv` capability of guests.
"use strict";
((globalThis) => {
  const { ops, options, text, bytes: copied, families, delegation } = globalThis.__secure;
  const secret = Symbol("kv");

  // The engine would replace half of a surrogate pair, so two strings would mean one key.
  const characters = (value, what) => {
    if (!text(value, what).isWellFormed()) throw new TypeError(`${what} has half of a surrogate pair, which is no character`);
    return value;
  };

  class KeyValue {
    #chain;
    #handle;
    static {
      delegation.chainOf.kv = (object) => delegation.isObject(object) && #chain in object ? object.#chain : undefined;
    }
    constructor(token, chain) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#chain = chain;
      this.#handle = ops.op_sr_kv(chain);
      Object.freeze(this);
    }
    /** Returns the entry's value, a string or a Uint8Array, or undefined if there is no entry. */
    async get(key) {
      const [string, data] = await ops.op_sr_kv_get(this.#handle, characters(key, "key"));
      return string ?? (data === null ? undefined : data);
    }
    /** Creates or replaces an entry. A value is a string or bytes, at most 65,536 bytes. */
    async set(key, value) {
      const isText = typeof value === "string";
      const [string, data] = isText ? [characters(value, "value"), null] : [null, copied(value, "value")];
      await ops.op_sr_kv_set(this.#handle, characters(key, "key"), string, data);
    }
    /** Removes an entry. The result does not reveal whether it existed, because that needs the right to read it. */
    async delete(key) {
      await ops.op_sr_kv_delete(this.#handle, characters(key, "key"));
    }
    /** Yields the keys that start with `prefix` and may be read, in the order of their UTF-8 bytes. */
    async *list(bag) {
      const { prefix = "" } = options(bag, ["prefix"]);
      const start = characters(prefix, "prefix");
      let last = null;
      for (;;) {
        const keys = await ops.op_sr_kv_list(this.#handle, start, last);
        if (keys.length === 0) return;
        last = keys[keys.length - 1];
        for (const key of keys) yield key;
      }
    }
    attenuate(bag) {
      return new KeyValue(secret, delegation.narrowed(this.#chain, "kv", ["read", "write"], bag));
    }
    /** Returns `{ capability, revoke }`: a copy of this capability that works until `revoke()` is called. */
    revocable() {
      return delegation.revocable(this.#chain, (chain) => new KeyValue(secret, chain));
    }
  }
  delete KeyValue.prototype.constructor;

  families.kv = (chain) => new KeyValue(secret, chain);
  Object.assign(globalThis.__secure.named, { "%KeyValuePrototype%": KeyValue.prototype });
})(globalThis);
