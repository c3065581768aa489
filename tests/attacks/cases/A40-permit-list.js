/*---
id = "A40"
title = "the global object has only reviewed names"
boundary = "modules"
elsewhere = "the list of names is reviewed by this project for its own globals"
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
clearInterval queueMicrotask reportError navigator structuredClone atob btoa URL URLSearchParams TextEncoder TextDecoder AbortController AbortSignal
CloseEvent CustomEvent DOMException ErrorEvent Event EventTarget MessageEvent ProgressEvent PromiseRejectionEvent
fetch WebSocket EventSource crypto performance QuotaExceededError URLPattern Blob ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy CryptoKey DecompressionStream File
FormData Headers MessageChannel MessagePort ReadableByteStreamController ReadableStream ReadableStreamBYOBReader
ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request Response SubtleCrypto TextDecoderStream
TextEncoderStream TransformStream TransformStreamDefaultController WritableStream WritableStreamDefaultController
WritableStreamDefaultWriter
`.trim().split(/\s+/));

export async function attack({ shared }) {
  let gained = "";
  for (const global of [shared, globalThis]) {
    for (let object = global; object !== null && object !== Object.prototype; object = Object.getPrototypeOf(object)) {
      for (const key of Reflect.ownKeys(object)) {
        if (key === Symbol.toStringTag || key === "constructor") continue;
        // What a copy of the global object has besides: itself.
        if (global === globalThis && ["global", "self"].includes(key) && object[key] === globalThis) continue;
        if (!reviewed.has(key)) gained += `${String(key)}; `;
      }
      // A copy may be changed, and nothing that others share with it.
      if (object !== globalThis && !Object.isFrozen(object)) gained += "it can be changed; ";
    }
    for (const key of Reflect.ownKeys(global)) {
      if (global[key] !== globalThis && !Object.isFrozen(global[key])) gained += `${String(key)} can be changed; `;
    }
  }
  return gained;
}

export async function control() {
  return ["Array", "URL", "setTimeout", "structuredClone", "AbortSignal"].every((name) => name in globalThis);
}
