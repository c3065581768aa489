// Runs after all other scripts of the runtime. It installs the runtime's globals, and tames functions that read the
// time, use chance, or run code from strings. It removes everything that is not on the permit list, repairs the
// override mistake, and freezes all reachable objects.
//
// On V8, a snapshot is made after this script has run. Only `__finish` is left, which Rust calls in every isolate,
// before any guest runs. It does the same for objects that V8 adds to a restored realm, and removes the runtime's last
// name from the global object. Its result goes to Rust: the functions that create a module's capabilities and bindings.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { core, ops, attach, checked, describeErrors, families, named, seal, defineCapability, CapabilityError } = secure;
  const {
    defineProperty, freeze, isFrozen, getOwnPropertyDescriptor, getOwnPropertyNames, getPrototypeOf, setPrototypeOf, create,
  } = Object;
  const { apply, construct, ownKeys } = Reflect;

  const hidden = (value) => ({ value, writable: true, enumerable: false, configurable: true });

  // ---- globals of the runtime -----------------------------------------------------------------------------------
  const install = (name, value) => defineProperty(globalThis, name, hidden(value));
  const printer = (chain) => ((text, isError) => checked(ops.op_sr_print, chain, text, isError));
  for (const [name, value] of Object.entries(secure.timersOf(null))) install(name, value);
  // A promise calls the callback, on both engines. If the callback throws, the program ends like with any unhandled
  // rejection.
  const settled = Promise.resolve();
  const { then } = Promise.prototype;
  install("queueMicrotask", (callback) => {
    if (typeof callback !== "function") throw new TypeError("queueMicrotask needs a function");
    apply(then, settled, [() => void callback()]);
  });
  const { structuredClone } = secure;
  install("structuredClone", (value) => structuredClone(value));
  for (const name of ["URL", "URLSearchParams", "atob", "btoa", "TextEncoder", "TextDecoder", "AbortController", "AbortSignal"]) {
    install(name, web[name]);
  }
  install("console", web.makeConsole("globalThis.console", printer(null)));

  // ---- code from strings ----------------------------------------------------------------------------------------
  const forbidden = new Set([globalThis.eval]);
  const refuse = (what) => {
    throw new EvalError(`${what} is refused: this runtime does not run code from strings`);
  };
  const functionKinds = [
    function () {}, async function () {}, function* () {}, async function* () {},
  ];
  for (const sample of functionKinds) {
    const prototype = getPrototypeOf(sample);
    const original = prototype.constructor;
    forbidden.add(original);
    const { name } = original;
    const tamed = { [name]: function () { refuse(`${name}()`); } }[name];
    defineProperty(tamed, "prototype", { value: prototype, writable: false, enumerable: false, configurable: false });
    defineProperty(prototype, "constructor", hidden(tamed));
    if (name === "Function") {
      install("Function", tamed);
    } else {
      setPrototypeOf(tamed, globalThis.Function);
      named[`%${name}%`] = tamed;
    }
  }
  install("eval", { eval: () => refuse("eval()") }.eval);

  // ---- symbols that deno_core trusts ----------------------------------------------------------------------------
  // An array under this symbol names properties of an error. deno_core copies them from each uncaught error, without a
  // limit on their number. No guest may get the symbol, so each request for it returns a new one.
  const TRUSTED_KEY = "errorAdditionalPropertyKeys";
  const { for: symbolOf } = Symbol;
  defineProperty(Symbol, "for", hidden({
    for(key) {
      const name = `${key}`;
      return name === TRUSTED_KEY ? Symbol(name) : apply(symbolOf, Symbol, [name]);
    },
  }.for));

  // ---- time and chance ------------------------------------------------------------------------------------------
  // The real functions stay in this closure. A module's own bindings use its own capabilities (see `bindings`). The
  // shared globals belong to no module, so they always refuse.
  const RealDate = globalThis.Date;
  const DatePrototype = RealDate.prototype;
  const dateToString = DatePrototype.toString;
  const makeDate = (now) => {
    function Date(...args) {
      if (new.target === undefined) return apply(dateToString, new RealDate(now()), []);
      if (args.length === 0) return construct(RealDate, [now()], new.target);
      return construct(RealDate, args, new.target);
    }
    defineProperty(Date, "prototype", { value: DatePrototype, writable: false, enumerable: false, configurable: false });
    defineProperty(Date, "length", { value: 7, writable: false, enumerable: false, configurable: true });
    const statics = { now: () => now(), parse: (text) => RealDate.parse(text), UTC: (...parts) => RealDate.UTC(...parts) };
    for (const name of ["now", "parse", "UTC"]) defineProperty(Date, name, hidden(statics[name]));
    return Date;
  };
  const makeMath = (random) => {
    const own = create(Object.prototype);
    for (const key of ownKeys(Math)) {
      if (key === "random") defineProperty(own, key, hidden({ random: () => random() }.random));
      else defineProperty(own, key, getOwnPropertyDescriptor(Math, key));
    }
    return own;
  };
  const nobody = (what, family) => () => {
    throw new CapabilityError(
      `${what} on the shared global is refused: it belongs to no module; use the name without globalThis, in a module that holds \`${family}\``,
    );
  };
  const nowOfNobody = nobody("reading the time", "clock");
  install("Date", makeDate(nowOfNobody));
  defineProperty(DatePrototype, "constructor", hidden(globalThis.Date));
  defineProperty(Math, "random", hidden({ random: nobody("Math.random", "random") }.random));

  // QuickJS has no Intl. The object that its bindings define there supports no language, and uses a global that is not
  // permitted.
  const { isQuickJs } = secure;
  if (isQuickJs) delete globalThis.Intl;

  // The memory of Intl objects is outside V8's heap, and V8 does not report its size. A formatter of dates takes tens
  // of KiB, and a text that is segmented takes two bytes for each character. So each such object has an estimated
  // weight, which is counted until it is collected.
  const weights = new WeakMap();
  const weigh = (bytes) => ({ bytes, token: ops.op_sr_weight(bytes) });
  const weighed = isQuickJs ? [] : [
    ["Collator", 8192, true], ["DateTimeFormat", 65536, true], ["DisplayNames", 8192], ["DurationFormat", 32768], ["ListFormat", 8192],
    ["Locale", 2048], ["NumberFormat", 8192, true], ["PluralRules", 16384], ["RelativeTimeFormat", 16384], ["Segmenter", 32768],
  ];
  for (const [name, bytes, isCallable] of weighed) {
    const Real = Intl[name];
    if (Real === undefined) continue;
    const { prototype } = Real;
    const Weighed = { [name]: function (...args) {
      if (new.target === undefined && !isCallable) throw new TypeError(`Constructor Intl.${name} requires 'new'`);
      const weight = weigh(bytes);
      const made = construct(Real, args, new.target ?? Weighed);
      weights.set(made, weight);
      return made;
    } }[name];
    defineProperty(Weighed, "length", getOwnPropertyDescriptor(Real, "length"));
    defineProperty(Weighed, "prototype", { value: prototype, writable: false, enumerable: false, configurable: false });
    if (Object.hasOwn(Real, "supportedLocalesOf")) {
      defineProperty(Weighed, "supportedLocalesOf", getOwnPropertyDescriptor(Real, "supportedLocalesOf"));
    }
    defineProperty(Intl, name, hidden(Weighed));
    defineProperty(prototype, "constructor", hidden(Weighed));
  }

  // A formatter that is called without a date reads the time. It uses the clock of the module whose `Intl` created it.
  // Without such a module, it refuses.
  const clockOfFormatter = new WeakMap();
  const RealDateTimeFormat = globalThis.Intl?.DateTimeFormat;
  if (RealDateTimeFormat !== undefined) {
    const prototype = RealDateTimeFormat.prototype;
    const realFormat = getOwnPropertyDescriptor(prototype, "format").get;
    const realParts = prototype.formatToParts;
    const dateOr = (formatter, date) => date === undefined ? (clockOfFormatter.get(formatter) ?? nowOfNobody)() : date;
    defineProperty(prototype, "format", {
      get() {
        const format = apply(realFormat, this, []);
        return (date) => format(dateOr(this, date));
      },
      enumerable: false,
      configurable: true,
    });
    defineProperty(prototype, "formatToParts", hidden({
      formatToParts(date) { return apply(realParts, this, [dateOr(this, date)]); },
    }.formatToParts));
  }
  const makeIntl = (now) => {
    if (RealDateTimeFormat === undefined) return undefined;
    const own = create(getPrototypeOf(Intl));
    for (const key of ownKeys(Intl)) {
      if (key !== "DateTimeFormat") defineProperty(own, key, getOwnPropertyDescriptor(Intl, key));
    }
    function DateTimeFormat(...args) {
      const formatter = construct(RealDateTimeFormat, args, new.target ?? DateTimeFormat);
      clockOfFormatter.set(formatter, now);
      return formatter;
    }
    defineProperty(DateTimeFormat, "prototype", { value: RealDateTimeFormat.prototype, writable: false });
    defineProperty(DateTimeFormat, "supportedLocalesOf", hidden((...args) => RealDateTimeFormat.supportedLocalesOf(...args)));
    defineProperty(own, "DateTimeFormat", hidden(DateTimeFormat));
    return own;
  };

  // ---- buffers that grow ----------------------------------------------------------------------------------------
  // V8 does not allocate resizable buffers with the allocator that counts memory (v8/buffers.rs). So code that
  // creates or grows one checks the limit first. QuickJS counts them on its heap.
  if (!isQuickJs) {
    const RealArrayBuffer = globalThis.ArrayBuffer;
    const prototype = RealArrayBuffer.prototype;
    const getter = (name) => getOwnPropertyDescriptor(prototype, name).get;
    const [lengthOf, isResizable] = [getter("byteLength"), getter("resizable")];
    const { resize, transfer } = prototype;
    // The real function rejects a value that is not a length.
    const room = (bytes) => {
      if (bytes > 0) ops.op_sr_buffer_room(bytes < 2 ** 53 ? bytes : 2 ** 53 - 1);
    };
    function ArrayBuffer(length, options) {
      if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
      const isBag = (typeof options === "object" && options !== null) || typeof options === "function";
      if (!isBag) return construct(RealArrayBuffer, [length], new.target);
      const size = +length;
      const { maxByteLength } = options;
      if (maxByteLength === undefined) return construct(RealArrayBuffer, [size], new.target);
      room(size);
      return construct(RealArrayBuffer, [size, { __proto__: null, maxByteLength }], new.target);
    }
    defineProperty(ArrayBuffer, "length", { value: 1, writable: false, enumerable: false, configurable: true });
    defineProperty(ArrayBuffer, "prototype", { value: prototype, writable: false, enumerable: false, configurable: false });
    for (const key of ["isView", Symbol.species]) {
      defineProperty(ArrayBuffer, key, getOwnPropertyDescriptor(RealArrayBuffer, key));
    }
    install("ArrayBuffer", ArrayBuffer);
    defineProperty(prototype, "constructor", hidden(ArrayBuffer));
    defineProperty(prototype, "resize", hidden({
      resize(newLength) {
        apply(isResizable, this, []); // throws a TypeError if `this` is not an ArrayBuffer, before anything is converted
        const size = +newLength;
        room(size - apply(lengthOf, this, []));
        return apply(resize, this, [size]);
      },
    }.resize));
    defineProperty(prototype, "transfer", hidden({
      transfer(newLength) {
        if (!apply(isResizable, this, [])) return apply(transfer, this, newLength === undefined ? [] : [newLength]);
        const size = newLength === undefined ? apply(lengthOf, this, []) : +newLength;
        room(size);
        return apply(transfer, this, [size]);
      },
    }.transfer));
    defineProperty(prototype.transfer, "length", { value: 0, writable: false, enumerable: false, configurable: true });
  }

  // ---- properties that the permit list cannot name --------------------------------------------------------------
  delete globalThis.__secure;
  delete globalThis.__web;
  // On QuickJS, this is an accessor whose setter also works on a frozen Error. On V8 it is a value, and without it
  // there are no stack traces.
  if (getOwnPropertyDescriptor(Error, "stackTraceLimit")?.set !== undefined) delete Error.stackTraceLimit;

  // Freezes `value` and its functions. All other objects that a binding refers to are already frozen.
  const frozen = ((value) => {
    for (const key of ownKeys(value)) {
      const { value: held, get } = getOwnPropertyDescriptor(value, key);
      const part = held ?? get;
      if (typeof part === "function" && !isFrozen(part)) frozen(part);
    }
    return freeze(value);
  });

  // ---- all reachable objects ------------------------------------------------------------------------------------
  const asyncGenerator = (async function* () {})();
  Object.assign(named, {
    "%GlobalPrototype%": getPrototypeOf(globalThis),
    "%TypedArray%": getPrototypeOf(Int8Array),
    "%AsyncIteratorPrototype%": getPrototypeOf(getPrototypeOf(getPrototypeOf(asyncGenerator))),
    "%ArrayIteratorPrototype%": getPrototypeOf([].values()),
    "%MapIteratorPrototype%": getPrototypeOf(new Map().values()),
    "%SetIteratorPrototype%": getPrototypeOf(new Set().values()),
    "%StringIteratorPrototype%": getPrototypeOf(""[Symbol.iterator]()),
    "%RegExpStringIteratorPrototype%": getPrototypeOf("".matchAll(/./g)),
    "%IteratorHelperPrototype%": getPrototypeOf([].values().map((value) => value)),
    "%WrapForValidIteratorPrototype%": getPrototypeOf(Iterator.from({ next() {} })),
    // On QuickJS, these helpers have their own prototype. V8 creates them like other helpers, and adds the function
    // later.
    "%IteratorConcatPrototype%": Iterator.concat && getPrototypeOf(Iterator.concat()),
    "%ThrowTypeError%": getOwnPropertyDescriptor((function () { return arguments; })(), "callee").get,
    "%EventTarget%": getPrototypeOf(web.AbortSignal),
    "%Event%": web.Event,
    "%DOMException%": web.DOMException,
    "%URLSearchParamsIteratorPrototype%": web.ParamsIterator.prototype,
  });
  // Creating a segmenter takes V8 longer than all other steps here together. So the prototypes of segments are reviewed
  // and frozen when the first segments are created, before any guest gets them. (This is done completely or not at all,
  // because a guest may call with a nearly exhausted stack.)
  if (globalThis.Intl?.Segmenter) {
    const { prototype } = Intl.Segmenter;
    const realSegment = prototype.segment;
    let settleKinds = secure.withRoom((segments) => {
      const kind = getPrototypeOf(segments);
      const realIterator = kind[Symbol.iterator];
      // An iterator keeps another copy of the text.
      if (!isQuickJs) {
        defineProperty(kind, Symbol.iterator, hidden({
          [Symbol.iterator]() {
            const weight = weigh(weights.get(this)?.bytes ?? 0);
            const iterator = apply(realIterator, this, []);
            weights.set(iterator, weight);
            return iterator;
          },
        }[Symbol.iterator]));
      }
      realm.settle({
        "%SegmentsPrototype%": kind,
        "%SegmentIteratorPrototype%": getPrototypeOf(apply(realIterator, segments, [])),
      });
      settleKinds = undefined;
    });
    defineProperty(prototype, "segment", hidden({
      segment(text) {
        const string = `${text}`;
        const weight = isQuickJs ? undefined : weigh(32768 + 2 * string.length);
        const segments = apply(realSegment, this, [string]);
        settleKinds?.(segments);
        if (weight !== undefined) weights.set(segments, weight);
        return segments;
      },
    }.segment));
  }
  const realm = secure.harden(forbidden);

  // The global objects of packages, by name (RUN-9).
  const globalsOfPackages = { __proto__: null };

  const { stringify: toJson } = JSON;
  const { arrayKind: kindOfView } = secure.intrinsics;

  // ---- functions for Rust ---------------------------------------------------------------------------------------
  const forRust = {
    __proto__: null,
    // `import ... from "cap:self"`: one object for each family, over this module's own authority.
    self(chain) {
      const exports = { __proto__: null, CapabilityError, seal, defineCapability };
      for (const kind of families.kinds) exports[kind.name] = families.capabilityOf(chain, kind);
      return freeze(exports);
    },
    // Returns a function that instantiates one WebAssembly module, with the values that the module imports: see
    // modules/wasm.rs. The function returns the module's exports in their order. For a global, which no export can
    // change, it returns the value. All importers of the module share the exports, so they are frozen before any
    // importer gets them. `start` is the export to call afterwards, or null.
    wasm(bytes, start) {
      wasm ??= tameWebAssembly();
      return (values) => {
        const module = new wasm.Module(bytes);
        bytes = undefined;
        const given = { __proto__: null };
        for (const [at, { module: from, name }] of wasm.imports(module).entries()) {
          given[from] ??= { __proto__: null };
          given[from][name] = values[at];
        }
        const { exports } = new wasm.Instance(module, given);
        const made = wasm.exports(module).map(({ name, kind }) =>
          kind === "global" ? wasm.closed(apply(wasm.valueOfGlobal, exports[name], [])) : freeze(exports[name])
        );
        if (start !== null) apply(exports[start], undefined, []);
        return made;
      };
    },
    // Imports the only module that the loader expects: see `GraphLoader::evaluation`.
    evaluate: ((url) => import(url)),
    attach,
    // Returns the result of the entry function as the host gets it: undefined, bytes, or JSON.
    returned: ((value) => {
      if (value === undefined || kindOfView(value) === "Uint8Array") return value;
      const json = toJson(value);
      if (json === undefined) throw new TypeError(`the entry function returned a ${typeof value}; return data, bytes or nothing`);
      return json;
    }),
    // Returns the error to report instead of one that nobody has caught: see report.js.
    reportable: ((thrown) => secure.reportable(thrown)),
    // Calls between isolates: see extensions/isolates/.
    ...secure.isolates,
    // Creates the values of a module's free names: see modules/scope.rs.
    bindings: ((chain, label, names, given, sharing) => {
      const make = {
        __proto__: null,
        console: (() => frozen(web.makeConsole(label, printer(chain)))),
        // Packages keep values on the global object, and their modules exchange values there. The modules of a package
        // that have the same rights share one object. A module with its own rights has its own object. Otherwise, it
        // would use the values of other modules with its rights.
        globalThis: () => {
          if (label === null) return globalThis;
          return sharing === null ? makeGlobal() : globalsOfPackages[sharing] ??= makeGlobal();
        },
        global: () => meaning("globalThis"),
        self: () => meaning("globalThis"),
      };
      // The values of families act with the rights of this module. They share one capability object a family.
      const capabilities = { __proto__: null };
      for (const name of ownKeys(families.globals)) {
        const { kind, make: makeValue } = families.globals[name];
        make[name] = () => {
          const value = makeValue(capabilities[kind.name] ??= families.capabilityOf(chain, kind));
          return value === undefined ? value : frozen(value);
        };
      }
      if (given.length > 0) {
        const timers = secure.timersOf(chain);
        for (const name of ownKeys(timers)) make[name] = () => frozen(timers[name]);
      }
      const meanings = { __proto__: null };
      const meaning = ((name) => meanings[name] ??= make[name]());
      const makeGlobal = () => {
        const own = create(Object.prototype);
        for (const key of ownKeys(globalThis)) defineProperty(own, key, hidden(globalThis[key]));
        for (const name of ["console", ...ownKeys(families.globals)]) {
          if (name in own) defineProperty(own, name, hidden(meaning(name)));
        }
        for (const name of given) defineProperty(own, name, hidden(meaning(name)));
        for (const name of ["globalThis", "global", "self"]) defineProperty(own, name, hidden(own));
        return own;
      };
      const exports = { __proto__: null };
      for (const name of names) exports[name] = meaning(name);
      return freeze(exports);
    }),
  };

  // ---- WebAssembly ----------------------------------------------------------------------------------------------
  // Only `wasm` above instantiates WebAssembly modules. Guests cannot reach it, and get only the exports of a module.
  // Exported memories and tables have prototypes, but these do not lead to a constructor. Few programs use WebAssembly,
  // and taming it takes longer than all other steps in every isolate. So this is done before the first module is
  // instantiated.
  let WebAssembly;
  let wasm;
  const tameWebAssembly = () => {
    const reached = {};
    for (const key of ownKeys(WebAssembly)) {
      const { value } = getOwnPropertyDescriptor(WebAssembly, key);
      if (typeof value !== "function") continue;
      if (["LinkError", "RuntimeError"].includes(key)) {
        // Wrong imports and traps throw these errors. The constructors only create errors.
        reached[`%WebAssembly.${key}%`] = value;
        continue;
      }
      forbidden.add(value);
      if (key === "Memory" || key === "Table") reached[`%WebAssembly.${key}.prototype%`] = value.prototype;
    }
    const { Module, Instance, Global, Memory, Table } = WebAssembly;
    const { imports, exports } = Module;
    const valueOfGlobal = getOwnPropertyDescriptor(Global.prototype, "value").get;
    // Guests can also get WebAssembly functions from tables and globals. Other functions in there belong to guests, and
    // are not frozen. A table of functions tells them apart: it accepts only WebAssembly functions and null.
    const { get: element, set: setElement } = Table.prototype;
    const probe = new Table({ initial: 1, element: "anyfunc" });
    const closed = (value) => {
      if (typeof value !== "function") return value;
      try {
        apply(setElement, probe, [0, value]);
      } catch {
        return value;
      }
      apply(setElement, probe, [0, null]);
      return freeze(value);
    };
    defineProperty(Table.prototype, "get", {
      value: { get(index) { return closed(apply(element, this, arguments)); } }.get,
    });
    // A memory creates a new buffer when it grows.
    const { get: bufferOf } = getOwnPropertyDescriptor(Memory.prototype, "buffer");
    const { get: buffer } = getOwnPropertyDescriptor({ get buffer() { return freeze(apply(bufferOf, this, [])); } }, "buffer");
    defineProperty(Memory.prototype, "buffer", { get: buffer });
    realm.settle(reached);
    return { Module, Instance, imports, exports, valueOfGlobal, closed };
  };

  // ---- uncaught errors ------------------------------------------------------------------------------------------
  // deno_core requests a text for each thrown value. For an object that is not an error, an engine would call a method
  // of the guest, and its own text is only "[object Object]".
  const { op_set_format_exception_callback: setDescriber } = ops;
  const { isNativeError } = core;
  const { inspect } = web;
  const { reportable, readsStack, clipped } = secure;
  let describeError;
  const LARGE = 1n << 4096n;
  const described = (thrown) => {
    try {
      if (typeof thrown === "string") return `Uncaught ${clipped(thrown)}`;
      // The text of such a number would be long, and take long to make.
      if (typeof thrown === "bigint" && (thrown > LARGE || thrown < -LARGE)) return "Uncaught (a bigint of more than 1,000 digits)";
      if (typeof thrown === "symbol" && !isQuickJs) return `Uncaught Symbol(${clipped(thrown.description ?? "")})`;
      if (Object(thrown) !== thrown || isNativeError(thrown)) return describeError(thrown);
      return `Uncaught ${inspect(thrown, { depth: 2, budget: 2000 })}`;
    } catch {
      return undefined; // the stack is exhausted
    }
  };

  // deno_core reads an error that nobody has caught only after `reportable` has made its texts short.
  const { op_dispatch_exception: dispatch } = ops;
  core.setUnhandledPromiseRejectionHandler((_promise, reason) => {
    const shown = reportable(reason);
    if (shown === reason) return false;
    dispatch(shown, true);
    return true;
  });
  core.setReportExceptionCallback((error) => dispatch(reportable(error), false));

  // ---- steps in every isolate -----------------------------------------------------------------------------------
  // Functions in parentheses are compiled when they are read, so that the snapshot contains their compiled code. This
  // also holds for harden.js. The caller passes an error, because V8 would parse this function again to find the
  // position of an error that is created in it.
  // Extensions are added before that, and their objects are frozen at once.
  const tamed = { makeDate, makeMath, makeIntl };
  install("__extend", ((name, actions, methods, script) => {
    realm.adopt(families.add(name, actions, methods, script, tamed));
  }));
  install("__finish", ((sample) => {
    delete globalThis.__extend;
    delete globalThis.__finish;
    describeError = describeErrors();
    for (const take of secure.late) take();
    ({ WebAssembly } = globalThis);
    // On V8, each error has its own accessor for `stack`.
    const { get: readStack, set: writeStack } = getOwnPropertyDescriptor(sample, "stack") ?? {};
    readsStack(readStack);
    realm.finish(readStack === undefined ? {} : { "%readStack%": readStack, "%writeStack%": writeStack });
    setDescriber(described);
    return forRust;
  }));
})(globalThis);
