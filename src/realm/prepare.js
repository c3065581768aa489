// Runs first, before any other script of ours: a staging place that the extensions fill and that
// lockdown.js empties. No guest code has run yet, so the engine's intrinsics are still the originals.
"use strict";
((globalThis) => {
  const { core } = globalThis.Deno;
  const { ops } = core;
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { deleteProperty } = Reflect;

  // Timer handles are opaque objects, not numbers: a number could be guessed, and one module could
  // cancel the timers of another. The callback is wrapped: deno_core calls it with its own timer
  // record as `this`, which links to the timers of all modules.
  const timers = new WeakMap();
  class Timeout {
    #brand;
    constructor(timer) {
      this.#brand = true;
      timers.set(this, timer);
      Object.freeze(this);
    }
  }
  const TimeoutPrototype = Timeout.prototype;
  delete TimeoutPrototype.constructor;

  // deno_core does not expect the stack to end within its timers, which would stop all modules' timers of that delay, nor
  // within an op that makes an object, which ends the process on QuickJS. A guest that calls with so little left gets its
  // RangeError before. The many arguments need room on the stack (V8 may have to compile first, which takes 100 KiB), and keep
  // V8 from making one frame of all.
  const { apply } = Reflect;
  const filler = new Array(256).fill(0);
  let frames = 0;
  const descend = () => {
    if (frames-- > 0) apply(descend, undefined, filler);
  };
  const withRoom = (call) => (...given) => {
    frames = 64;
    descend();
    return apply(call, undefined, given);
  };

  // Ops that guests call often. No snapshot has the fast way to call an op: deno_core attaches it, to all ops, when a script of an
  // extension is asked for, also one that has run before. Rust calls this where a program has any rights, before any guest
  // runs: deno_core does not expect to be stopped there.
  // (An object without a prototype is a table, in which names are looked up; the fields of this one are where they are.)
  const often = {
    op_sr_clock_now: undefined,
    op_sr_env_get: undefined,
    op_sr_fs_read_file: undefined,
    op_sr_fs_read_text_file: undefined,
    op_sr_random_number: undefined,
  };
  const attach = (() => {
    ops.op_load_ext_script("ext:sr_prepare/nothing.js");
    for (const name of Object.keys(often)) often[name] = ops[name];
  });
  attach(); // here the script runs; where there is a snapshot, once a build

  const startTimer = withRoom((chain, callback, delay, args, repeat) => {
    if (typeof callback !== "function") {
      throw new TypeError("a timer needs a function; code in a string is not run here");
    }
    const wait = Number(delay);
    checked(ops.op_sr_timer, chain, true);
    let isSet = true;
    const over = () => {
      if (isSet) ops.op_sr_timer(chain, false);
      isSet = false;
    };
    const run = () => {
      if (!repeat) over();
      callback(...args);
    };
    return new Timeout({ timer: core.createTimer(run, wait, undefined, repeat, true, false), over });
  });
  const stopTimer = withRoom((handle) => {
    const known = timers.get(handle);
    if (known === undefined) return;
    core.cancelTimer(known.timer);
    known.over();
  });

  // Timers count against the package of `chain`, else against the isolate that they run in.
  const timersOf = (chain) => ({
    setTimeout: (callback, delay = 0, ...args) => startTimer(chain, callback, delay, args, false),
    setInterval: (callback, delay = 0, ...args) => startTimer(chain, callback, delay, args, true),
    clearTimeout: (handle) => stopTimer(handle),
    clearInterval: (handle) => stopTimer(handle),
  });
  const { setTimeout, clearTimeout } = timersOf(null);

  // The errors that Rust made as refusals, with the texts of their marks: see src/extensions/marks.rs. No guest reaches this.
  const marks = new WeakMap();
  const { get: markGet, set: markSet } = WeakMap.prototype;
  const markOf = (error) => apply(markGet, marks, [error]);
  /** Marks an error that Rust is making, or has just thrown, with this message. Defines the properties that Rust has for it. */
  const marked = (error, message) => {
    for (const [key, value] of ops.op_sr_error_properties(message) ?? []) {
      defineProperty(error, key, { value, writable: true, enumerable: true, configurable: true });
    }
    const mark = ops.op_sr_mark(message);
    if (mark !== "") apply(markSet, marks, [error, mark]);
    return error;
  };
  /** What this op gives. Optimised code calls such an op without the functions that make its errors, so they are marked here. */
  const checked = (call, ...given) => {
    try {
      return call(...given);
    } catch (error) {
      if (typeof error === "object" && error !== null && typeof error.message === "string") marked(error, error.message);
      throw error;
    }
  };
  // deno_core makes errors of an op by `new`: each gets its mark there, and by no constructor that guests have.
  const register = (name, Class) => {
    const Made = function (message) {
      return marked(new Class(message), message);
    };
    defineProperty(Made, "prototype", { value: Class.prototype });
    core.registerErrorClass(name, Made);
  };

  // QuickJS's bindings keep the frames of an error in a property of the error, under a symbol that guests can name and find. They make them when
  // `stack` is first read, and read other properties then, of which some add frames. So frames count only where a guest had no way to
  // change them: they are closed when they are made, and what was there before is no frame.
  const framesOnQuickJs = () => {
    const key = Symbol.for("v82jsc_private:deno_core::call_site_evals");
    const { isNativeError, isProxy } = core;
    const { prototype } = Error;
    const { get: makeStack, set: setStack } = getOwnPropertyDescriptor(prototype, "stack");
    const { isArray } = Array;
    const settled = new WeakSet();
    const { has, add } = WeakSet.prototype;
    // Prototypes of ours and of the engine: what is read of them later runs no function of a guest.
    const known = new WeakSet();
    for (
      const Kind of [
        EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError, globalThis.InternalError,
        globalThis.SuppressedError, CapabilityError, ...Object.values(systemErrors),
      ]
    ) {
      if (Kind !== undefined) known.add(Kind.prototype);
    }
    // What the bindings read before the engine's frames are written, and after: no function of a guest may run then.
    const isPlain = (error) => {
      for (let owner = error; owner !== prototype; owner = getPrototypeOf(owner)) {
        if (owner === null || isProxy(owner)) return false;
        if (apply(has, known, [owner])) continue;
        for (const name of ["name", "message", "__v82_wasm_stack_frames"]) {
          const found = getOwnPropertyDescriptor(owner, name);
          if (found === undefined) continue;
          if (found.get !== undefined || found.set !== undefined || Object(found.value) === found.value) return false;
        }
      }
      return true;
    };
    const settle = (error) => {
      if (apply(has, settled, [error])) return true;
      if (!isNativeError(error) || !isPlain(error) || !deleteProperty(error, key)) return false;
      apply(makeStack, error, []);
      const made = getOwnPropertyDescriptor(error, key);
      if (made === undefined || !made.configurable || !isArray(made.value)) return false;
      for (let at = 0; at < made.value.length; at++) freeze(made.value[at]);
      freeze(made.value);
      if (!Reflect.defineProperty(error, key, { value: made.value, writable: false, enumerable: false, configurable: false })) return false;
      apply(add, settled, [error]);
      return true;
    };
    const { get } = getOwnPropertyDescriptor({
      get stack() {
        settle(this);
        return apply(makeStack, this, []);
      },
    }, "stack");
    defineProperty(prototype, "stack", { get, set: setStack, enumerable: false, configurable: true });
    return settle;
  };

  class CapabilityError extends Error {
    constructor(message) {
      super(message);
      Object.defineProperty(this, "name", { value: "CapabilityError", enumerable: false, writable: true, configurable: true });
    }
  }
  register("CapabilityError", CapabilityError);
  register("ErrorWithCode", Error);
  register("TypeErrorWithCode", TypeError);

  // What guests meet although no global leads to it: mostly prototypes of what they receive. By the names that the permit
  // list calls them.
  const named = { __proto__: null, "%CapabilityError%": CapabilityError, "%TimeoutPrototype%": TimeoutPrototype };

  // Operating-system failures, named as Deno names them.
  const systemErrors = Object.create(null);
  const systemErrorNames = [
    "NotFound", "PermissionDenied", "AlreadyExists", "InvalidData", "TimedOut", "NotADirectory", "IsADirectory",
    "FilesystemLoop", "NotSupported", "ConnectionRefused", "ConnectionReset", "Busy", "StorageFull", "NetworkError",
    // Of a package in an isolate of its own.
    "IsolateError",
  ];
  for (const name of systemErrorNames) {
    const SystemError = { [name]: class extends Error {
      constructor(message) {
        super(message);
        Object.defineProperty(this, "name", { value: name, enumerable: false, writable: true, configurable: true });
      }
    } }[name];
    register(name, SystemError);
    systemErrors[name] = SystemError;
    named[`%${name}%`] = SystemError;
  }

  // The prototype of what QuickJS throws where there is no memory left.
  const OutOfMemory = globalThis.InternalError?.prototype;
  const symbolText = String;
  // What begins a text of ours for Rust: random bits of the process.
  let prefix;
  const settledFrames = OutOfMemory === undefined ? () => true : framesOnQuickJs();
  /**
   * What deno_core tells Rust of a thrown error or symbol: of an error its mark, and whether its frames are those that the engine made. Of other
   * values, nothing.
   */
  const describeError = (error) => {
    // The bindings of QuickJS have no text for a symbol, and deno_core panics without one.
    if (typeof error === "symbol" && OutOfMemory !== undefined) return `Uncaught ${symbolText(error)}`;
    if (!core.isNativeError(error)) return undefined;
    let mark = markOf(error);
    if (mark === undefined) mark = OutOfMemory !== undefined && getPrototypeOf(error) === OutOfMemory ? "memory" : "none";
    let framed = "";
    try {
      if (settledFrames(error)) framed = " framed";
    } catch {
      // Then it has none.
    }
    return `${prefix}${mark}${framed}`;
  };

  globalThis.__secure = {
    ops,
    core,
    checked,
    /** Called in every isolate, before any guest. */
    describeErrors: () => {
      prefix = ops.op_sr_mark_prefix();
      return describeError;
    },
    markOf: (error) => markOf(error) ?? null,
    // As `markOf` says it.
    marked: (error, mark) => {
      if (mark !== null) apply(markSet, marks, [error, mark]);
    },
    withRoom,
    often,
    attach,
    CapabilityError,
    systemErrors,
    timersOf,
    // family name -> (chain) => the capability object that a guest holds
    families: Object.create(null),
    named,
    // What takes what V8 or deno_core makes late, see lockdown.js.
    late: [],
    // What an option bag says: own properties only, each read once. A polluted prototype says nothing.
    options: (bag, names) => {
      const read = Object.create(null);
      if (bag === undefined || bag === null) return read;
      if (typeof bag !== "object") throw new TypeError("options must be an object");
      for (const name of names) {
        if (Object.hasOwn(bag, name)) read[name] = bag[name];
      }
      return read;
    },
    // A path or name must be a primitive string: an object could say one thing when checked and another when used.
    text: (value, what) => {
      if (typeof value !== "string") throw new TypeError(`${what} must be a string`);
      return value;
    },
    // A copy of the bytes that a guest hands over: what it changes afterwards is not what is used.
    bytes: (data, what) => {
      if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
      if (data instanceof ArrayBuffer) return new Uint8Array(data).slice();
      throw new TypeError(`${what} must be a Uint8Array, another view, or an ArrayBuffer`);
    },
    // attenuate()'s argument as plain data: [[action, [scope, ...]], ...] and an expiry. The scopes are read here, once;
    // what they mean is decided in Rust.
    narrowing: (bag, actions) => {
      if (bag === undefined || bag === null || typeof bag !== "object") {
        throw new TypeError(`attenuate needs an object such as { ${actions[0]}: [scope, ...], expires: "10m" }`);
      }
      const known = [...actions, "expires"];
      for (const key of Reflect.ownKeys(bag)) {
        if (!known.includes(key)) {
          throw new TypeError(`attenuate does not know ${JSON.stringify(String(key))}; it takes ${known.join(", ")}`);
        }
      }
      const grants = [];
      for (const action of actions) {
        if (!Object.hasOwn(bag, action)) continue;
        const value = bag[action];
        const scopes = [];
        if (Array.isArray(value)) for (const scope of value) scopes.push(String(scope));
        else scopes.push(String(value));
        grants.push([action, scopes]);
      }
      const expires = Object.hasOwn(bag, "expires") ? String(bag.expires) : null;
      if (grants.length === 0 && expires === null) {
        throw new TypeError(`attenuate needs at least one of ${known.join(", ")}`);
      }
      return [grants, expires];
    },
  };
  globalThis.__web = { setTimeout, clearTimeout };
})(globalThis);
