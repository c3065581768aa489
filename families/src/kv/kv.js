// The `kv` capability of guests.
({ Capability, calls, options, characters, bytes }) => {
  class KeyValue extends Capability {
    /** Returns the entry's value, a string or a Uint8Array, or undefined if there is no entry. */
    async get(key) {
      return await calls.get(this, characters(key, "key")) ?? undefined;
    }
    /** Creates or replaces an entry. A value is a string or bytes, at most 65,536 bytes. */
    async set(key, value) {
      const copied = typeof value === "string" ? characters(value, "value") : bytes(value, "value");
      await calls.set(this, characters(key, "key"), copied);
    }
    /** Removes an entry. The result does not reveal whether it existed, because that needs the right to read it. */
    async delete(key) {
      await calls.delete(this, characters(key, "key"));
    }
    /** Yields the keys that start with `prefix` and may be read, in the order of their UTF-8 bytes. */
    async *list(bag) {
      const { prefix = "" } = options(bag, ["prefix"]);
      const start = characters(prefix, "prefix");
      let last = null;
      for (;;) {
        const keys = await calls.list(this, start, last);
        if (keys.length === 0) return;
        last = keys[keys.length - 1];
        for (const key of keys) yield key;
      }
    }
  }
  return { capability: KeyValue };
}
