// Limits the memory that built-in functions take outside the engine's heap while they run.
//
// V8 counts only its heap. Some of its functions copy a text before they use it, or collect their result, in other
// memory. `"\uFDFA".repeat(2 ** 29).normalize("NFKD")` takes 10 GiB, although the repeated text takes a few bytes. The
// functions here replace those that take many times their input. A short text goes to V8's function at once. A longer
// one is passed in pieces, if this has the same result. Otherwise, the isolate's account must have room for the most
// that V8 may take (see `room` in prepare.js).
//
// Each function converts its argument once. On QuickJS, all memory of these functions is on the engine's heap.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { ops, room, isQuickJs } = secure;
  if (isQuickJs) return;
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { apply, construct } = Reflect;
  const { method } = secure.intrinsics;
  const [codeAt, slice, includes, indexOf] = ["charCodeAt", "slice", "includes", "indexOf"].map((name) => method(String.prototype, name));

  // Texts of at most this many UTF-16 units are passed as they are. Longer texts are cut into pieces of this size.
  const SHORT = 65536;

  // ---- replacing functions --------------------------------------------------------------------------------------
  // Packages test by the source text of a function if it is the engine's own.
  const replaced = new WeakMap();
  const { get: nameOf, has: isReplaced, set: setReplaced } = WeakMap.prototype;
  const replace = (owner, key, make) => {
    const descriptor = getOwnPropertyDescriptor(owner, key);
    const real = descriptor.value;
    const made = make(real)[key];
    defineProperty(made, "length", getOwnPropertyDescriptor(real, "length"));
    defineProperty(owner, key, { ...descriptor, value: made });
    apply(setReplaced, replaced, [made, real.name]);
    return made;
  };
  replace(Function.prototype, "toString", (real) => ({
    toString() {
      if (!apply(isReplaced, replaced, [this])) return apply(real, this, []);
      return `function ${apply(nameOf, replaced, [this])}() { [native code] }`;
    },
  }));

  // ---- String.prototype -----------------------------------------------------------------------------------------
  // Maximum number of bytes that V8 takes for each UTF-16 unit. A character becomes up to 3 units in the canonical
  // forms, and up to 18 in the others.
  const FORMS = { __proto__: null, NFC: 12, NFD: 12, NFKC: 40, NFKD: 40 };
  replace(String.prototype, "normalize", (real) => ({
    normalize(form = undefined) {
      if (typeof this === "string" && this.length <= SHORT) return apply(real, this, [form]);
      if (this === undefined || this === null) return apply(real, this, [form]);
      const text = `${this}`;
      const name = form === undefined ? "NFC" : `${form}`;
      const bytes = FORMS[name];
      if (text.length <= SHORT || bytes === undefined) return apply(real, text, [name]);
      room(text.length, "normalize");
      let made = "";
      for (let from = 0; from < text.length;) {
        // An ASCII character never combines with the characters before it.
        let to = from + SHORT;
        while (to < text.length && codeAt(text, to) > 0x7f) to++;
        const piece = slice(text, from, to);
        room(piece.length * bytes, "normalize");
        made += apply(real, piece, [name]);
        from = to;
      }
      return made;
    },
  }));

  // V8 copies both texts, with two bytes or four for each unit.
  const COMPARED = 4;
  replace(String.prototype, "localeCompare", (real) => ({
    localeCompare(that = undefined, locales = undefined, options = undefined) {
      if (this === undefined || this === null) return apply(real, this, []);
      const text = typeof this === "string" ? this : `${this}`;
      const other = typeof that === "string" ? that : `${that}`;
      const length = text.length + other.length;
      if (length > SHORT) room(length * COMPARED, "localeCompare");
      return apply(real, text, [other, locales, options]);
    },
  }));

  // ---- Intl -----------------------------------------------------------------------------------------------------
  const { Collator, ListFormat } = globalThis.Intl;
  {
    const { get: realCompare } = getOwnPropertyDescriptor(Collator.prototype, "compare");
    const compares = new WeakMap();
    const { get } = getOwnPropertyDescriptor({
      get compare() {
        const real = apply(realCompare, this, []);
        let compare = apply(nameOf, compares, [this]);
        if (compare !== undefined) return compare;
        compare = (x, y) => {
          const [text, other] = [typeof x === "string" ? x : `${x}`, typeof y === "string" ? y : `${y}`];
          const length = text.length + other.length;
          if (length > SHORT) room(length * COMPARED, "compare");
          return real(text, other);
        };
        defineProperty(compare, "name", { value: "", configurable: true });
        apply(setReplaced, compares, [this, compare]);
        return compare;
      },
    }, "compare");
    defineProperty(Collator.prototype, "compare", { get });
    apply(setReplaced, replaced, [get, "get compare"]);
  }

  // V8 copies each text, and then the whole list several times.
  const strings = (list) => {
    const made = [];
    if (list === undefined) return made;
    let bytes = 0;
    let looked = 0;
    for (const item of list) {
      if (typeof item !== "string") throw new TypeError("Iterable yielded a value which is not a string");
      bytes += 256 + 12 * item.length;
      if (bytes - looked > SHORT) {
        room(bytes, "ListFormat");
        looked = bytes;
      }
      made[made.length] = item;
    }
    return made;
  };
  for (const name of ["format", "formatToParts"]) {
    replace(ListFormat.prototype, name, (real) => ({
      [name](list = undefined) {
        return apply(real, this, [strings(list)]);
      },
    }));
  }

  // ---- JSON, URI ------------------------------------------------------------------------------------------------
  replace(JSON, "parse", (real) => ({
    parse(text, reviver = undefined) {
      const string = typeof text === "string" ? text : `${text}`;
      if (string.length > SHORT) {
        room(string.length, "JSON.parse");
        ops.op_sr_json_room(string);
      }
      return real(string, reviver);
    },
  }));

  for (const name of ["encodeURI", "encodeURIComponent"]) {
    replace(globalThis, name, (real) => ({
      [name](value) {
        const text = typeof value === "string" ? value : `${value}`;
        if (text.length <= SHORT) return real(text);
        room(text.length, name);
        let made = "";
        for (let from = 0; from < text.length;) {
          let to = from + SHORT;
          // Both halves of a surrogate pair are in one piece.
          if (to < text.length && (codeAt(text, to - 1) & 0xfc00) === 0xd800) to--;
          made += real(slice(text, from, to));
          from = to;
        }
        return made;
      },
    }));
  }

  // ---- regular expressions --------------------------------------------------------------------------------------
  // V8's parser takes up to 160 bytes for each unit of a pattern, and 13 KiB for a class such as \p{L}. With the flag
  // `v`, such a class can be a list of thousands of texts.
  const PARSED = 160;
  const CLASS = 16384;
  const CLASS_OF_TEXTS = 2 ** 20;
  const bounded = (pattern, flags) => {
    if (pattern.length <= 1024) return pattern;
    room(pattern.length * PARSED, "RegExp");
    let count = 0;
    for (const name of ["\\p{", "\\P{"]) {
      for (let at = indexOf(pattern, name); at !== -1; at = indexOf(pattern, name, at + 3)) count++;
    }
    const isOfTexts = typeof flags === "string" && includes(flags, "v");
    room(pattern.length * PARSED + count * (isOfTexts ? CLASS_OF_TEXTS : CLASS), "RegExp");
    return pattern;
  };
  secure.boundedPattern = bounded;
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  const { get: sourceOf } = getOwnPropertyDescriptor(RegExp.prototype, "source");
  const isRegExp = (value) => {
    try {
      apply(sourceOf, value, []);
      return true;
    } catch {
      return false;
    }
  };
  const { match } = Symbol;
  const Real = RegExp;
  // https://tc39.es/ecma262/#sec-regexp-pattern-flags
  const Bounded = { RegExp: function (pattern = undefined, flags = undefined) {
    let source = pattern;
    if (isObject(pattern)) {
      let own;
      try {
        own = apply(sourceOf, pattern, []);
      } catch {
        // It is no regular expression.
      }
      const matcher = pattern[match];
      const isPattern = matcher === undefined ? own !== undefined : Boolean(matcher);
      if (new.target === undefined && isPattern && flags === undefined && pattern.constructor === Bounded) return pattern;
      if (own !== undefined) {
        // The real constructor reads the source and the flags that the engine has.
        if (flags !== undefined && typeof flags !== "string") flags = `${flags}`;
        bounded(own, flags);
        return construct(Real, [pattern, flags], new.target ?? Bounded);
      } else if (isPattern) {
        source = pattern.source;
        if (flags === undefined) flags = pattern.flags;
      }
    }
    if (source !== undefined && typeof source !== "string") source = `${source}`;
    if (flags !== undefined && typeof flags !== "string") flags = `${flags}`;
    if (source !== undefined) bounded(source, flags);
    return construct(Real, [source, flags], new.target ?? Bounded);
  } }.RegExp;
  const { hasOwn } = Object;
  const { ownKeys } = Reflect;
  const takeStatics = (() => {
    for (const key of ownKeys(Real)) {
      if (!hasOwn(Bounded, key)) defineProperty(Bounded, key, getOwnPropertyDescriptor(Real, key));
    }
  });
  for (const key of ["length", "prototype"]) defineProperty(Bounded, key, getOwnPropertyDescriptor(Real, key));
  takeStatics();
  // V8 adds RegExp.escape when it restores a realm.
  secure.late.push(takeStatics);
  defineProperty(globalThis, "RegExp", { ...getOwnPropertyDescriptor(globalThis, "RegExp"), value: Bounded });
  defineProperty(Real.prototype, "constructor", { ...getOwnPropertyDescriptor(Real.prototype, "constructor"), value: Bounded });
  apply(setReplaced, replaced, [Bounded, "RegExp"]);

  // These methods compile a text as a pattern, without the constructor.
  for (const [name, symbol] of [["match", Symbol.match], ["matchAll", Symbol.matchAll], ["search", Symbol.search]]) {
    replace(String.prototype, name, (real) => ({
      [name](pattern) {
        if (typeof pattern === "string") return apply(real, this, [bounded(pattern)]);
        if (!isObject(pattern) || this === undefined || this === null) return apply(real, this, [pattern]);
        if (name === "matchAll") {
          const matcher = pattern[match];
          if (matcher === undefined ? isRegExp(pattern) : matcher) {
            const { flags } = pattern;
            if (flags === undefined || flags === null || !includes(`${flags}`, "g")) {
              throw new TypeError("String.prototype.matchAll called with a non-global RegExp argument");
            }
          }
        }
        const method = pattern[symbol];
        if (method !== undefined && method !== null) return apply(method, pattern, [this]);
        return apply(real, this, [bounded(`${pattern}`)]);
      },
    }));
  }
})(globalThis);
