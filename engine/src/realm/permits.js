// The permit list: everything that guests can reach, by the names of its properties. Lockdown removes all other
// properties. So no engine upgrade and no script of the runtime can add a property that was not reviewed.
// tests/permits.rs walks all objects that a guest can reach on each engine. It compares them with the list in both
// directions.
//
// An entry such as `Object.prototype:` begins an object. Its name is the path from the global object, or from an
// intrinsic without a global. The standard gives such intrinsics names like %TypedArray%, and the runtime does the same
// with its own. The properties of the object follow, `@@iterator` for `Symbol.iterator`. Every function also has a name
// and a length. If a property has no entry as an object, it is a plain value, or a function without other properties.
//
// The review checked that nothing on the list holds state, reads the host, or makes code from strings. ECMAScript is
// complete, including its oddities (`__proto__`, `escape`, HTML methods of strings), because they do none of this. The
// exceptions are not on the list:
// - RegExp.$1 and similar properties carry the last match from module to module. RegExp.prototype.compile changes a
//   frozen regular expression.
// - Error.prepareStackTrace would reveal call sites. Function.prototype.fileName and similar properties (QuickJS) name
//   the module of any function.
// - SharedArrayBuffer and Atomics are a clock. WebAssembly compiles code that was not locked. The memories that its
//   modules export have no new kinds of buffers.
// - Date.prototype.toTemporalInstant (QuickJS) leads to Temporal, which reads the time. Packages do not depend on
//   Intl.v8BreakIterator, or on features of one engine that no edition of the standard has (Iterator.zip, immutable
//   array buffers).
// - The constructor of the global object's prototype (V8) is internal to the engine, and would create other global
//   objects.
//
// These are on the list, although they reveal something about the host or about other modules:
// - Error.captureStackTrace and stackTraceLimit. Packages call the first, and without the second there are no stack
//   traces. Stack traces name modules and reveal nothing else. The limit cannot be set.
// - WeakRef and FinalizationRegistry show when garbage is collected, which other modules influence. Timers show this
//   too, and modules that share a realm have no guarantee against it. Many packages use them for caches.
// - Symbol.for. All modules get the same symbol for a name, and none learns if another module has requested it.
// - Intl and Date know the host's time zone and language (THREAT_MODEL.md).
"use strict";
globalThis.__secure.permits = {
both: `
# ECMAScript: the global object
globalThis: AbortController AbortSignal AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array
  BigUint64Array Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array Float32Array
  Float64Array Function Infinity Int16Array Int32Array Int8Array Iterator JSON Map Math NaN Number Object Promise
  Proxy RangeError ReferenceError Reflect RegExp Set String SuppressedError Symbol SyntaxError TextDecoder TextEncoder
  TypeError URIError URL URLSearchParams Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet
  atob btoa clearInterval clearTimeout console decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval
  globalThis isFinite isNaN navigator parseFloat parseInt queueMicrotask reportError setInterval setTimeout structuredClone undefined
  unescape

# ECMAScript: fundamental objects
Object: assign create defineProperties defineProperty entries freeze fromEntries getOwnPropertyDescriptor
  getOwnPropertyDescriptors getOwnPropertyNames getOwnPropertySymbols getPrototypeOf groupBy hasOwn is isExtensible
  isFrozen isSealed keys preventExtensions prototype seal setPrototypeOf values
Object.prototype: __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ __proto__ constructor
  hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf
Function: prototype
Function.prototype: @@hasInstance apply arguments bind call caller constructor toString
Boolean: prototype
Boolean.prototype: constructor toString valueOf
Symbol: asyncDispose asyncIterator dispose for hasInstance isConcatSpreadable iterator keyFor match matchAll prototype
  replace search species split toPrimitive toStringTag unscopables
Symbol.prototype: @@toPrimitive @@toStringTag constructor description toString valueOf

# ECMAScript: errors
Error: captureStackTrace isError prototype
Error.prototype: constructor message name toString
AggregateError: prototype
AggregateError.prototype: constructor message name
EvalError: prototype
EvalError.prototype: constructor message name
RangeError: prototype
RangeError.prototype: constructor message name
ReferenceError: prototype
ReferenceError.prototype: constructor message name
SuppressedError: prototype
SuppressedError.prototype: constructor message name
SyntaxError: prototype
SyntaxError.prototype: constructor message name
TypeError: prototype
TypeError.prototype: constructor message name
URIError: prototype
URIError.prototype: constructor message name

# ECMAScript: numbers, text and dates
Number: EPSILON MAX_SAFE_INTEGER MAX_VALUE MIN_SAFE_INTEGER MIN_VALUE NEGATIVE_INFINITY NaN POSITIVE_INFINITY isFinite
  isInteger isNaN isSafeInteger parseFloat parseInt prototype
Number.prototype: constructor toExponential toFixed toLocaleString toPrecision toString valueOf
BigInt: asIntN asUintN prototype
BigInt.prototype: @@toStringTag constructor toString valueOf
Math: @@toStringTag E LN10 LN2 LOG10E LOG2E PI SQRT1_2 SQRT2 abs acos acosh asin asinh atan atan2 atanh cbrt ceil
  clz32 cos cosh exp expm1 f16round floor fround hypot imul log log10 log1p log2 max min pow random round sign sin
  sinh sqrt sumPrecise tan tanh trunc
Date: UTC now parse prototype
Date.prototype: @@toPrimitive constructor getDate getDay getFullYear getHours getMilliseconds getMinutes getMonth
  getSeconds getTime getTimezoneOffset getUTCDate getUTCDay getUTCFullYear getUTCHours getUTCMilliseconds
  getUTCMinutes getUTCMonth getUTCSeconds getYear setDate setFullYear setHours setMilliseconds setMinutes setMonth
  setSeconds setTime setUTCDate setUTCFullYear setUTCHours setUTCMilliseconds setUTCMinutes setUTCMonth setUTCSeconds
  setYear toDateString toGMTString toISOString toJSON toLocaleDateString toLocaleString toLocaleTimeString toString
  toTimeString toUTCString valueOf
String: fromCharCode fromCodePoint prototype raw
String.prototype: @@iterator anchor at big blink bold charAt charCodeAt codePointAt concat constructor endsWith fixed
  fontcolor fontsize includes indexOf isWellFormed italics lastIndexOf length link localeCompare match matchAll
  normalize padEnd padStart repeat replace replaceAll search slice small split startsWith strike sub substr substring
  sup toLocaleLowerCase toLocaleUpperCase toLowerCase toString toUpperCase toWellFormed trim trimEnd trimLeft
  trimRight trimStart valueOf
%StringIteratorPrototype%: @@toStringTag next
RegExp: @@species escape prototype
RegExp.prototype: @@match @@matchAll @@replace @@search @@split constructor dotAll exec flags global hasIndices
  ignoreCase multiline source sticky test toString unicode unicodeSets
%RegExpStringIteratorPrototype%: @@toStringTag next

# ECMAScript: collections
Array: @@species from fromAsync isArray of prototype
Array.prototype: @@iterator @@unscopables at concat constructor copyWithin entries every fill filter find findIndex
  findLast findLastIndex flat flatMap forEach includes indexOf join keys lastIndexOf length map pop push reduce
  reduceRight reverse shift slice some sort splice toLocaleString toReversed toSorted toSpliced toString unshift
  values with
Array.prototype.@@unscopables: at copyWithin entries fill find findIndex findLast findLastIndex flat flatMap includes
  keys toReversed toSorted toSpliced values
%ArrayIteratorPrototype%: @@toStringTag next
Map: @@species groupBy prototype
Map.prototype: @@iterator @@toStringTag clear constructor delete entries forEach get getOrInsert getOrInsertComputed
  has keys set size values
%MapIteratorPrototype%: @@toStringTag next
Set: @@species prototype
Set.prototype: @@iterator @@toStringTag add clear constructor delete difference entries forEach has intersection
  isDisjointFrom isSubsetOf isSupersetOf keys size symmetricDifference union values
%SetIteratorPrototype%: @@toStringTag next
WeakMap: prototype
WeakMap.prototype: @@toStringTag constructor delete get getOrInsert getOrInsertComputed has set
WeakSet: prototype
WeakSet.prototype: @@toStringTag add constructor delete has

# ECMAScript: bytes
ArrayBuffer: @@species isView prototype
ArrayBuffer.prototype: @@toStringTag byteLength constructor detached maxByteLength resizable resize slice transfer
  transferToFixedLength
DataView: prototype
DataView.prototype: @@toStringTag buffer byteLength byteOffset constructor getBigInt64 getBigUint64 getFloat16
  getFloat32 getFloat64 getInt16 getInt32 getInt8 getUint16 getUint32 getUint8 setBigInt64 setBigUint64 setFloat16
  setFloat32 setFloat64 setInt16 setInt32 setInt8 setUint16 setUint32 setUint8
%TypedArray%: @@species from of prototype
%TypedArray%.prototype: @@iterator @@toStringTag at buffer byteLength byteOffset constructor copyWithin entries every
  fill filter find findIndex findLast findLastIndex forEach includes indexOf join keys lastIndexOf length map reduce
  reduceRight reverse set slice some sort subarray toLocaleString toReversed toSorted toString values with
Uint8Array: BYTES_PER_ELEMENT fromBase64 fromHex prototype
Uint8Array.prototype: BYTES_PER_ELEMENT constructor setFromBase64 setFromHex toBase64 toHex
Int8Array: BYTES_PER_ELEMENT prototype
Int8Array.prototype: BYTES_PER_ELEMENT constructor
Uint16Array: BYTES_PER_ELEMENT prototype
Uint16Array.prototype: BYTES_PER_ELEMENT constructor
Int16Array: BYTES_PER_ELEMENT prototype
Int16Array.prototype: BYTES_PER_ELEMENT constructor
Uint32Array: BYTES_PER_ELEMENT prototype
Uint32Array.prototype: BYTES_PER_ELEMENT constructor
Int32Array: BYTES_PER_ELEMENT prototype
Int32Array.prototype: BYTES_PER_ELEMENT constructor
BigUint64Array: BYTES_PER_ELEMENT prototype
BigUint64Array.prototype: BYTES_PER_ELEMENT constructor
BigInt64Array: BYTES_PER_ELEMENT prototype
BigInt64Array.prototype: BYTES_PER_ELEMENT constructor
Uint8ClampedArray: BYTES_PER_ELEMENT prototype
Uint8ClampedArray.prototype: BYTES_PER_ELEMENT constructor
Float32Array: BYTES_PER_ELEMENT prototype
Float32Array.prototype: BYTES_PER_ELEMENT constructor
Float64Array: BYTES_PER_ELEMENT prototype
Float64Array.prototype: BYTES_PER_ELEMENT constructor
Float16Array: BYTES_PER_ELEMENT prototype
Float16Array.prototype: BYTES_PER_ELEMENT constructor

# ECMAScript: control
Promise: @@species all allSettled any prototype race reject resolve try withResolvers
Promise.prototype: @@toStringTag catch constructor finally then
Proxy: revocable
Reflect: @@toStringTag apply construct defineProperty deleteProperty get getOwnPropertyDescriptor getPrototypeOf has
  isExtensible ownKeys preventExtensions set setPrototypeOf
JSON: @@toStringTag isRawJSON parse rawJSON stringify
Iterator: concat from prototype
Iterator.prototype: @@dispose @@iterator @@toStringTag constructor drop every filter find flatMap forEach map reduce
  some take toArray
%IteratorHelperPrototype%: @@toStringTag next return
%WrapForValidIteratorPrototype%: next return
%AsyncIteratorPrototype%: @@asyncDispose @@asyncIterator
%AsyncFunction%: prototype
%AsyncFunction%.prototype: @@toStringTag constructor
%GeneratorFunction%: prototype
%GeneratorFunction%.prototype: @@toStringTag constructor prototype
%GeneratorFunction%.prototype.prototype: @@toStringTag constructor next return throw
%AsyncGeneratorFunction%: prototype
%AsyncGeneratorFunction%.prototype: @@toStringTag constructor prototype
%AsyncGeneratorFunction%.prototype.prototype: @@toStringTag constructor next return throw
DisposableStack: prototype
DisposableStack.prototype: @@dispose @@toStringTag adopt constructor defer dispose disposed move use
AsyncDisposableStack: prototype
AsyncDisposableStack.prototype: @@asyncDispose @@toStringTag adopt constructor defer disposeAsync disposed move use
WeakRef: prototype
WeakRef.prototype: @@toStringTag constructor deref
FinalizationRegistry: prototype
FinalizationRegistry.prototype: @@toStringTag constructor register unregister

# The web
console: assert count countReset debug dir dirxml error group groupCollapsed groupEnd info log table trace warn
URL: canParse parse prototype
URL.prototype: @@toStringTag constructor hash host hostname href origin password pathname port protocol search
  searchParams toJSON toString username
URLSearchParams: prototype
URLSearchParams.prototype: @@iterator @@toStringTag append constructor delete entries forEach get getAll has keys set
  size sort toString values
%URLSearchParamsIteratorPrototype%: @@toStringTag next
TextEncoder: prototype
TextEncoder.prototype: @@toStringTag constructor encode encodeInto encoding
TextDecoder: prototype
TextDecoder.prototype: @@toStringTag constructor decode encoding fatal ignoreBOM
navigator: userAgent
AbortController: prototype
AbortController.prototype: @@toStringTag abort constructor signal
AbortSignal: abort any prototype timeout
AbortSignal.prototype: @@toStringTag aborted constructor onabort reason throwIfAborted
%TimeoutPrototype%:

# Capabilities, and what their operations return and throw
%CapabilityError%: prototype
%CapabilityError%.prototype: constructor
%HolderPrototype%:
%CapabilityPrototype%: attenuate revocable
%RequestContextPrototype%: params requestId signal upgrade waitUntil
%NotFound%: prototype
%NotFound%.prototype: constructor
%AlreadyExists%: prototype
%AlreadyExists%.prototype: constructor
%NotADirectory%: prototype
%NotADirectory%.prototype: constructor
%IsADirectory%: prototype
%IsADirectory%.prototype: constructor
%PermissionDenied%: prototype
%PermissionDenied%.prototype: constructor
%InvalidData%: prototype
%InvalidData%.prototype: constructor
%TimedOut%: prototype
%TimedOut%.prototype: constructor
%FilesystemLoop%: prototype
%FilesystemLoop%.prototype: constructor
%NotSupported%: prototype
%NotSupported%.prototype: constructor
%IsolateError%: prototype
%IsolateError%.prototype: constructor
%Busy%: prototype
%Busy%.prototype: constructor
%StorageFull%: prototype
%StorageFull%.prototype: constructor
`,
v8: `
globalThis: Intl
# The web: the scripts of Deno
globalThis: CloseEvent CustomEvent DOMException ErrorEvent Event EventTarget MessageEvent ProgressEvent
  PromiseRejectionEvent QuotaExceededError URLPattern
EventTarget: prototype
EventTarget.prototype: @@toStringTag addEventListener constructor dispatchEvent removeEventListener
Event: AT_TARGET BUBBLING_PHASE CAPTURING_PHASE NONE prototype
Event.prototype: @@toStringTag AT_TARGET BUBBLING_PHASE CAPTURING_PHASE NONE bubbles cancelBubble cancelable composed
  composedPath constructor currentTarget defaultPrevented eventPhase initialized isTrusted preventDefault returnValue
  srcElement stopImmediatePropagation stopPropagation target timeStamp type
CloseEvent: prototype
CloseEvent.prototype: code constructor reason wasClean
CustomEvent: prototype
CustomEvent.prototype: constructor detail
ErrorEvent: prototype
ErrorEvent.prototype: colno constructor error filename lineno message
MessageEvent: prototype
MessageEvent.prototype: constructor source
ProgressEvent: prototype
ProgressEvent.prototype: constructor
PromiseRejectionEvent: prototype
PromiseRejectionEvent.prototype: constructor promise reason
DOMException: ABORT_ERR DATA_CLONE_ERR DOMSTRING_SIZE_ERR HIERARCHY_REQUEST_ERR INDEX_SIZE_ERR INUSE_ATTRIBUTE_ERR
  INVALID_ACCESS_ERR INVALID_CHARACTER_ERR INVALID_MODIFICATION_ERR INVALID_NODE_TYPE_ERR INVALID_STATE_ERR
  NAMESPACE_ERR NETWORK_ERR NOT_FOUND_ERR NOT_SUPPORTED_ERR NO_DATA_ALLOWED_ERR NO_MODIFICATION_ALLOWED_ERR
  QUOTA_EXCEEDED_ERR SECURITY_ERR SYNTAX_ERR TIMEOUT_ERR TYPE_MISMATCH_ERR URL_MISMATCH_ERR VALIDATION_ERR
  WRONG_DOCUMENT_ERR prototype
DOMException.prototype: @@toStringTag ABORT_ERR DATA_CLONE_ERR DOMSTRING_SIZE_ERR HIERARCHY_REQUEST_ERR INDEX_SIZE_ERR
  INUSE_ATTRIBUTE_ERR INVALID_ACCESS_ERR INVALID_CHARACTER_ERR INVALID_MODIFICATION_ERR INVALID_NODE_TYPE_ERR
  INVALID_STATE_ERR NAMESPACE_ERR NETWORK_ERR NOT_FOUND_ERR NOT_SUPPORTED_ERR NO_DATA_ALLOWED_ERR
  NO_MODIFICATION_ALLOWED_ERR QUOTA_EXCEEDED_ERR SECURITY_ERR SYNTAX_ERR TIMEOUT_ERR TYPE_MISMATCH_ERR
  URL_MISMATCH_ERR VALIDATION_ERR WRONG_DOCUMENT_ERR code constructor message name
QuotaExceededError: prototype
QuotaExceededError.prototype: @@toStringTag constructor quota requested
URLPattern: prototype
URLPattern.prototype: @@toStringTag constructor exec hasRegExpGroups hash hostname password pathname port protocol
  search test username
AbortSignal.prototype: addEventListener removeEventListener
globalThis: CryptoKey SubtleCrypto
globalThis: Blob ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy DecompressionStream File FormData
  Headers MessageChannel MessagePort ReadableByteStreamController ReadableStream ReadableStreamBYOBReader
  ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request Response
  TextDecoderStream TextEncoderStream TransformStream TransformStreamDefaultController WritableStream
  WritableStreamDefaultController WritableStreamDefaultWriter
Blob: prototype
Blob.prototype: @@toStringTag arrayBuffer bytes constructor size slice stream text textStream type
ByteLengthQueuingStrategy: prototype
ByteLengthQueuingStrategy.prototype: @@toStringTag constructor highWaterMark size
CompressionStream: prototype
CompressionStream.prototype: @@toStringTag constructor readable writable
CountQueuingStrategy: prototype
CountQueuingStrategy.prototype: @@toStringTag constructor highWaterMark size
CryptoKey: prototype
CryptoKey.prototype: @@toStringTag algorithm constructor extractable type usages
SubtleCrypto: prototype
SubtleCrypto.prototype: @@toStringTag constructor decrypt deriveBits deriveKey digest encrypt exportKey generateKey
  importKey sign unwrapKey verify wrapKey
DecompressionStream: prototype
DecompressionStream.prototype: @@toStringTag constructor readable writable
File: prototype
File.prototype: @@toStringTag constructor lastModified name
FormData: prototype
FormData.prototype: @@iterator @@toStringTag append constructor delete entries forEach get getAll has keys set values
Headers: prototype
Headers.prototype: @@iterator @@toStringTag append constructor delete entries forEach get getSetCookie has keys set
  values
MessageChannel: prototype
MessageChannel.prototype: @@toStringTag constructor port1 port2
MessagePort: prototype
MessagePort.prototype: @@toStringTag close constructor onmessage onmessageerror postMessage start
ReadableByteStreamController: prototype
ReadableByteStreamController.prototype: @@toStringTag byobRequest close constructor desiredSize enqueue error
ReadableStream: from prototype
ReadableStream.prototype: @@asyncIterator @@toStringTag cancel constructor getReader locked pipeThrough pipeTo tee
  values
ReadableStreamBYOBReader: prototype
ReadableStreamBYOBReader.prototype: @@toStringTag cancel closed constructor read releaseLock
ReadableStreamBYOBRequest: prototype
ReadableStreamBYOBRequest.prototype: @@toStringTag constructor respond respondWithNewView view
ReadableStreamDefaultController: prototype
ReadableStreamDefaultController.prototype: @@toStringTag close constructor desiredSize enqueue error
ReadableStreamDefaultReader: prototype
ReadableStreamDefaultReader.prototype: @@toStringTag cancel closed constructor read releaseLock
Request: prototype
Request.prototype: @@toStringTag arrayBuffer blob body bodyUsed bytes cache clone constructor credentials destination
  duplex formData headers integrity isHistoryNavigation isReloadNavigation json keepalive method mode redirect
  referrer referrerPolicy signal text url
Response: error json prototype redirect
Response.prototype: @@toStringTag arrayBuffer blob body bodyUsed bytes clone constructor formData headers json ok
  redirected status statusText text type url
TextDecoderStream: prototype
TextDecoderStream.prototype: @@toStringTag constructor encoding fatal ignoreBOM readable writable
TextEncoderStream: prototype
TextEncoderStream.prototype: @@toStringTag constructor encoding readable writable
TransformStream: prototype
TransformStream.prototype: @@toStringTag constructor readable writable
TransformStreamDefaultController: prototype
TransformStreamDefaultController.prototype: @@toStringTag constructor desiredSize enqueue error terminate
WritableStream: prototype
WritableStream.prototype: @@toStringTag abort close constructor getWriter locked
WritableStreamDefaultController: prototype
WritableStreamDefaultController.prototype: @@toStringTag constructor error signal
WritableStreamDefaultWriter: prototype
WritableStreamDefaultWriter.prototype: @@toStringTag abort close closed constructor desiredSize ready releaseLock
  write
%ReadableStreamAsyncIteratorPrototype%: next return
%EventSourcePrototype%: @@toStringTag CLOSED CONNECTING OPEN close onerror onmessage onopen readyState url withCredentials
%WebSocketPrototype%: @@toStringTag CLOSED CLOSING CONNECTING OPEN binaryType bufferedAmount close extensions onclose
  onerror onmessage onopen protocol readyState send url
%HeadersIteratorPrototype%: @@toStringTag next
%FormDataIteratorPrototype%: @@toStringTag next
%GlobalPrototype%:
Error: stackTraceLimit
Intl: @@toStringTag Collator DateTimeFormat DisplayNames DurationFormat ListFormat Locale NumberFormat PluralRules
  RelativeTimeFormat Segmenter getCanonicalLocales supportedValuesOf
Intl.DateTimeFormat: prototype supportedLocalesOf
Intl.NumberFormat: prototype supportedLocalesOf
Intl.Collator: prototype supportedLocalesOf
Intl.PluralRules: prototype supportedLocalesOf
Intl.RelativeTimeFormat: prototype supportedLocalesOf
Intl.ListFormat: prototype supportedLocalesOf
Intl.Locale: prototype
Intl.DisplayNames: prototype supportedLocalesOf
Intl.Segmenter: prototype supportedLocalesOf
Intl.DurationFormat: prototype supportedLocalesOf
BigInt.prototype: toLocaleString
Intl.DateTimeFormat.prototype: @@toStringTag constructor format formatRange formatRangeToParts formatToParts
  resolvedOptions
Intl.NumberFormat.prototype: @@toStringTag constructor format formatRange formatRangeToParts formatToParts
  resolvedOptions
Intl.Collator.prototype: @@toStringTag compare constructor resolvedOptions
Intl.PluralRules.prototype: @@toStringTag constructor resolvedOptions select selectRange
Intl.RelativeTimeFormat.prototype: @@toStringTag constructor format formatToParts resolvedOptions
Intl.ListFormat.prototype: @@toStringTag constructor format formatToParts resolvedOptions
Intl.Locale.prototype: @@toStringTag baseName calendar caseFirst collation constructor firstDayOfWeek getCalendars
  getCollations getHourCycles getNumberingSystems getTextInfo getTimeZones getWeekInfo hourCycle language maximize
  minimize numberingSystem numeric region script toString variants
Intl.DisplayNames.prototype: @@toStringTag constructor of resolvedOptions
Intl.Segmenter.prototype: @@toStringTag constructor resolvedOptions segment
Intl.DurationFormat.prototype: @@toStringTag constructor format formatToParts resolvedOptions
%SegmentsPrototype%: @@iterator containing
%SegmentIteratorPrototype%: @@toStringTag next
%WebAssembly.Memory.prototype%: @@toStringTag buffer grow
%WebAssembly.Table.prototype%: @@toStringTag get grow length set
%WebAssembly.LinkError%: prototype
%WebAssembly.LinkError%.prototype: constructor message name
%WebAssembly.RuntimeError%: prototype
%WebAssembly.RuntimeError%.prototype: constructor message name
`,
quickjs: `
Error.prototype: stack
# The web: those that are globals on V8
%EventTarget%: prototype
%EventTarget%.prototype: @@toStringTag addEventListener constructor dispatchEvent removeEventListener
%Event%: prototype
%Event%.prototype: @@toStringTag bubbles cancelable constructor currentTarget defaultPrevented isTrusted
  preventDefault stopImmediatePropagation stopPropagation target type
%DOMException%: prototype
%DOMException%.prototype: @@toStringTag code constructor
# Responses, and requests to programs that serve
globalThis: Response
Response: json prototype
Response.prototype: constructor
%Body%: prototype
%Body%.prototype: arrayBuffer body bodyUsed bytes json text
%RequestPrototype%: signal
%IteratorConcatPrototype%: @@toStringTag next return
Date.prototype.toLocaleString: prototype
Date.prototype.toLocaleString.prototype: constructor
`,
// Properties that packages assign on their own objects, which inherit them (RUN-3). They are those that SES lists in
// its moderate mode, and the methods of everything that packages extend. Lockdown replaces each with an accessor. A
// compiler treats it like a property, but an interpreter calls a function. On V8, `constructor` and `@@iterator` of
// arrays and `next` of their iterators cost more. Built-in functions use their fast paths only while these are plain
// properties. benches/realm.rs measures it. The methods of strings are left out, because compilers do not find them
// through an accessor, and so are properties of constructors.
repaired: `
Object.prototype: __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ constructor hasOwnProperty
  isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf
Function.prototype: apply bind call constructor name toString
%AsyncFunction%.prototype: @@toStringTag constructor
%GeneratorFunction%.prototype: @@toStringTag constructor
%AsyncGeneratorFunction%.prototype: @@toStringTag constructor
Error.prototype: constructor message name toString
AggregateError.prototype: constructor message name
EvalError.prototype: constructor message name
RangeError.prototype: constructor message name
ReferenceError.prototype: constructor message name
SuppressedError.prototype: constructor message name
SyntaxError.prototype: constructor message name
TypeError.prototype: constructor message name
URIError.prototype: constructor message name
%WebAssembly.LinkError%.prototype: constructor message name
%WebAssembly.RuntimeError%.prototype: constructor message name
%CapabilityError%.prototype: constructor
Boolean.prototype: constructor toString valueOf
Number.prototype: constructor toFixed toLocaleString toString valueOf
BigInt.prototype: @@toStringTag constructor toLocaleString toString valueOf
Symbol.prototype: @@toStringTag constructor toString valueOf
String.prototype: constructor toString valueOf
Date.prototype: constructor getDate getDay getFullYear getHours getMilliseconds getMinutes getMonth getSeconds getTime
  getTimezoneOffset getUTCDate getUTCDay getUTCFullYear getUTCHours getUTCMilliseconds getUTCMinutes getUTCMonth
  getUTCSeconds getYear setDate setFullYear setHours setMilliseconds setMinutes setMonth setSeconds setTime setUTCDate
  setUTCFullYear setUTCHours setUTCMilliseconds setUTCMinutes setUTCMonth setUTCSeconds setYear toDateString toGMTString
  toISOString toJSON toLocaleDateString toLocaleString toLocaleTimeString toString toTimeString toUTCString valueOf
RegExp.prototype: @@match @@matchAll @@replace @@search @@split constructor exec test toString
Array.prototype: @@iterator at concat constructor copyWithin entries every fill filter find findIndex findLast
  findLastIndex flat flatMap forEach includes indexOf join keys lastIndexOf map pop push reduce reduceRight reverse shift
  slice some sort splice toLocaleString toReversed toSorted toSpliced toString unshift values with
Promise.prototype: @@toStringTag catch constructor finally then
Map.prototype: @@iterator @@toStringTag clear constructor delete entries forEach get has keys set values
Set.prototype: @@iterator @@toStringTag add clear constructor delete difference entries forEach has intersection
  isDisjointFrom isSubsetOf isSupersetOf keys symmetricDifference union values
WeakMap.prototype: @@toStringTag constructor delete get has set
WeakSet.prototype: @@toStringTag add constructor delete has
WeakRef.prototype: @@toStringTag constructor deref
FinalizationRegistry.prototype: @@toStringTag constructor register unregister
Iterator.prototype: @@dispose @@iterator drop every filter find flatMap forEach map reduce some take toArray
%AsyncIteratorPrototype%: @@asyncDispose @@asyncIterator
%ArrayIteratorPrototype%: @@toStringTag next
%MapIteratorPrototype%: @@toStringTag next
%SetIteratorPrototype%: @@toStringTag next
%StringIteratorPrototype%: @@toStringTag next
%RegExpStringIteratorPrototype%: @@toStringTag next
%IteratorHelperPrototype%: @@toStringTag next return
%WrapForValidIteratorPrototype%: next return
%GeneratorFunction%.prototype.prototype: @@toStringTag constructor next return throw
%AsyncGeneratorFunction%.prototype.prototype: @@toStringTag constructor next return throw
DisposableStack.prototype: @@dispose @@toStringTag adopt constructor defer dispose move use
AsyncDisposableStack.prototype: @@asyncDispose @@toStringTag adopt constructor defer disposeAsync move use
ArrayBuffer.prototype: @@toStringTag constructor resize slice transfer transferToFixedLength
DataView.prototype: @@toStringTag constructor
%TypedArray%.prototype: @@iterator at constructor copyWithin entries every fill filter find findIndex findLast
  findLastIndex forEach includes indexOf join keys lastIndexOf map reduce reduceRight reverse set slice some sort subarray
  toLocaleString toReversed toSorted toString values with
Int8Array.prototype: constructor
Uint8Array.prototype: constructor
Uint8ClampedArray.prototype: constructor
Int16Array.prototype: constructor
Uint16Array.prototype: constructor
Int32Array.prototype: constructor
Uint32Array.prototype: constructor
BigInt64Array.prototype: constructor
BigUint64Array.prototype: constructor
Float16Array.prototype: constructor
Float32Array.prototype: constructor
Float64Array.prototype: constructor
URL.prototype: constructor toJSON toString
URLSearchParams.prototype: @@iterator append constructor delete entries forEach get getAll has keys set sort toString values
TextEncoder.prototype: constructor encode encodeInto
TextDecoder.prototype: constructor decode
AbortController.prototype: abort constructor
AbortSignal.prototype: addEventListener constructor removeEventListener throwIfAborted
%EventTarget%.prototype: addEventListener constructor dispatchEvent removeEventListener
%Event%.prototype: constructor preventDefault stopImmediatePropagation stopPropagation
%DOMException%.prototype: constructor
EventTarget.prototype: addEventListener constructor dispatchEvent removeEventListener
Event.prototype: composedPath constructor preventDefault stopImmediatePropagation stopPropagation
CloseEvent.prototype: constructor
CustomEvent.prototype: constructor
ErrorEvent.prototype: constructor
MessageEvent.prototype: constructor
ProgressEvent.prototype: constructor
PromiseRejectionEvent.prototype: constructor
DOMException.prototype: constructor
QuotaExceededError.prototype: constructor
URLPattern.prototype: constructor exec test
Blob.prototype: arrayBuffer bytes constructor slice stream text textStream
ByteLengthQueuingStrategy.prototype: constructor
CompressionStream.prototype: constructor
CountQueuingStrategy.prototype: constructor
CryptoKey.prototype: constructor
SubtleCrypto.prototype: constructor decrypt deriveBits deriveKey digest encrypt exportKey generateKey importKey sign
  unwrapKey verify wrapKey
DecompressionStream.prototype: constructor
File.prototype: constructor
FormData.prototype: @@iterator append constructor delete entries forEach get getAll has keys set values
Headers.prototype: @@iterator append constructor delete entries forEach get getSetCookie has keys set values
MessageChannel.prototype: constructor
MessagePort.prototype: close constructor postMessage start
ReadableByteStreamController.prototype: close constructor enqueue error
ReadableStream.prototype: @@asyncIterator cancel constructor getReader pipeThrough pipeTo tee values
ReadableStreamBYOBReader.prototype: cancel constructor read releaseLock
ReadableStreamBYOBRequest.prototype: constructor respond respondWithNewView
ReadableStreamDefaultController.prototype: close constructor enqueue error
ReadableStreamDefaultReader.prototype: cancel constructor read releaseLock
Request.prototype: arrayBuffer blob bytes clone constructor formData json text
Response.prototype: arrayBuffer blob bytes clone constructor formData json text
TextDecoderStream.prototype: constructor
TextEncoderStream.prototype: constructor
TransformStream.prototype: constructor
TransformStreamDefaultController.prototype: constructor enqueue error terminate
WritableStream.prototype: abort close constructor getWriter
WritableStreamDefaultController.prototype: constructor error
WritableStreamDefaultWriter.prototype: abort close constructor releaseLock write
`,
// Objects to which V8 adds properties when it creates an isolate from a snapshot. It adds the newest parts of the
// language only then. These objects stay open until the realm is finished. If V8 finds another such object frozen, it
// aborts. build.rs detects this, because it creates an isolate from each snapshot.
late: [
  "globalThis", "%AsyncIteratorPrototype%", "Atomics", "DataView.prototype", "Error", "Intl.Locale.prototype", "Iterator",
  "Iterator.prototype", "Map.prototype", "Math", "Promise", "RegExp", "Uint8Array", "Uint8Array.prototype", "WeakMap.prototype",
],
};
