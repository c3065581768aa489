// `CryptoKey` (https://w3c.github.io/webcrypto/), and the import and export of keys, on V8.
//
// The material of a key is in Rust. An object of a guest leads to it only by a private field. Everything that an
// operation checks is in this field too. A guest sees frozen copies.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { ops, withRoom } = secure;
  const { webidl } = web.deno;
  const { fail, formats, keys, kindOf, allUsages, aesLengths, checkJwk, checkAlg, numbersOf } = web.crypto;
  const { freeze } = Object;
  const token = Symbol("key");

  // Ops that create objects. `withRoom` checks that enough stack is left.
  const made = { __proto__: null };
  for (const name of ["import", "import_jwk", "generate", "public", "rsa_begin", "rsa_end", "pbkdf2_begin"]) made[name] = withRoom(ops[`op_sr_crypto_${name}`]);

  // ---- CryptoKey ------------------------------------------------------------------------------------------------
  let partsOf;
  let isKey;
  class CryptoKey {
    // handle, type, extractable, algorithm, usages; `shown` is the algorithm in the form that guests see.
    #parts;
    static {
      isKey = (value) => typeof value === "object" && value !== null && #parts in value;
      partsOf = (key) => key.#parts;
    }
    constructor(given = undefined, parts = undefined) {
      if (given !== token) webidl.illegalConstructor();
      this.#parts = parts;
      webidl.stamp(this);
      // Modules share keys. An own property would hide what the key is from another module.
      freeze(this);
    }
    get type() {
      return this.#parts.type;
    }
    get extractable() {
      return this.#parts.extractable;
    }
    get algorithm() {
      return this.#parts.shown;
    }
    get usages() {
      return this.#parts.usages;
    }
  }
  webidl.configureInterface(CryptoKey);

  /** Returns the algorithm of a key in the form that guests see. Modules that share a key cannot change it. */
  const shownOf = ({ name, hash, length, namedCurve, modulusLength, publicExponent }) => {
    const shown = { name };
    if (modulusLength !== undefined) {
      shown.modulusLength = modulusLength;
      // An array of bytes cannot be frozen, so each reader gets its own.
      const descriptor = Object.getOwnPropertyDescriptor({
        get publicExponent() {
          return new Uint8Array(publicExponent);
        },
      }, "publicExponent");
      freeze(descriptor.get);
      Object.defineProperty(shown, "publicExponent", descriptor);
    }
    if (hash !== undefined) shown.hash = freeze({ name: hash });
    if (length !== undefined) shown.length = length;
    if (namedCurve !== undefined) shown.namedCurve = namedCurve;
    return freeze(shown);
  };
  const makeKey = (handle, type, extractable, algorithm, usages) => {
    const list = freeze(allUsages.filter((usage) => usages.includes(usage)));
    if (type !== "public" && list.length === 0) fail("SyntaxError", "a key that is not public needs a usage");
    return new CryptoKey(token, { __proto__: null, handle, type, extractable, algorithm, usages: list, shown: shownOf(algorithm) });
  };
  /** Returns another object for the same key. Nobody can change a key, so both have the same material. */
  web.cloneOfKey = (value) => isKey(value) ? new CryptoKey(token, partsOf(value)) : undefined;

  const keyOf = (value, prefix, context) => {
    if (!isKey(value)) throw new TypeError(`${prefix}: ${context} is not a CryptoKey`);
    return partsOf(value);
  };

  // ---- checks of keys -------------------------------------------------------------------------------------------
  const allow = (key, name, usage, type) => {
    if (key.algorithm.name !== name) fail("InvalidAccessError", `the key is one for ${key.algorithm.name}`);
    if (!key.usages.includes(usage)) fail("InvalidAccessError", `the usages of the key do not have ${usage}`);
    if (type !== undefined && key.type !== type) fail("InvalidAccessError", `the key is not ${type}`);
  };
  const only = (usages, allowed) => {
    if (!usages.every((usage) => allowed.includes(usage))) fail("SyntaxError", "the algorithm has no such usage");
  };
  // ---- import and export ----------------------------------------------------------------------------------------
  const secretKey = (bytes, algorithm, extractable, usages, jwk) => {
    const { name } = algorithm;
    const all = { __proto__: null, name };
    const bits = bytes.length * 8;
    if (name === "HMAC") {
      all.hash = algorithm.hash;
      if (bits === 0) fail("DataError", "the key is empty");
      all.length = algorithm.length ?? bits;
      if (all.length > bits || all.length <= bits - 8) fail("DataError", "the key has another length");
      // The bits after the length are not a part of the key.
      const rest = all.length % 8;
      if (rest !== 0) bytes[bytes.length - 1] &= 0xff << (8 - rest);
    } else if (name !== "HKDF" && name !== "PBKDF2") {
      if (!aesLengths.includes(bits)) fail("DataError", "the key does not have 128, 192 or 256 bits");
      all.length = bits;
    }
    if (jwk !== undefined) checkAlg(jwk, all);
    return makeKey(made.import(0, formats.raw, bytes), "secret", extractable, all, usages);
  };
  const withFacts = (handle, { name, hash, namedCurve }) => {
    const all = { __proto__: null, name, hash, namedCurve };
    if (keys[name].kty === "RSA") {
      const { bits, exponent } = ops.op_sr_crypto_rsa_facts(handle);
      all.modulusLength = bits;
      all.publicExponent = new Uint8Array(exponent);
    }
    return all;
  };
  /** Imports a key. `data` are bytes of ours, or a converted JWK. */
  const importKey = (format, data, algorithm, extractable, usages) => {
    const { name } = algorithm;
    const facts = keys[name];
    if (facts.isSecret) {
      only(usages, facts.usages);
      if (facts.kty === "oct" && facts.use === undefined) {
        // HKDF and PBKDF2
        if (format !== "raw") fail("NotSupportedError", `${name}: keys are imported as raw bytes`);
        if (extractable) fail("SyntaxError", `${name}: a key is never extractable`);
        return secretKey(data, algorithm, false, usages);
      }
      if (format === "raw") return secretKey(data, algorithm, extractable, usages);
      if (format !== "jwk") fail("NotSupportedError", `${name}: keys are imported as raw bytes or as JWK`);
      checkJwk(data, algorithm, extractable, usages);
      const bytes = ops.op_sr_crypto_export(made.import_jwk(0, { k: numbersOf(data).k }), formats.raw);
      const key = secretKey(bytes, algorithm, extractable, usages, data);
      bytes.fill(0);
      return key;
    }
    let type = format === "pkcs8" ? "private" : "public";
    if (format === "jwk" && data.d !== undefined) type = "private";
    if (format === "raw" && facts.kty === "RSA") fail("NotSupportedError", `${name}: there are no raw keys`);
    only(usages, type === "private" ? facts.privateUsages : facts.publicUsages);
    const kind = kindOf(algorithm);
    let handle;
    if (format === "jwk") {
      checkJwk(data, algorithm, extractable, usages);
      checkAlg(data, algorithm);
      handle = made.import_jwk(kind, numbersOf(data));
    } else handle = made.import(kind, formats[format], data);
    return makeKey(handle, type, extractable, withFacts(handle, algorithm), usages);
  };
  const exportedTypes = { __proto__: null, spki: "public", pkcs8: "private" };
  /** Exports a key as bytes, or as an object if the format is JWK. */
  const exportKey = (format, key) => {
    const { algorithm, handle, type } = key;
    const facts = keys[algorithm.name];
    if (facts.use === undefined) fail("NotSupportedError", `${algorithm.name}: a key cannot be exported`);
    if (!key.extractable) fail("InvalidAccessError", "the key is not extractable");
    if (format === "jwk") {
      const jwk = { kty: facts.kty };
      const alg = facts.alg?.(algorithm)[0];
      if (alg !== undefined) jwk.alg = alg;
      if (facts.kty === "EC") jwk.crv = algorithm.namedCurve;
      if (facts.kty === "OKP") jwk.crv = algorithm.name;
      const numbers = ops.op_sr_crypto_export_jwk(handle);
      for (const name in numbers) if (typeof numbers[name] === "string") jwk[name] = numbers[name];
      jwk.key_ops = [...key.usages];
      jwk.ext = true;
      return jwk;
    }
    if (format === "raw" ? facts.kty === "RSA" : facts.isSecret) fail("NotSupportedError", `${algorithm.name}: there is no such format`);
    const needed = exportedTypes[format];
    if (needed !== undefined ? type !== needed : type === "private") fail("InvalidAccessError", "the key is of another type");
    return ops.op_sr_crypto_export(handle, formats[format]);
  };

  Object.assign(web.globals, { CryptoKey });
  Object.assign(web.crypto, { isKey, made, partsOf, keyOf, makeKey, allow, only, withFacts, importKey, exportKey });
})(globalThis);
