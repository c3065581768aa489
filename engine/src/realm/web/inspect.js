// The text of a value in the output of `console`.
//
// The value belongs to a guest, and showing it must reveal nothing and run nothing. Getters are named and never called.
// `toString`, `toJSON` and `Symbol.toStringTag` are never read.
//
// The engine itself runs code in two cases, and exceptions there are ignored. It calls a proxy's traps, and it reads
// the `name` and `message` of an error whose stack is formatted late. A budget of characters bounds the work, so that a
// small program cannot print a large structure.
"use strict";
((globalThis) => {
  const {
    Array, ArrayBuffer, BigInt, Boolean, DataView, Date, Error, Function, Map, Math, Number, Object, Reflect, RegExp,
    Set, String, Symbol, Uint8Array,
  } = globalThis;
  const web = globalThis.__web;
  const { beginning } = globalThis.__secure;
  // Both describe objects with private state. A describer is called with each object, and returns undefined for all
  // but those of its class. A kind belongs to a prototype.
  const { describers = [], kinds: kindsOfWeb = [] } = web;

  const mostItems = 100;
  const mostPrototypes = 32; // a proxy can return a new prototype forever
  const lineWidth = 76;
  const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype);

  const describe = Reflect.getOwnPropertyDescriptor;
  const getterOf = (prototype, name) => {
    const { get } = describe(prototype, name);
    return (value) => Reflect.apply(get, value, []);
  };
  const methodOf = (prototype, name) => {
    const method = prototype[name];
    return (value) => Reflect.apply(method, value, []);
  };

  // Lockdown turns some data properties of these prototypes into accessors, so the names are recorded now.
  const knownNames = new Map();
  for (const name of Reflect.ownKeys(globalThis)) {
    const value = typeof name === "string" ? describe(globalThis, name).value : undefined;
    if (typeof value === "function" && /^[A-Z]/.test(name)) {
      const prototype = describe(value, "prototype")?.value;
      if (Object(prototype) === prototype) knownNames.set(prototype, name);
    }
  }

  // V8 keeps an error's stack in an own property (an accessor since 2025). QuickJS may keep it on the prototype.
  const stackGetters = new Set(
    [describe(new Error(), "stack")?.get, describe(Error.prototype, "stack")?.get].filter(Boolean),
  );

  const call = {
    arrayBufferLength: getterOf(ArrayBuffer.prototype, "byteLength"),
    dateTime: methodOf(Date.prototype, "getTime"),
    dateText: methodOf(Date.prototype, "toISOString"),
    functionText: methodOf(Function.prototype, "toString"),
    mapEntries: methodOf(Map.prototype, "entries"),
    mapSize: getterOf(Map.prototype, "size"),
    regExpSource: getterOf(RegExp.prototype, "source"),
    setSize: getterOf(Set.prototype, "size"),
    setValues: methodOf(Set.prototype, "values"),
    symbolText: methodOf(Symbol.prototype, "toString"),
    typedArrayLength: getterOf(typedArrayPrototype, "length"),
    viewLength: getterOf(DataView.prototype, "byteLength"),
  };
  const regExpFlags = [
    ["d", "hasIndices"], ["g", "global"], ["i", "ignoreCase"], ["m", "multiline"], ["s", "dotAll"], ["u", "unicode"],
    ["v", "unicodeSets"], ["y", "sticky"],
  ].filter(([, name]) => describe(RegExp.prototype, name)?.get)
    .map(([flag, name]) => [flag, getterOf(RegExp.prototype, name)]);
  const boxes = new Map(
    [Number, String, Boolean, BigInt, Symbol].map(({ prototype }) => [prototype, methodOf(prototype, "valueOf")]),
  );

  /** Returns the value of a data property. It never calls a getter. */
  const dataOf = (object, key) => describe(object, key)?.value;

  function prototypesOf(object) {
    const chain = [];
    let prototype = Object.getPrototypeOf(object);
    while (prototype !== null && chain.length < mostPrototypes) {
      chain.push(prototype);
      prototype = Object.getPrototypeOf(prototype);
    }
    return chain;
  }

  function classNameOf(chain) {
    for (const prototype of chain) {
      const known = knownNames.get(prototype);
      if (known !== undefined) return known;
      const constructor = dataOf(prototype, "constructor");
      const name = typeof constructor === "function" ? dataOf(constructor, "name") : undefined;
      if (typeof name === "string" && name !== "") return name.slice(0, 100);
    }
    return null;
  }

  function quote(text) {
    const mark = !text.includes('"') ? '"' : !text.includes("'") ? "'" : !text.includes("`") ? "`" : '"';
    const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
    return mark + escaped.replaceAll(mark, `\\${mark}`) + mark;
  }

  const isName = (text) => /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(text);
  const indented = (text) => text.replaceAll("\n", "\n  ");
  const more = (count) => `... ${count} more item${count === 1 ? "" : "s"}`;

  /** Joins items in brackets. A short list is on one line. Otherwise, each item has its own line, except small ones. */
  function layOut(prefix, open, items, close) {
    const head = prefix === "" ? open : `${prefix} ${open}`;
    if (items.length === 0) return head + close;
    const pad = open === "[" ? "" : " ";
    const flat = items.join(", ");
    if (head.length + flat.length <= lineWidth && !flat.includes("\n")) {
      return `${head}${pad}${flat}${pad}${close}`;
    }
    const lines = [];
    const isDense = open === "[" && items.length > 6 && items.slice(0, -1).every((item) => item.length <= 16);
    for (const item of items) {
      const last = lines.length - 1;
      if (isDense && last >= 0 && lines[last].length + item.length + 2 <= lineWidth) {
        lines[last] += `, ${item}`;
      } else {
        lines.push(item);
      }
    }
    return `${head}\n  ${lines.map(indented).join(",\n  ")}\n${close}`;
  }

  class Inspector {
    #depth;
    #left;
    #parents = [];

    constructor(depth, budget) {
      this.#depth = depth;
      this.#left = budget;
    }

    /** Counts text against the budget, and cuts it off at the end of the budget. */
    #take(text) {
      const taken = text.length > this.#left ? `${text.slice(0, this.#left)}\u2026` : text;
      this.#left = Math.max(0, this.#left - taken.length - 2);
      return taken;
    }

    show(value, depth = 0) {
      switch (typeof value) {
        case "string":
          return this.#take(quote(beginning(value, this.#left + 1)));
        case "number":
          return this.#take(Object.is(value, -0) ? "-0" : `${value}`);
        case "bigint":
          return this.#take(`${value}n`);
        case "symbol":
          return this.#take(call.symbolText(value));
        case "object":
        case "function":
          return value === null ? this.#take("null") : this.#showObject(value, depth);
        default:
          return this.#take(`${value}`);
      }
    }

    #showObject(object, depth) {
      if (this.#parents.includes(object)) return this.#take("[Circular]");
      this.#parents.push(object);
      try {
        for (const describer of describers) {
          const text = describer(object);
          if (text !== undefined) return this.#take(text);
        }
        const chain = prototypesOf(object);
        const name = classNameOf(chain);
        return this.#showKind(object, chain, name, depth);
      } catch {
        // A trap threw, a proxy is revoked, or the engine's stack is exhausted.
        return this.#take("[object that cannot be shown]");
      } finally {
        this.#parents.pop();
      }
    }

    #showKind(object, chain, name, depth) {
      if (typeof object === "function") {
        return this.#withProperties(functionHead(object, chain), object, depth);
      }
      if (Array.isArray(object)) return this.#showArray(object, name, depth);
      for (const prototype of chain) {
        const kind = kinds.get(prototype);
        if (kind === undefined) continue;
        try {
          return kind(this, object, name, depth, chain);
        } catch {
          break; // it inherits from the class but is not an instance
        }
      }
      const prefix = name === "Object" ? "" : name ?? "[Object: null prototype]";
      return this.#braces(prefix, [], object, depth);
    }

    isTooDeep(depth) {
      return depth > this.#depth;
    }

    get isSpent() {
      return this.#left === 0;
    }

    head(text) {
      return this.#take(text);
    }

    #braces(prefix, items, object, depth, isIndex = () => false) {
      if (this.isTooDeep(depth)) return this.#take(`[${prefix || "Object"}]`);
      const all = [...items, ...this.#properties(object, depth, isIndex)];
      return layOut(this.#take(prefix), "{", all, "}");
    }

    /** Shows a collection: its items, then its own properties. */
    collection(prefix, items, object, depth) {
      return this.#braces(prefix, items, object, depth);
    }

    /** Shows an object that has its own text, followed by its own properties if there are any. */
    #withProperties(head, object, depth, isIndex = () => false) {
      const text = this.#take(head);
      if (this.isTooDeep(depth)) return text;
      const items = this.#properties(object, depth, isIndex);
      return items.length === 0 ? text : layOut(text, "{", items, "}");
    }

    named(head, object, depth, isIndex) {
      return this.#withProperties(head, object, depth, isIndex);
    }

    #properties(object, depth, isIndex) {
      const items = [];
      let skipped = 0;
      for (const key of Reflect.ownKeys(object)) {
        if (isIndex(key)) continue;
        const descriptor = describe(object, key);
        if (!descriptor?.enumerable) continue;
        if (this.isSpent || items.length >= mostItems) {
          skipped += 1;
          continue;
        }
        const label = typeof key === "symbol" ? `[${call.symbolText(key)}]` : isName(key) ? key : quote(key);
        items.push(`${this.#take(label)}: ${this.#property(descriptor, depth)}`);
      }
      if (skipped > 0) items.push(more(skipped));
      return items;
    }

    #property(descriptor, depth) {
      if ("value" in descriptor) return this.show(descriptor.value, depth + 1);
      if (descriptor.get === undefined) return "[Setter]";
      return descriptor.set === undefined ? "[Getter]" : "[Getter/Setter]";
    }

    #showArray(array, name, depth) {
      const length = Number(dataOf(array, "length"));
      const prefix = name === "Array" ? "" : `${name ?? "[Array: null prototype]"}(${length})`;
      if (this.isTooDeep(depth)) return this.#take(`[${name ?? "Array"}]`);
      const items = [];
      let index = 0;
      let holes = 0;
      const flush = () => {
        if (holes > 0) items.push(`<${holes} empty item${holes === 1 ? "" : "s"}>`);
        holes = 0;
      };
      for (; index < length && items.length < mostItems && holes < mostItems && !this.isSpent; index += 1) {
        const descriptor = describe(array, `${index}`);
        if (descriptor === undefined) {
          holes += 1;
        } else {
          flush();
          items.push(this.#property(descriptor, depth));
        }
      }
      flush();
      if (index < length) items.push(more(length - index));
      items.push(...this.#properties(array, depth, (key) => key === "length" || isIndexKey(key)));
      return layOut(this.#take(prefix), "[", items, "]");
    }
  }

  const isIndexKey = (key) => typeof key === "string" && /^(0|[1-9][0-9]*)$/.test(key);

  function functionHead(value, chain) {
    const name = dataOf(value, "name");
    const shown = typeof name === "string" && name !== "" ? `: ${name.slice(0, 100)}` : " (anonymous)";
    if (!call.functionText(value).startsWith("class")) return `[Function${shown}]`;
    const parent = typeof chain[0] === "function" ? dataOf(chain[0], "name") : undefined;
    const extended = typeof parent === "string" && parent !== "" ? ` extends ${parent.slice(0, 100)}` : "";
    return `[class${shown}${extended}]`.replace("[class: ", "[class ");
  }

  function takeItems(inspector, iterator, size, show) {
    const items = [];
    for (const item of iterator) {
      if (items.length >= mostItems || inspector.isSpent) break;
      items.push(show(item));
    }
    if (items.length < size) items.push(more(size - items.length));
    return items;
  }

  function showMap(inspector, map, name, depth) {
    const size = call.mapSize(map);
    const items = inspector.isTooDeep(depth) ? [] : takeItems(inspector, call.mapEntries(map), size, ([key, value]) => {
      const shownKey = inspector.show(key, depth + 1);
      return `${shownKey} => ${inspector.show(value, depth + 1)}`;
    });
    return inspector.collection(`${name}(${size})`, items, map, depth);
  }

  function showSet(inspector, set, name, depth) {
    const size = call.setSize(set);
    const items = inspector.isTooDeep(depth)
      ? []
      : takeItems(inspector, call.setValues(set), size, (item) => inspector.show(item, depth + 1));
    return inspector.collection(`${name}(${size})`, items, set, depth);
  }

  function showTypedArray(inspector, array, name, depth) {
    const length = call.typedArrayLength(array);
    if (inspector.isTooDeep(depth)) return inspector.head(`[${name}(${length})]`);
    const items = [];
    for (let index = 0; index < length && index < mostItems && !inspector.isSpent; index += 1) {
      items.push(inspector.show(array[index], depth + 1));
    }
    if (items.length < length) items.push(more(length - items.length));
    return layOut(inspector.head(`${name}(${length})`), "[", items, "]");
  }

  function showDate(inspector, date, name, depth) {
    const isValid = !Number.isNaN(call.dateTime(date));
    return inspector.named(isValid ? call.dateText(date) : "Invalid Date", date, depth);
  }

  function showRegExp(inspector, expression, name, depth) {
    const flags = regExpFlags.map(([flag, has]) => (has(expression) ? flag : "")).join("");
    return inspector.named(`/${call.regExpSource(expression)}/${flags}`, expression, depth);
  }

  function stackOf(error) {
    for (const holder of [error, Error.prototype]) {
      const descriptor = describe(holder, "stack");
      if (descriptor === undefined) continue;
      if (typeof descriptor.value === "string") return descriptor.value;
      // Only the engine's own getter is called. Any other getter belongs to the guest.
      if (!stackGetters.has(descriptor.get)) return undefined;
      try {
        return Reflect.apply(descriptor.get, error, []);
      } catch {
        return undefined;
      }
    }
    return undefined;
  }

  // Returns an error's name without calling a getter: its own, its class's, or the original name of the intrinsic
  // class.
  function errorNameOf(error, chain) {
    for (const object of [error, ...chain]) {
      const descriptor = describe(object, "name");
      if (typeof descriptor?.value === "string") return descriptor.value;
      if (descriptor !== undefined) return knownNames.get(object);
    }
    return undefined;
  }

  /** Returns the lines of a stack that name places, without those of the host. */
  function framesOf(stack) {
    return stack.split("\n").filter((line) => /^\s+at /.test(line) && !line.includes("ext:"));
  }

  function showError(inspector, error, name, depth, chain) {
    const message = dataOf(error, "message");
    const head = [errorNameOf(error, chain) ?? name ?? "Error", message]
      .filter((part) => typeof part === "string" && part !== "")
      .join(": ");
    const stack = stackOf(error);
    const frames = typeof stack === "string" ? framesOf(stack) : [];
    let text = frames.length === 0 ? `[${head}]` : [head, ...frames].join("\n");
    if (inspector.isTooDeep(depth)) return inspector.head(`[${head}]`);
    const cause = describe(error, "cause");
    if (cause !== undefined && "value" in cause && !cause.enumerable) {
      text += `\nCaused by: ${inspector.show(cause.value, depth + 1)}`;
    }
    const errors = describe(error, "errors");
    if (errors !== undefined && "value" in errors && !errors.enumerable) {
      text += `\nErrors: ${inspector.show(errors.value, depth + 1)}`;
    }
    return inspector.named(text, error, depth, (key) => key === "stack" || key === "message" || key === "name");
  }

  // The functions that show an object, by an intrinsic prototype in its chain. Each reads a private slot first, so it
  // throws for an object that only inherits.
  const kinds = new Map([
    [Map.prototype, showMap],
    [Set.prototype, showSet],
    [typedArrayPrototype, showTypedArray],
    [Date.prototype, showDate],
    [RegExp.prototype, showRegExp],
    [Error.prototype, showError],
    [ArrayBuffer.prototype, (inspector, value, name, depth) =>
      inspector.collection(name, [`byteLength: ${call.arrayBufferLength(value)}`], value, depth)],
    [DataView.prototype, (inspector, value, name, depth) =>
      inspector.collection(name, [`byteLength: ${call.viewLength(value)}`], value, depth)],
  ]);
  for (const [prototype, unbox] of boxes) {
    kinds.set(prototype, (inspector, value, name, depth) => {
      const text = `[${name}: ${inspector.show(unbox(value))}]`;
      return inspector.named(text, value, depth, isIndexKey);
    });
  }

  for (const [prototype, show] of kindsOfWeb) {
    kinds.set(prototype, (inspector, value) => inspector.head(show(value)));
  }

  /** Shows a value in at most about `budget` characters. Objects deeper than `depth` are shown only by their class. */
  web.inspect = (value, { depth, budget }) => new Inspector(depth, budget).show(value);
  /** Returns the frames of a stack that belong to guests. */
  web.framesOf = framesOf;
})(globalThis);
