// What the permit list does not name is removed, the override mistake is repaired, and all that guests reach is frozen: all
// that is there when lockdown.js runs, and when the realm is finished the rest.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { permits, named } = secure;
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf, hasOwn } = Object;
  const { ownKeys, deleteProperty } = Reflect;

  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  const nameOfSymbol = new Map();
  for (const key of ownKeys(Symbol)) if (typeof Symbol[key] === "symbol") nameOfSymbol.set(Symbol[key], `@@${key}`);
  const keyOf = (word) => word.startsWith("@@") ? Symbol[word.slice(2)] : word;

  // The objects of a list, each with the names of its properties as one text, ` at concat `. It is searched as it is: to
  // take it apart would cost more than all that lockdown does with it.
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

  /** Makes what is reachable what the list says. `forbidden` is what must not be reachable. */
  secure.harden = (forbidden) => {
    const permitted = new Map();
    // Lists of what is not there: another engine's, made later, or made by nobody but guests.
    let absent = [];
    const permit = (path, names) => {
      const value = find(path);
      if (isObject(value)) permitted.set(value, (permitted.get(value) ?? "") + names);
      else absent.push([path, names]);
    };
    for (const section of [permits.both, permits.v8, permits.quickjs]) read(section, permit);
    const late = new Set(permits.late.map(find));

    // Each once. (No set finds the global object again that was in one when V8 wrote a snapshot; it is the first.)
    let seen = new Set();
    let before = new Set();
    let queue = [globalThis];
    const visit = (value) => {
      if (!isObject(value) || value === globalThis || before.has(value) || seen.has(value)) return;
      if (forbidden.has(value)) throw new Error("the realm cannot be locked: an evaluator is still reachable");
      seen.add(value);
      queue.push(value);
    };
    // An object keeps the properties that are listed for it, a function its name and length besides. Whatever else it has, an
    // engine brought, or a script of ours, and nobody reviewed it: that is removed.
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
    // (The global object keeps all until the realm is finished: V8 looks for things there when it makes an isolate from a snapshot.)
    const walk = () => {
      for (let at = 0; at < queue.length; at++) prune(queue[at], queue[at] !== globalThis);
    };

    // The override mistake: `object.name = ...` throws where `name` is inherited from a frozen object. Real packages assign
    // these; an accessor whose setter defines an own property gives them what they had.
    // (Methods: unlike a function, they have no `prototype`, which would be one more object that all modules share.)
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
      // Packages that look at descriptors (get-intrinsic, below many others) know by this that it stands for a value: SES does so.
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
    // What stays open takes new properties; those that it has are closed, and need no second look.
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
    // Nothing comes to what is closed.
    const ownerOf = (path) => path.slice(0, Math.max(path.lastIndexOf("."), 0)) || "globalThis";
    const awaited = new Set();
    absent = absent.filter(([path]) => {
      const owner = ownerOf(path);
      const mayCome = path.startsWith("%") || late.has(byPath.get(owner)) || awaited.has(owner);
      if (mayCome) awaited.add(path);
      return mayCome;
    });
    // Every isolate reads what a snapshot holds: no lists of what is closed, and a set that is added to is made anew.
    for (const [path, value] of byPath) if (!late.has(value)) byPath.delete(path);
    for (const list of ownKeys(permits)) delete permits[list];
    permitted.clear();
    late.clear();
    queue = [];
    before = seen;
    seen = new Set();

    /** The same for what an engine makes later, by the names of the lists. */
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
    return {
      settle,
      /** The same for what V8 added when it made an isolate from a snapshot, and for `made`. */
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
