// Runs after all other scripts of the runtime. It installs the runtime's globals. It removes everything that is not on
// the permit list, repairs the override mistake, and freezes all reachable objects.
//
// On V8, a snapshot is made after this script and those of the extensions have run. Only `__extend` and `__finish` are
// left, which Rust calls in every isolate, before any guest runs. `__finish` does the same for objects that V8 adds to
// a restored realm, and removes the runtime's last names from the global object. Its result goes to Rust: the functions
// that create a module's capabilities and bindings.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { ops, attach, checked, families, named, install, hidden, tamed, seal, defineCapability, CapabilityError } = secure;
  const { defineProperty, freeze, isFrozen, getOwnPropertyDescriptor, getPrototypeOf, create } = Object;
  const { apply, ownKeys } = Reflect;

  // ---- globals of the runtime -----------------------------------------------------------------------------------
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
  install("structuredClone", secure.structuredClone);
  // The error has the effect of one that nobody catches (HTML, section 8.1.4.3).
  install("reportError", (...given) => {
    if (given.length === 0) throw new TypeError("reportError: 1 argument required, 0 given");
    void Promise.reject(given[0]);
  });
  install("navigator", { __proto__: null, userAgent: "secure-runtime" });
  for (const [name, value] of Object.entries(web.globals)) install(name, value);
  install("console", web.makeConsole("globalThis.console", printer(null)));

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
  }, web.named);
  const realm = secure.harden(secure.forbidden);
  secure.settle = realm.settle;

  secure.serving.report = web.makeConsole("globalThis.console", printer(null)).error;

  const timerNames = ownKeys(secure.timersOf(null));
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
    // Instantiates a WebAssembly module: see tame_webassembly.js.
    wasm: ((bytes, start) => secure.instantiate(bytes, start)),
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
    // Requests to programs that serve: see serving/.
    ...secure.serving,
    // Creates the values of a module's free names: see modules/scope.rs.
    bindings: ((chain, label, names, sharing) => {
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
      let timers;
      for (const name of timerNames) make[name] = () => frozen((timers ??= secure.timersOf(chain))[name]);
      const meanings = { __proto__: null };
      // QuickJS has no `Intl`, and no value for it.
      const meaning = ((name) => meanings[name] ??= make[name]?.());
      const makeGlobal = () => {
        const own = create(Object.prototype);
        for (const key of ownKeys(globalThis)) defineProperty(own, key, hidden(globalThis[key]));
        // Few packages use more than one of these, so each value is made when it is first read. A package may replace
        // it.
        for (const name of ["console", ...timerNames, ...ownKeys(families.globals)]) {
          const { get, set } = getOwnPropertyDescriptor({
            get [name]() {
              const value = meaning(name);
              defineProperty(own, name, hidden(value));
              return value;
            },
            set [name](value) {
              defineProperty(own, name, hidden(value));
            },
          }, name);
          defineProperty(own, name, { get: freeze(get), set: freeze(set), enumerable: false, configurable: true });
        }
        for (const name of ["globalThis", "global", "self"]) defineProperty(own, name, hidden(own));
        return own;
      };
      const exports = { __proto__: null };
      for (const name of names) exports[name] = meaning(name);
      return freeze(exports);
    }),
  };

  // ---- steps in every isolate -----------------------------------------------------------------------------------
  // Functions in parentheses are compiled when they are read, so that the snapshot contains their compiled code. This
  // also holds for harden.js. The caller passes an error, because V8 would parse this function again to find the
  // position of an error that is created in it.
  // Extensions are added before that, and their objects are frozen at once.
  install("__extend", ((name, actions, methods, script) => {
    realm.adopt(families.add(name, actions, methods, script, tamed));
  }));
  install("__finish", ((sample) => {
    delete globalThis.__extend;
    delete globalThis.__finish;
    for (const take of secure.late) take();
    // On V8, each error has its own accessor for `stack`.
    const { get: readStack, set: writeStack } = getOwnPropertyDescriptor(sample, "stack") ?? {};
    secure.readsStack(readStack);
    realm.finish(readStack === undefined ? {} : { "%readStack%": readStack, "%writeStack%": writeStack });
    secure.describe();
    return forRust;
  }));
})(globalThis);
