// `WebSocket` of the web (https://websockets.spec.whatwg.org), on V8. The class holds no authority: a transport sends
// and receives messages. That of a client is made by the family `net`, and that of a server by serving.js.
"use strict";
((globalThis) => {
  const web = globalThis.__web;
  const { all, webidl, isOf, isArrayBuffer, partsOf, httpToken } = web.deno;
  const { converters } = webidl;
  const { Blob, CloseEvent, DOMException, ErrorEvent, Event, EventTarget, MessageEvent, TextEncoder, URL, setIsTrusted } = all;
  const { dispatchEvent } = EventTarget.prototype;
  const { Handlers } = web;
  const { apply, construct } = Reflect;
  const { isArray } = Array;
  const { isView } = ArrayBuffer;
  const { defineProperty, freeze } = Object;
  const secret = Symbol("socket");
  const utf8 = new TextEncoder();
  const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];
  const states = { __proto__: null, CONNECTING, OPEN, CLOSING, CLOSED };
  /** Maximum number of bytes and of messages that wait to be sent. A socket that exceeds it fails. */
  const MOST_UNSENT = 2 ** 24;
  const MOST_MESSAGES = 4096;

  const syntaxError = (prefix, why) => new DOMException(`${prefix}: ${why}`, "SyntaxError");
  /** Returns the URL of a socket, with the scheme ws or wss. */
  const urlOf = (text, prefix) => {
    const url = URL.parse(text);
    if (url === null) throw syntaxError(prefix, `${JSON.stringify(text)} is no absolute URL`);
    if (url.protocol === "http:") url.protocol = "ws:";
    else if (url.protocol === "https:") url.protocol = "wss:";
    if (url.protocol !== "ws:" && url.protocol !== "wss:") throw syntaxError(prefix, "the scheme of the URL is not ws, wss, http or https");
    if (url.href.includes("#")) throw syntaxError(prefix, "the URL has a fragment");
    if (url.username !== "" || url.password !== "") throw syntaxError(prefix, "the URL has a user name or password");
    return url;
  };
  const protocolsOf = (given, prefix) => {
    let list = [];
    if (given !== undefined) {
      const isList = typeof given === "object" && given !== null && given[Symbol.iterator] !== undefined;
      list = isList ? converters["sequence<DOMString>"](given, prefix, "Argument 2") : [converters.DOMString(given, prefix, "Argument 2")];
    }
    const seen = new Set();
    for (const name of list) {
      if (!httpToken.test(name)) throw syntaxError(prefix, `${JSON.stringify(name)} is no name of a protocol`);
      if (seen.has(name.toLowerCase())) throw syntaxError(prefix, `the protocol ${name} is named twice`);
      seen.add(name.toLowerCase());
    }
    return list;
  };
  const bytesOf = (data) => {
    if (isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    if (isArrayBuffer(data)) return new Uint8Array(data).slice();
    if (!isOf(data, Blob.prototype)) return null;
    const parts = partsOf(data);
    let size = 0;
    for (const part of parts) size += part.byteLength;
    const whole = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.byteLength;
    }
    return whole;
  };

  let attach;
  let start;
  let fail;
  class WebSocket extends EventTarget {
    #url;
    #origin;
    #protocol = "";
    #state = CONNECTING;
    #binaryType = "blob";
    #transport = null;
    // The messages that wait to be sent, as { isText, bytes }, and the end as { code, reason }.
    #queue = [];
    #buffered = 0;
    #isSending = false;
    #handlers = new Handlers();
    static {
      attach = (socket, transport) => {
        socket.#transport = transport;
      };
      start = (socket, transport) => void socket.#start(transport);
      fail = (socket, error) => socket.#fail(error);
    }
    constructor(token = undefined, url = "", origin = "") {
      if (token !== secret) webidl.illegalConstructor();
      super();
      webidl.stamp(this);
      this.#url = url;
      this.#origin = origin;
    }
    #fire(event) {
      setIsTrusted(event, true);
      apply(dispatchEvent, this, [event]);
    }
    /** Does the handshake, and receives messages until the end. */
    async #start(transport) {
      this.#transport = transport;
      try {
        const protocol = await transport.connect();
        if (this.#state !== CONNECTING) return;
        this.#protocol = protocol;
        this.#state = OPEN;
        this.#fire(new Event("open"));
        while (this.#state !== CLOSED) {
          const received = await transport.receive();
          if (this.#state === CLOSED) return;
          // The server ends: it closes its sockets.
          if (received === null) this.#close(1001, "");
          else if (isArray(received)) this.#ended(true, received[0] ?? 1005, received[1]);
          else if (this.#state === OPEN) {
            const data = typeof received === "string" ? received : this.#binaryType === "blob" ? new Blob([received]) : received.buffer;
            this.#fire(new MessageEvent("message", { data, origin: this.#origin }));
          }
        }
      } catch (error) {
        this.#fail(error);
      }
    }
    #ended(wasClean, code, reason) {
      if (this.#state === CLOSED) return;
      this.#state = CLOSED;
      this.#queue = [];
      this.#transport?.drop();
      this.#fire(new CloseEvent("close", { wasClean, code, reason }));
    }
    #fail(error) {
      if (this.#state === CLOSED) return;
      this.#state = CLOSING;
      this.#fire(new ErrorEvent("error", { message: String(error?.message ?? ""), error }));
      this.#ended(false, 1006, "");
    }
    async #flush() {
      if (this.#isSending) return;
      this.#isSending = true;
      try {
        while (this.#queue.length > 0) {
          const next = this.#queue.shift();
          if (next.bytes === undefined) {
            await this.#transport.close(next.code, next.reason);
            continue;
          }
          await this.#transport.send(next.isText, next.bytes);
          this.#buffered -= next.bytes.byteLength;
        }
      } catch (error) {
        this.#fail(error);
      } finally {
        this.#isSending = false;
      }
    }
    #close(code, reason) {
      if (this.#state !== OPEN) return;
      this.#state = CLOSING;
      this.#queue.push({ code, reason });
      this.#flush();
    }
    get url() {
      return this.#url;
    }
    get readyState() {
      return this.#state;
    }
    get bufferedAmount() {
      return this.#buffered;
    }
    get extensions() {
      return this.#state === undefined ? undefined : "";
    }
    get protocol() {
      return this.#protocol;
    }
    get binaryType() {
      return this.#binaryType;
    }
    set binaryType(type) {
      const current = this.#binaryType;
      const text = String(type);
      this.#binaryType = text === "blob" || text === "arraybuffer" ? text : current;
    }
    get onopen() {
      return this.#handlers.get("open");
    }
    set onopen(value) {
      this.#handlers.set(this, "open", value);
    }
    get onmessage() {
      return this.#handlers.get("message");
    }
    set onmessage(value) {
      this.#handlers.set(this, "message", value);
    }
    get onerror() {
      return this.#handlers.get("error");
    }
    set onerror(value) {
      this.#handlers.set(this, "error", value);
    }
    get onclose() {
      return this.#handlers.get("close");
    }
    set onclose(value) {
      this.#handlers.set(this, "close", value);
    }
    send(data) {
      const prefix = "Failed to execute 'send' on 'WebSocket'";
      if (this.#state === undefined) return;
      webidl.requiredArguments(arguments.length, 1, prefix);
      let isText = false;
      let bytes = typeof data === "object" && data !== null ? bytesOf(data) : null;
      if (bytes === null) {
        isText = true;
        bytes = utf8.encode(converters.USVString(data, prefix, "Argument 1"));
      }
      if (this.#state === CONNECTING) throw new DOMException(`${prefix}: the socket is still connecting; wait for the event "open"`, "InvalidStateError");
      this.#buffered += bytes.byteLength;
      if (this.#state !== OPEN) return;
      this.#queue.push({ isText, bytes });
      if (this.#buffered > MOST_UNSENT || this.#queue.length > MOST_MESSAGES) {
        const why = `more than ${MOST_UNSENT} bytes or ${MOST_MESSAGES} messages wait to be sent; send less while bufferedAmount is large`;
        this.#fail(new DOMException(`${prefix}: ${why}`, "QuotaExceededError"));
        return;
      }
      this.#flush();
    }
    close(code = undefined, reason = undefined) {
      const prefix = "Failed to execute 'close' on 'WebSocket'";
      const state = this.#state;
      if (code !== undefined) {
        code = converters["unsigned short"](code, prefix, "Argument 1", { clamp: true });
        if (code !== 1000 && (code < 3000 || code > 4999)) {
          throw new DOMException(`${prefix}: the code is neither 1000 nor from 3000 to 4999`, "InvalidAccessError");
        }
      }
      reason = reason === undefined ? "" : converters.USVString(reason, prefix, "Argument 2");
      if (utf8.encode(reason).byteLength > 123) throw syntaxError(prefix, "the reason has more than 123 bytes");
      if (state === CONNECTING) {
        this.#fail(new DOMException("the socket was closed before it was open", "AbortError"));
        return;
      }
      // A reason without a code is sent with the code 1000.
      this.#close(code ?? (reason === "" ? null : 1000), reason);
    }
  }
  for (const [name, value] of Object.entries(states)) defineProperty(WebSocket.prototype, name, { value, enumerable: true, configurable: true });
  webidl.configureInterface(WebSocket);
  // It would be the class of no module. Each module has its own constructor, with its own rights.
  delete WebSocket.prototype.constructor;
  web.named["%WebSocketPrototype%"] = WebSocket.prototype;

  web.sockets = freeze({
    /**
     * Returns the constructor of a module. `open(url, protocols)` returns a transport, and throws if it is denied. The
     * method `connect` of a transport does the handshake, and returns the chosen protocol.
     */
    constructorOf: (open) => {
      const { WebSocket: make } = {
        WebSocket: function (url, protocols = undefined) {
          const prefix = "Failed to construct 'WebSocket'";
          if (new.target === undefined) throw new TypeError(`${prefix}: call it with new`);
          webidl.requiredArguments(arguments.length, 1, prefix);
          const target = urlOf(converters.USVString(url, prefix, "Argument 1"), prefix);
          const names = protocolsOf(protocols, prefix);
          const transport = open(target.href, names);
          const socket = construct(WebSocket, [secret, target.href, target.origin], new.target);
          start(socket, transport);
          return socket;
        },
      };
      defineProperty(make, "prototype", { value: WebSocket.prototype, writable: false, enumerable: false, configurable: false });
      defineProperty(make, "length", { value: 1, writable: false, enumerable: false, configurable: true });
      for (const [name, value] of Object.entries(states)) defineProperty(make, name, { value, enumerable: true });
      return make;
    },
    eventSourceOf: web.eventSourceOf,
    /** Returns the socket of a server, before its handshake, and the function that lets it begin. */
    accepted: (transport) => {
      const socket = new WebSocket(secret);
      attach(socket, transport);
      return { socket, start: () => start(socket, transport), fail: (error) => fail(socket, error) };
    },
  });
  delete web.deno;
})(globalThis);
