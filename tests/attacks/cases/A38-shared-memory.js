/*---
id = "A38"
title = "shared memory, WebAssembly, workers and clocks built from them do not exist"
boundary = "modules"
elsewhere = "clocks and shared memory are not restricted there; under SES, the embedder provides them"
expect = "nothing"
audit = []
---*/
export async function attack({ shared, refuses }) {
  let gained = "";
  for (const name of ["SharedArrayBuffer", "Atomics", "WebAssembly", "Worker", "performance", "Temporal", "ShadowRealm", "fetch", "crypto", "queueTask"]) {
    if (name in globalThis || name in shared) gained += `${name}; `;
  }
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
