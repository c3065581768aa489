// The `kv` capability of guests.
({ Capability, calls, opened, options, text, characters, bytes }) => {
  const secret = Symbol("kv");
  const { isArray } = Array;
  const { freeze } = Object;

  const copied = (value) => (typeof value === "string" ? characters(value, "value") : bytes(value, "value"));
  const number = (value, what) => {
    if (typeof value !== "number") throw new TypeError(`${what} must be a number`);
    return value;
  };
  const time = (bag) => {
    const { expireIn } = options(bag, ["expireIn"]);
    return expireIn === undefined ? null : number(expireIn, "expireIn");
  };
  const entry = ([key, value, versionstamp]) => ({ key, value: value ?? undefined, versionstamp });

  // Reads the options of a list, each once.
  const range = (bag) => {
    const { prefix = "", start, end, cursor, reverse, limit = Infinity } = options(bag, ["prefix", "start", "end", "cursor", "reverse", "limit"]);
    const optional = (value, what) => (value === undefined ? null : characters(value, what));
    if (!(number(limit, "limit") >= 1)) throw new RangeError("limit must be a number from 1");
    return {
      bounds: [characters(prefix, "prefix"), optional(start, "start"), optional(end, "end")],
      last: optional(cursor, "cursor"),
      reverse: Boolean(reverse),
      left: limit,
    };
  };
  // Returns the next part of a list. It is empty at the end.
  const next = async (call, object, asked) => {
    if (!(asked.left >= 1)) return [];
    const [prefix, start, end] = asked.bounds;
    const found = await call(object, prefix, start, end, asked.last, asked.reverse, asked.left);
    asked.left -= found.length;
    return found;
  };

  class KvWatch {
    #watch;
    #isOfOne;
    #isDone = false;
    constructor(token, watch, isOfOne) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#watch = watch;
      this.#isOfOne = isOfOne;
      freeze(this);
    }
    async next() {
      if (this.#isDone) return { value: undefined, done: true };
      try {
        const found = await calls.watchNext(this.#watch);
        if (found !== null && !this.#isDone) {
          const entries = found.map(entry);
          return { value: this.#isOfOne ? entries[0] : entries, done: false };
        }
      } catch (error) {
        this.#close();
        throw error;
      }
      return { value: undefined, done: true };
    }
    /** Ends the iteration, and calls of `next` that wait. */
    async return(value) {
      this.#close();
      return { value, done: true };
    }
    #close() {
      this.#isDone = true;
      calls.watchClose(this.#watch);
    }
    [Symbol.asyncIterator]() {
      return this;
    }
  }

  class KvAtomic {
    #kv;
    #checks = [];
    #changes = [];
    constructor(token, kv) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#kv = kv;
      freeze(this);
    }
    /** Adds conditions: the entry has this versionstamp, or does not exist if it is null. */
    check(...checks) {
      const read = checks.map((check) => {
        const { key, versionstamp } = options(check, ["key", "versionstamp"]);
        return [characters(key, "key"), versionstamp === null ? null : text(versionstamp, "versionstamp")];
      });
      this.#checks.push(...read);
      return this;
    }
    set(key, value, bag) {
      this.#changes.push([characters(key, "key"), copied(value), time(bag)]);
      return this;
    }
    delete(key) {
      this.#changes.push([characters(key, "key")]);
      return this;
    }
    /** Makes all changes if all conditions hold, and none otherwise. Returns `{ ok }`. */
    async commit() {
      const [checks, changes] = [this.#checks, this.#changes];
      if (changes.length > 0) return { ok: await calls.commit(this.#kv, checks, changes) };
      return { ok: checks.length === 0 || await calls.commitChecks(this.#kv, checks, changes) };
    }
  }

  class KeyValue extends Capability {
    /** Returns the entry's value, a string or a Uint8Array, or undefined if there is no entry. */
    async get(key) {
      return await calls.get(this, characters(key, "key")) ?? undefined;
    }
    /** Returns the entry with its versionstamp, which is null if there is no entry. */
    async getEntry(key) {
      const [found] = await calls.getEntry(this, characters(key, "key"));
      return entry(found);
    }
    /**
     * Creates or replaces an entry. A value is a string or bytes, at most 65,536 bytes. With `expireIn`, the entry ends
     * after this number of milliseconds.
     */
    async set(key, value, bag) {
      const content = copied(value);
      await calls.set(this, characters(key, "key"), content, time(bag));
    }
    /** Removes an entry. The result does not reveal whether it existed, because that needs the right to read it. */
    async delete(key) {
      await calls.delete(this, characters(key, "key"));
    }
    /** Yields the keys of a range that may be read, in the order of their UTF-8 bytes. */
    async *list(bag) {
      const asked = range(bag);
      for (;;) {
        const keys = await next(calls.list, this, asked);
        if (keys.length === 0) return;
        asked.last = keys[keys.length - 1];
        for (const key of keys) yield key;
      }
    }
    /** Yields the entries of a range, in the order of their keys. */
    async *entries(bag) {
      const asked = range(bag);
      for (;;) {
        const found = await next(calls.entries, this, asked);
        if (found.length === 0) return;
        asked.last = found[found.length - 1][0];
        for (const each of found) yield entry(each);
      }
    }
    /** Begins a commit: checks and changes that happen together. */
    atomic() {
      return new KvAtomic(secret, this);
    }
    /** Yields the entry of a key, or the entries of an array of keys, and again after they have changed. */
    watch(keys) {
      const list = [];
      const isOfOne = !isArray(keys);
      if (!isOfOne) {
        const { length } = keys;
        if (!(length >= 1 && length <= 10)) throw new RangeError(`watch: the number of keys is from 1 to 10, and these are ${length}`);
        for (let at = 0; at < length; at++) list.push(characters(keys[at], "key"));
      } else {
        list.push(characters(keys, "key"));
      }
      const [watch] = opened(calls.watch(this, ...list));
      return new KvWatch(secret, watch, isOfOne);
    }
  }
  return { capability: KeyValue, objects: [KvAtomic, KvWatch] };
}
