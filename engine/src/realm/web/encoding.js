// TextEncoder and TextDecoder (https://encoding.spec.whatwg.org). UTF-8 is the only encoding. A decoder for another
// encoding is rejected with a RangeError, like an unknown label in the standard.
"use strict";
((globalThis) => {
  const { ArrayBuffer, Boolean, DataView, Object, RangeError, Reflect, Set, Symbol, TypeError, Uint8Array } = globalThis;
  const { ops } = globalThis.Deno.core;
  const web = (globalThis.__web ??= {});
  const { beginning } = globalThis.__secure;
  const { string, dictionary, option, finish } = web.idl;

  // A guest may define `buffer` or `byteLength` on its own array. The intrinsic getters ignore these properties.
  const getterOf = (prototype, name) => {
    const { get } = Object.getOwnPropertyDescriptor(prototype, name);
    return (value) => Reflect.apply(get, value, []);
  };
  const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype);
  const typedArrayTag = getterOf(typedArrayPrototype, Symbol.toStringTag);
  const viewKinds = [typedArrayPrototype, DataView.prototype].map((prototype) => ({
    buffer: getterOf(prototype, "buffer"),
    byteOffset: getterOf(prototype, "byteOffset"),
    byteLength: getterOf(prototype, "byteLength"),
  }));
  const bufferLength = getterOf(ArrayBuffer.prototype, "byteLength");

  /** Returns the bytes of a BufferSource, without copying them. */
  function bytesOf(source, where) {
    if (ArrayBuffer.isView(source)) {
      const view = viewKinds[typedArrayTag(source) === undefined ? 1 : 0];
      return new Uint8Array(view.buffer(source), view.byteOffset(source), view.byteLength(source));
    }
    try {
      bufferLength(source);
    } catch {
      throw new TypeError(`${where}: expected an ArrayBuffer or a view of one`);
    }
    return new Uint8Array(source);
  }

  const utf8Labels = new Set([
    "utf-8",
    "utf8",
    "unicode-1-1-utf-8",
    "unicode11utf8",
    "unicode20utf8",
    "x-unicode20utf8",
  ]);

  class TextEncoder {
    #brand = true;

    get encoding() {
      this.#brand;
      return "utf-8";
    }

    encode(input = "") {
      this.#brand;
      const text = string(input);
      return text.length > PIECE ? ops.op_sr_text_encode_long(text) : ops.op_sr_text_encode(text);
    }

    encodeInto(source, destination) {
      this.#brand;
      const text = string(source);
      if (!ArrayBuffer.isView(destination) || typedArrayTag(destination) !== "Uint8Array") {
        throw new TypeError("TextEncoder.encodeInto: the destination is not a Uint8Array");
      }
      const bytes = bytesOf(destination);
      // A UTF-16 unit takes at least one byte, so the other units do not fit.
      const [read, written] = ops.op_sr_text_encode_into(beginning(text, bytes.length), bytes);
      return { read, written };
    }
  }
  finish(TextEncoder, "TextEncoder");

  const noBytes = new Uint8Array(0);
  // Rust decodes pieces of this many bytes, so that its copies of a text stay small.
  const PIECE = 1 << 20;

  // Returns the text, or null if the bytes are invalid and `fatal` is true, and the number of bytes at the end that are
  // left.
  function decoded(bytes, fatal, stream) {
    if (bytes.length <= PIECE) return ops.op_sr_text_decode(bytes, fatal, stream);
    let made = "";
    for (let from = 0;;) {
      const isLast = bytes.length - from <= PIECE;
      const piece = bytes.subarray(from, isLast ? bytes.length : from + PIECE);
      const [text, cut] = ops.op_sr_text_decode(piece, fatal, stream || !isLast);
      if (text === null) return [null, 0];
      made += text;
      if (isLast) return [made, cut];
      from += piece.length - cut;
    }
  }

  class TextDecoder {
    #fatal;
    #ignoreBom;
    #streaming = false;
    #atStart = true;
    #pending = noBytes; // the first bytes of a character that the last chunk cut

    constructor(label = "utf-8", options = undefined) {
      const name = string(label);
      const given = dictionary(options, "TextDecoder");
      this.#fatal = Boolean(option(given, "fatal"));
      this.#ignoreBom = Boolean(option(given, "ignoreBOM"));
      // The standard trims only ASCII white space, but trim() removes more.
      if (!utf8Labels.has(name.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "").toLowerCase())) {
        throw new RangeError(`TextDecoder: '${name}' is not supported, only utf-8 is`);
      }
    }

    get encoding() {
      this.#fatal;
      return "utf-8";
    }

    get fatal() {
      return this.#fatal;
    }

    get ignoreBOM() {
      return this.#ignoreBom;
    }

    decode(input = undefined, options = undefined) {
      this.#fatal;
      const chunk = input === undefined ? noBytes : bytesOf(input, "TextDecoder.decode");
      const stream = Boolean(option(dictionary(options, "TextDecoder.decode"), "stream"));
      if (!this.#streaming) {
        this.#pending = noBytes;
        this.#atStart = true;
      }
      this.#streaming = stream;

      let bytes = chunk;
      if (this.#pending.length > 0) {
        bytes = new Uint8Array(this.#pending.length + chunk.length);
        bytes.set(this.#pending);
        bytes.set(chunk, this.#pending.length);
      }
      const [text, cut] = decoded(bytes, this.#fatal, stream);
      if (text === null) {
        this.#streaming = false;
        throw new TypeError("TextDecoder.decode: the bytes are not valid utf-8");
      }
      // A copy, because the guest owns the chunk and may write to it before the next call.
      this.#pending = bytes.slice(bytes.length - cut);
      if (!this.#atStart || text.length === 0) {
        return text;
      }
      this.#atStart = false;
      return !this.#ignoreBom && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
  }
  finish(TextDecoder, "TextDecoder");

  web.TextEncoder = TextEncoder;
  web.TextDecoder = TextDecoder;
  web.bytesOf = bytesOf;
})(globalThis);
