// The form in which uncaught errors are reported.
//
// deno_core copies the texts of an uncaught error into Rust several times: its name, message and stack, and those of
// its causes and errors, up to 256 of them. A text of V8 may have 2^29 characters. So this file makes the texts short
// before deno_core reads them, and replaces accessors by their values, which deno_core then cannot read differently. If
// an error cannot be changed, another error with the same meaning is reported.
//
// On QuickJS, texts are on the engine's heap, so they are at most as long as its limit.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { core, beginning, isQuickJs } = secure;
  if (isQuickJs) {
    secure.reportable = (thrown) => thrown;
    secure.readsStack = () => {};
    secure.clipped = (text) => text;
    return;
  }
  const { isNativeError, isProxy } = core;
  const { defineProperty: define, apply } = Reflect;
  const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { isArray } = Array;
  const { has } = WeakSet.prototype;

  const MOST = 65536; // UTF-16 units of one text
  const MOST_LATER = 1024; // UTF-16 units of one text, after all texts together have `MOST_TOGETHER`
  const MOST_TOGETHER = 2 ** 20;
  // The limits of deno_core.
  const MOST_ERRORS = 256;
  const MOST_DEPTH = 32;
  const MOST_PROTOTYPES = 64;

  // Objects whose properties are texts of the runtime or of the engine.
  const known = new WeakSet([Object.prototype]);
  for (
    const Kind of [
      Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError, globalThis.SuppressedError,
      secure.CapabilityError, ...Object.values(secure.systemErrors),
    ]
  ) if (Kind !== undefined) known.add(Kind.prototype);

  const clipped = (text, most) =>
    text.length <= most ? text : `${beginning(text, most)}\u2026 (${text.length} characters in all)`;
  secure.clipped = (text) => clipped(text, MOST);

  // V8's accessor of `stack`. Its text is short, unless a guest has set it.
  let readStack;
  secure.readsStack = (get) => {
    readStack = get;
  };

  const PROXY = Symbol("proxy");
  /** Returns the property's descriptor, undefined, or `PROXY` if looking for it would call a proxy. */
  const look = (object, key) => {
    let owner = object;
    for (let count = 0; owner !== null; count++) {
      if (count > MOST_PROTOTYPES || isProxy(owner)) return PROXY;
      if (apply(has, known, [owner])) return key === "stack" ? undefined : { value: owner[key] };
      const found = getOwnPropertyDescriptor(owner, key);
      if (found !== undefined) return found;
      owner = getPrototypeOf(owner);
    }
    return undefined;
  };
  const isObject = (value) => typeof value === "object" && value !== null;

  // Makes the texts of an error and of related errors short. Returns false if that is impossible. `pass.isQuiet`
  // becomes false if a function of the guest ran, because it may have changed errors that were looked at before.
  const settle = (error, depth, pass) => {
    if (depth >= MOST_DEPTH || pass.errors >= MOST_ERRORS) return true;
    pass.errors++;
    if (isProxy(error)) return false;
    const pin = (object, key, value) => define(object, key, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
    // Returns the value of a property that is no accessor any more, or `PROXY`.
    const value = (object, key, found) => {
      if (found === undefined || found === PROXY) return found;
      if ("value" in found) return found.value;
      let read;
      try {
        if (found.get !== undefined) read = apply(found.get, object, []);
      } catch {
        // It stays undefined.
      }
      if (found.get === readStack && found.get !== undefined) return read;
      pass.isQuiet = false;
      return pin(object, key, read) ? read : PROXY;
    };
    for (const key of ["name", "message", "stack"]) {
      const text = value(error, key, look(error, key));
      if (text === PROXY) return false;
      if (typeof text !== "string") continue;
      const most = pass.length > MOST_TOGETHER ? MOST_LATER : MOST;
      pass.length += text.length;
      if (text.length > most + 100 && !pin(error, key, clipped(text, most))) return false;
    }
    const cause = value(error, "cause", look(error, "cause"));
    if (cause === PROXY || (isObject(cause) && !settle(cause, depth + 1, pass))) return false;
    const errors = value(error, "errors", look(error, "errors"));
    if (errors === PROXY) return false;
    // deno_core reads only arrays, and no proxies of them.
    if (isObject(errors) && !isProxy(errors) && isArray(errors)) {
      for (let at = 0; at < errors.length && pass.errors < MOST_ERRORS; at++) {
        const found = look(errors, `${at}`);
        const item = value(errors, `${at}`, found);
        if (item === PROXY || (isObject(item) && !settle(item, depth + 1, pass))) return false;
      }
    }
    return true;
  };

  const textOf = (error, key) => {
    const found = look(error, key);
    return found !== undefined && found !== PROXY && typeof found.value === "string" ? clipped(found.value, MOST) : undefined;
  };
  const isErrorLike = (value) => {
    let owner = value;
    for (let count = 0; owner !== null; count++) {
      if (isProxy(owner) || count > MOST_PROTOTYPES || owner === Error.prototype) return true;
      owner = getPrototypeOf(owner);
    }
    return false;
  };

  /** Returns the thrown value, or the error to report instead. */
  secure.reportable = (thrown) => {
    if (!isObject(thrown) && typeof thrown !== "function") return thrown;
    if (!isErrorLike(thrown)) return thrown;
    // A pass after which no function of the guest has run leaves nothing that could still change.
    for (let count = 0; count < 4; count++) {
      const pass = { errors: 0, length: 0, isQuiet: true };
      if (!settle(thrown, 0, pass)) break;
      if (pass.isQuiet) return thrown;
    }
    const made = new Error(textOf(thrown, "message") ?? "an error whose name and message cannot be read");
    const name = textOf(thrown, "name");
    if (name !== undefined) define(made, "name", { __proto__: null, value: name, writable: true, enumerable: false, configurable: true });
    if (isNativeError(thrown)) secure.marked(made, secure.markOf(thrown));
    return made;
  };
})(globalThis);
