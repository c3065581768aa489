/*---
id = "A40"
title = "the global object has the reviewed names and no other"
expect = "nothing"
audit = []
---*/
const reviewed = new Set(`
globalThis Infinity NaN undefined isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI
encodeURIComponent escape unescape eval Function Date Math AggregateError Array ArrayBuffer AsyncDisposableStack BigInt
BigInt64Array BigUint64Array Boolean DataView DisposableStack Error EvalError FinalizationRegistry Float16Array
Float32Array Float64Array Int8Array Int16Array Int32Array Iterator Map Number Object Promise Proxy RangeError
ReferenceError RegExp Set String SuppressedError Symbol SyntaxError TypeError Uint8Array Uint8ClampedArray Uint16Array
Uint32Array URIError WeakMap WeakRef WeakSet JSON Reflect Intl console setTimeout clearTimeout setInterval
clearInterval queueMicrotask structuredClone URL URLSearchParams TextEncoder TextDecoder AbortController AbortSignal
`.trim().split(/\s+/));

export async function attack() {
  let gained = "";
  for (let object = globalThis; object !== null; object = Object.getPrototypeOf(object)) {
    if (object === Object.prototype) break;
    for (const key of Reflect.ownKeys(object)) {
      if (key === Symbol.toStringTag || key === "constructor") continue;
      if (!reviewed.has(key)) gained += `${String(key)}; `;
    }
    if (!Object.isFrozen(object)) gained += "it can be changed; ";
  }
  return gained;
}

export async function control() {
  return ["Array", "URL", "setTimeout", "structuredClone", "AbortSignal"].every((name) => name in globalThis);
}
