// The few rules of Web IDL that the classes beside this file share. Runs first, before lockdown, with the other files
// of this folder; nothing here is reachable by a guest.
//
// Why conversions live in one place: a guest's argument may be a proxy or an object with getters, and an argument
// that is looked at twice may answer differently. Every function here looks at its argument once.
"use strict";
((globalThis) => {
  const { Object, Reflect, Symbol, TypeError } = globalThis;
  const web = (globalThis.__web ??= {});

  // Functions that describe an object of a class with private state to `console`: value => text, or undefined.
  web.describers = [];

  web.idl = Object.freeze({
    /** Throws unless `given` arguments are at least `needed`. */
    needs(given, needed, where) {
      if (given < needed) {
        throw new TypeError(`${where}: ${needed} argument${needed === 1 ? "" : "s"} required, ${given} given`);
      }
    },

    /** A USVString: a string without lone surrogates. A template literal, unlike String(), refuses symbols. */
    string(value) {
      return `${value}`.toWellFormed();
    },

    /** Throws unless `options` is an object or left out. */
    dictionary(options, where) {
      if (options !== undefined && options !== null && typeof options !== "object" && typeof options !== "function") {
        throw new TypeError(`${where}: options must be an object`);
      }
      return options ?? undefined;
    },

    /** One option, read as an own property so that what it inherits never counts. */
    option(options, name) {
      return options !== undefined && Object.hasOwn(options, name) ? options[name] : undefined;
    },

    /** Walks an iterable whose iterator method was read already. */
    walk(value, method) {
      return { [Symbol.iterator]: () => Reflect.apply(method, value, []) };
    },

    /** Gives a class the shape that Web IDL demands: a tag, and enumerable members. */
    finish(Class, name) {
      for (const target of [Class, Class.prototype]) {
        for (const key of Reflect.ownKeys(target)) {
          const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
          const isMember = typeof key === "string" && descriptor.configurable && key !== "constructor";
          const isOwnOfFunctions = target === Class && (key === "name" || key === "length");
          if (isMember && !isOwnOfFunctions) {
            Reflect.defineProperty(target, key, { enumerable: true });
          }
        }
      }
      Reflect.defineProperty(Class.prototype, Symbol.toStringTag, { value: name, configurable: true });
    },
  });
})(globalThis);
