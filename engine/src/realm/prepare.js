// Runs before all other scripts of the runtime. It creates a staging object that the extensions fill and lockdown.js
// empties. No guest code has run yet, so the engine's intrinsics are still the originals.
"use strict";
((globalThis) => {
  const { core } = globalThis.Deno;
  const { ops } = core;
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { deleteProperty } = Reflect;
  // Only QuickJS has this constructor.
  const isQuickJs = globalThis.InternalError !== undefined;

  // Throws a RangeError if the isolate's account has no room for so many bytes. Code that passes a guest's text to
  // Rust, or to a function of the engine that copies it, must call this first with the most that is taken.
  // (Looking at the length of a text costs nothing. V8 makes a text of 2^29 characters from a few objects.)
  const FREE = 2 ** 20;
  const room = (bytes, doing) => {
    if (bytes > FREE) ops.op_sr_room(bytes < 2 ** 53 ? bytes : 2 ** 53 - 1, doing);
  };
  // Returns the beginning of a text, without joining the parts of a long one.
  const LONG = 2 ** 20;
  const { slice } = String.prototype;
  const beginning = (text, length) => {
    const isCheap = isQuickJs || text.length <= LONG || length > LONG;
    return isCheap ? apply(slice, text, [0, length]) : ops.op_sr_beginning(text, length);
  };
  // The text in UTF-8, another copy, and its beginning in an error.
  const ARGUMENT = 6;

  // Timer handles are opaque objects, not numbers. A number could be guessed, and one module could cancel the timers of
  // another. The callback is wrapped, because deno_core calls it with its own timer record as `this`. This record links
  // to the timers of all modules.
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

  // deno_core does not handle a stack overflow in two places. In its timers, an overflow would stop all modules' timers
  // with that delay. In an op that creates an object, it ends the process on QuickJS. So a guest that calls with a
  // nearly exhausted stack gets its RangeError before. The many arguments take space on the stack (V8 may have to
  // compile first, which takes 100 KiB). They also prevent V8 from merging all calls into one frame.
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

  // Ops that guests call often. A snapshot cannot contain the fast calls of ops. deno_core attaches them, to all ops,
  // when a script of an extension is requested, even if this script has already run. If a program has any rights, Rust
  // calls `attach` before any guest runs, because deno_core does not handle a termination there. (An object without a
  // prototype is a hash table, in which names are looked up. The fields of this object have fixed positions.)
  const often = {
    op_sr_fill: undefined,
    op_sr_number: undefined,
    op_sr_start: undefined,
    op_sr_text: undefined,
  };
  const attach = (() => {
    ops.op_load_ext_script("ext:sr_prepare/nothing.js");
    for (const name of Object.keys(often)) often[name] = ops[name];
  });
  attach(); // the script runs here: once a build if there is a snapshot

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

  // Timers count against the package of `chain`. Without `chain`, they count against the isolate that they run in.
  const timersOf = (chain) => ({
    setTimeout: (callback, delay = 0, ...args) => startTimer(chain, callback, delay, args, false),
    setInterval: (callback, delay = 0, ...args) => startTimer(chain, callback, delay, args, true),
    clearTimeout: (handle) => stopTimer(handle),
    clearInterval: (handle) => stopTimer(handle),
  });
  const { setTimeout, clearTimeout } = timersOf(null);

  // The errors that Rust created as denials, with the texts of their marks: see extensions/marks.rs. No guest can
  // reach this map.
  const marks = new WeakMap();
  const { get: markGet, set: markSet } = WeakMap.prototype;
  const markOf = (error) => apply(markGet, marks, [error]);
  // Marks an error with this message that Rust is creating or has just thrown. It also defines the properties that Rust
  // has for the error.
  const marked = (error, message) => {
    for (const [key, value] of ops.op_sr_error_properties(message) ?? []) {
      defineProperty(error, key, { value, writable: true, enumerable: true, configurable: true });
    }
    const mark = ops.op_sr_mark(message);
    if (mark !== "") apply(markSet, marks, [error, mark]);
    return error;
  };
  // Returns an error that an op has just thrown, with its mark. Optimised code calls some ops without the functions
  // that create their errors.
  const remarked = (error) => {
    if (typeof error === "object" && error !== null && typeof error.message === "string") marked(error, error.message);
    return error;
  };
  // Calls such an op and returns its result. Callers for which time matters catch errors themselves, because the engine
  // does not compile this call to one of the op.
  const checked = (call, ...given) => {
    try {
      return call(...given);
    } catch (error) {
      throw remarked(error);
    }
  };
  // deno_core creates the errors of an op with `new`. This constructor marks them. Constructors that guests can reach
  // do not.
  const register = (name, Class) => {
    const Made = function (message) {
      return marked(new Class(message), message);
    };
    defineProperty(Made, "prototype", { value: Class.prototype });
    core.registerErrorClass(name, Made);
  };

  // QuickJS's bindings keep the frames of an error in a property of the error, under a symbol that guests can name and
  // find. They create the frames when `stack` is first read. Then they also read other properties, and some of these
  // add frames. So frames count only if no guest could change them. They are frozen as soon as they are created, and an
  // earlier value of the property does not count.
  const framesOnQuickJs = () => {
    const key = Symbol.for("v82jsc_private:deno_core::call_site_evals");
    const { isNativeError, isProxy } = core;
    const { prototype } = Error;
    const { get: makeStack, set: setStack } = getOwnPropertyDescriptor(prototype, "stack");
    const { isArray } = Array;
    const settled = new WeakSet();
    const { has, add } = WeakSet.prototype;
    // Prototypes of the runtime and of the engine. Reading their properties later runs no function of a guest.
    const known = new WeakSet();
    for (
      const Kind of [
        EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError, globalThis.InternalError,
        globalThis.SuppressedError, CapabilityError, ...Object.values(systemErrors),
      ]
    ) {
      if (Kind !== undefined) known.add(Kind.prototype);
    }
    // Returns true if no function of a guest runs while the bindings read these properties. They read them before and
    // after they write the engine's frames.
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

  // Objects that guests meet although no global leads to them, mostly prototypes of received values. The keys are their
  // names in the permit list.
  const named = { __proto__: null, "%CapabilityError%": CapabilityError, "%TimeoutPrototype%": TimeoutPrototype };

  // Errors of the operating system, with the names that Deno uses.
  const systemErrors = Object.create(null);
  const systemErrorNames = [
    "NotFound", "PermissionDenied", "AlreadyExists", "InvalidData", "TimedOut", "NotADirectory", "IsADirectory",
    "FilesystemLoop", "NotSupported", "Busy", "StorageFull",
    // An error of a package worker.
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

  // The prototype of the error that QuickJS throws if no memory is left.
  const OutOfMemory = isQuickJs ? globalThis.InternalError.prototype : undefined;
  const symbolText = String;
  // Prefix of the realm's texts for Rust: random bits of the process.
  let prefix;
  const settledFrames = OutOfMemory === undefined ? () => true : framesOnQuickJs();
  // Returns the text that deno_core passes to Rust for a thrown error or symbol. For an error, it contains the mark,
  // and states if the engine created the frames. For other values, it is undefined.
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
      // Then the error has no frames.
    }
    return `${prefix}${mark}${framed}`;
  };

  const hidden = (value) => ({ value, writable: true, enumerable: false, configurable: true });
  globalThis.__secure = {
    ops,
    // The descriptor of a property like those of built-in objects.
    hidden,
    /** Defines a global. */
    install: (name, value) => defineProperty(globalThis, name, hidden(value)),
    // Functions that create the values of free names: see the scripts `tame_*.js`.
    tamed: {},
    // Returns a function for the shared globals, which belong to no module. It always refuses.
    nobody: (what, family) => () => {
      throw new CapabilityError(
        `${what} on the shared global is refused: it belongs to no module; use the name without globalThis, in a module that holds \`${family}\``,
      );
    },
    core,
    checked,
    remarked,
    /** Returns `describeError`. It is called in every isolate, before any guest runs. */
    describeErrors: () => {
      prefix = ops.op_sr_mark_prefix();
      return describeError;
    },
    markOf: (error) => markOf(error) ?? null,
    // `mark` is a result of `markOf`.
    marked: (error, mark) => {
      if (mark !== null) apply(markSet, marks, [error, mark]);
    },
    withRoom,
    room,
    beginning,
    isQuickJs,
    often,
    attach,
    CapabilityError,
    systemErrors,
    timersOf,
    named,
    // Functions that take objects which V8 or deno_core creates late: see lockdown.js.
    late: [],
    // Reads an option bag: own properties only, and each of them once. So a polluted prototype has no effect.
    options: (bag, names) => {
      const read = Object.create(null);
      if (bag === undefined || bag === null) return read;
      if (typeof bag !== "object") throw new TypeError("options must be an object");
      for (const name of names) {
        if (Object.hasOwn(bag, name)) read[name] = bag[name];
      }
      return read;
    },
    // Checks that a path or name is a primitive string. An object could return one text to the check and another one
    // later. Rust copies the text, so there must be room for it.
    text: (value, what) => {
      if (typeof value !== "string") throw new TypeError(`${what} must be a string`);
      room(value.length * ARGUMENT, what);
      return value;
    },
    // Copies the bytes that a guest passes, because the guest may change them afterwards.
    bytes: (data, what) => {
      if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
      if (data instanceof ArrayBuffer) return new Uint8Array(data).slice();
      throw new TypeError(`${what} must be a Uint8Array, another view, or an ArrayBuffer`);
    },
    // Returns the argument of attenuate() as plain data: [[action, [scope, ...]], ...] and an expiry. The scopes are
    // read here, once. Rust decides their meaning.
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
      // A list may contain one long text many times.
      let length = 0;
      const taken = (value) => {
        const scope = String(value);
        length += scope.length;
        room(length * ARGUMENT, "attenuate");
        return scope;
      };
      for (const action of actions) {
        if (!Object.hasOwn(bag, action)) continue;
        const value = bag[action];
        const scopes = [];
        if (Array.isArray(value)) for (const scope of value) scopes.push(taken(scope));
        else scopes.push(taken(value));
        grants.push([action, scopes]);
      }
      const expires = Object.hasOwn(bag, "expires") ? taken(bag.expires) : null;
      if (grants.length === 0 && expires === null) {
        throw new TypeError(`attenuate needs at least one of ${known.join(", ")}`);
      }
      return [grants, expires];
    },
  };
  globalThis.__web = { setTimeout, clearTimeout };
})(globalThis);
