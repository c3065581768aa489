// The `net` capability of guests. `fetch` has the signature of the web. A response has text, json, bytes, arrayBuffer,
// and `body`, an async iterable of Uint8Array.
({ Capability, calls, until, opened, options, TextDecoder, TextEncoder, URLSearchParams }) => {
  const secret = Symbol("net");
  const MAX_HEAD = 2 ** 20;
  const illegal = (token) => {
    if (token !== secret) throw new TypeError("Illegal constructor");
  };

  class Headers {
    #list;
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
  async function* receive(take, signal) {
    const handle = take();
    try {
      for (;;) {
        const chunk = await (signal === null ? calls.read(handle) : until(signal, calls.read, handle));
        if (chunk.byteLength === 0) return;
        yield chunk;
      }
    } finally {
      // The body ended, failed, was aborted, or its reader stops early. The rest is not received.
      calls.cancel(handle);
    }
  }

  class Response {
    #handle;
    #signal;
    #used = false;
    constructor(token, signal, body, [status, statusText, url, redirected, headers]) {
      illegal(token);
      this.#handle = body;
      this.#signal = signal;
      this.status = status;
      this.statusText = statusText;
      this.ok = status >= 200 && status <= 299;
      this.url = url;
      this.redirected = redirected;
      this.headers = new Headers(secret, headers);
      Object.freeze(this);
    }
    get bodyUsed() {
      return this.#used;
    }
    #take() {
      if (this.#used) throw new TypeError("the body was read already");
      this.#used = true;
      return this.#handle;
    }
    get body() {
      return receive(() => this.#take(), this.#signal);
    }
    async bytes() {
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
      return new TextDecoder().decode(await this.bytes());
    }
    async json() {
      return JSON.parse(await this.text());
    }
  }

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
    const encoder = new TextEncoder();
    if (body instanceof URLSearchParams) {
      return [encoder.encode(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
    }
    if (typeof body === "string") return [encoder.encode(body), "text/plain;charset=UTF-8"];
    throw new TypeError("body must be a string, bytes or URLSearchParams");
  };

  class Network extends Capability {
    async fetch(input, init) {
      const url = String(input);
      const bag = options(init, ["method", "headers", "body", "redirect", "signal"]);
      const method = bag.method === undefined ? "GET" : String(bag.method);
      const redirect = bag.redirect === undefined ? "follow" : String(bag.redirect);
      const headers = headerList(bag.headers);
      const [body, type] = bodyBytes(bag.body);
      if (type !== null && !headers.some(([name]) => name.toLowerCase() === "content-type")) {
        headers.push(["content-type", type]);
      }
      // A header list may contain one long text many times. Rust has the same limit, in bytes.
      const around = method.length + url.length + redirect.length;
      const length = headers.reduce((sum, [name, value]) => sum + name.length + value.length, around);
      if (length > MAX_HEAD) throw new TypeError(`fetch: method, URL and headers have ${length} characters; ${MAX_HEAD} bytes are the most`);
      const signal = bag.signal ?? null;
      const sent = signal === null
        ? calls.fetch(this, url, method, headers, redirect, body)
        : until(signal, calls.fetch, this, url, method, headers, redirect, body);
      return new Response(secret, signal, ...opened(await sent));
    }
  }
  return {
    capability: Network,
    objects: [Response, Headers, receive],
    // A method, because unlike other functions it has no `prototype`.
    globals: { fetch: (network) => ({ fetch(input, init = undefined) { return network.fetch(input, init); } }.fetch) },
  };
}
