// Limits the memory of buffers that grow.
//
// V8 does not allocate resizable buffers with the allocator that counts memory (v8/buffers.rs). So code that
// creates or grows one checks the limit first. QuickJS counts them on its heap.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { ops, install, hidden, isQuickJs } = secure;
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { apply, construct } = Reflect;
  const RealArrayBuffer = globalThis.ArrayBuffer;
  if (isQuickJs) {
    secure.resizableBuffer = (size, maxByteLength) => new RealArrayBuffer(size, { __proto__: null, maxByteLength });
    return;
  }

  const prototype = RealArrayBuffer.prototype;
  const getter = (name) => getOwnPropertyDescriptor(prototype, name).get;
  const [lengthOf, mostOf, isResizable] = [getter("byteLength"), getter("maxByteLength"), getter("resizable")];
  const { resize, transfer } = prototype;
  // The real function rejects a value that is not a length.
  const room = (bytes) => {
    if (bytes > 0) ops.op_sr_buffer_room(bytes < 2 ** 53 ? bytes : 2 ** 53 - 1);
  };
  // A resizable buffer takes whole pages of memory, and addresses of the process for its largest size. V8 counts only
  // its length. So the last page, and a part of the largest size, are counted until the buffer is collected.
  const PAGE = 4096;
  const ADDRESSES = 1024;
  const weights = new WeakMap();
  const { set } = WeakMap.prototype;
  const weight = (most) => ops.op_sr_weight(PAGE + Math.ceil((most > 0 && most < 2 ** 53 ? most : 0) / ADDRESSES));
  const weighed = (buffer, held) => {
    apply(set, weights, [buffer, held]);
    return buffer;
  };
  const resizable = (size, maxByteLength, target) => {
    room(size);
    const held = weight(maxByteLength);
    return weighed(construct(RealArrayBuffer, [size, { __proto__: null, maxByteLength }], target), held);
  };
  secure.resizableBuffer = (size, maxByteLength) => resizable(size, maxByteLength, RealArrayBuffer);
  function ArrayBuffer(length, options) {
    if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
    const isBag = (typeof options === "object" && options !== null) || typeof options === "function";
    if (!isBag) return construct(RealArrayBuffer, [length], new.target);
    const size = +length;
    const { maxByteLength } = options;
    if (maxByteLength === undefined) return construct(RealArrayBuffer, [size], new.target);
    return resizable(size, +maxByteLength, new.target);
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
      const held = weight(apply(mostOf, this, []));
      return weighed(apply(transfer, this, [size]), held);
    },
  }.transfer));
  defineProperty(prototype.transfer, "length", { value: 0, writable: false, enumerable: false, configurable: true });
})(globalThis);
