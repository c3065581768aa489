// The objects of capabilities, and the functions with which the scripts of extensions call their methods. Rust passes
// each script after the realm is locked (see extensions/scripts.rs). docs/extensions.md describes the interface.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { ops, often, remarked, withRoom, options, text, bytes, room, narrowing, isQuickJs } = secure;
  const { freeze, keys, defineProperty, getPrototypeOf } = Object;
  const { isArray } = Array;
  const plain = Object.prototype;
  const { isView } = ArrayBuffer;
  const { apply } = Reflect;
  const { isWellFormed } = String.prototype;
  const secret = Symbol("capability");
  const isObject = (value) => typeof value === "object" && value !== null;

  let handleOf;
  /** An object with a Rust handle, which nobody else can reach. */
  class Holder {
    #handle;
    static {
      handleOf = (object) => object.#handle;
    }
    constructor(token, handle) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#handle = handle;
    }
  }

  // Ops that create Rust objects. `withRoom` checks that enough stack is left.
  const narrowed = withRoom((handle, actions, bag) => {
    const [grants, expires] = narrowing(bag, actions);
    return ops.op_sr_attenuate(handle, grants, expires);
  });
  const revocable = withRoom(ops.op_sr_revocable);
  const capabilityFor = withRoom(ops.op_sr_capability);
  const cancelHandle = withRoom(ops.op_sr_cancel_handle);

  let kindOf;
  /** The base of all capability objects. */
  class Capability extends Holder {
    #kind;
    static {
      // For all other values, including a proxy of a capability, the result is undefined.
      kindOf = (value) => isObject(value) && #kind in value ? value.#kind : undefined;
    }
    constructor(token, handle, kind) {
      super(token, handle);
      this.#kind = kind;
    }
    /**
     * Returns a new capability with fewer rights: `{ read: [scope], write: [scope], expires: "10m" }`. Rights that are
     * not named are lost. With `expires` alone, the rights stay.
     */
    attenuate(bag) {
      const kind = this.#kind;
      return kind.make(narrowed(handleOf(this), kind.actions, bag));
    }
    /** Returns `{ capability, revoke }`: a copy of this capability that works until `revoke()` is called. */
    revocable() {
      const kind = this.#kind;
      const own = revocable(handleOf(this));
      const revoke = freeze(() => void ops.op_sr_revoke(own));
      return freeze({ capability: kind.make(own), revoke });
    }
  }

  // Functions that call the method with this index, by the kind of the method. The first argument is the capability
  // object, or an opened resource.
  const callers = {
    __proto__: null,
    number: (method) => (object) => {
      try {
        return often.op_sr_number(handleOf(object), method);
      } catch (error) {
        throw remarked(error);
      }
    },
    text: (method) => (object, value) => often.op_sr_text(handleOf(object), method, value),
    sync: (method) => (object, ...args) => ops.op_sr_call(handleOf(object), method, args),
    async: (method) => (object, ...args) => often.op_sr_start(handleOf(object), method, args, null),
    // The promise has the number of bytes that were put into the buffer, a `Uint8Array`.
    fill: (method) => (object, buffer) => often.op_sr_fill(handleOf(object), method, buffer),
    close: (method) => (object) => ops.op_sr_close(handleOf(object), method),
  };
  const methodOf = new WeakMap();

  /** Returns the result of an asynchronous call that `signal` can abort, like `fetch` of the web. */
  const until = async (signal, call, object, ...args) => {
    if (!web.isAbortSignal(signal)) throw new TypeError("signal must be an AbortSignal");
    signal.throwIfAborted();
    const cancel = cancelHandle();
    const forget = web.abortSteps(signal, () => ops.op_sr_cancel(cancel));
    try {
      return await often.op_sr_start(handleOf(object), methodOf.get(call), args, cancel);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      forget();
    }
  };

  /** Returns a function that calls a method of kind `number` with this object, as fast as possible. */
  const bound = (call, object) => {
    const handle = handleOf(object);
    const method = methodOf.get(call);
    return () => {
      try {
        return often.op_sr_number(handle, method);
      } catch (error) {
        throw remarked(error);
      }
    };
  };

  /** Returns the resource and the data of a method that opens a resource. */
  const opened = ([number, data]) => [freeze(new Holder(secret, ops.op_sr_opened(number))), data];

  /** Checks that a string has no halves of surrogate pairs. Rust would replace them: two strings would be one name. */
  const characters = (value, what) => {
    if (!apply(isWellFormed, text(value, what), [])) throw new TypeError(`${what} has half of a surrogate pair, which is no character`);
    return value;
  };

  /**
   * Returns a copy of a guest's data, which Rust can read without calling the guest. Data are null, booleans, numbers,
   * texts, bytes, arrays and plain objects. Each property is read once.
   */
  const data = (value, what) => {
    let size = 0;
    const grown = (by) => {
      size += by;
      room(size, what);
    };
    const copied = (part, depth) => {
      switch (typeof part) {
        case "string":
          grown(part.length * 6);
          return part;
        case "undefined":
          return null;
        case "boolean":
        case "number":
          return part;
        case "object":
          break;
        default:
          throw new TypeError(`${what}: a ${typeof part} is not data`);
      }
      if (part === null) return null;
      if (depth === 0) throw new TypeError(`${what} is nested too deeply`);
      grown(64);
      if (isView(part) || part instanceof ArrayBuffer) {
        const whole = bytes(part, what);
        grown(whole.byteLength);
        return whole;
      }
      if (isArray(part)) {
        const list = [];
        const { length } = part;
        grown(length * 64);
        for (let at = 0; at < length; at++) defineProperty(list, at, { value: copied(part[at], depth - 1), enumerable: true });
        return list;
      }
      // Of other objects, such as a Map, the properties would not be the content.
      const prototype = getPrototypeOf(part);
      if (prototype !== null && prototype !== plain) throw new TypeError(`${what}: only arrays and plain objects are data`);
      const record = { __proto__: null };
      for (const key of keys(part)) {
        grown(64 + key.length * 6);
        record[key] = copied(part[key], depth - 1);
      }
      return record;
    };
    return copied(value, 24);
  };

  // The families, in the order of Rust. Each has the fields of `kind` below.
  const kinds = [];
  // The free names of modules that families define, by name: the family, and a function that creates the value.
  const globals = { __proto__: null };

  /** Returns the capability object of a module, for a family. */
  const capabilityOf = (chain, kind) => kind.make(capabilityFor(chain, kind.index));

  secure.families = {
    kinds,
    globals,
    capabilityOf,
    /** Returns the family of a capability object, and undefined for all other values. */
    kindOf,
    handleOf,
    /**
     * Runs the script of an extension. `methods` has the name and the kind of each. Returns the objects that guests
     * can reach, so that they are frozen before any guest runs.
     */
    add: (name, actions, methods, script, tamed) => {
      // (An object without a prototype would be a hash table, in which the engine looks up each name.)
      const calls = {};
      methods.forEach(([method, kind], index) => {
        calls[method] = callers[kind](index);
        methodOf.set(calls[method], index);
      });
      const { DOMException, ReadableStream, TextDecoder, TextEncoder, URLSearchParams, WritableStream, http, makeSubtle, serving, sockets } = web;
      const api = {
        Capability, calls, until, bound, opened, data, text, characters, bytes, options, room, withRoom, isQuickJs,
        DOMException, ReadableStream, TextDecoder, TextEncoder, URLSearchParams, WritableStream, http, makeSubtle, serving, sockets, ...tamed,
      };
      const made = script(freeze(api));
      const Class = made.capability;
      if (typeof Class !== "function" || getPrototypeOf(Class) !== Capability) {
        throw new TypeError(`the script of ${name} must return { capability }, a class that extends Capability`);
      }
      const kind = {
        name,
        actions,
        index: kinds.length,
        make: (handle) => freeze(new Class(secret, handle, kind)),
      };
      kinds[kind.index] = kind;
      for (const [global, make] of Object.entries(made.globals ?? {})) globals[global] = { kind, make };
      const reachable = [];
      for (const value of [Class, ...(made.objects ?? [])]) {
        // Of a class, guests reach only the prototype.
        const { prototype } = value;
        if (typeof value !== "function" || prototype === undefined) reachable.push(value);
        else {
          if (Object.hasOwn(prototype, "constructor")) delete prototype.constructor;
          reachable.push(prototype);
        }
      }
      return reachable;
    },
  };

  /** Returns the bytes of a token that delegates the capability to `holder`, who is outside of the program. */
  const seal = (capability, bag) => {
    const { holder } = options(bag, ["holder"]);
    if (kindOf(capability) === undefined) throw new TypeError('seal needs a capability, such as `fs` from "cap:self"');
    if (holder === undefined) {
      throw new TypeError('seal needs a holder: { holder: "ed25519:..." } or { holder: "blake3:..." }');
    }
    return ops.op_sr_seal(handleOf(capability), text(holder, "holder"));
  };
  secure.seal = seal;
  for (const Class of [Holder, Capability]) delete Class.prototype.constructor;
  Object.assign(secure.named, {
    "%seal%": seal,
    "%HolderPrototype%": Holder.prototype,
    "%CapabilityPrototype%": Capability.prototype,
  });
})(globalThis);
