// `Headers`, `FormData`, `Request` and `Response` of the Fetch standard (https://fetch.spec.whatwg.org), on V8. They
// hold no authority: `fetch` is a method of the family `net`, which sends a request and fills a response.
//
// Those of Deno are not used. Their crate would bring a second HTTP client, a resolver and another TLS into the build.
"use strict";
((globalThis) => {
  const web = globalThis.__web;
  const { all, webidl, slot, partsOf, httpToken, isArrayBuffer, mimesniff, isOf, typeOf: typeOfBlob, fileName, fileTime } = web.deno;
  const { converters } = webidl;
  const {
    Blob, File, ReadableStream, TextDecoder, TextEncoder, URL, URLSearchParams, createDependentAbortSignal, isReadableStreamDisturbed,
    readableStreamCollectIntoUint8Array, readableStreamDisturb, readableStreamTee,
  } = all;
  const { isView } = ArrayBuffer;
  const { freeze, defineProperty } = Object;
  const secret = Symbol("http");
  const refuse = (prefix, message) => {
    throw new TypeError(`${prefix}: ${message}`);
  };
  const utf8 = new TextEncoder();
  /** Returns a text without white space at its ends, as HTTP defines it. */
  const trimmed = (text) => {
    let from = 0;
    let to = text.length;
    const isSpace = (at) => {
      const unit = text.charCodeAt(at);
      return unit === 0x20 || unit === 9 || unit === 10 || unit === 13;
    };
    while (from < to && isSpace(from)) from++;
    while (to > from && isSpace(to - 1)) to--;
    return text.slice(from, to);
  };

  // ---- Headers --------------------------------------------------------------------------------------------------
  const badValue = /[\0\r\n]/;
  const pairsOfHeaders = slot("pairs");
  let innerOf;
  class Headers {
    #list = []; // [[name in lower case, value], ...] in the order of insertion
    #isImmutable = false;
    #sorted = null;
    static {
      // The list is changed only by methods.
      innerOf = {
        list: (headers) => headers.#list,
        fill: (headers, list) => {
          for (const [name, value] of list) headers.#add("Headers", name, value);
        },
        take: (headers, list) => {
          headers.#list = list;
        },
        seal: (headers) => {
          headers.#isImmutable = true;
        },
        value: (headers, name) => headers.#value(name),
        sorted: (headers) => headers.#sorted ??= headers.#sort(),
      };
    }
    constructor(init = undefined) {
      webidl.stamp(this);
      const prefix = "Failed to construct 'Headers'";
      if (init !== undefined) innerOf.fill(this, headersInit(init, prefix, "Argument 1"));
    }
    #name(prefix, name) {
      name = converters.ByteString(name, prefix, "Argument 1");
      if (!httpToken.test(name)) refuse(prefix, `${JSON.stringify(name)} is no name of a header`);
      return name.toLowerCase();
    }
    #change(prefix) {
      if (this.#isImmutable) refuse(prefix, "these headers cannot be changed");
      this.#sorted = null;
    }
    #add(prefix, name, value) {
      name = this.#name(prefix, name);
      value = trimmed(value);
      if (badValue.test(value)) refuse(prefix, `the value of the header ${name} has NUL, CR or LF`);
      this.#change(prefix);
      this.#list.push([name, value]);
    }
    #value(name) {
      let found = null;
      for (const [key, value] of this.#list) if (key === name) found = found === null ? value : `${found}, ${value}`;
      return found;
    }
    #sort() {
      const joined = new Map();
      const cookies = [];
      for (const [name, value] of this.#list) {
        if (name === "set-cookie") cookies.push([name, value]);
        else joined.set(name, joined.has(name) ? `${joined.get(name)}, ${value}` : value);
      }
      const pairs = [...joined, ...cookies];
      // The order of sort is stable, so cookies stay in the order of insertion.
      return pairs.sort(([one], [other]) => one < other ? -1 : one > other ? 1 : 0);
    }
    append(name, value) {
      const prefix = "Failed to execute 'append' on 'Headers'";
      webidl.assertBranded(this, Headers.prototype);
      webidl.requiredArguments(arguments.length, 2, prefix);
      name = converters.ByteString(name, prefix, "Argument 1");
      this.#add(prefix, name, converters.ByteString(value, prefix, "Argument 2"));
    }
    delete(name) {
      const prefix = "Failed to execute 'delete' on 'Headers'";
      webidl.assertBranded(this, Headers.prototype);
      webidl.requiredArguments(arguments.length, 1, prefix);
      name = this.#name(prefix, name);
      this.#change(prefix);
      this.#list = this.#list.filter(([key]) => key !== name);
    }
    get(name) {
      const prefix = "Failed to execute 'get' on 'Headers'";
      webidl.assertBranded(this, Headers.prototype);
      webidl.requiredArguments(arguments.length, 1, prefix);
      return this.#value(this.#name(prefix, name));
    }
    getSetCookie() {
      webidl.assertBranded(this, Headers.prototype);
      return this.#list.filter(([name]) => name === "set-cookie").map(([, value]) => value);
    }
    has(name) {
      const prefix = "Failed to execute 'has' on 'Headers'";
      webidl.assertBranded(this, Headers.prototype);
      webidl.requiredArguments(arguments.length, 1, prefix);
      name = this.#name(prefix, name);
      return this.#list.some(([key]) => key === name);
    }
    set(name, value) {
      const prefix = "Failed to execute 'set' on 'Headers'";
      webidl.assertBranded(this, Headers.prototype);
      webidl.requiredArguments(arguments.length, 2, prefix);
      name = this.#name(prefix, name);
      value = trimmed(converters.ByteString(value, prefix, "Argument 2"));
      if (badValue.test(value)) refuse(prefix, `the value of the header ${name} has NUL, CR or LF`);
      this.#change(prefix);
      const at = this.#list.findIndex(([key]) => key === name);
      if (at === -1) this.#list.push([name, value]);
      else this.#list = this.#list.filter(([key], index) => key !== name || index === at).map((pair) => pair[0] === name ? [name, value] : pair);
    }
  }
  webidl.mixinPairIterable("Headers", Headers, pairsOfHeaders, 0, 1);
  pairsOfHeaders.accessor(Headers.prototype, function () {
    return innerOf.sorted(this);
  });
  webidl.configureInterface(Headers);
  /** Returns the pairs of a value for `headers`. */
  const headersInit = (init, prefix, what) => {
    if (init === null || (typeof init !== "object" && typeof init !== "function")) refuse(prefix, `${what} is not an object`);
    const iterator = init[Symbol.iterator];
    if (iterator === undefined || iterator === null) {
      const record = converters["record<ByteString, ByteString>"](init, prefix, what);
      return Object.keys(record).map((name) => [name, record[name]]);
    }
    const pairs = converters["sequence<sequence<ByteString>>"](init, prefix, what);
    for (const pair of pairs) if (pair.length !== 2) refuse(prefix, "a header is a pair of a name and a value");
    return pairs;
  };
  converters.HeadersInit = headersInit;

  // ---- FormData (https://xhr.spec.whatwg.org/#interface-formdata) -------------------------------------------------
  const entriesOfForm = slot("entries");
  let entriesOf;
  class FormData {
    #entries = []; // [{ name, value }, ...] with texts and Files
    static {
      entriesOf = (form) => form.#entries;
    }
    constructor(form = undefined) {
      webidl.stamp(this);
      // There are no HTML forms here.
      if (form !== undefined) webidl.illegalConstructor();
    }
    #entry(prefix, count, name, value, filename) {
      webidl.assertBranded(this, FormData.prototype);
      webidl.requiredArguments(count, 2, prefix);
      name = converters.USVString(name, prefix, "Argument 1");
      if (!isOf(value, Blob.prototype)) {
        if (count > 2) refuse(prefix, "Argument 2 is not a Blob, and only a Blob has a file name");
        return { name, value: converters.USVString(value, prefix, "Argument 2") };
      }
      const given = count > 2 ? converters.USVString(filename, prefix, "Argument 3") : undefined;
      return { name, value: fileOf(value, given) };
    }
    append(name, value, filename = undefined) {
      this.#entries.push(this.#entry("Failed to execute 'append' on 'FormData'", arguments.length, name, value, filename));
    }
    delete(name) {
      const prefix = "Failed to execute 'delete' on 'FormData'";
      webidl.assertBranded(this, FormData.prototype);
      webidl.requiredArguments(arguments.length, 1, prefix);
      name = converters.USVString(name, prefix, "Argument 1");
      for (let at = this.#entries.length - 1; at >= 0; at--) if (this.#entries[at].name === name) this.#entries.splice(at, 1);
    }
    get(name) {
      const prefix = "Failed to execute 'get' on 'FormData'";
      webidl.assertBranded(this, FormData.prototype);
      webidl.requiredArguments(arguments.length, 1, prefix);
      name = converters.USVString(name, prefix, "Argument 1");
      return this.#entries.find((entry) => entry.name === name)?.value ?? null;
    }
    getAll(name) {
      const prefix = "Failed to execute 'getAll' on 'FormData'";
      webidl.assertBranded(this, FormData.prototype);
      webidl.requiredArguments(arguments.length, 1, prefix);
      name = converters.USVString(name, prefix, "Argument 1");
      return this.#entries.filter((entry) => entry.name === name).map(({ value }) => value);
    }
    has(name) {
      const prefix = "Failed to execute 'has' on 'FormData'";
      webidl.assertBranded(this, FormData.prototype);
      webidl.requiredArguments(arguments.length, 1, prefix);
      name = converters.USVString(name, prefix, "Argument 1");
      return this.#entries.some((entry) => entry.name === name);
    }
    set(name, value, filename = undefined) {
      const entry = this.#entry("Failed to execute 'set' on 'FormData'", arguments.length, name, value, filename);
      const at = this.#entries.findIndex((other) => other.name === entry.name);
      if (at === -1) {
        this.#entries.push(entry);
        return;
      }
      this.#entries[at] = entry;
      for (let last = this.#entries.length - 1; last > at; last--) if (this.#entries[last].name === entry.name) this.#entries.splice(last, 1);
    }
  }
  webidl.mixinPairIterable("FormData", FormData, entriesOfForm, "name", "value");
  entriesOfForm.accessor(FormData.prototype, function () {
    return entriesOf(this);
  });
  webidl.configureInterface(FormData);
  const fileOf = (blob, filename) => {
    const isFile = isOf(blob, File.prototype);
    if (isFile && filename === undefined) return blob;
    const lastModified = isFile ? fileTime(blob) : undefined;
    return new File([blob], filename ?? "blob", { type: typeOfBlob(blob), lastModified });
  };

  /** Returns all bytes of a Blob. */
  const bytesOfBlob = (blob) => joined(partsOf(blob));
  const joined = (pieces) => {
    let length = 0;
    for (const piece of pieces) length += piece.byteLength;
    const whole = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.byteLength;
    }
    return whole;
  };
  /** Returns the position of `wanted` in the bytes from `from` on, or -1. */
  const find = (bytes, wanted, from) => {
    const [first] = wanted;
    const last = bytes.length - wanted.length;
    for (let at = bytes.indexOf(first, from); at !== -1 && at <= last; at = bytes.indexOf(first, at + 1)) {
      let same = 1;
      while (same < wanted.length && bytes[at + same] === wanted[same]) same++;
      if (same === wanted.length) return at;
    }
    return -1;
  };

  /** Returns a form as multipart/form-data (RFC 7578), and its boundary, which none of its parts contains. */
  const multipart = (form) => {
    const crlf = (text) => text.replace(/\r\n?|\n/g, "\r\n");
    const escaped = (text) => text.replace(/\n/g, "%0A").replace(/\r/g, "%0D").replace(/"/g, "%22");
    const parts = entriesOf(form).map(({ name, value }) => {
      const field = `Content-Disposition: form-data; name="${escaped(crlf(name))}"`;
      if (typeof value === "string") return [utf8.encode(`${field}\r\n\r\n`), utf8.encode(crlf(value))];
      const type = typeOfBlob(value) || "application/octet-stream";
      return [utf8.encode(`${field}; filename="${escaped(fileName(value))}"\r\nContent-Type: ${type}\r\n\r\n`), bytesOfBlob(value)];
    });
    // A random boundary would need the right to chance.
    let boundary;
    let number = 0;
    do {
      boundary = `----secure-runtime-${String(number++).padStart(16, "0")}`;
    } while (parts.some(([head, body]) => find(head, utf8.encode(boundary), 0) !== -1 || find(body, utf8.encode(boundary), 0) !== -1));
    const pieces = [];
    for (const [head, body] of parts) pieces.push(utf8.encode(`--${boundary}\r\n`), head, body, utf8.encode("\r\n"));
    pieces.push(utf8.encode(`--${boundary}--\r\n`));
    return [joined(pieces), boundary];
  };
  const malformed = () => new TypeError("the body is no form: it is no valid multipart/form-data");
  /** Returns the form in bytes of multipart/form-data. */
  const formOf = (bytes, boundary) => {
    const form = new FormData();
    const delimiter = utf8.encode(`--${boundary}`);
    const startsWith = (at, text) => [...text].every((character, index) => bytes[at + index] === character.charCodeAt(0));
    const unescaped = (text) => text.replace(/%0A/gi, "\n").replace(/%0D/gi, "\r").replace(/%22/g, '"');
    let at = find(bytes, delimiter, 0);
    if (at === -1 || (at > 0 && !startsWith(at - 2, "\r\n"))) throw malformed();
    for (;;) {
      at += delimiter.length;
      if (startsWith(at, "--")) return form;
      if (!startsWith(at, "\r\n")) throw malformed();
      at += 2;
      const end = startsWith(at, "\r\n") ? at : find(bytes, utf8.encode("\r\n\r\n"), at);
      if (end === -1) throw malformed();
      let name;
      let filename;
      let type = "text/plain";
      for (const line of new TextDecoder().decode(bytes.subarray(at, end)).split("\r\n")) {
        const colon = line.indexOf(":");
        if (colon === -1) throw malformed();
        const value = trimmed(line.slice(colon + 1));
        switch (trimmed(line.slice(0, colon)).toLowerCase()) {
          case "content-type":
            type = value;
            break;
          case "content-disposition":
            if (!/^form-data\s*(;|$)/i.test(value)) throw malformed();
            name = /;\s*name="((?:[^"\\]|\\.)*)"/i.exec(value)?.[1] ?? /;\s*name=([^;"\s]+)/i.exec(value)?.[1];
            filename = /;\s*filename="((?:[^"\\]|\\.)*)"/i.exec(value)?.[1] ?? /;\s*filename=([^;"\s]+)/i.exec(value)?.[1];
        }
      }
      if (name === undefined) throw malformed();
      const from = end + 4;
      const next = find(bytes, delimiter, from);
      if (next === -1 || next < from + 2 || !startsWith(next - 2, "\r\n")) {
        // The delimiter begins a line.
        const line = find(bytes, utf8.encode(`\r\n--${boundary}`), Math.max(end, from - 2));
        if (line === -1) throw malformed();
        at = line + 2;
      } else {
        at = next;
      }
      const body = bytes.slice(from, Math.max(from, at - 2));
      if (filename === undefined) form.append(unescaped(name), new TextDecoder("utf-8", { ignoreBOM: true }).decode(body));
      else form.append(unescaped(name), new File([body], unescaped(filename), { type }));
    }
  };

  // ---- bodies ---------------------------------------------------------------------------------------------------
  // A body has bytes, or a source of pieces (`read` and `cancel`), until someone asks for its stream.
  const bodyOf = (bytes, source, stream) => ({ bytes, source, stream, isUsed: false, isShared: false });
  const isUnusable = (body) => body.stream === null ? body.isUsed : all.isReadableStreamLocked(body.stream) || isReadableStreamDisturbed(body.stream);
  const isUsed = (body) => body !== null && (body.stream === null ? body.isUsed : isReadableStreamDisturbed(body.stream));
  const streamOf = (body) => {
    if (body.stream !== null) return body.stream;
    const { bytes, source, isUsed } = body;
    if (isUsed || bytes !== null) {
      body.stream = new ReadableStream({
        type: "bytes",
        start(controller) {
          if (!isUsed && bytes.byteLength > 0) controller.enqueue(bytes.slice());
          controller.close();
        },
      });
      if (isUsed) {
        readableStreamDisturb(body.stream);
        body.stream.getReader();
      }
    } else {
      body.stream = new ReadableStream({
        type: "bytes",
        async pull(controller) {
          const piece = await source.read();
          if (piece !== null) {
            controller.enqueue(piece);
            return;
          }
          controller.close();
          controller.byobRequest?.respond(0);
        },
        cancel: () => source.cancel(),
      }, { highWaterMark: 0 });
    }
    body.bytes = body.source = null;
    return body.stream;
  };
  /** Returns all bytes of a body. */
  const consumed = async (body, prefix) => {
    if (body === null) return new Uint8Array();
    if (isUnusable(body)) refuse(prefix, "the body was read already, or is being read");
    if (body.stream !== null) return await readableStreamCollectIntoUint8Array(body.stream);
    body.isUsed = true;
    const { bytes, source } = body;
    body.bytes = body.source = null;
    if (bytes !== null) return body.isShared ? bytes.slice() : bytes;
    const pieces = [];
    for (let piece = await source.read(); piece !== null; piece = await source.read()) pieces.push(piece);
    return pieces.length === 1 ? pieces[0] : joined(pieces);
  };
  const copyOf = (body, prefix) => {
    if (body === null) return null;
    if (isUnusable(body)) refuse(prefix, "the body was read already, or is being read");
    if (body.stream === null && body.bytes !== null) {
      body.isShared = true;
      return { ...body };
    }
    const [one, other] = readableStreamTee(streamOf(body), true);
    body.stream = one;
    return bodyOf(null, null, other);
  };
  /** Returns the body for a value, and its content type. */
  const extracted = (value, prefix) => {
    if (typeof value === "object" && value !== null) {
      if (isView(value)) return [bodyOf(new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice(), null, null), null];
      if (isArrayBuffer(value)) return [bodyOf(new Uint8Array(value).slice(), null, null), null];
      if (isOf(value, ReadableStream.prototype)) {
        if (all.isReadableStreamLocked(value) || isReadableStreamDisturbed(value)) refuse(prefix, "the stream was read already, or is locked");
        return [bodyOf(null, null, value), null];
      }
      if (isOf(value, Blob.prototype)) return [bodyOf(bytesOfBlob(value), null, null), typeOfBlob(value) || null];
      if (isOf(value, URLSearchParams.prototype)) {
        return [bodyOf(utf8.encode(Reflect.apply(URLSearchParams.prototype.toString, value, [])), null, null), "application/x-www-form-urlencoded;charset=UTF-8"];
      }
      if (isOf(value, FormData.prototype)) {
        const [bytes, boundary] = multipart(value);
        return [bodyOf(bytes, null, null), `multipart/form-data; boundary=${boundary}`];
      }
      // An asynchronous iterable, as Node and Deno take it.
      if (typeof value[Symbol.asyncIterator] === "function") return [bodyOf(null, null, ReadableStream.from(value)), null];
    }
    return [bodyOf(utf8.encode(converters.USVString(value, prefix, "the body")), null, null), "text/plain;charset=UTF-8"];
  };

  /** Returns the values of a header: the parts between its commas, except those within quotes. */
  const split = (text) => (text.match(/(?:"(?:[^"\\]|\\.)*"?|[^",])+/g) ?? []).map(trimmed);
  /** Adds the members of bodies to a class. `stateOf` returns `{ body, headers }`, and throws for other objects. */
  const mixinBody = (Class, stateOf) => {
    const typeOf = ({ headers }) => {
      const value = innerOf.value(headers, "content-type");
      return value === null ? null : mimesniff.extractMimeType(split(value));
    };
    const prefixOf = (name) => `Failed to execute '${name}' on '${Class.name}'`;
    const text = async (object, name) => new TextDecoder().decode(await consumed(stateOf(object).body, prefixOf(name)));
    const members = {
      get body() {
        const { body } = stateOf(this);
        return body === null ? null : streamOf(body);
      },
      get bodyUsed() {
        return isUsed(stateOf(this).body);
      },
      async arrayBuffer() {
        const bytes = await consumed(stateOf(this).body, prefixOf("arrayBuffer"));
        return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
      },
      async blob() {
        const state = stateOf(this);
        const bytes = await consumed(state.body, prefixOf("blob"));
        const type = typeOf(state);
        return new Blob([bytes], { type: type === null ? "" : mimesniff.serializeMimeType(type) });
      },
      async bytes() {
        return await consumed(stateOf(this).body, prefixOf("bytes"));
      },
      async formData() {
        const state = stateOf(this);
        const type = typeOf(state);
        const essence = type === null ? "" : mimesniff.essence(type);
        const boundary = type?.parameters.get("boundary");
        if (essence === "multipart/form-data" && boundary !== undefined) {
          return formOf(await consumed(state.body, prefixOf("formData")), boundary);
        }
        if (essence !== "application/x-www-form-urlencoded") refuse(prefixOf("formData"), "the content type is none of forms");
        const form = new FormData();
        const bytes = await consumed(state.body, prefixOf("formData"));
        for (const [name, value] of new URLSearchParams(new TextDecoder().decode(bytes))) form.append(name, value);
        return form;
      },
      async json() {
        return JSON.parse(await text(this, "json"));
      },
      async text() {
        return await text(this, "text");
      },
    };
    for (const key of Object.keys(members)) {
      defineProperty(Class.prototype, key, { ...Object.getOwnPropertyDescriptor(members, key), enumerable: true, configurable: true });
    }
  };

  // ---- Request --------------------------------------------------------------------------------------------------
  const enumOf = (name, values) => webidl.createEnumConverter(name, values);
  const enums = {
    __proto__: null,
    cache: enumOf("RequestCache", ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"]),
    credentials: enumOf("RequestCredentials", ["omit", "same-origin", "include"]),
    duplex: enumOf("RequestDuplex", ["half"]),
    mode: enumOf("RequestMode", ["navigate", "same-origin", "no-cors", "cors"]),
    priority: enumOf("RequestPriority", ["high", "low", "auto"]),
    redirect: enumOf("RequestRedirect", ["follow", "error", "manual"]),
    referrerPolicy: enumOf("ReferrerPolicy", [
      "", "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin",
      "strict-origin-when-cross-origin", "unsafe-url",
    ]),
  };
  const any = (value) => value;
  const requestInit = webidl.createDictionaryConverter("RequestInit", [
    { key: "body", converter: any },
    { key: "cache", converter: enums.cache },
    { key: "credentials", converter: enums.credentials },
    { key: "duplex", converter: enums.duplex },
    { key: "headers", converter: headersInit },
    { key: "integrity", converter: converters.DOMString },
    { key: "keepalive", converter: converters.boolean },
    { key: "method", converter: converters.ByteString },
    { key: "mode", converter: enums.mode },
    { key: "priority", converter: enums.priority },
    { key: "redirect", converter: enums.redirect },
    { key: "referrer", converter: converters.USVString },
    { key: "referrerPolicy", converter: enums.referrerPolicy },
    { key: "signal", converter: webidl.createNullableConverter(converters.AbortSignal) },
    { key: "window", converter: any },
  ]);
  const methodOf = (method, prefix) => {
    if (!httpToken.test(method)) refuse(prefix, `${JSON.stringify(method)} is no method`);
    const upper = method.toUpperCase();
    if (["CONNECT", "TRACE", "TRACK"].includes(upper)) refuse(prefix, `the method ${upper} is not allowed`);
    return ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"].includes(upper) ? upper : method;
  };
  let requestOf;
  class Request {
    #state;
    static {
      requestOf = (object) => object.#state;
    }
    constructor(input, init = undefined) {
      webidl.stamp(this);
      const prefix = "Failed to construct 'Request'";
      if (input === secret) {
        this.#state = init;
        return;
      }
      webidl.requiredArguments(arguments.length, 1, prefix);
      const from = typeof input === "object" && input !== null && #state in input ? input.#state : null;
      const text = from === null ? converters.USVString(input, prefix, "Argument 1") : "";
      init = requestInit(init, prefix, "Argument 2");
      const state = {
        url: from?.url, method: "GET", headers: new Headers(), body: null, redirect: "follow", cache: "default", credentials: "same-origin",
        integrity: "", keepalive: false, mode: "cors", referrer: "about:client", referrerPolicy: "", duplex: "half", signal: null,
        isAbortable: false,
      };
      if (from === null) {
        const url = URL.parse(text);
        if (url === null) refuse(prefix, `${JSON.stringify(text)} is no absolute URL`);
        if (url.username !== "" || url.password !== "") refuse(prefix, "the URL has a user name or password; send them in the header authorization");
        state.url = url.href;
      } else {
        for (const key of ["method", "redirect", "cache", "credentials", "integrity", "keepalive", "mode", "referrer", "referrerPolicy"]) state[key] = from[key];
      }
      if (init.window !== undefined && init.window !== null) refuse(prefix, "window must be null");
      if (init.mode === "navigate") refuse(prefix, "the mode is not navigate");
      for (const key of ["redirect", "cache", "credentials", "integrity", "keepalive", "mode", "referrerPolicy"]) {
        if (init[key] !== undefined) state[key] = init[key];
      }
      if (init.referrer !== undefined) state.referrer = init.referrer === "" ? "" : referrer(init.referrer, prefix);
      if (init.method !== undefined) state.method = methodOf(init.method, prefix);
      const signals = init.signal !== undefined ? (init.signal === null ? [] : [init.signal]) : from === null ? [] : [from.signal];
      state.signal = createDependentAbortSignal(signals, prefix);
      state.isAbortable = signals.length > 0 && (init.signal !== undefined || from.isAbortable);
      innerOf.fill(state.headers, init.headers ?? (from === null ? [] : innerOf.list(from.headers)));
      if ((init.body ?? null) !== null || (init.body === undefined && from !== null && from.body !== null)) {
        if (state.method === "GET" || state.method === "HEAD") refuse(prefix, `a request with the method ${state.method} has no body`);
      }
      if ((init.body ?? null) !== null) {
        const [body, type] = extracted(init.body, prefix);
        if (body.stream !== null && init.duplex === undefined) refuse(prefix, 'a body that is a stream needs { duplex: "half" }');
        state.body = body;
        if (type !== null && innerOf.value(state.headers, "content-type") === null) innerOf.fill(state.headers, [["content-type", type]]);
      } else if (init.body === undefined && from !== null && from.body !== null) {
        // The new request takes the body over.
        if (isUnusable(from.body)) refuse(prefix, "the body of the request was read already, or is being read");
        if (from.body.stream !== null) {
          const { readable, writable } = new all.TransformStream();
          all.readableStreamPipeTo(from.body.stream, writable, false, false, false).catch(() => {});
          state.body = bodyOf(null, null, readable);
        } else {
          state.body = { ...from.body };
          from.body.isUsed = true;
          from.body.bytes = from.body.source = null;
        }
      }
      this.#state = state;
    }
    get cache() {
      return this.#state.cache;
    }
    get credentials() {
      return this.#state.credentials;
    }
    get destination() {
      return this.#state && "";
    }
    get duplex() {
      return this.#state.duplex;
    }
    get headers() {
      return this.#state.headers;
    }
    get integrity() {
      return this.#state.integrity;
    }
    get isHistoryNavigation() {
      return this.#state && false;
    }
    get isReloadNavigation() {
      return this.#state && false;
    }
    get keepalive() {
      return this.#state.keepalive;
    }
    get method() {
      return this.#state.method;
    }
    get mode() {
      return this.#state.mode;
    }
    get redirect() {
      return this.#state.redirect;
    }
    get referrer() {
      return this.#state.referrer;
    }
    get referrerPolicy() {
      return this.#state.referrerPolicy;
    }
    get signal() {
      return this.#state.signal;
    }
    get url() {
      return this.#state.url;
    }
    clone() {
      const state = this.#state;
      const prefix = "Failed to execute 'clone' on 'Request'";
      const headers = new Headers();
      innerOf.fill(headers, innerOf.list(state.headers));
      const body = copyOf(state.body, prefix);
      return new Request(secret, { ...state, headers, body, signal: createDependentAbortSignal([state.signal], prefix) });
    }
  }
  const referrer = (text, prefix) => {
    const url = URL.parse(text);
    if (url === null) refuse(prefix, `the referrer ${JSON.stringify(text)} is no absolute URL`);
    return url.protocol === "about:" && url.pathname === "client" ? "about:client" : url.href;
  };
  mixinBody(Request, (object) => requestOf(object));
  webidl.configureInterface(Request);

  // ---- Response -------------------------------------------------------------------------------------------------
  const responseInit = webidl.createDictionaryConverter("ResponseInit", [
    { key: "headers", converter: headersInit },
    { key: "status", converter: converters["unsigned short"], defaultValue: 200 },
    { key: "statusText", converter: converters.ByteString, defaultValue: "" },
  ]);
  const reasonPhrase = /^[\t\x20-\x7e\x80-\xff]*$/;
  const redirects = freeze([301, 302, 303, 307, 308]);
  const withoutBody = freeze([101, 103, 204, 205, 304]);
  let responseOf;
  let isResponse;
  class Response {
    #state;
    static {
      responseOf = (object) => object.#state;
      isResponse = (value) => typeof value === "object" && value !== null && #state in value;
    }
    constructor(body = null, init = undefined) {
      webidl.stamp(this);
      if (body === secret) {
        this.#state = init;
        return;
      }
      const prefix = "Failed to construct 'Response'";
      init = responseInit(init, prefix, "Argument 2");
      const [made, type] = body === null || body === undefined ? [null, null] : extracted(body, prefix);
      this.#state = initialized(init, made, type, prefix);
    }
    static error() {
      const headers = new Headers();
      innerOf.seal(headers);
      return new Response(secret, { type: "error", status: 0, statusText: "", url: "", redirected: false, headers, body: null });
    }
    static json(data, init = undefined) {
      const prefix = "Failed to execute 'json' on 'Response'";
      webidl.requiredArguments(arguments.length, 1, prefix);
      const text = JSON.stringify(data);
      if (text === undefined) refuse(prefix, "the value is no JSON");
      init = responseInit(init, prefix, "Argument 2");
      return new Response(secret, initialized(init, bodyOf(utf8.encode(text), null, null), "application/json", prefix));
    }
    static redirect(url, status = 302) {
      const prefix = "Failed to execute 'redirect' on 'Response'";
      webidl.requiredArguments(arguments.length, 1, prefix);
      url = converters.USVString(url, prefix, "Argument 1");
      status = converters["unsigned short"](status, prefix, "Argument 2");
      const target = URL.parse(url);
      if (target === null) refuse(prefix, `${JSON.stringify(url)} is no absolute URL`);
      if (!redirects.includes(status)) throw new RangeError(`${prefix}: ${status} is no status of a redirect`);
      const headers = new Headers([["location", target.href]]);
      innerOf.seal(headers);
      return new Response(secret, { type: "default", status, statusText: "", url: "", redirected: false, headers, body: null });
    }
    get headers() {
      return this.#state.headers;
    }
    get ok() {
      const { status } = this.#state;
      return status >= 200 && status <= 299;
    }
    get redirected() {
      return this.#state.redirected;
    }
    get status() {
      return this.#state.status;
    }
    get statusText() {
      return this.#state.statusText;
    }
    get type() {
      return this.#state.type;
    }
    get url() {
      return this.#state.url;
    }
    clone() {
      const state = this.#state;
      const body = copyOf(state.body, "Failed to execute 'clone' on 'Response'");
      const headers = new Headers();
      innerOf.take(headers, innerOf.list(state.headers).map(([name, value]) => [name, value]));
      if (state.type !== "default") innerOf.seal(headers);
      return new Response(secret, { ...state, headers, body });
    }
  }
  const initialized = ({ status, statusText, headers }, body, type, prefix) => {
    if (status < 200 || status > 599) throw new RangeError(`${prefix}: the status ${status} is not from 200 to 599`);
    if (!reasonPhrase.test(statusText)) refuse(prefix, "statusText has characters that no status line has");
    if (body !== null && withoutBody.includes(status)) refuse(prefix, `a response with the status ${status} has no body`);
    const made = new Headers();
    innerOf.fill(made, headers ?? []);
    if (type !== null && innerOf.value(made, "content-type") === null) innerOf.fill(made, [["content-type", type]]);
    return { type: "default", status, statusText, url: "", redirected: false, headers: made, body };
  };
  mixinBody(Response, (object) => responseOf(object));
  webidl.configureInterface(Response);

  Object.assign(web.globals, { FormData, Headers, Request, Response });
  const iteratorOf = (made) => Object.getPrototypeOf(made.keys());
  web.named["%HeadersIteratorPrototype%"] = iteratorOf(new Headers());
  web.named["%FormDataIteratorPrototype%"] = iteratorOf(new FormData());

  // ---- for the family `net`, and for programs that serve ---------------------------------------------------------
  const { getReader } = ReadableStream.prototype;
  const { read: readPiece, cancel: cancelReader } = all.ReadableStreamDefaultReader.prototype;
  const { arrayKind } = globalThis.__secure.intrinsics;
  /** Returns the pieces of a stream: `next` returns null at the end. */
  const piecesOf = (stream) => {
    const reader = Reflect.apply(getReader, stream, []);
    return {
      next: async () => {
        const { value, done } = await Reflect.apply(readPiece, reader, []);
        if (done) return null;
        if (arrayKind(value) !== "Uint8Array") throw new TypeError("a stream that is a body must have pieces of type Uint8Array");
        return value;
      },
      cancel: () => void Reflect.apply(cancelReader, reader, []).catch(() => {}),
    };
  };
  /** Returns the headers of a response to a client, as names and values in turn. */
  const headersOut = ({ type, headers }) => {
    const list = innerOf.list(headers);
    // `fetch` has decoded the body of a response that it received.
    const isDecoded = type === "basic" && /^(?:x-gzip|gzip|deflate|br|zstd|[ ,\t])+$/i.test(innerOf.value(headers, "content-encoding") ?? "");
    const flat = [];
    for (const [name, value] of list) {
      if (!isDecoded || (name !== "content-encoding" && name !== "content-length")) flat.push(name, value);
    }
    return flat;
  };

  /** The functions that `fetch` and ../../serving/serving.js need. QuickJS has another form of them: own_http.js. */
  web.http = freeze({
    /** The objects that guests reach and no global leads to. */
    objects: [],
    /**
     * Returns the parts of a request that is about to be sent. `pieces` is its body, if that is still being produced:
     * `next` returns null at the end. Else, `body` returns its bytes, or null.
     */
    request: (input, init) => {
      const state = requestOf(new Request(input, init));
      let pieces = null;
      const { body } = state;
      if (body !== null && body.bytes === null && !body.isUsed) {
        if (isUnusable(body)) refuse("fetch", "the body was read already, or is being read");
        if (body.stream !== null) pieces = piecesOf(body.stream);
        else {
          const { source } = body;
          body.isUsed = true;
          body.source = null;
          pieces = { next: source.read, cancel: source.cancel };
        }
      }
      return {
        pieces,
        url: state.url,
        method: state.method,
        redirect: state.redirect,
        headers: innerOf.list(state.headers),
        signal: state.isAbortable ? state.signal : null,
        body: async () => state.body === null ? null : await consumed(state.body, "fetch"),
      };
    },
    /** Returns a response. `source` has `read`, which returns null at the end, and `cancel`. */
    response: ({ status, statusText, url, redirected, headers: list, source }) => {
      const headers = new Headers();
      innerOf.take(headers, list);
      innerOf.seal(headers);
      const body = source === null ? null : bodyOf(null, source, null);
      return new Response(secret, { type: "basic", status, statusText, url, redirected, headers, body });
    },
    /**
     * Returns the request of a client. `headers` returns names and values in turn, and `signal` the signal that is
     * aborted when the client goes away. They are called when a handler asks. `source` is null or like above.
     */
    incoming: ({ method, url, headers: received, signal, source }) => {
      const state = {
        url, method, body: source === null ? null : bodyOf(null, source, null), redirect: "follow", cache: "default", credentials: "same-origin",
        integrity: "", keepalive: false, mode: "cors", referrer: "about:client", referrerPolicy: "", duplex: "half", isAbortable: true,
        get signal() {
          return signal();
        },
        get headers() {
          const headers = new Headers();
          const flat = received();
          const list = [];
          for (let at = 0; at < flat.length; at += 2) list.push([flat[at], flat[at + 1]]);
          innerOf.take(headers, list);
          innerOf.seal(headers);
          defineProperty(state, "headers", { value: headers });
          return headers;
        },
      };
      return new Request(secret, state);
    },
    /** Returns what a stream of events needs of a response. Nobody else has it, so its body is read here. */
    received: (response) => {
      const { status, url, headers, body } = responseOf(response);
      const type = innerOf.value(headers, "content-type") ?? "";
      return { status, url, type, next: body === null ? async () => null : body.source.read };
    },
    /** Returns the response of a request that is upgraded. */
    switching: () => {
      const headers = new Headers();
      innerOf.seal(headers);
      return new Response(secret, { type: "default", status: 101, statusText: "", url: "", redirected: false, headers, body: null });
    },
    /**
     * Returns the parts of a response to a client. `bytes` is the whole body, or null. `pieces` is null, or has `next`,
     * which returns null at the end, and `cancel`.
     */
    outgoing: (response) => {
      if (!isResponse(response)) throw new TypeError("the handler must return a Response, or a promise of one");
      const state = responseOf(response);
      const { status, body, type } = state;
      if (status === 101) throw new TypeError("the handler returned the response of another request's upgrade");
      if (type === "error") throw new TypeError("the handler returned Response.error(), which is no response");
      const headers = headersOut(state);
      if (body === null) return { status, headers, bytes: null, pieces: null };
      if (isUnusable(body)) throw new TypeError("the body of the response was read already, or is being read");
      if (body.stream !== null) return { status, headers, bytes: null, pieces: piecesOf(body.stream) };
      const { bytes, source } = body;
      body.isUsed = true;
      body.bytes = body.source = null;
      if (source !== null) return { status, headers, bytes: null, pieces: { next: source.read, cancel: source.cancel } };
      return { status, headers, bytes, pieces: null };
    },
  });
  web.kinds.push(
    [Headers.prototype, (value) => `Headers ${JSON.stringify(Object.fromEntries(innerOf.sorted(value)))}`],
    [Request.prototype, (value) => `Request { method: ${JSON.stringify(requestOf(value).method)}, url: ${JSON.stringify(requestOf(value).url)} }`],
    [Response.prototype, (value) => `Response { status: ${responseOf(value).status}, url: ${JSON.stringify(responseOf(value).url)} }`],
  );
})(globalThis);
