// `EventSource` of the web (HTML, section 9.2), on V8: a stream of events over the `fetch` of a module. The class holds
// no authority.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { all, webidl } = web.deno;
  const { converters } = webidl;
  const { AbortController, DOMException, ErrorEvent, Event, EventTarget, MessageEvent, TextDecoder, TextEncoder, URL, setIsTrusted } = all;
  const { dispatchEvent } = EventTarget.prototype;
  const { Handlers } = web;
  const { apply, construct } = Reflect;
  const { defineProperty } = Object;
  const { setTimeout, clearTimeout } = secure.timersOf(null);
  const secret = Symbol("events");
  const [CONNECTING, OPEN, CLOSED] = [0, 1, 2];
  const states = { __proto__: null, CONNECTING, OPEN, CLOSED };
  /** The time before it connects again, in milliseconds, if the server names none. */
  const RETRY = 3000;
  const MAX_RETRY = 2 ** 31 - 1;
  /** Maximum number of characters of one line, and of the data of one event. */
  const MOST_LINE = 2 ** 20;
  const MOST_DATA = 2 ** 24;
  const isEventStream = /^\s*text\/event-stream\s*(;|$)/i;

  const utf8 = new TextEncoder();
  /** Returns a text as a header: each byte of its UTF-8 is one character. */
  const headerOf = (text) => {
    let header = "";
    for (const byte of utf8.encode(text)) header += String.fromCharCode(byte);
    return header;
  };

  /** The error of a stream that is not continued. */
  class Final {
    constructor(message) {
      this.message = message;
    }
  }

  const initOf = webidl.createDictionaryConverter("EventSourceInit", [
    { key: "withCredentials", converter: converters.boolean, defaultValue: false },
  ]);

  let start;
  class EventSource extends EventTarget {
    #url;
    #fetch;
    #withCredentials;
    #state = CONNECTING;
    #retry = RETRY;
    #lastId = "";
    #timer;
    #end = new AbortController();
    #handlers = new Handlers();
    // The event that is being received.
    #data = "";
    #hasData = false;
    #type = "";
    #id = "";
    static {
      start = (source) => void source.#connect();
    }
    constructor(token = undefined, url = "", withCredentials = false, fetch = undefined) {
      if (token !== secret) webidl.illegalConstructor();
      super();
      webidl.stamp(this);
      this.#url = url;
      this.#withCredentials = withCredentials;
      this.#fetch = fetch;
    }
    #fire(event) {
      setIsTrusted(event, true);
      apply(dispatchEvent, this, [event]);
    }
    async #connect() {
      let error;
      try {
        const headers = [["accept", "text/event-stream"], ["cache-control", "no-cache"]];
        if (this.#lastId !== "") headers.push(["last-event-id", headerOf(this.#lastId)]);
        const response = await this.#fetch(this.#url, { headers, signal: this.#end.signal });
        if (this.#state === CLOSED) return;
        const { status, url, type, next } = web.http.received(response);
        if (status !== 200 || !isEventStream.test(type)) throw new Final(`the server answered with the status ${status} and the type ${JSON.stringify(type)}`);
        this.#state = OPEN;
        this.#fire(new Event("open"));
        await this.#receive(next, URL.parse(url)?.origin ?? "");
      } catch (thrown) {
        error = thrown;
      }
      if (this.#state === CLOSED) return;
      this.#data = this.#type = "";
      this.#hasData = false;
      // A refusal or a limit is not temporary.
      const isFinal = error !== undefined && !(error instanceof TypeError);
      this.#state = isFinal ? CLOSED : CONNECTING;
      const message = error === undefined ? "the server ended the stream" : String(error?.message ?? "");
      this.#fire(new ErrorEvent("error", { message: `EventSource: ${message}`, error: error instanceof Final ? null : error ?? null }));
      if (this.#state === CONNECTING) this.#timer = setTimeout(() => this.#connect(), this.#retry);
    }
    async #receive(next, origin) {
      const decoder = new TextDecoder();
      let line = "";
      let isAfterReturn = false;
      for (let piece = await next(); piece !== null && this.#state === OPEN; piece = await next()) {
        let text = decoder.decode(piece, { stream: true });
        if (text === "") continue;
        if (isAfterReturn && text[0] === "\n") text = text.slice(1);
        isAfterReturn = false;
        let from = 0;
        for (let at = 0; at < text.length && this.#state === OPEN; at++) {
          const unit = text.charCodeAt(at);
          if (unit !== 10 && unit !== 13) continue;
          line += text.slice(from, at);
          if (line.length > MOST_LINE) throw new Final(`a line has more than ${MOST_LINE} characters`);
          this.#line(line, origin);
          line = "";
          if (unit === 13) {
            if (at + 1 === text.length) isAfterReturn = true;
            else if (text.charCodeAt(at + 1) === 10) at++;
          }
          from = at + 1;
        }
        line += text.slice(from);
        if (line.length > MOST_LINE) throw new Final(`a line has more than ${MOST_LINE} characters`);
      }
    }
    #line(line, origin) {
      if (line === "") {
        this.#dispatch(origin);
        return;
      }
      const colon = line.indexOf(":");
      if (colon === 0) return;
      const field = colon === -1 ? line : line.slice(0, colon);
      let value = colon === -1 ? "" : line.slice(colon + 1);
      if (value[0] === " ") value = value.slice(1);
      switch (field) {
        case "event":
          this.#type = value;
          break;
        case "data":
          this.#data = this.#hasData ? `${this.#data}\n${value}` : value;
          this.#hasData = true;
          if (this.#data.length > MOST_DATA) throw new Final(`the data of an event has more than ${MOST_DATA} characters`);
          break;
        case "id":
          if (!value.includes("\0")) this.#id = value;
          break;
        case "retry":
          if (/^[0-9]+$/.test(value)) this.#retry = Math.min(Number(value), MAX_RETRY);
      }
    }
    #dispatch(origin) {
      const [data, type, hasData] = [this.#data, this.#type, this.#hasData];
      this.#lastId = this.#id;
      this.#data = this.#type = "";
      this.#hasData = false;
      if (hasData) this.#fire(new MessageEvent(type || "message", { data, origin, lastEventId: this.#lastId }));
    }
    get url() {
      return this.#url;
    }
    get withCredentials() {
      return this.#withCredentials;
    }
    get readyState() {
      return this.#state;
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
    close() {
      if (this.#state === CLOSED) return;
      this.#state = CLOSED;
      if (this.#timer !== undefined) clearTimeout(this.#timer);
      this.#end.abort();
    }
  }
  for (const [name, value] of Object.entries(states)) defineProperty(EventSource.prototype, name, { value, enumerable: true, configurable: true });
  webidl.configureInterface(EventSource);
  // Each module has its own constructor, with its own rights.
  delete EventSource.prototype.constructor;
  web.named["%EventSourcePrototype%"] = EventSource.prototype;

  /** Returns the constructor of a module. `fetch` is that of the module. */
  web.eventSourceOf = (fetch) => {
    const { EventSource: make } = {
      EventSource: function (url, init = undefined) {
        const prefix = "Failed to construct 'EventSource'";
        if (new.target === undefined) throw new TypeError(`${prefix}: call it with new`);
        webidl.requiredArguments(arguments.length, 1, prefix);
        const text = converters.USVString(url, prefix, "Argument 1");
        const { withCredentials } = initOf(init, prefix, "Argument 2");
        const target = URL.parse(text);
        if (target === null) throw new DOMException(`${prefix}: ${JSON.stringify(text)} is no absolute URL`, "SyntaxError");
        const source = construct(EventSource, [secret, target.href, withCredentials, fetch], new.target);
        start(source);
        return source;
      },
    };
    defineProperty(make, "prototype", { value: EventSource.prototype, writable: false, enumerable: false, configurable: false });
    defineProperty(make, "length", { value: 1, writable: false, enumerable: false, configurable: true });
    for (const [name, value] of Object.entries(states)) defineProperty(make, name, { value, enumerable: true });
    return make;
  };
})(globalThis);
