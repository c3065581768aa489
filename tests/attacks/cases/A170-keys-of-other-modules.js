/*---
id = "A170"
title = "a module that gets another module's CryptoKey uses it as its usages say, and learns nothing of a key that is not extractable"
boundary = "modules"
engine = "v8"
elsewhere = "the adapters of other systems have no keys"
expect = "nothing"
audit = ["denied random read os by suspect/index.js", "denied random read os by a/index.js"]
[a]
grants = []
---*/
const { subtle } = crypto;
const message = new Uint8Array(3);
const formats = ["raw", "jwk", "pkcs8", "spki"];

export async function attack({ a }) {
  let gained = "";
  const fails = async (what, call) => {
    try {
      gained += `${what}: ${String(await call())}; `;
    } catch {
      // As it should be.
    }
  };
  const wrapping = await subtle.importKey("raw", new Uint8Array(16), "AES-GCM", true, ["wrapKey", "encrypt", "decrypt"]);
  const gcm = { name: "AES-GCM", iv: new Uint8Array(12) };
  for (const [name, key] of Object.entries(a.keys)) {
    const attempts = async (when) => {
      for (const format of formats) {
        await fails(`${name} as ${format}, ${when}`, () => subtle.exportKey(format, key));
        await fails(`${name} wrapped as ${format}, ${when}`, () => subtle.wrapKey(format, key, wrapping, gcm));
        await fails(`a clone of ${name} as ${format}, ${when}`, () => subtle.exportKey(format, structuredClone(key)));
      }
      await fails(`another use of ${name}, ${when}`, () => subtle.encrypt(gcm, key, message));
    };
    await attempts("at once");
    // What a key shows is not what it is, and cannot be changed.
    for (const [property, value] of [["extractable", true], ["usages", ["sign", "encrypt", "wrapKey"]], ["algorithm", { name: "AES-GCM", length: 128 }], ["type", "secret"]]) {
      for (const change of [() => { key[property] = value; }, () => Object.defineProperty(key, property, { value })]) {
        try {
          change();
        } catch {
          // A refusal is as good.
        }
      }
    }
    for (const change of [
      () => key.usages.push("encrypt"), () => { key.algorithm.name = "AES-GCM"; }, () => { key.algorithm.hash.name = "SHA-1"; },
      () => Object.defineProperty(CryptoKey.prototype, "extractable", { value: true }), () => { CryptoKey.prototype.extra = 1; },
      () => { Object.prototype.then = () => {}; }, () => { Uint8Array.prototype.slice = (bytes) => leak(bytes); },
    ]) await fails("a change of what modules share", change);
    await attempts("with other properties");
    await fails("another prototype", () => Object.setPrototypeOf(key, { __proto__: CryptoKey.prototype, extractable: true }));
    await fails("an object that inherits from a key", () => subtle.exportKey("raw", Object.create(key, { extractable: { value: true } })));
    // No key of a property leads to the secret.
    const seen = [];
    const proxy = new Proxy(key, { get: (target, property) => (seen.push(property), Reflect.get(target, property)), has: (target, property) => (seen.push(property), property in target) });
    await fails("a proxy", () => subtle.exportKey("raw", proxy));
    if (seen.some((property) => typeof property === "symbol" && property !== Symbol.toPrimitive)) gained += `a proxy saw ${seen.map(String)}; `;
    if (Object.getOwnPropertySymbols(key).length > 0) gained += "a key has symbols; ";
    const shown = JSON.stringify([key, Object.getOwnPropertyDescriptors(key), structuredClone(key)]);
    if (shown.includes(a.secret)) gained += "the secret is shown; ";
  }
  // A key does not come from nothing, and the object of a module has no other rights than that module.
  await fails("a new key", () => new CryptoKey());
  await fails("a key of a prototype", () => subtle.sign("HMAC", Object.create(CryptoKey.prototype), message));
  await fails("chance", () => subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]));
  await fails("chance of the victim", () => a.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]));
  if (a.subtle === subtle) gained += "both modules have one object; ";
  // An algorithm that changes while it is read has no effect on what was checked.
  let reads = 0;
  const changing = { get name() { return reads++ === 0 ? "HMAC" : "AES-GCM"; }, iv: new Uint8Array(12) };
  await fails("an algorithm that changes", () => subtle.encrypt(changing, a.keys.mac, message));
  if (reads !== 1) gained += `the name was read ${reads} times; `;
  if (!(await a.isUnchanged())) gained += "the victim's keys were changed; ";
  return gained;
}

export async function control({ a }) {
  // A key that may be used is used, and one that may be extracted is extracted.
  const code = await subtle.sign("HMAC", a.keys.mac, message);
  const open = await subtle.importKey("raw", new Uint8Array(16), { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
  return code.byteLength === 32 && (await subtle.exportKey("jwk", open)).k === "A".repeat(22) && (await a.isUnchanged());
}
//// a/index.js
export const { subtle } = crypto;
const bytes = new TextEncoder().encode("a secret of 32 bytes, not shown.");
export const secret = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
const pkcs8 = new Uint8Array([...Uint8Array.fromHex("302e020100300506032b657004220420"), ...bytes]);
export const keys = {
  mac: await subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
  signing: await subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]),
  base: await subtle.importKey("raw", bytes, "HKDF", false, ["deriveKey"]),
};
const before = new Uint8Array(await subtle.sign("HMAC", keys.mac, bytes)).toHex();
export const isUnchanged = async () =>
  new Uint8Array(await subtle.sign("HMAC", keys.mac, bytes)).toHex() === before && !keys.mac.algorithm.hash.name.includes("SHA-1");
