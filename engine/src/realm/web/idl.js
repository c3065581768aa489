// The rules of Web IDL that the classes beside this file share. It is the first file of this folder to run, before
// lockdown. No guest can reach its functions.
//
// All conversions are here, because a guest's argument may be a proxy or an object with getters. If such an argument is
// read twice, the values may differ. Every function here reads its argument once.
"use strict";
((globalThis) => {
  const { Object, Reflect, Symbol, TypeError } = globalThis;
  const web = (globalThis.__web ??= {});

  // Functions that describe an object with private state to `console`: value => text, or undefined for other objects.
  web.describers = [];

  const { room } = globalThis.__secure;

  web.idl = Object.freeze({
    room,


    /** Throws if fewer than `needed` arguments are `given`. */
    needs(given, needed, where) {
      if (given < needed) {
        throw new TypeError(`${where}: ${needed} argument${needed === 1 ? "" : "s"} required, ${given} given`);
      }
    },

    /** Returns a USVString: a string without lone surrogates. A template literal, unlike String(), rejects symbols. */
    string(value) {
      const text = `${value}`;
      room(text.length, "a text");
      return text.toWellFormed();
    },

    /** Throws if `options` is neither an object nor left out. */
    dictionary(options, where) {
      if (options !== undefined && options !== null && typeof options !== "object" && typeof options !== "function") {
        throw new TypeError(`${where}: options must be an object`);
      }
      return options ?? undefined;
    },

    /** Reads one option as an own property, so that inherited values have no effect. */
    option(options, name) {
      return options !== undefined && Object.hasOwn(options, name) ? options[name] : undefined;
    },

    /** Returns an iterable over a value whose iterator method was already read. */
    walk(value, method) {
      return { [Symbol.iterator]: () => Reflect.apply(method, value, []) };
    },

    /** Gives a class the form that Web IDL requires: a tag, and enumerable members. */
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
