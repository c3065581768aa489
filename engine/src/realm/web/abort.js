// AbortController and AbortSignal (https://dom.spec.whatwg.org/#aborting-ongoing-activities), with the parts of Event
// and EventTarget that they need. Event, EventTarget and DOMException are not globals. Guests meet them only as the
// classes of objects that they receive.
"use strict";
((globalThis) => {
  const { Boolean, Error, Map, Math, Number, Object, Promise, Reflect, Set, Symbol, TypeError } = globalThis;
  const web = (globalThis.__web ??= {});
  const { needs, string, dictionary, option, walk, finish } = web.idl;

  const internal = Symbol("internal"); // proves that a constructor was called from this file
  const legacyCodes = new Map([
    ["InvalidStateError", 11],
    ["InvalidCharacterError", 5],
    ["AbortError", 20],
    ["TimeoutError", 23],
    ["DataCloneError", 25],
  ]);

  class DOMException extends Error {
    #name;

    constructor(message = "", name = "Error") {
      super(string(message));
      this.#name = string(name);
      // An own property, because `name` of Error.prototype is frozen and cannot be assigned.
      Object.defineProperty(this, "name", { value: this.#name, configurable: true });
    }

    get code() {
      return legacyCodes.get(this.#name) ?? 0;
    }
  }
  finish(DOMException, "DOMException");

  // An error of a listener must not stop the other listeners, and must not be lost. It ends the program like any
  // unhandled rejection.
  const report = (error) => void Promise.reject(error);

  let begin; // (event, target): marks the event as being dispatched
  let finishDispatch; // (event): ends the dispatch, and returns false if a listener cancelled the event
  let isStopped; // event => true if a listener requested that no further listener is called
  let typeOf; // event => its type, even if a guest defined properties on it

  class Event {
    #type;
    #cancelable;
    #bubbles;
    #target = null;
    #isDispatching = false;
    #isStopped = false;
    #isCancelled = false;
    #isTrusted;

    static {
      begin = (event, target) => {
        if (event.#isDispatching) {
          throw new DOMException("the event is being dispatched already", "InvalidStateError");
        }
        event.#isDispatching = true;
        event.#target = target;
      };
      finishDispatch = (event) => {
        event.#isDispatching = false;
        event.#isStopped = false;
        return !event.#isCancelled;
      };
      isStopped = (event) => event.#isStopped;
      typeOf = (event) => event.#type;
    }

    constructor(type, options = undefined, key = undefined) {
      needs(arguments.length, 1, "Event");
      this.#type = string(type);
      const given = dictionary(options, "Event");
      this.#bubbles = Boolean(option(given, "bubbles"));
      this.#cancelable = Boolean(option(given, "cancelable"));
      this.#isTrusted = key === internal;
    }

    get type() {
      return this.#type;
    }
    get target() {
      return this.#target;
    }
    get currentTarget() {
      return this.#isDispatching ? this.#target : null;
    }
    get bubbles() {
      return this.#bubbles;
    }
    get cancelable() {
      return this.#cancelable;
    }
    get defaultPrevented() {
      return this.#isCancelled;
    }
    get isTrusted() {
      return this.#isTrusted;
    }
    preventDefault() {
      this.#isCancelled ||= this.#cancelable;
    }
    stopPropagation() {
      this.#type; // there is only one target, so there is no propagation to stop
    }
    stopImmediatePropagation() {
      this.#isStopped = true;
    }
  }
  finish(Event, "Event");

  function listenerOptions(options, where) {
    if (typeof options === "boolean") {
      return { capture: options, once: false, signal: undefined };
    }
    const given = dictionary(options, where);
    return {
      capture: Boolean(option(given, "capture")),
      once: Boolean(option(given, "once")),
      signal: option(given, "signal"),
    };
  }

  function checkCallback(callback, where) {
    if (callback !== null && callback !== undefined && Object(callback) !== callback) {
      throw new TypeError(`${where}: the listener is neither a function nor an object`);
    }
  }

  function call(callback, target, event) {
    try {
      if (typeof callback === "function") {
        Reflect.apply(callback, target, [event]);
      } else {
        const method = callback.handleEvent;
        if (typeof method !== "function") {
          throw new TypeError("the listener's handleEvent is not a function");
        }
        Reflect.apply(method, callback, [event]);
      }
    } catch (error) {
      report(error);
    }
  }

  let fire; // (target, event): calls the listeners of the event's type
  let listen; // (target, type, callback, capture, once): returns the listener, or undefined if it exists already
  let forget; // (target, listener): removes the listener

  class EventTarget {
    #listeners = [];

    static {
      fire = (target, event) => {
        begin(event, target);
        const type = typeOf(event);
        for (const listener of [...target.#listeners]) {
          if (isStopped(event)) break;
          if (listener.type !== type || listener.isRemoved) continue;
          if (listener.once) target.#remove(listener);
          call(listener.callback, target, event);
        }
        return finishDispatch(event);
      };
      listen = (target, type, callback, capture, once) => {
        if (target.#find(type, callback, capture)) return undefined;
        const listener = { type, callback, capture, once, isRemoved: false };
        target.#listeners.push(listener);
        return listener;
      };
      forget = (target, listener) => target.#remove(listener);
    }

    #remove(listener) {
      listener.isRemoved = true;
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    }

    #find(type, callback, capture) {
      return this.#listeners.find(
        (other) => other.type === type && other.callback === callback && other.capture === capture,
      );
    }

    addEventListener(type, callback, options = undefined) {
      this.#listeners;
      needs(arguments.length, 2, "addEventListener");
      const name = string(type);
      checkCallback(callback, "addEventListener");
      const { capture, once, signal } = listenerOptions(options, "addEventListener");
      if (signal !== undefined && isAborted(signal)) return;
      if (callback === null || callback === undefined) return;
      const listener = listen(this, name, callback, capture, once);
      if (signal !== undefined && listener !== undefined) {
        abortSteps(signal, () => this.#remove(listener));
      }
    }

    removeEventListener(type, callback, options = undefined) {
      this.#listeners;
      needs(arguments.length, 2, "removeEventListener");
      const name = string(type);
      checkCallback(callback, "removeEventListener");
      const listener = this.#find(name, callback, listenerOptions(options, "removeEventListener").capture);
      if (listener !== undefined) this.#remove(listener);
    }

    dispatchEvent(event) {
      this.#listeners;
      return fire(this, event);
    }
  }
  finish(EventTarget, "EventTarget");

  let isAborted; // signal => boolean; throws a TypeError if it is not a signal
  let abort; // (signal, reason): aborts the signal
  let abortSteps; // (signal, steps): calls `steps(reason)` on abort, now if already aborted; returns a cancel function
  let follow; // (signal, source): aborts `signal` when `source` is aborted

  class AbortSignal extends EventTarget {
    #reason = undefined; // undefined until aborted; the standard has no other flag
    #steps = new Set();
    #sources = new Set(); // signals that do not follow other signals
    #dependents = new Set();
    #handler = null;
    #listener = null;

    static {
      isAborted = (signal) => signal.#reason !== undefined;
      abort = (signal, reason) => {
        if (isAborted(signal)) return;
        const cause = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
        // Every signal gets the reason before any listener runs, so that no listener sees an inconsistent state.
        const reached = [signal, ...signal.#dependents].filter((one) => !isAborted(one));
        for (const one of reached) one.#reason = cause;
        for (const one of reached) one.#runSteps();
      };
      abortSteps = (signal, steps) => {
        if (isAborted(signal)) {
          steps(signal.#reason);
          return () => {};
        }
        const entry = { steps };
        signal.#steps.add(entry);
        return () => void signal.#steps.delete(entry);
      };
      follow = (signal, source) => {
        for (const root of source.#sources.size > 0 ? source.#sources : [source]) {
          signal.#sources.add(root);
          root.#dependents.add(signal);
        }
      };
      web.describers.push((value) =>
        #reason in value ? `AbortSignal { aborted: ${value.#reason !== undefined} }` : undefined
      );
    }

    constructor(key) {
      if (key !== internal) {
        throw new TypeError("AbortSignal: use new AbortController().signal, AbortSignal.abort, any or timeout");
      }
      super();
    }

    #runSteps() {
      const steps = [...this.#steps];
      this.#steps.clear();
      for (const source of this.#sources) source.#dependents.delete(this);
      for (const entry of steps) entry.steps(this.#reason);
      fire(this, new Event("abort", undefined, internal));
    }

    static abort(reason = undefined) {
      const signal = new AbortSignal(internal);
      abort(signal, reason);
      return signal;
    }

    static timeout(milliseconds) {
      needs(arguments.length, 1, "AbortSignal.timeout");
      const duration = Math.trunc(+milliseconds);
      if (!(duration >= 0 && duration <= Number.MAX_SAFE_INTEGER)) {
        throw new TypeError("AbortSignal.timeout: the time is not a number of milliseconds from 0 to 2^53 - 1");
      }
      const signal = new AbortSignal(internal);
      const longest = 2 ** 31 - 1; // the maximum delay of a timer
      const wait = (left) =>
        web.setTimeout(() => {
          if (left > longest) wait(left - longest);
          else abort(signal, new DOMException("The operation timed out", "TimeoutError"));
        }, Math.min(left, longest));
      wait(duration);
      return signal;
    }

    static any(signals) {
      needs(arguments.length, 1, "AbortSignal.any");
      const method = Object(signals) === signals ? signals[Symbol.iterator] : undefined;
      if (typeof method !== "function") {
        throw new TypeError("AbortSignal.any: expected an iterable of signals");
      }
      const sources = [...walk(signals, method)];
      for (const source of sources) checkSignal(source, "AbortSignal.any");
      const signal = new AbortSignal(internal);
      const aborted = sources.find(isAborted);
      if (aborted !== undefined) {
        abort(signal, aborted.#reason);
      } else {
        for (const source of sources) follow(signal, source);
      }
      return signal;
    }

    get aborted() {
      return this.#reason !== undefined;
    }

    get reason() {
      return this.#reason;
    }

    throwIfAborted() {
      if (this.#reason !== undefined) throw this.#reason;
    }

    get onabort() {
      return this.#handler;
    }
    set onabort(handler) {
      this.#handler = Object(handler) === handler ? handler : null;
      // The first assignment determines the position among the listeners, like that of every event handler.
      if (this.#handler !== null && this.#listener === null) {
        const run = (event) => {
          if (typeof this.#handler === "function") Reflect.apply(this.#handler, this, [event]);
        };
        this.#listener = listen(this, "abort", run, false, false);
      } else if (this.#handler === null && this.#listener !== null) {
        forget(this, this.#listener);
        this.#listener = null;
      }
    }
  }
  finish(AbortSignal, "AbortSignal");

  function checkSignal(value, where) {
    if (!isSignal(value)) throw new TypeError(`${where}: expected an AbortSignal`);
  }

  function isSignal(value) {
    try {
      isAborted(value);
      return true;
    } catch {
      return false;
    }
  }

  class AbortController {
    #signal = new AbortSignal(internal);

    get signal() {
      return this.#signal;
    }

    abort(reason = undefined) {
      abort(this.#signal, reason);
    }
  }
  finish(AbortController, "AbortController");

  web.AbortController = AbortController;
  web.AbortSignal = AbortSignal;
  web.DOMException = DOMException;
  web.Event = Event; // only for lockdown; not a global
  web.isAbortSignal = isSignal;
  web.abortSteps = (signal, steps) => {
    checkSignal(signal, "signal");
    return abortSteps(signal, steps);
  };
})(globalThis);
