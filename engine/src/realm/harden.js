// Removes everything that the permit list does not name, repairs the override mistake, and freezes everything that
// guests can reach. This script covers all objects that exist when lockdown.js runs. Finishing the realm covers the
// rest.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { permits, named, isQuickJs } = secure;
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf, hasOwn } = Object;
  const { ownKeys, deleteProperty } = Reflect;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  const nameOfSymbol = new Map();
  for (const key of ownKeys(Symbol)) if (typeof Symbol[key] === "symbol") nameOfSymbol.set(Symbol[key], `@@${key}`);
  const keyOf = (word) => word.startsWith("@@") ? Symbol[word.slice(2)] : word;

  // Reads the objects of a list. The names of an object's properties are one text, such as ` at concat ` for two names.
  // The text is searched directly, because splitting it would take longer than all other steps of lockdown.
  const read = (text, each) => {
    let path;
    let names;
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      if (line.startsWith("  ")) {
        names += line.slice(1);
        continue;
      }
      if (path !== undefined) each(path, `${names} `);
      const end = line.indexOf(":");
      path = line.slice(0, end);
      names = line.slice(end + 1);
    }
    each(path, `${names} `);
  };
  const has = (names, key) => {
    if (typeof key === "symbol") return nameOfSymbol.has(key) && names.includes(` ${nameOfSymbol.get(key)} `);
    return !key.includes(" ") && !key.startsWith("@") && names.includes(` ${key} `);
  };

  const byPath = new Map([["globalThis", globalThis]]);
  const find = (path) => {
    if (byPath.has(path)) return byPath.get(path);
    let value = named[path];
    if (value === undefined) {
      const dot = path.lastIndexOf(".");
      const owner = dot < 0 ? globalThis : byPath.get(path.slice(0, dot));
      if (isObject(owner)) value = getOwnPropertyDescriptor(owner, keyOf(path.slice(dot + 1)))?.value;
    }
    if (value !== undefined) byPath.set(path, value);
    return value;
  };

  /** Reduces all reachable objects to the permit list. `forbidden` contains objects that must not be reachable. */
  secure.harden = (forbidden) => {
    const permitted = new Map();
    // Lists of objects that do not exist now. They are added later, or are created only by guests.
    let absent = [];
    const permit = (path, names) => {
      const value = find(path);
      if (isObject(value)) permitted.set(value, (permitted.get(value) ?? "") + names);
      else absent.push([path, names]);
    };
    // A name that is reviewed for one engine is not for the other: QuickJS has a `DOMException` of its own.
    for (const section of [permits.both, isQuickJs ? permits.quickjs : permits.v8]) read(section, permit);
    const late = new Set(permits.late.map(find));

    // Each object is visited once. (The global object is a special case. If V8 writes a set with it into a snapshot,
    // the set does not find it again. It is the first object of the queue.)
    let seen = new Set();
    let before = new Set();
    let queue = [globalThis];
    const visit = (value) => {
      if (!isObject(value) || value === globalThis || before.has(value) || seen.has(value)) return;
      if (forbidden.has(value)) throw new Error("the realm cannot be locked: an evaluator is still reachable");
      seen.add(value);
      queue.push(value);
    };
    // An object keeps the properties that are listed for it, and a function also keeps its name and length. Any other
    // property comes from an engine or from a script of the runtime, and was not reviewed. So it is removed.
    const review = (value, names, key, isRemoved) => {
      const isFunction = typeof value === "function";
      if (isFunction && (key === "length" || key === "name") && !isObject(value[key])) return;
      if (has(names, key)) {
        const { value: held, get, set } = getOwnPropertyDescriptor(value, key);
        visit(held);
        if (get !== undefined) visit(get);
        if (set !== undefined) visit(set);
      } else if (isRemoved && !deleteProperty(value, key)) {
        const owner = value === globalThis ? "the global object" : isFunction ? value.name : "an object";
        throw new Error(`the realm cannot be locked: ${String(key)} of ${owner} is not permitted and cannot be removed`);
      }
    };
    const prune = (value, isRemoved) => {
      const names = permitted.get(value) ?? "";
      visit(getPrototypeOf(value));
      for (const key of ownKeys(value)) review(value, names, key, isRemoved);
    };
    // (The global object keeps its properties until the realm is finished, because V8 looks up properties there when it
    // creates an isolate from a snapshot.)
    const walk = () => {
      for (let at = 0; at < queue.length; at++) prune(queue[at], queue[at] !== globalThis);
    };

    // The override mistake: `object.name = ...` throws if `name` is inherited from a frozen object. Real packages
    // assign these properties. An accessor whose setter defines an own property restores the behaviour that they
    // expect. (Both functions are methods. Unlike other functions, methods have no `prototype`, which would be another
    // object that all modules share.)
    const overridable = (owner, key, value) => {
      const { get, set } = {
        get() {
          return value;
        },
        set(replacement) {
          if (this === owner || !isObject(this)) {
            throw new TypeError(`Cannot assign to read only property '${String(key)}' of a frozen intrinsic`);
          }
          if (hasOwn(this, key)) this[key] = replacement;
          else defineProperty(this, key, { value: replacement, writable: true, enumerable: true, configurable: true });
        },
      };
      // Packages that read descriptors (get-intrinsic, on which many others depend) recognise by this property that the
      // accessor stands for a value. SES does the same.
      defineProperty(get, "originalValue", { value });
      return { get, set };
    };
    let unrepaired = [];
    const repairOrKeep = (path, names) => {
      const owner = find(path);
      if (!isObject(owner)) return void unrepaired.push([path, names]);
      for (const key of names.trim().split(" ").map(keyOf)) {
        const descriptor = getOwnPropertyDescriptor(owner, key);
        if (descriptor === undefined || !descriptor.configurable || !("value" in descriptor)) continue;
        const { get, set } = overridable(owner, key, descriptor.value);
        visit(get);
        visit(set);
        defineProperty(owner, key, { get, set, enumerable: descriptor.enumerable, configurable: true });
      }
    };

    for (const name of ownKeys(named)) visit(named[name]);
    walk();
    read(permits.repaired, repairOrKeep);
    for (const value of queue) if (!late.has(value)) freeze(value);
    // Open objects accept new properties. Their existing properties are locked, and need no second review.
    const closed = { writable: false, configurable: false };
    const open = queue.filter((value) => late.has(value)).map((value) => {
      const names = permitted.get(value) ?? "";
      const keys = ownKeys(value).filter((key) => value !== globalThis || has(names, key));
      for (const key of keys) {
        const isData = "value" in getOwnPropertyDescriptor(value, key);
        defineProperty(value, key, isData ? closed : { configurable: false });
      }
      return { value, names, keys };
    });
    // Drops the lists of objects that cannot appear any more, because their owners are frozen.
    const ownerOf = (path) => path.slice(0, Math.max(path.lastIndexOf("."), 0)) || "globalThis";
    const awaited = new Set();
    absent = absent.filter(([path]) => {
      const owner = ownerOf(path);
      const mayCome = path.startsWith("%") || late.has(byPath.get(owner)) || awaited.has(owner);
      if (mayCome) awaited.add(path);
      return mayCome;
    });
    // Every isolate reads the content of the snapshot. So the snapshot contains no lists of frozen objects, and a set
    // that will grow is created anew.
    for (const [path, value] of byPath) if (!late.has(value)) byPath.delete(path);
    for (const list of ownKeys(permits)) delete permits[list];
    permitted.clear();
    late.clear();
    queue = [];
    before = seen;
    seen = new Set();

    /** Does the same for objects that the engine creates later, by their names in the lists. */
    const settle = ((made) => {
      Object.assign(named, made);
      const [lists, repairs] = [absent, unrepaired];
      absent = [];
      unrepaired = [];
      for (const [path, names] of lists) permit(path, names);
      for (const name of ownKeys(made)) visit(made[name]);
      walk();
      for (const [path, names] of repairs) repairOrKeep(path, names);
      for (const value of queue) freeze(value);
      queue = [];
    });
    /**
     * Freezes objects of an extension, and everything that they lead to. The extension is part of the host, so nothing
     * is removed.
     */
    const adopt = ((made) => {
      for (const value of made) visit(value);
      for (let at = 0; at < queue.length; at++) {
        const value = queue[at];
        visit(getPrototypeOf(value));
        for (const key of ownKeys(value)) {
          const { value: held, get, set } = getOwnPropertyDescriptor(value, key);
          visit(held);
          visit(get);
          visit(set);
        }
      }
      for (const value of queue) freeze(value);
      queue = [];
    });
    return {
      settle,
      adopt,
      /** Does the same for objects that V8 added when it created an isolate from a snapshot, and for `made`. */
      finish: ((made) => {
        for (const { value, names, keys } of open) {
          visit(getPrototypeOf(value));
          const now = ownKeys(value);
          if (now.length === keys.length) continue;
          let at = 0;
          for (const key of now) {
            if (key === keys[at]) at++;
            else review(value, names, key, true);
          }
        }
        settle(made);
        for (const { value } of open) freeze(value);
      }),
    };
  };
})(globalThis);
