// The permit list: every name that a guest finds on the global object. A name that is not here is removed, so an
// engine upgrade cannot add one. `tests/realm.rs` walks the guest's globals and compares.
"use strict";
globalThis.__secure.permits = [
  // ECMAScript: values and functions
  "globalThis", "Infinity", "NaN", "undefined", "isFinite", "isNaN", "parseFloat", "parseInt",
  "decodeURI", "decodeURIComponent", "encodeURI", "encodeURIComponent", "escape", "unescape",
  // ECMAScript: tamed; present so that feature tests and `instanceof Function` work
  "eval", "Function", "Date", "Math",
  // ECMAScript: constructors
  "AggregateError", "Array", "ArrayBuffer", "AsyncDisposableStack", "BigInt", "BigInt64Array", "BigUint64Array",
  "Boolean", "DataView", "DisposableStack", "Error", "EvalError", "FinalizationRegistry", "Float16Array",
  "Float32Array", "Float64Array", "Int8Array", "Int16Array", "Int32Array", "Iterator", "Map", "Number", "Object",
  "Promise", "Proxy", "RangeError", "ReferenceError", "RegExp", "Set", "String", "SuppressedError", "Symbol",
  "SyntaxError", "TypeError", "Uint8Array", "Uint8ClampedArray", "Uint16Array", "Uint32Array", "URIError",
  "WeakMap", "WeakRef", "WeakSet",
  // ECMAScript: namespaces
  "JSON", "Reflect", "Intl",
  // Ours
  "console", "setTimeout", "clearTimeout", "setInterval", "clearInterval", "queueMicrotask", "structuredClone",
  "URL", "URLSearchParams", "atob", "btoa", "TextEncoder", "TextDecoder", "AbortController", "AbortSignal",
];
