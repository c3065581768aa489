// URL and URLSearchParams (https://url.spec.whatwg.org). Rust parses and serialises: `op_sr_url_*` in web.rs.
"use strict";
((globalThis) => {
  const { Map, Object, Reflect, Symbol, TypeError } = globalThis;
  const { ops } = globalThis.Deno.core;
  const web = (globalThis.__web ??= {});
  const { needs, room, string, walk, finish } = web.idl;

  const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

  // Reads the list at each step, because the standard requires that an iterator sees changes.
  class ParamsIterator {
    #list;
    #project;
    #index = 0;

    constructor(list, project) {
      this.#list = list;
      this.#project = project;
    }

    next() {
      const pair = this.#list()[this.#index];
      if (pair === undefined) {
        return { value: undefined, done: true };
      }
      this.#index += 1;
      return { value: this.#project(pair), done: false };
    }
  }
  // No global leads to this prototype, so it is finished here. Without `constructor`, a guest cannot create its own
  // iterator.
  delete ParamsIterator.prototype.constructor;
  finish(ParamsIterator, "URLSearchParams Iterator");
  Object.setPrototypeOf(ParamsIterator.prototype, iteratorPrototype);

  // Rust gets a query in pieces of about this many characters, so that the memory of the pieces stays small. The pairs
  // themselves are on the engine's heap.
  const PIECE = 65536;
  // Maximum number of bytes that Rust takes for each character of a query or of a URL: its percent-encoded form, in
  // several copies.
  const QUERY = 16;
  const WHOLE = 24;

  function pairsOfString(text) {
    const query = text.startsWith("?") ? text.slice(1) : text;
    if (query.length <= PIECE) return ops.op_sr_url_query_parse(query);
    const pairs = [];
    for (let from = 0; from < query.length;) {
      let to = query.indexOf("&", from + PIECE);
      if (to === -1) to = query.length;
      room((to - from) * QUERY, "URLSearchParams");
      for (const pair of ops.op_sr_url_query_parse(query.slice(from, to))) pairs.push(pair);
      from = to + 1;
    }
    return pairs;
  }

  function stringOfPairs(pairs) {
    let made = "";
    let piece = [];
    let length = 0;
    const flush = () => {
      room(length * QUERY, "URLSearchParams");
      const text = ops.op_sr_url_query_serialize(piece);
      made = made === "" ? text : `${made}&${text}`;
      piece = [];
      length = 0;
    };
    for (const pair of pairs) {
      const more = pair[0].length + pair[1].length + 2;
      if (length > 0 && length + more > PIECE) flush();
      piece.push(pair);
      length += more;
    }
    if (length > 0) flush();
    return made;
  }

  function pairsOfIterable(init, method) {
    const pairs = [];
    for (const item of walk(init, method)) {
      const itemMethod = Object(item) === item ? item[Symbol.iterator] : undefined;
      if (typeof itemMethod !== "function") {
        throw new TypeError("URLSearchParams: each item of a sequence must be a [name, value] pair");
      }
      const pair = [];
      for (const part of walk(item, itemMethod)) {
        pair.push(string(part));
        if (pair.length > 2) break;
      }
      if (pair.length !== 2) {
        throw new TypeError("URLSearchParams: each item of a sequence must have exactly two parts");
      }
      pairs.push(pair);
    }
    return pairs;
  }

  function pairsOfRecord(init) {
    const values = new Map();
    for (const key of Reflect.ownKeys(init)) {
      if (Reflect.getOwnPropertyDescriptor(init, key)?.enumerable) {
        const name = string(key);
        values.set(name, string(init[key]));
      }
    }
    return [...values];
  }

  function pairsOf(init) {
    if (Object(init) !== init) {
      return pairsOfString(string(init));
    }
    const method = init[Symbol.iterator];
    if (method === undefined || method === null) {
      return pairsOfRecord(init);
    }
    if (typeof method !== "function") {
      throw new TypeError("URLSearchParams: the initial value's iterator is not a function");
    }
    return pairsOfIterable(init, method);
  }

  let bind; // (params, onChange): ties the parameters to a URL
  let refill; // (params, pairs): replaces the pairs without notifying the URL

  class URLSearchParams {
    #pairs;
    #onChange = null;

    static {
      bind = (params, onChange) => {
        params.#onChange = onChange;
      };
      refill = (params, pairs) => {
        params.#pairs = pairs;
      };
      web.describers.push((value) =>
        #pairs in value ? `URLSearchParams { ${value.#serialize()} }` : undefined
      );
    }

    constructor(init = "") {
      this.#pairs = pairsOf(init);
    }

    #serialize() {
      return stringOfPairs(this.#pairs);
    }

    #changed() {
      this.#onChange?.(this.#serialize());
    }

    get size() {
      return this.#pairs.length;
    }

    append(name, value) {
      const pairs = this.#pairs;
      needs(arguments.length, 2, "URLSearchParams.append");
      pairs.push([string(name), string(value)]);
      this.#changed();
    }

    delete(name, value = undefined) {
      this.#pairs; // a forged `this` throws before the arguments are converted
      needs(arguments.length, 1, "URLSearchParams.delete");
      const wantedName = string(name);
      const wantedValue = value === undefined ? undefined : string(value);
      this.#pairs = this.#pairs.filter(
        (pair) => pair[0] !== wantedName || (wantedValue !== undefined && pair[1] !== wantedValue),
      );
      this.#changed();
    }

    get(name) {
      this.#pairs;
      needs(arguments.length, 1, "URLSearchParams.get");
      const wanted = string(name);
      return this.#pairs.find((pair) => pair[0] === wanted)?.[1] ?? null;
    }

    getAll(name) {
      this.#pairs;
      needs(arguments.length, 1, "URLSearchParams.getAll");
      const wanted = string(name);
      return this.#pairs.filter((pair) => pair[0] === wanted).map((pair) => pair[1]);
    }

    has(name, value = undefined) {
      this.#pairs;
      needs(arguments.length, 1, "URLSearchParams.has");
      const wantedName = string(name);
      const wantedValue = value === undefined ? undefined : string(value);
      return this.#pairs.some(
        (pair) => pair[0] === wantedName && (wantedValue === undefined || pair[1] === wantedValue),
      );
    }

    set(name, value) {
      this.#pairs;
      needs(arguments.length, 2, "URLSearchParams.set");
      const wanted = string(name);
      const replacement = [wanted, string(value)];
      const first = this.#pairs.findIndex((pair) => pair[0] === wanted);
      if (first === -1) {
        this.#pairs.push(replacement);
      } else {
        this.#pairs = this.#pairs
          .map((pair, index) => (index === first ? replacement : pair))
          .filter((pair, index) => index <= first || pair[0] !== wanted);
      }
      this.#changed();
    }

    sort() {
      // `<` compares code units, and the language's sort is stable. The standard requires both.
      this.#pairs.sort((left, right) => (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0));
      this.#changed();
    }

    forEach(callback, thisArgument = undefined) {
      this.#pairs;
      needs(arguments.length, 1, "URLSearchParams.forEach");
      if (typeof callback !== "function") {
        throw new TypeError("URLSearchParams.forEach: the callback is not a function");
      }
      for (let index = 0; index < this.#pairs.length; index += 1) {
        const [name, value] = this.#pairs[index];
        Reflect.apply(callback, thisArgument, [value, name, this]);
      }
    }

    entries() {
      this.#pairs;
      return new ParamsIterator(() => this.#pairs, ([name, value]) => [name, value]);
    }

    keys() {
      this.#pairs;
      return new ParamsIterator(() => this.#pairs, (pair) => pair[0]);
    }

    values() {
      this.#pairs;
      return new ParamsIterator(() => this.#pairs, (pair) => pair[1]);
    }

    toString() {
      return this.#serialize();
    }
  }
  finish(URLSearchParams, "URLSearchParams");
  Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
    value: URLSearchParams.prototype.entries,
    writable: true,
    configurable: true,
  });

  const parse = (url, base) => {
    room((url.length + (base?.length ?? 0)) * WHOLE, "URL");
    return base === undefined ? ops.op_sr_url_parse(url) : ops.op_sr_url_join(url, base);
  };

  function parseOrThrow(url, base) {
    const parts = parse(url, base);
    if (parts === null) {
      const against = base === undefined ? "" : ` with base '${base}'`;
      throw new TypeError(`Invalid URL: '${url}'${against}`);
    }
    return parts;
  }

  class URL {
    // The components that the parser returned, as one record, so that they always match each other.
    #parts;
    #params = null;

    static {
      web.describers.push((value) => (#parts in value ? `URL { ${value.#parts.href} }` : undefined));
    }

    constructor(url, base = undefined) {
      needs(arguments.length, 1, "URL");
      const input = string(url);
      this.#parts = parseOrThrow(input, base === undefined ? undefined : string(base));
    }

    static canParse(url, base = undefined) {
      needs(arguments.length, 1, "URL.canParse");
      const input = string(url);
      return parse(input, base === undefined ? undefined : string(base)) !== null;
    }

    static parse(url, base = undefined) {
      needs(arguments.length, 1, "URL.parse");
      const input = string(url);
      const parts = parse(input, base === undefined ? undefined : string(base));
      return parts === null ? null : new URL(parts.href);
    }

    #set(component, value) {
      room((this.#parts.href.length + value.length) * WHOLE, "URL");
      // If the value does not fit the component, the result is null. The standard ignores such a value.
      this.#parts = ops.op_sr_url_set(this.#parts.href, component, value) ?? this.#parts;
    }

    #refillParams() {
      if (this.#params !== null) {
        refill(this.#params, pairsOfString(this.#parts.search));
      }
    }

    get href() {
      return this.#parts.href;
    }
    set href(value) {
      this.#parts;
      this.#parts = parseOrThrow(string(value), undefined);
      this.#refillParams();
    }

    get origin() {
      return this.#parts.origin;
    }

    get protocol() {
      return this.#parts.protocol;
    }
    set protocol(value) {
      this.#set("protocol", string(value));
    }

    get username() {
      return this.#parts.username;
    }
    set username(value) {
      this.#set("username", string(value));
    }

    get password() {
      return this.#parts.password;
    }
    set password(value) {
      this.#set("password", string(value));
    }

    get host() {
      return this.#parts.host;
    }
    set host(value) {
      this.#set("host", string(value));
    }

    get hostname() {
      return this.#parts.hostname;
    }
    set hostname(value) {
      this.#set("hostname", string(value));
    }

    get port() {
      return this.#parts.port;
    }
    set port(value) {
      this.#set("port", string(value));
    }

    get pathname() {
      return this.#parts.pathname;
    }
    set pathname(value) {
      this.#set("pathname", string(value));
    }

    get search() {
      return this.#parts.search;
    }
    set search(value) {
      this.#set("search", string(value));
      this.#refillParams();
    }

    get hash() {
      return this.#parts.hash;
    }
    set hash(value) {
      this.#set("hash", string(value));
    }

    get searchParams() {
      this.#parts;
      if (this.#params === null) {
        this.#params = new URLSearchParams(this.#parts.search);
        bind(this.#params, (query) => this.#set("search", query));
      }
      return this.#params;
    }

    toString() {
      return this.#parts.href;
    }

    toJSON() {
      return this.#parts.href;
    }
  }
  finish(URL, "URL");

  web.URL = URL;
  web.URLSearchParams = URLSearchParams;
  web.ParamsIterator = ParamsIterator; // only for lockdown; not a global
})(globalThis);
