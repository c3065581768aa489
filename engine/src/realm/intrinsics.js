// Functions that read the internal state of objects, for the scripts that copy values (clone.js, and crossing.js of the
// family `isolates`). They are taken before a guest runs, so properties that a guest defines do not change them.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { apply } = Reflect;
  const getter = (prototype, name) => {
    const get = getOwnPropertyDescriptor(prototype, name)?.get;
    return (object) => apply(get, object, []);
  };
  const method = (prototype, name) => {
    const call = prototype[name];
    return (object, ...args) => apply(call, object, args);
  };
  const TypedArray = getPrototypeOf(Int8Array);
  const arrayKinds = { __proto__: null };
  for (
    const Kind of [
      Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
      BigInt64Array, BigUint64Array,
    ]
  ) arrayKinds[Kind.name] = Kind;
  secure.late.push((() => {
    if (globalThis.Float16Array !== undefined) arrayKinds.Float16Array = globalThis.Float16Array;
  }));
  secure.intrinsics = {
    getter,
    method,
    TypedArray,
    timeOf: method(Date.prototype, "getTime"),
    mapEach: method(Map.prototype, "forEach"),
    setEach: method(Set.prototype, "forEach"),
    arrayKind: getter(TypedArray.prototype, Symbol.toStringTag),
    arrayBuffer: getter(TypedArray.prototype, "buffer"),
    arrayOffset: getter(TypedArray.prototype, "byteOffset"),
    arrayLength: getter(TypedArray.prototype, "length"),
    viewBuffer: getter(DataView.prototype, "buffer"),
    viewOffset: getter(DataView.prototype, "byteOffset"),
    viewLength: getter(DataView.prototype, "byteLength"),
    arrayKinds,
  };
})(globalThis);
