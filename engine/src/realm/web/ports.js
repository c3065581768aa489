// `MessageChannel` and `MessagePort` (HTML, section 9.4), on V8. Both ports of a channel are in one isolate, so a
// message is a clone on the engine's heap. Deno's ports are not used: their messages wait in memory that no account
// counts, and a port is a number that anyone could guess.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { all, webidl } = web.deno;
  const { converters } = webidl;
  const { DOMException, EventTarget, MessageEvent, setIsTrusted } = all;
  const { addEventListener, dispatchEvent } = EventTarget.prototype;
  const { apply } = Reflect;
  const { setTimeout } = secure.timersOf(null);
  const secret = Symbol("port");
  const transferOptions = webidl.createDictionaryConverter("StructuredSerializeOptions", [
    { key: "transfer", converter: converters["sequence<object>"], get defaultValue() {
      return [];
    } },
  ]);

  /** The handlers of an object that are attributes, such as `onmessage`. Each is called where it was first set. */
  class Handlers {
    #of = { __proto__: null };
    get(type) {
      return this.#of[type] ?? null;
    }
    set(target, type, value) {
      const handlers = this.#of;
      const isFirst = handlers[type] === undefined;
      handlers[type] = typeof value === "function" || (typeof value === "object" && value !== null) ? value : null;
      if (isFirst) {
        apply(addEventListener, target, [type, (event) => {
          const handler = handlers[type];
          if (typeof handler === "function") apply(handler, target, [event]);
        }]);
      }
    }
  }
  web.Handlers = Handlers;

  let isPort;
  let entangle;
  let make;
  let move;
  class MessagePort extends EventTarget {
    // The other port of the channel, or null if this one is closed or was transferred.
    #peer = null;
    #messages = [];
    #isStarted = false;
    #isScheduled = false;
    #handlers = new Handlers();
    static {
      isPort = (value) => #peer in value;
      make = () => new MessagePort(secret);
      entangle = (one, other) => {
        one.#peer = other;
        other.#peer = one;
      };
      /** Makes `to` the port that `from` was. */
      move = (from, to) => {
        const peer = from.#peer;
        from.#peer = null;
        to.#messages = from.#messages;
        from.#messages = [];
        if (peer !== null) entangle(to, peer);
      };
    }
    constructor(token = undefined) {
      if (token !== secret) webidl.illegalConstructor();
      super();
      webidl.stamp(this);
    }
    #schedule() {
      if (!this.#isStarted || this.#isScheduled || this.#messages.length === 0) return;
      this.#isScheduled = true;
      setTimeout(() => {
        this.#isScheduled = false;
        if (this.#messages.length === 0) return;
        const [data, ports] = this.#messages.shift();
        this.#schedule();
        const event = new MessageEvent("message", { data, ports });
        setIsTrusted(event, true);
        apply(dispatchEvent, this, [event]);
      });
    }
    get onmessage() {
      return this.#handlers.get("message");
    }
    set onmessage(value) {
      this.#handlers.set(this, "message", value);
      this.start();
    }
    get onmessageerror() {
      return this.#handlers.get("messageerror");
    }
    set onmessageerror(value) {
      this.#handlers.set(this, "messageerror", value);
    }
    postMessage(message, transferOrOptions = undefined) {
      const prefix = "Failed to execute 'postMessage' on 'MessagePort'";
      const peer = this.#peer;
      webidl.requiredArguments(arguments.length, 1, prefix);
      const isList = typeof transferOrOptions === "object" && transferOrOptions !== null && transferOrOptions[Symbol.iterator] !== undefined;
      const transfer = isList
        ? converters["sequence<object>"](transferOrOptions, prefix, "Argument 2")
        : transferOptions(transferOrOptions, prefix, "Argument 2").transfer;
      if (transfer.includes(this)) throw new DOMException(`${prefix}: the port itself is in \`transfer\``, "DataCloneError");
      const [data, moved] = secure.cloneOf(message, transfer);
      if (peer === null) return;
      peer.#messages.push([data, moved.filter((value) => MessagePort.prototype.isPrototypeOf(value))]);
      peer.#schedule();
    }
    start() {
      this.#isStarted = true;
      this.#schedule();
    }
    close() {
      const peer = this.#peer;
      this.#peer = null;
      if (peer !== null) peer.#peer = null;
      this.#messages = [];
    }
  }
  webidl.configureInterface(MessagePort);
  web.deno.ports.MessagePortPrototype = MessagePort.prototype; // for the constructor of MessageEvent

  class MessageChannel {
    #port1 = make();
    #port2 = make();
    constructor() {
      webidl.stamp(this);
      entangle(this.#port1, this.#port2);
    }
    get port1() {
      return this.#port1;
    }
    get port2() {
      return this.#port2;
    }
  }
  webidl.configureInterface(MessageChannel);

  Object.assign(web.globals, { MessageChannel, MessagePort });
  /** For clone.js: returns the object that a transferable object becomes, and moves the one to the other. */
  web.transferable = (value) => isPort(value) ? make : undefined;
  web.move = move;
})(globalThis);
