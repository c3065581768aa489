// The last part of lockdown: what the permit list does not name is removed, the override mistake is repaired, and all that
// guests reach is frozen.
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
    byPath.set(path, value);
    return value;
  };

  /** Makes what is reachable what the list says. `forbidden` is what must not be reachable. */
  secure.harden = (forbidden) => {
    const permitted = new Map();
    for (const section of [permits.both, permits.v8, permits.quickjs]) {
      read(section, (path, names) => {
        const value = find(path);
        // What is not there is another engine's, or made late.
        const key = isObject(value) ? value : path;
        permitted.set(key, (permitted.get(key) ?? "") + names);
      });
    }

    const seen = new Set();
    const queue = [];
    const visit = (value) => {
      if (!isObject(value) || seen.has(value)) return;
      if (forbidden.has(value)) throw new Error("the realm cannot be locked: an evaluator is still reachable");
      seen.add(value);
      queue.push(value);
    };
    // An object keeps the properties that are listed for it, a function its name and length besides. Whatever else it has, an
    // engine brought, or a script of ours, and nobody reviewed it.
    const walk = (from) => {
      for (let at = from; at < queue.length; at++) {
        const value = queue[at];
        const names = permitted.get(value) ?? "";
        const isFunction = typeof value === "function";
        visit(getPrototypeOf(value));
        for (const key of ownKeys(value)) {
          if (isFunction && (key === "length" || key === "name") && !isObject(value[key])) continue;
          if (has(names, key)) {
            const descriptor = getOwnPropertyDescriptor(value, key);
            visit(descriptor.value);
            visit(descriptor.get);
            visit(descriptor.set);
          } else if (!deleteProperty(value, key)) {
            const owner = value === globalThis ? "the global object" : isFunction ? value.name : "an object";
            throw new Error(`the realm cannot be locked: ${String(key)} of ${owner} is not permitted and cannot be removed`);
          }
        }
      }
    };
    visit(globalThis);
    for (const name of ownKeys(named)) visit(named[name]);
    walk(0);

    // The override mistake: `object.name = ...` throws where `name` is inherited from a frozen object. Real packages assign
    // these; an accessor whose setter defines an own property gives them what they had.
    read(permits.repaired, (path, names) => {
      const owner = find(path);
      if (!isObject(owner)) return;
      for (const key of names.trim().split(" ")) {
        const descriptor = getOwnPropertyDescriptor(owner, key);
        if (descriptor === undefined || !descriptor.configurable || !("value" in descriptor)) continue;
        const { value, enumerable } = descriptor;
        // Methods: unlike a function, they have no `prototype`, which would be one more object that all modules share.
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
        visit(get);
        visit(set);
        defineProperty(owner, key, { get, set, enumerable, configurable: true });
      }
    });

    for (const value of queue) freeze(value);

    /** The same for an intrinsic that the engine makes late. */
    return (path, value) => {
      const from = queue.length;
      permitted.set(value, permitted.get(path));
      visit(value);
      walk(from);
      for (let at = from; at < queue.length; at++) freeze(queue[at]);
    };
  };
})(globalThis);
