// Runs first, before any other script of ours: a staging place that the extensions fill and that
// lockdown.js empties. No guest code has run yet, so the engine's intrinsics are still the originals.
"use strict";
((globalThis) => {
  const { core } = globalThis.Deno;
  const { ops } = core;

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
    ops.op_sr_timer(chain, true);
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

  class CapabilityError extends Error {
    constructor(message) {
      super(message);
      Object.defineProperty(this, "name", { value: "CapabilityError", enumerable: false, writable: true, configurable: true });
    }
  }
  core.registerErrorClass("CapabilityError", CapabilityError);

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
    core.registerErrorClass(name, SystemError);
    systemErrors[name] = SystemError;
    named[`%${name}%`] = SystemError;
  }

  globalThis.__secure = {
    ops,
    core,
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
