// Runs after all other scripts of ours: installs our globals, tames what reads time, chance or code from strings, removes what
// is not on the permit list, repairs the override mistake, and freezes what is reachable.
//
// On V8, snapshots are made when it has run. What is left is `__finish`, which Rust calls in every isolate, before any guest:
// it does the same for what V8 adds to a realm that it restored, and leaves nothing of ours on the global object. Its value
// goes to Rust: the functions that make a module's capabilities and bindings.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { core, ops, often, attach, checked, describeErrors, families, named, seal, CapabilityError } = secure;
  const {
    defineProperty, freeze, isFrozen, getOwnPropertyDescriptor, getOwnPropertyNames, getPrototypeOf, setPrototypeOf, create,
  } = Object;
  const { apply, construct, ownKeys } = Reflect;

  const hidden = (value) => ({ value, writable: true, enumerable: false, configurable: true });

  // ---- globals of ours -------------------------------------------------------------------------------------------
  const install = (name, value) => defineProperty(globalThis, name, hidden(value));
  const printer = (chain) => ((text, isError) => checked(ops.op_sr_print, chain, text, isError));
  for (const [name, value] of Object.entries(secure.timersOf(null))) install(name, value);
  // By a promise, as both engines have it: what the callback throws ends the program like any unhandled rejection.
  const settled = Promise.resolve();
  const { then } = Promise.prototype;
  install("queueMicrotask", (callback) => {
    if (typeof callback !== "function") throw new TypeError("queueMicrotask needs a function");
    apply(then, settled, [() => void callback()]);
  });
  const nativeClone = core.structuredClone;
  install("structuredClone", (value) => nativeClone(value));
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
  // Of every error that is not caught, deno_core copies the properties that an array under this symbol names, as many as there are. No guest
  // must get the symbol: each request for it returns a new one.
  const TRUSTED_KEY = "errorAdditionalPropertyKeys";
  const { for: symbolOf } = Symbol;
  defineProperty(Symbol, "for", hidden({
    for(key) {
      const name = `${key}`;
      return name === TRUSTED_KEY ? Symbol(name) : apply(symbolOf, Symbol, [name]);
    },
  }.for));

  // ---- time and chance ------------------------------------------------------------------------------------------
  // The real ones stay in this closure. A module's own bindings are made over its own capabilities (see `bindings`);
  // the globals, which belong to nobody, always refuse.
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

  // QuickJS has no Intl. What its bindings put there knows no language, and is made of a global that is not permitted.
  const isQuickJs = Object.hasOwn(globalThis, "__v8xTemporalTimeZone");
  if (isQuickJs) delete globalThis.Intl;

  // What objects of Intl take is no memory of V8's heap, and V8 has no figure of it: tens of KiB for a formatter of dates, two bytes for each
  // character of a text that is segmented. Each such object has a weight, which is counted until it is collected.
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

  // A formatter without a date argument reads the time: of the module whose `Intl` made it, else of nobody.
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
  // V8 takes the memory of resizable buffers not from the allocator that counts it (runtime/buffers.rs). So whoever makes one, or lets it
  // grow, asks first. QuickJS counts them on its heap.
  if (!isQuickJs) {
    const RealArrayBuffer = globalThis.ArrayBuffer;
    const prototype = RealArrayBuffer.prototype;
    const getter = (name) => getOwnPropertyDescriptor(prototype, name).get;
    const [lengthOf, isResizable] = [getter("byteLength"), getter("resizable")];
    const { resize, transfer } = prototype;
    // What is no length, the real function refuses.
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
        apply(isResizable, this, []); // or a TypeError, before anything is converted
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
    // A copy may have such buffers, too: no more than there were before it.
    install("structuredClone", (value) => {
      ops.op_sr_buffer_room(0);
      return nativeClone(value);
    });
  }

  // ---- what no permit list can name -----------------------------------------------------------------------------
  delete globalThis.__secure;
  delete globalThis.__web;
  // QuickJS: an accessor, whose setter works on a frozen Error too. V8's is a value, and without it there are no traces.
  if (getOwnPropertyDescriptor(Error, "stackTraceLimit")?.set !== undefined) delete Error.stackTraceLimit;

  // `value` and the functions that it has; all else that a binding leads to is frozen already.
  const frozen = ((value) => {
    for (const key of ownKeys(value)) {
      const { value: held, get } = getOwnPropertyDescriptor(value, key);
      const part = held ?? get;
      if (typeof part === "function" && !isFrozen(part)) frozen(part);
    }
    return freeze(value);
  });

  // ---- everything reachable -------------------------------------------------------------------------------------
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
    // Of its own on QuickJS; V8 makes helpers like the others, and adds the function later.
    "%IteratorConcatPrototype%": Iterator.concat && getPrototypeOf(Iterator.concat()),
    "%ThrowTypeError%": getOwnPropertyDescriptor((function () { return arguments; })(), "callee").get,
    "%EventTarget%": getPrototypeOf(web.AbortSignal),
    "%Event%": web.Event,
    "%DOMException%": web.DOMException,
    "%URLSearchParamsIteratorPrototype%": web.ParamsIterator.prototype,
  });
  // To make a segmenter takes V8 longer than all else here together: what its segments inherit from is settled when the
  // first ones are made, before anybody gets them. (Whole, or not at all: a guest may have called where the stack ends.)
  if (globalThis.Intl?.Segmenter) {
    const { prototype } = Intl.Segmenter;
    const realSegment = prototype.segment;
    let settleKinds = secure.withRoom((segments) => {
      const kind = getPrototypeOf(segments);
      const realIterator = kind[Symbol.iterator];
      // An iterator has the text once more.
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

  // ---- for Rust -------------------------------------------------------------------------------------------------
  const forRust = {
    __proto__: null,
    // `import ... from "cap:self"`: one object a family, over this module's own authority.
    self(chain) {
      const exports = { __proto__: null, CapabilityError, seal };
      for (const name of Object.keys(families)) exports[name] = families[name](chain);
      return freeze(exports);
    },
    // Returns what instantiates one WebAssembly module, given the values that it imports: see src/modules/wasm.rs. Its result are the
    // module's exports in their order, and of a global, which no export can change, the value. All modules that import it share
    // them, so they are frozen before anybody gets them. `start` is the export to call then, if there is one.
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
    // The one module that the loader was told of: see `GraphLoader::evaluation`.
    evaluate: ((url) => import(url)),
    attach,
    // Calls between isolates: see src/extensions/isolates/.
    ...secure.isolates,
    // What a module's free names mean: see src/modules/scope.rs.
    bindings: ((chain, label, names, given, sharing) => {
      const clock = ops.op_sr_clock(chain);
      const now = () => checked(often.op_sr_clock_now, clock);
      const make = {
        __proto__: null,
        console: (() => frozen(web.makeConsole(label, printer(chain)))),
        Date: () => frozen(makeDate(now)),
        Math: () => {
          const random = ops.op_sr_random(chain);
          return frozen(makeMath(() => checked(often.op_sr_random_number, random)));
        },
        Intl: () => RealDateTimeFormat === undefined ? globalThis.Intl : frozen(makeIntl(now)),
        // Packages keep things on the global object, and their modules hand things over by it. The modules of a package that
        // hold the same rights share one. A module with rights of its own has one alone: what others put there, it would
        // use with its rights.
        globalThis: () => {
          if (label === null) return globalThis;
          return sharing === null ? makeGlobal() : globalsOfPackages[sharing] ??= makeGlobal();
        },
        global: () => meaning("globalThis"),
        self: () => meaning("globalThis"),
      };
      if (given.length > 0) {
        const endowments = secure.endowments(chain);
        for (const name of given) make[name] = () => frozen(endowments[name]());
      }
      const meanings = { __proto__: null };
      const meaning = ((name) => meanings[name] ??= make[name]());
      const makeGlobal = () => {
        const own = create(Object.prototype);
        for (const key of ownKeys(globalThis)) defineProperty(own, key, hidden(globalThis[key]));
        for (const name of ["console", "Date", "Math", "Intl"]) {
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

  // ---- WebAssembly ---------------------------------------------------------------------------------------------
  // Modules of it are instantiated by `wasm` above, and by nothing that a guest reaches: of a module, guests get what it
  // exports. Memories and tables among that have prototypes, from which no way leads back to what makes such things.
  // Few programs have any, and taming it takes longer than all else that is done in every isolate: so the first module does.
  let WebAssembly;
  let wasm;
  const tameWebAssembly = () => {
    const reached = {};
    for (const key of ownKeys(WebAssembly)) {
      const { value } = getOwnPropertyDescriptor(WebAssembly, key);
      if (typeof value !== "function") continue;
      if (["LinkError", "RuntimeError"].includes(key)) {
        // What wrong imports and traps throw: these make errors and nothing else.
        reached[`%WebAssembly.${key}%`] = value;
        continue;
      }
      forbidden.add(value);
      if (key === "Memory" || key === "Table") reached[`%WebAssembly.${key}.prototype%`] = value.prototype;
    }
    const { Module, Instance, Global, Memory, Table } = WebAssembly;
    const { imports, exports } = Module;
    const valueOfGlobal = getOwnPropertyDescriptor(Global.prototype, "value").get;
    // Functions that WebAssembly made can be had from tables and globals, too. Others there are guests' own: those stay as they are.
    // A table for functions takes the former and null only.
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
    // Memories make a buffer anew when they grow.
    const { get: bufferOf } = getOwnPropertyDescriptor(Memory.prototype, "buffer");
    const { get: buffer } = getOwnPropertyDescriptor({ get buffer() { return freeze(apply(bufferOf, this, [])); } }, "buffer");
    defineProperty(Memory.prototype, "buffer", { get: buffer });
    realm.settle(reached);
    return { Module, Instance, imports, exports, valueOfGlobal, closed };
  };

  // ---- errors that nobody catches ---------------------------------------------------------------------------------
  // deno_core asks what to call something that was thrown. Of an object that is no error, an engine says "[object Object]"; and it
  // would call a method of the guest's for that.
  const { op_set_format_exception_callback: setDescriber } = ops;
  const { isNativeError } = core;
  const { inspect } = web;
  let describeError;
  const described = (thrown) => {
    try {
      if (Object(thrown) !== thrown || isNativeError(thrown)) return describeError(thrown);
      return `Uncaught ${inspect(thrown, { depth: 2, budget: 2000 })}`;
    } catch {
      return undefined; // the stack ends
    }
  };

  // ---- what is done in every isolate ------------------------------------------------------------------------------
  // In parentheses, functions are compiled when they are read, so that the snapshot has them compiled; those of harden.js too.
  // It is given an error: V8 would parse this function anew to say where in it one was made.
  install("__finish", ((sample) => {
    delete globalThis.__finish;
    describeError = describeErrors();
    for (const take of secure.late) take();
    ({ WebAssembly } = globalThis);
    // On V8, errors have accessors of their own for `stack`.
    const { get: readStack, set: writeStack } = getOwnPropertyDescriptor(sample, "stack") ?? {};
    realm.finish(readStack === undefined ? {} : { "%readStack%": readStack, "%writeStack%": writeStack });
    setDescriber(described);
    return forRust;
  }));
})(globalThis);
