// What `fetch` and programs that serve need on QuickJS: requests and responses with text, json, bytes, arrayBuffer, and
// `body`, an async iterable of Uint8Array. The classes of the Fetch standard are on V8 only: see http.js.
"use strict";
((globalThis) => {
  const web = globalThis.__web;
  const { options } = globalThis.__secure;
  const secret = Symbol("http");
  const illegal = (token) => {
    if (token !== secret) throw new TypeError("Illegal constructor");
  };

  let listOf;
  class Headers {
    #list;
    static {
      listOf = (headers) => headers.#list;
    }
    constructor(token, list) {
      illegal(token);
      this.#list = list; // [[lower-case name, value], ...] in the order received
      Object.freeze(this);
    }
    get(name) {
      const wanted = String(name).toLowerCase();
      const values = [];
      for (const [key, value] of this.#list) if (key === wanted) values.push(value);
      return values.length === 0 ? null : values.join(", ");
    }
    has(name) {
      return this.get(name) !== null;
    }
    *entries() {
      const names = [...new Set(this.#list.map(([key]) => key))].sort();
      for (const name of names) yield [name, this.get(name)];
    }
    *keys() {
      for (const [key] of this.entries()) yield key;
    }
    *values() {
      for (const [, value] of this.entries()) yield value;
    }
    forEach(callback) {
      for (const [key, value] of this.entries()) callback(value, key, this);
    }
    [Symbol.iterator]() {
      return this.entries();
    }
  }

  // A private method of Response would not do: nobody could reach it to freeze its `prototype`, from which every
  // body inherits. One module could then change how all other modules read their responses.
  async function* receive(take) {
    const source = take();
    if (source === null) return;
    try {
      for (;;) {
        const chunk = await source.read();
        if (chunk === null) return;
        yield chunk;
      }
    } finally {
      // The body ended, failed, was aborted, or its reader stops early. The rest is not received.
      source.cancel();
    }
  }

  /** The members of requests and responses that read the body. A source has `read` and `cancel`. */
  let takeSource;
  class Body {
    #source;
    #used = false;
    static {
      takeSource = (body) => body.#take();
    }
    constructor(token, source) {
      illegal(token);
      this.#source = source;
    }
    get bodyUsed() {
      return this.#used;
    }
    #take() {
      if (this.#used) throw new TypeError("the body was read already");
      this.#used = true;
      return this.#source;
    }
    get body() {
      return this.#source === null ? null : receive(() => this.#take());
    }
    async bytes() {
      if (this.#source === null) return new Uint8Array();
      const chunks = [];
      let length = 0;
      for await (const chunk of this.body) {
        chunks.push(chunk);
        length += chunk.byteLength;
      }
      const all = new Uint8Array(length);
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.byteLength;
      }
      return all;
    }
    async arrayBuffer() {
      return (await this.bytes()).buffer;
    }
    async text() {
      return new web.TextDecoder().decode(await this.bytes());
    }
    async json() {
      return JSON.parse(await this.text());
    }
  }

  const refuse = (message) => {
    throw new RangeError(message);
  };
  let isResponse;
  class Response extends Body {
    #isResponse = true;
    static {
      isResponse = (value) => typeof value === "object" && value !== null && #isResponse in value;
    }
    constructor(body, init) {
      if (body === secret) {
        const { status, statusText, url, redirected, headers, source } = init;
        super(secret, source);
        Object.assign(this, { status, statusText, url, redirected, headers: new Headers(secret, headers) });
      } else {
        const { status = 200, statusText = "", headers } = options(init, ["status", "statusText", "headers"]);
        const [bytes, type] = bodyBytes(body);
        if (!Number.isInteger(status) || status < 200 || status > 599) refuse("the status of a response is a number from 200 to 599");
        if (bytes !== null && [204, 205, 304].includes(status)) throw new TypeError(`a response with the status ${status} has no body`);
        const list = headerList(headers).map(([name, value]) => [name.toLowerCase(), value]);
        if (type !== null && !list.some(([name]) => name === "content-type")) list.push(["content-type", type]);
        let left = bytes;
        const read = async () => {
          const piece = left;
          left = null;
          return piece;
        };
        super(secret, bytes === null ? null : { read, cancel: () => {}, bytes });
        Object.assign(this, { status, statusText: String(statusText), url: "", redirected: false, headers: new Headers(secret, list) });
      }
      this.ok = this.status >= 200 && this.status <= 299;
      Object.freeze(this);
    }
    /** Returns a response with a value as JSON. */
    static json(value, init = undefined) {
      const text = JSON.stringify(value);
      if (text === undefined) throw new TypeError("the value is no JSON");
      const { status, statusText, headers } = options(init, ["status", "statusText", "headers"]);
      const list = headerList(headers);
      if (!list.some(([name]) => name.toLowerCase() === "content-type")) list.push(["content-type", "application/json"]);
      return new Response(text, { status, statusText, headers: list });
    }
  }

  class Request extends Body {
    #signal;
    constructor(token, { method, url, headers, signal, source }) {
      super(token, source);
      this.method = method;
      this.url = url;
      const flat = headers();
      const list = [];
      for (let at = 0; at < flat.length; at += 2) list.push([flat[at], flat[at + 1]]);
      this.headers = new Headers(secret, list);
      this.#signal = signal;
      Object.freeze(this);
    }
    get signal() {
      return this.#signal();
    }
  }
  delete Body.prototype.constructor;
  delete Request.prototype.constructor;
  web.globals.Response = Response;
  Object.assign(web.named, { "%Body%": Body, "%RequestPrototype%": Request.prototype });

  const headerList = (init) => {
    if (init === undefined || init === null) return [];
    const list = [];
    if (typeof init[Symbol.iterator] === "function") {
      for (const pair of init) {
        const parts = [...pair];
        if (parts.length !== 2) throw new TypeError("a header is a pair of a name and a value");
        list.push([String(parts[0]), String(parts[1])]);
      }
    } else {
      for (const name of Object.keys(init)) list.push([name, String(init[name])]);
    }
    return list;
  };
  /** Returns the bytes of a body, and its content type if the kind of body has one. */
  const bodyBytes = (body) => {
    if (body === undefined || body === null) return [null, null];
    if (ArrayBuffer.isView(body)) return [new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), null];
    if (body instanceof ArrayBuffer) return [new Uint8Array(body).slice(), null];
    const encoder = new web.TextEncoder();
    if (body instanceof web.URLSearchParams) {
      return [encoder.encode(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
    }
    if (typeof body === "string") return [encoder.encode(body), "text/plain;charset=UTF-8"];
    throw new TypeError("body must be a string, bytes or URLSearchParams");
  };

  web.http = Object.freeze({
    objects: [Headers, receive],
    request: (input, init) => {
      const url = String(input);
      const bag = options(init, ["method", "headers", "body", "redirect", "signal"]);
      const headers = headerList(bag.headers);
      const [bytes, type] = bodyBytes(bag.body);
      if (type !== null && !headers.some(([name]) => name.toLowerCase() === "content-type")) headers.push(["content-type", type]);
      return {
        url,
        method: bag.method === undefined ? "GET" : String(bag.method),
        redirect: bag.redirect === undefined ? "follow" : String(bag.redirect),
        headers,
        signal: bag.signal ?? null,
        body: async () => bytes,
      };
    },
    response: (parts) => new Response(secret, parts),
    // For programs that serve: see http.js.
    incoming: (parts) => new Request(secret, parts),
    outgoing: (response) => {
      if (!isResponse(response)) throw new TypeError("the handler must return a Response, or a promise of one");
      const headers = [];
      for (const [name, value] of listOf(response.headers)) headers.push(name, value);
      const source = takeSource(response);
      if (source?.bytes !== undefined) return { status: response.status, headers, bytes: source.bytes, pieces: null };
      const pieces = source === null ? null : { next: () => source.read(), cancel: () => source.cancel() };
      return { status: response.status, headers, bytes: null, pieces };
    },
  });
})(globalThis);
