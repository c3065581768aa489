/*---
id = "A38"
title = "shared memory, WebAssembly, workers and clocks built from them do not exist"
boundary = "modules"
elsewhere = "clocks and shared memory are not restricted there; under SES, the embedder provides them"
expect = "nothing"
audit = [
  "denied clock read 1s", "denied clock read 1s", "denied net connect http://127.0.0.1:1", "denied random read os", "denied random read os",
]
---*/
export async function attack({ shared, refuses }) {
  let gained = "";
  for (const name of ["SharedArrayBuffer", "Atomics", "WebAssembly", "Worker", "Temporal", "ShadowRealm", "queueTask"]) {
    if (name in globalThis || name in shared) gained += `${name}; `;
  }
  // These names are no authority: a module without rights is refused.
  for (const name of ["performance", "fetch", "crypto"]) if (name in shared) gained += `${name}; `;
  gained += await refuses("performance", "CapabilityError", () => performance.now());
  gained += await refuses("performance of the global object", "CapabilityError", () => globalThis.performance.timeOrigin);
  gained += await refuses("fetch", "CapabilityError", () => fetch("http://127.0.0.1:1/"));
  gained += await refuses("crypto", "CapabilityError", () => crypto.randomUUID());
  gained += await refuses("crypto of the global object", "CapabilityError", () => globalThis.crypto.getRandomValues(new Uint8Array(1)));
  if (structuredClone(new ArrayBuffer(1)).constructor !== ArrayBuffer) gained += "structuredClone; ";
  gained += await refuses("Date.now", "CapabilityError", () => shared.Date.now());
  gained += await refuses("new Date", "CapabilityError", () => new shared.Date());
  gained += await refuses("Date()", "CapabilityError", () => shared.Date());
  gained += await refuses("construct", "CapabilityError", () => Reflect.construct(shared.Date, [], Object));
  gained += await refuses("constructor", "CapabilityError", () => new (new shared.Date(0).constructor)());
  gained += await refuses("extends", "CapabilityError", () => new (class extends shared.Date {})());
  gained += await refuses("Math.random", "CapabilityError", () => shared.Math.random());
  let format;
  try {
    format = new shared.Intl.DateTimeFormat();
  } catch {
    // An engine that has no such thing.
  }
  if (format !== undefined) {
    gained += await refuses("format", "CapabilityError", () => format.format());
    gained += await refuses("format(undefined)", "CapabilityError", () => format.format(undefined));
    gained += await refuses("parts", "CapabilityError", () => format.formatToParts());
    gained += await refuses("constructor", "CapabilityError", () => new format.constructor().format());
    gained += await refuses("new", "CapabilityError", () => new (Object.getPrototypeOf(format).constructor)().format());
  }
  return gained;
}

export async function control({ shared }) {
  return new shared.Date(0).getTime() === 0 && new shared.Date(2020, 0).getFullYear() === 2020 && Math.max(1, 2) === 2;
}
