// Limits the memory of buffers that grow.
//
// V8 does not allocate resizable buffers with the allocator that counts memory (v8/buffers.rs). So code that
// creates or grows one checks the limit first. QuickJS counts them on its heap.
"use strict";
((globalThis) => {
  const { ops, install, hidden, isQuickJs } = globalThis.__secure;
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { apply, construct } = Reflect;
  if (isQuickJs) return;

  const RealArrayBuffer = globalThis.ArrayBuffer;
  const prototype = RealArrayBuffer.prototype;
  const getter = (name) => getOwnPropertyDescriptor(prototype, name).get;
  const [lengthOf, isResizable] = [getter("byteLength"), getter("resizable")];
  const { resize, transfer } = prototype;
  // The real function rejects a value that is not a length.
  const room = (bytes) => {
    if (bytes > 0) ops.op_sr_buffer_room(bytes < 2 ** 53 ? bytes : 2 ** 53 - 1);
  };
  function ArrayBuffer(length, options) {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
    const isBag = (typeof options === "object" && options !== null) || typeof options === "function";
    if (!isBag) return construct(RealArrayBuffer, [length], new.target);
    const size = +length;
    const { maxByteLength } = options;
    if (maxByteLength === undefined) return construct(RealArrayBuffer, [size], new.target);
    room(size);
    return construct(RealArrayBuffer, [size, { __proto__: null, maxByteLength }], new.target);
  }
  defineProperty(ArrayBuffer, "length", { value: 1, writable: false, enumerable: false, configurable: true });
  defineProperty(ArrayBuffer, "prototype", { value: prototype, writable: false, enumerable: false, configurable: false });
  for (const key of ["isView", Symbol.species]) {
    defineProperty(ArrayBuffer, key, getOwnPropertyDescriptor(RealArrayBuffer, key));
  }
  install("ArrayBuffer", ArrayBuffer);
  defineProperty(prototype, "constructor", hidden(ArrayBuffer));
  defineProperty(prototype, "resize", hidden({
    resize(newLength) {
      apply(isResizable, this, []); // throws a TypeError if `this` is not an ArrayBuffer, before anything is converted
      const size = +newLength;
      room(size - apply(lengthOf, this, []));
      return apply(resize, this, [size]);
    },
  }.resize));
  defineProperty(prototype, "transfer", hidden({
    transfer(newLength) {
      if (!apply(isResizable, this, [])) return apply(transfer, this, newLength === undefined ? [] : [newLength]);
      const size = newLength === undefined ? apply(lengthOf, this, []) : +newLength;
      room(size);
      return apply(transfer, this, [size]);
    },
  }.transfer));
  defineProperty(prototype.transfer, "length", { value: 0, writable: false, enumerable: false, configurable: true });
})(globalThis);
