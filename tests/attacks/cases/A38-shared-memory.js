/*---
id = "A38"
title = "there is no shared memory, no WebAssembly, no worker and no clock to make one with"
expect = "nothing"
audit = []
---*/
export async function attack({ refuses }) {
  let gained = "";
  for (const name of ["SharedArrayBuffer", "Atomics", "WebAssembly", "Worker", "performance", "Temporal", "ShadowRealm", "fetch", "crypto", "queueTask"]) {
    if (name in globalThis) gained += `${name}; `;
  }
  if (structuredClone(new ArrayBuffer(1)).constructor !== ArrayBuffer) gained += "structuredClone; ";
  gained += await refuses("Date.now", "CapabilityError", () => globalThis.Date.now());
  gained += await refuses("new Date", "CapabilityError", () => new globalThis.Date());
  gained += await refuses("Date()", "CapabilityError", () => globalThis.Date());
  gained += await refuses("construct", "CapabilityError", () => Reflect.construct(globalThis.Date, [], Object));
  gained += await refuses("constructor", "CapabilityError", () => new (new globalThis.Date(0).constructor)());
  gained += await refuses("extends", "CapabilityError", () => new (class extends globalThis.Date {})());
  gained += await refuses("Math.random", "CapabilityError", () => globalThis.Math.random());
  let format;
  try {
    format = new globalThis.Intl.DateTimeFormat();
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

export async function control() {
  return new globalThis.Date(0).getTime() === 0 && new globalThis.Date(2020, 0).getFullYear() === 2020 && Math.max(1, 2) === 2;
}
