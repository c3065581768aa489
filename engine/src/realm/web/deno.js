// Runs the scripts of Deno's crates for the web's interfaces, on V8. They run before lockdown, and see only the objects
// that are made here: no time, no chance, no resources, and those ops that only compute.
"use strict";
((globalThis) => {
  const { core } = globalThis.Deno;
  const { ops } = core;
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { room, beginning, withRoom, checked, boundedPattern } = secure;
  const { primordials: real } = globalThis.__bootstrap;
  const {
    ArrayBufferPrototypeGetByteLength, DataViewPrototypeGetBuffer, DataViewPrototypeGetByteLength, DataViewPrototypeGetByteOffset,
    ObjectPrototypeIsPrototypeOf, PromisePrototypeThen, PromiseResolve, StringPrototypeToWellFormed, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeGetByteLength,
    TypedArrayPrototypeGetByteOffset, TypedArrayPrototypeSlice, TypedArrayPrototypeSubarray, RegExpPrototypeExec, StringPrototypeIndexOf, StringPrototypeSlice, Uint8Array,
  } = real;
  const { apply } = Reflect;
  const { create, defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;

  // ---- memory ---------------------------------------------------------------------------------------------------
  // V8 counts its heap. The memory that an op takes outside of it is checked before the call (see `room` in
  // prepare.js), with the most that Rust takes for each character or byte. Long inputs are passed in pieces, so that
  // neither Rust nor V8 allocates much at once. What is left after a call is on V8's heap, or is counted by the op.
  const WHOLE = 24; // a URL: its percent-encoded form, in several copies
  const QUERY = 16; // a query: the same, without the parts of a URL
  const PATTERN = 256; // a pattern for URLs: a token for each character
  const DECODED = 8; // bytes of a text: their UTF-16 form, twice
  const BASE64 = 4; // a text, its bytes, and their result
  const PAIRS = 65536;
  const PIECE = 1 << 20;

  const lengthOf = (source) => {
    if (core.isTypedArray(source)) return TypedArrayPrototypeGetByteLength(source);
    return core.isDataView(source) ? DataViewPrototypeGetByteLength(source) : ArrayBufferPrototypeGetByteLength(source);
  };
  const bytesOf = (source) => {
    if (core.isTypedArray(source)) {
      return new Uint8Array(TypedArrayPrototypeGetBuffer(source), TypedArrayPrototypeGetByteOffset(source), TypedArrayPrototypeGetByteLength(source));
    }
    if (!core.isDataView(source)) return new Uint8Array(source);
    return new Uint8Array(DataViewPrototypeGetBuffer(source), DataViewPrototypeGetByteOffset(source), DataViewPrototypeGetByteLength(source));
  };
  /** Decodes bytes with a decoder, in pieces. */
  const decoded = (source, decoder, stream) => {
    if (lengthOf(source) <= PIECE) return ops.op_encoding_decode(source, decoder, stream);
    const bytes = bytesOf(source);
    let text = "";
    for (let from = 0; from < bytes.length; from += PIECE) {
      const piece = TypedArrayPrototypeSubarray(bytes, from, from + PIECE);
      room(piece.length * DECODED, "TextDecoder");
      text += ops.op_encoding_decode(piece, decoder, stream || from + PIECE < bytes.length);
    }
    return text;
  };
  /** Decodes UTF-8 in pieces, each of whole characters. */
  const decodedUtf8 = (source, ignoreBom) => {
    if (lengthOf(source) <= PIECE) return ops.op_encoding_decode_utf8(source, ignoreBom);
    const bytes = bytesOf(source);
    let text = "";
    for (let from = 0; from < bytes.length;) {
      let to = from + PIECE;
      // No character goes on before a byte that begins one, or after three that go on.
      if (to < bytes.length) for (let left = 3; left > 0 && (bytes[to] & 0xc0) === 0x80; left--) to--;
      text += ops.op_encoding_decode_utf8(TypedArrayPrototypeSubarray(bytes, from, to), ignoreBom || from > 0);
      from = to;
    }
    return text;
  };
  const pairsOf = (query, bytes) => {
    if (query === null) {
      room(bytes.length * QUERY, "URLSearchParams");
      return ops.op_url_parse_search_params(query, bytes);
    }
    if (query.length <= PAIRS) return ops.op_url_parse_search_params(query);
    const pairs = [];
    for (let from = 0; from < query.length;) {
      let to = StringPrototypeIndexOf(query, "&", from + PAIRS);
      if (to === -1) to = query.length;
      room((to - from) * QUERY, "URLSearchParams");
      for (const pair of ops.op_url_parse_search_params(StringPrototypeSlice(query, from, to))) pairs.push(pair);
      from = to + 1;
    }
    return pairs;
  };
  const queryOf = (pairs) => {
    let made = "";
    let piece = [];
    let length = 0;
    const flush = () => {
      room(length * QUERY, "URLSearchParams");
      const text = ops.op_url_stringify_search_params(piece);
      made = made === "" ? text : `${made}&${text}`;
      piece = [];
      length = 0;
    };
    for (let at = 0; at < pairs.length; at++) {
      const pair = pairs[at];
      const more = pair[0].length + pair[1].length + 2;
      if (length > 0 && length + more > PAIRS) flush();
      piece.push(pair);
      length += more;
    }
    if (length > 0) flush();
    return made;
  };
  const sizeOf = (input) => {
    if (typeof input === "string") return input.length;
    let size = 0;
    for (const key in input) if (typeof input[key] === "string") size += input[key].length;
    return size;
  };

  // The `url` crate does not replace the bar of a Windows drive letter (https://url.spec.whatwg.org/#path-state). The
  // parser returns a status: 0 if the URL is the text that it was called with, and 1 if it keeps another text.
  const drive = /^[\0-\x20]*(file:)?[/\\]{0,3}[a-z]\|(?=[/\\?#]|$)/i;
  const ofFile = /^[\0-\x20]*file:/i;
  let kept;
  const parsed = (url, base, into) => {
    kept = undefined;
    room((url.length + (base?.length ?? 0)) * WHOLE, "URL");
    const bar = StringPrototypeIndexOf(url, "|");
    let text = url;
    if (bar !== -1) {
      const found = RegExpPrototypeExec(drive, StringPrototypeSlice(url, 0, bar + 2));
      if (found !== null && (found[1] !== undefined || (base !== undefined && RegExpPrototypeExec(ofFile, base) !== null))) {
        text = `${StringPrototypeSlice(url, 0, bar)}:${StringPrototypeSlice(url, bar + 1)}`;
      }
    }
    const status = base === undefined ? ops.op_url_parse(text, into) : ops.op_url_parse_with_base(text, base, into);
    if (status !== 0 || text === url) return status;
    kept = text;
    return 1;
  };

  // The ops that scripts get. Each is called by a function that treats its memory: a test compares the names with those
  // in web.rs.
  const treated = {
    __proto__: null,
    op_url_parse: (url, into) => parsed(url, undefined, into),
    op_url_parse_with_base: parsed,
    op_url_reparse: (url, part, value, into) => {
      kept = undefined;
      room((url.length + value.length) * WHOLE, "URL");
      return ops.op_url_reparse(url, part, value, into);
    },
    op_url_get_serialization: () => {
      const text = kept ?? ops.op_url_get_serialization();
      kept = undefined;
      return text;
    },
    op_url_parse_search_params: pairsOf,
    op_url_stringify_search_params: queryOf,
    op_urlpattern_parse: (input, base, options) => {
      room((sizeOf(input) + (base?.length ?? 0)) * PATTERN, "URLPattern");
      const parsed = ops.op_urlpattern_parse(input, base, options);
      // The script compiles these.
      for (const key in parsed) {
        const { regexpString } = parsed[key];
        if (regexpString !== undefined) boundedPattern(regexpString);
      }
      return parsed;
    },
    op_urlpattern_process_match_input: (input, base, into) => {
      room((sizeOf(input) + (base?.length ?? 0)) * WHOLE, "URLPattern");
      return ops.op_urlpattern_process_match_input(input, base, into);
    },
    op_encoding_normalize_label: (label) => {
      room(label.length * DECODED, "TextDecoder");
      return ops.op_encoding_normalize_label(label);
    },
    // The decoder takes less memory than the object that owns it.
    op_encoding_new_decoder: (label, fatal, ignoreBom) => ops.op_encoding_new_decoder(label, fatal, ignoreBom),
    op_encoding_decode: decoded,
    op_encoding_decode_single: (source, label, fatal, ignoreBom) =>
      decoded(source, ops.op_encoding_new_decoder(label, fatal, ignoreBom), false),
    op_encoding_decode_utf8: decodedUtf8,
    op_encoding_decode_utf8_ascii_only: (source) =>
      lengthOf(source) <= PIECE ? ops.op_encoding_decode_utf8_ascii_only(source) : null,
    // The script calls the next op then.
    op_encoding_encode_into: () => -1,
    // A UTF-16 unit takes at least one byte, so the other units do not fit.
    op_encoding_encode_into_fallback: (text, into, counts) =>
      ops.op_encoding_encode_into_fallback(beginning(text, lengthOf(into)), into, counts),
    op_base64_atob: (text) => {
      room(text.length * BASE64, "atob");
      return ops.op_base64_atob(text);
    },
    op_base64_btoa: (text) => {
      room(text.length * BASE64, "btoa");
      return ops.op_base64_btoa(text);
    },
    // These reserve the memory of the coder and of its output.
    op_compression_new: withRoom((format, isDecompressor) => ops.op_compression_new(format, isDecompressor)),
    op_compression_write: (coder, bytes) => ops.op_compression_write(coder, bytes),
    op_compression_finish: (coder, isReported) => ops.op_compression_finish(coder, isReported),
    // A part of a Blob is an object here, with bytes on the engine's heap that nobody changes.
    op_blob_create_part: (bytes) => ({ bytes: TypedArrayPrototypeSlice(bytes) }),
    op_blob_slice_part: ({ bytes }, { start, len }) => ({ bytes: TypedArrayPrototypeSubarray(bytes, start, start + len) }),
    op_blob_read_part: async ({ bytes }) => TypedArrayPrototypeSlice(bytes),
  };
  /** Names of the treated ops, for the test. */
  web.treated = Object.keys(treated);

  // ---- timers ---------------------------------------------------------------------------------------------------
  // The only timers are those of `AbortSignal.timeout`. They count against the isolate, and do not keep it running
  // before someone listens.
  const LONGEST = 2 ** 31 - 1; // the maximum delay of a timer
  const startTimer = withRoom((callback, delay, isRefed) => {
    checked(ops.op_sr_timer, null, true);
    const handle = { timer: undefined, isRefed, isOver: false };
    const wait = (left) => {
      const run = () => left > LONGEST ? wait(left - LONGEST) : callback();
      handle.timer = core.createTimer(run, Math.min(left, LONGEST), undefined, false, handle.isRefed, true);
    };
    wait(delay);
    return handle;
  });
  const endTimer = (handle) => {
    if (handle.isOver) return;
    handle.isOver = true;
    core.cancelTimer(handle.timer);
    ops.op_sr_timer(null, false);
  };
  const refer = (isRefed) => (handle) => {
    handle.isRefed = isRefed;
    if (!handle.isOver) (isRefed ? core.refTimer : core.unrefTimer)(handle.timer);
  };

  // ---- the objects of scripts -----------------------------------------------------------------------------------
  const slot = web.slot;
  const primordials = {
    __proto__: real,
    ...web.keyed,
    // `File` reads the time for `lastModified`. Without the option, it is 0 here.
    Date: class {},
    DatePrototypeGetTime: () => 0,
    // A cache keeps what it sees with this probability.
    MathRandom: () => 1,
    // The engine's own function is replaced by lockdown.
    queueMicrotask: (callback) => void PromisePrototypeThen(PromiseResolve(), callback),
    StringPrototypeToWellFormed: (text) => {
      room(text.length, "a text");
      return StringPrototypeToWellFormed(text);
    },
  };
  const internals = { __proto__: null };
  const given = {
    __proto__: null,
    ops: treated,
    build: { os: "linux" },
    hostObjectBrand: slot("host object"),
    registerCloneableResource: () => {},
    registerTransferableResource: () => {},
    BadResourcePrototype: { __proto__: null },
    decode: (bytes) => {
      room(lengthOf(bytes) * DECODED, "a text");
      return decodedUtf8(bytes, false);
    },
    createSystemTimer: startTimer,
    cancelTimer: endTimer,
    refTimer: refer(true),
    unrefTimer: refer(false),
    encode: (text) => {
      room(text.length, "a text"); // V8 may have to join its parts
      return text.length > PIECE ? ops.op_sr_text_encode_long(text) : ops.op_sr_text_encode(text);
    },
    // An error of a listener must not stop the other listeners, and must not be lost. It ends the program like any
    // unhandled rejection.
    destructureError: () => ({ exceptionMessage: "", frames: [{}] }),
    reportUnhandledException: (error) => void Promise.reject(error),
    loadExtScript: (path) => load(path.slice(path.lastIndexOf("/") + 1)),
  };
  for (
    const name of [
      "isAnyArrayBuffer", "isArrayBuffer", "isDataView", "isNativeError", "isProxy", "isSharedArrayBuffer", "isTypedArray",
    ]
  ) given[name] = core[name];
  const loaded = {
    __proto__: null,
    // `console` is ours. The scripts use this for `Deno.inspect`, which does not exist here.
    "01_console.js": { createFilteredInspectProxy: ({ object }) => object },
    "02_structured_clone.js": { structuredClone: (value) => secure.cloneOf(value, [])[0] },
    // The ports are ours: see ports.js.
    "13_message_port.js": { markNotSerializable: () => {}, MessagePortPrototype: { __proto__: null } },
  };
  const { scripts } = web;
  // Streams have no resources here, and parts of Blobs need no release.
  const withoutRelease = { __proto__: primordials, SafeFinalizationRegistry: class { register() {} } };
  const scope = { __proto__: null };
  const load = (name) =>
    loaded[name] ??= scripts[name]({
      core: given,
      primordials: name === "06_streams.js" || name === "09_file.js" ? withoutRelease : primordials,
      internals,
      slot,
    }, scope);

  // ---- the interface of an object -------------------------------------------------------------------------------
  // Anyone can set the prototype of an object. So the scripts must not compare it: a controller with the prototype of a
  // reader would read the queue of its stream. The interface is kept when the object is made (see build.rs).
  const webidl = load("00_webidl.js");
  const { brand, configureInterface, createInterfaceConverter } = webidl;
  const interfaceOf = web.keyed.Symbol("interface");
  const isInterface = web.keyed.Symbol("is an interface");
  const isOf = (value, prototype) => {
    if (typeof value !== "object" || value === null || value[brand] !== brand) return false;
    const own = value[interfaceOf];
    return own === prototype || ObjectPrototypeIsPrototypeOf(prototype, own);
  };
  webidl.stamp = (object) => {
    let prototype = getPrototypeOf(object);
    while (prototype !== null && prototype[isInterface] !== true) prototype = getPrototypeOf(prototype);
    object[interfaceOf] = prototype;
    object[brand] = brand;
  };
  webidl.configureInterface = (Class) => {
    configureInterface(Class);
    Class.prototype[isInterface] = true;
  };
  webidl.createBranded = (Class) => {
    const made = create(Class.prototype);
    webidl.stamp(made);
    return made;
  };
  webidl.assertBranded = (value, prototype, name) => {
    if (isOf(value, prototype)) return;
    throw new TypeError(name === undefined ? "Illegal invocation" : `Value of "this" must be of type ${name}`);
  };
  webidl.createInterfaceConverter = (name, prototype) => {
    const convert = createInterfaceConverter(name, prototype);
    return (value, prefix, context, options) => {
      // The scripts' own function throws the error that says what is wrong.
      if (!isOf(value, prototype)) {
        convert(null, prefix, context, options);
        throw new TypeError("Illegal invocation");
      }
      return value;
    };
  };
  // The scripts' class of errors would be an open object that all modules reach.
  const infra = load("00_infra.js");
  infra.AssertionError = { __proto__: null, prototype: { __proto__: null } };
  infra.assert = (condition, message = "the object is in another state") => {
    if (!condition) throw new TypeError(message);
  };

  // ---- interfaces -----------------------------------------------------------------------------------------------
  const all = { __proto__: null };
  for (const name of ["00_url.js", "01_dom_exception.js", "01_urlpattern.js", "02_event.js", "03_abort_signal.js", "05_base64.js", "06_streams.js", "08_text_encoding.js", "09_file.js", "14_compression.js"]) {
    Object.assign(all, load(name));
  }
  const { converters } = webidl;
  // These receive the errors that `dispatchEvent` reports. There is no global target of events.
  all.saveGlobalThisReference({ __proto__: null, dispatchEvent: () => true });
  core.registerErrorBuilder("DOMExceptionInvalidCharacterError", (message) => new all.DOMException(message, "InvalidCharacterError"));

  const { atob: decodeBase64, btoa: encodeBase64, AbortSignal, add: addStep, remove: removeStep } = all;
  // Methods, because unlike other functions they have no `prototype`, which would be another object that all modules
  // share.
  const { atob, btoa } = {
    atob(data) {
      return apply(decodeBase64, undefined, arguments);
    },
    btoa(data) {
      return apply(encodeBase64, undefined, arguments);
    },
  };
  web.globals = { __proto__: null, atob, btoa };

  // The iterators of streams have the state of a reader, like a stream itself. So their methods check that they are
  // called with an iterator.
  const isIterator = web.keyed.Symbol("iterator");
  const { prototype: streams } = all.ReadableStream;
  const { values } = streams;
  const iterators = getPrototypeOf(new all.ReadableStream().values());
  const { values: valuesOf } = {
    values(options = undefined) {
      const iterator = apply(values, this, [options]);
      iterator[isIterator] = true;
      return iterator;
    },
  };
  for (const key of ["values", Symbol.asyncIterator]) {
    defineProperty(streams, key, { ...getOwnPropertyDescriptor(streams, key), value: valuesOf });
  }
  for (const key of ["next", "return"]) {
    const descriptor = getOwnPropertyDescriptor(iterators, key);
    const { value: step } = descriptor;
    descriptor.value = { [key](given = undefined) {
      if (this === undefined || this === null || this[isIterator] !== true) return Promise.reject(new TypeError("Illegal invocation"));
      return apply(step, this, [given]);
    } }[key];
    defineProperty(iterators, key, descriptor);
  }

  // These members write state to any object that they are called with, also to a frozen one that all modules share. So
  // each checks first that it is called with an object of its class.
  const guard = (prototype, key, check) => {
    const descriptor = getOwnPropertyDescriptor(prototype, key);
    const { get: isOfClass } = getOwnPropertyDescriptor(prototype, check);
    const { value, set } = descriptor;
    if (value === undefined) {
      descriptor.set = getOwnPropertyDescriptor({
        set [key](given) {
          apply(isOfClass, this, []);
          apply(set, this, [given]);
        },
      }, key).set;
    } else {
      descriptor.value = { [key]() {
        apply(isOfClass, this, []);
        apply(value, this, []);
      } }[key];
    }
    defineProperty(prototype, key, descriptor);
  };
  for (const key of ["cancelBubble", "returnValue", "preventDefault", "stopImmediatePropagation", "stopPropagation"]) {
    guard(all.Event.prototype, key, "type");
  }
  guard(AbortSignal.prototype, "onabort", "aborted");

  for (
    const name of [
      "AbortController", "AbortSignal", "Blob", "ByteLengthQueuingStrategy", "CloseEvent", "CompressionStream",
      "CountQueuingStrategy", "CustomEvent", "DOMException", "DecompressionStream", "ErrorEvent", "Event", "EventTarget", "File",
      "MessageEvent", "ProgressEvent", "PromiseRejectionEvent", "QuotaExceededError", "ReadableByteStreamController",
      "ReadableStream", "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest", "ReadableStreamDefaultController",
      "ReadableStreamDefaultReader", "TextDecoder", "TextDecoderStream", "TextEncoder", "TextEncoderStream", "TransformStream",
      "TransformStreamDefaultController", "URL", "URLPattern", "URLSearchParams", "WritableStream",
      "WritableStreamDefaultController", "WritableStreamDefaultWriter",
    ]
  ) web.globals[name] = all[name];
  Object.assign(web, web.globals);
  // Objects that guests reach and no global leads to.
  web.named = {
    __proto__: null,
    "%URLSearchParamsIteratorPrototype%": getPrototypeOf(new all.URLSearchParams().keys()),
    "%ReadableStreamAsyncIteratorPrototype%": getPrototypeOf(new all.ReadableStream().values()),
    // The scripts create these functions when they are first read.
    "%CountQueuingStrategySize%": new all.CountQueuingStrategy({ highWaterMark: 1 }).size,
    "%ByteLengthQueuingStrategySize%": new all.ByteLengthQueuingStrategy({ highWaterMark: 1 }).size,
  };

  const { get: reasonOf } = getOwnPropertyDescriptor(AbortSignal.prototype, "reason");
  const { get: isAborted } = getOwnPropertyDescriptor(AbortSignal.prototype, "aborted");
  web.isAbortSignal = (value) => {
    try {
      apply(isAborted, value, []);
      return true;
    } catch {
      return false;
    }
  };
  web.abortSteps = (signal, steps) => {
    converters.AbortSignal(signal, "signal", "the value");
    const run = () => steps(apply(reasonOf, signal, []));
    if (apply(isAborted, signal, [])) {
      run();
      return () => {};
    }
    addStep.call(signal, run);
    return () => removeStep.call(signal, run);
  };

  // For clone.js.
  const [nameOf, messageOf] = ["name", "message"].map((name) => getOwnPropertyDescriptor(all.DOMException.prototype, name).get);
  web.cloneOfException = (error) => {
    let name;
    try {
      name = apply(nameOf, error, []);
    } catch {
      return undefined;
    }
    return new all.DOMException(apply(messageOf, error, []), name);
  };

  const BlobPrototype = all.Blob.prototype;
  const { slice: sliceOf } = BlobPrototype;
  const [typeOf, sizeOfBlob] = ["type", "size"].map((name) => getOwnPropertyDescriptor(BlobPrototype, name).get);
  const [fileName, fileTime] = ["name", "lastModified"].map((name) => getOwnPropertyDescriptor(all.File.prototype, name).get);
  /** Returns true for an object of an interface. */
  web.isOfInterface = (value) => value[brand] === brand;
  /** Returns the clone of an object of an interface, or undefined for other values. Throws if there is no clone. */
  web.cloneOfObject = (value) => {
    if (!web.isOfInterface(value)) return undefined;
    const key = web.cloneOfKey(value);
    if (key !== undefined) return key;
    if (!isOf(value, BlobPrototype)) throw new all.DOMException("the object cannot be cloned", "DataCloneError");
    // Nobody changes the bytes of a Blob, so both have the same.
    const type = apply(typeOf, value, []);
    const whole = apply(sliceOf, value, [0, apply(sizeOfBlob, value, []), type]);
    if (!isOf(value, all.FilePrototype)) return whole;
    return new all.File([whole], apply(fileName, value, []), { type, lastModified: apply(fileTime, value, []) });
  };

  // For http.js and ports.js.
  web.deno = {
    all,
    webidl,
    slot,
    mimesniff: load("01_mimesniff.js"),
    httpToken: load("00_infra.js").HTTP_TOKEN_CODE_POINT_RE,
    isArrayBuffer: core.isArrayBuffer,
    ports: load("13_message_port.js"),
    isOf,
    typeOf: (blob) => apply(typeOf, blob, []),
    fileName: (file) => apply(fileName, file, []),
    fileTime: (file) => apply(fileTime, file, []),
    partsOf: (blob) => all.getParts(blob).map(({ bytes }) => bytes),
  };

  // How `console` shows them.
  const { get: hrefOf } = getOwnPropertyDescriptor(all.URL.prototype, "href");
  const { toString: textOfParams } = all.URLSearchParams.prototype;
  web.kinds = [
    [all.URL.prototype, (value) => `URL { ${apply(hrefOf, value, [])} }`],
    [all.URLSearchParams.prototype, (value) => `URLSearchParams { ${apply(textOfParams, value, [])} }`],
    [AbortSignal.prototype, (value) => `AbortSignal { aborted: ${apply(isAborted, value, [])} }`],
  ];

  for (const name of ["keyed", "scripts", "slot"]) delete web[name];
})(globalThis);
