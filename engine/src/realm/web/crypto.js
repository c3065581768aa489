// `SubtleCrypto` (https://w3c.github.io/webcrypto/), on V8. Its keys are those of crypto_keys.js.
//
// Each method first converts its arguments and copies all bytes. What it then checks and uses is in objects that no
// guest reaches. The work begins in a later turn, like in the standard.
//
// `SubtleCrypto` acts with no right but that of chance: its constructor gets a function that returns random bytes, over
// the capability `random` of a module. Everything else only computes.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { ops, checked } = secure;
  const { all: { TextDecoder, TextEncoder }, webidl } = web.deno;
  const { converters } = webidl;
  const { arrayBuffer } = secure.intrinsics;
  const {
    fail, copyOf, isBytes, nothing, algorithmOf, hashes, formats, schemes, modes, blockBits, keys, kindOf, jwkOf, allUsages, aesLengths, made, partsOf,
    keyOf, makeKey, allow, only, withFacts, importKey, exportKey,
  } = web.crypto;
  const { freeze } = Object;
  const token = Symbol("crypto");
  const SEED = 64;
  const stringify = JSON.stringify;
  const parse = JSON.parse;
  const { setTimeout } = secure.timersOf(null);

  // ---- conversion of arguments ----------------------------------------------------------------------------------
  const usagesOf = webidl.createSequenceConverter(webidl.createEnumConverter("KeyUsage", allUsages));
  const formatOf = webidl.createEnumConverter("KeyFormat", ["raw", "spki", "pkcs8", "jwk"]);
  const source = (value, prefix, context) => converters.BufferSource(value, prefix, context);
  const bufferOf = (bytes) => arrayBuffer(bytes);

  const hashOf = (key, algorithm) => hashes[algorithm.hash ?? key.algorithm.hash ?? "SHA-512"];

  // ---- work in steps --------------------------------------------------------------------------------------------
  /**
   * Computes until `step` returns true. Other code of the isolate runs meanwhile, and the isolate can be terminated
   * between two steps.
   */
  const complete = async (step, state, atOnce) => {
    for (;;) {
      for (let at = 0; at < atOnce; at++) if (checked(step, state)) return;
      await new Promise((resolve) => setTimeout(resolve));
    }
  };

  // ---- ciphers --------------------------------------------------------------------------------------------------
  const tagLengths = [32, 64, 96, 104, 112, 120, 128];
  const encrypt = (key, algorithm, data, chance) => {
    if (algorithm.name === "RSA-OAEP") {
      if (key.type !== "public") fail("InvalidAccessError", "the key is not public");
      const seed = chance(hashSizes[key.algorithm.hash]);
      return ops.op_sr_crypto_oaep(key.handle, hashOf(key, algorithm), algorithm.label ?? nothing, seed, data);
    }
    if (algorithm.name === "AES-KW") return ops.op_sr_crypto_aes_wrap(key.handle, true, data);
    return aes(key, algorithm, data, 0);
  };
  const decrypt = (key, algorithm, data) => {
    if (algorithm.name === "RSA-OAEP") {
      if (key.type !== "private") fail("InvalidAccessError", "the key is not private");
      return ops.op_sr_crypto_oaep(key.handle, hashOf(key, algorithm), algorithm.label ?? nothing, nothing, data);
    }
    if (algorithm.name === "AES-KW") return ops.op_sr_crypto_aes_wrap(key.handle, false, data);
    return aes(key, algorithm, data, 1);
  };
  const aes = (key, { name, iv, counter, length, additionalData, tagLength = 128 }, data, isDecryption) => {
    if (name === "AES-GCM" && !tagLengths.includes(tagLength)) fail("OperationError", "AES-GCM: there is no tag of this length");
    const size = name === "AES-GCM" ? tagLength / 8 : length ?? 0;
    return ops.op_sr_crypto_aes(key.handle, modes[name] + isDecryption, iv ?? counter, additionalData ?? nothing, size, data);
  };
  const hashSizes = { __proto__: null, "SHA-1": 20, "SHA-256": 32, "SHA-384": 48, "SHA-512": 64 };

  // ---- derivation -----------------------------------------------------------------------------------------------
  /** Returns derived bytes. `length` is in bits, or null for all that an agreement gives. */
  const deriveBits = async (key, algorithm, length) => {
    const { name } = algorithm;
    if (name === "HKDF" || name === "PBKDF2") {
      if (length === null || length % 8 !== 0) fail("OperationError", `${name}: the length must be a multiple of 8`);
      const hash = hashes[algorithm.hash];
      if (name === "HKDF") return ops.op_sr_crypto_hkdf(key.handle, hash, algorithm.salt, algorithm.info, length / 8);
      const derivation = made.pbkdf2_begin(key.handle, hash, algorithm.salt, algorithm.iterations, length / 8);
      await complete(ops.op_sr_crypto_pbkdf2_step, derivation, 1);
      return ops.op_sr_crypto_pbkdf2_end(derivation);
    }
    const other = partsOf(algorithm.public);
    if (key.type !== "private") fail("InvalidAccessError", "the key is not private");
    if (other.type !== "public") fail("InvalidAccessError", "the other key is not public");
    if (other.algorithm.name !== name || other.algorithm.namedCurve !== key.algorithm.namedCurve) {
      fail("InvalidAccessError", "the other key is one of another algorithm or curve");
    }
    const secret = ops.op_sr_crypto_agree(key.handle, other.handle);
    if (length === null) return secret;
    if (length > secret.length * 8) fail("OperationError", "the length is more than the secret has");
    const bytes = secret.slice(0, Math.ceil(length / 8));
    secret.fill(0);
    const rest = length % 8;
    if (rest !== 0) bytes[bytes.length - 1] &= 0xff << (8 - rest);
    return bytes;
  };
  const lengthOfKey = ({ name, hash, length }) => {
    if (name === "HKDF" || name === "PBKDF2") return null;
    if (name === "HMAC") {
      if (length === 0) throw new TypeError("HMAC: the length is 0");
      return length ?? blockBits[hash];
    }
    if (!aesLengths.includes(length)) fail("OperationError", `${name}: there are keys of 128, 192 and 256 bits`);
    return length;
  };

  /** Checks the parameters of new keys. */
  const checkParameters = (algorithm) => {
    const { name, length, modulusLength, publicExponent: exponent } = algorithm;
    switch (keys[name].kty) {
      case "RSA": {
        if (modulusLength < 2048 || modulusLength > 8192) fail("OperationError", "RSA: a new modulus must have from 2048 to 8192 bits");
        // Rust refuses those that are too large.
        const last = exponent.length - 1;
        const isOne = exponent[last] === 1 && exponent.every((byte, at) => byte === 0 || at === last);
        if (exponent.length === 0 || exponent[last] % 2 === 0 || isOne) fail("OperationError", "RSA: the exponent must be odd, and more than 1");
        break;
      }
      case "oct":
        if (name !== "HMAC") lengthOfKey(algorithm);
        else if (length === 0) fail("OperationError", "HMAC: the length is 0");
        break;
      default:
        kindOf(algorithm);
    }
  };

  // ---- SubtleCrypto ---------------------------------------------------------------------------------------------
  const wherever = (name) => `Failed to execute '${name}' on 'SubtleCrypto'`;
  // A promise that is settled. The standard's operations run after their call has returned. By then, each has its own
  // copy of everything.
  const later = Promise.resolve();
  let makeSubtle;
  class SubtleCrypto {
    // Returns random bytes with the rights of the module that has this object, or throws a CapabilityError.
    #bytes;
    static {
      makeSubtle = (bytes) => freeze(new SubtleCrypto(token, bytes));
    }
    constructor(given = undefined, bytes = undefined) {
      if (given !== token) webidl.illegalConstructor();
      this.#bytes = bytes;
      webidl.stamp(this);
    }
    #chance(size) {
      const most = 65536;
      if (size <= most) return this.#bytes(size);
      const all = new Uint8Array(size);
      for (let from = 0; from < size; from += most) all.set(this.#bytes(Math.min(most, size - from)), from);
      return all;
    }
    async digest(algorithm, data) {
      const prefix = wherever("digest");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 2, prefix);
      data = source(data, prefix, "Argument 2");
      const { name } = algorithmOf(algorithm, "digest", prefix);
      data = copyOf(data);
      await later;
      return bufferOf(ops.op_sr_crypto_digest(hashes[name], data));
    }
    async encrypt(algorithm, key, data) {
      const prefix = wherever("encrypt");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 3, prefix);
      key = keyOf(key, prefix, "Argument 2");
      data = source(data, prefix, "Argument 3");
      algorithm = algorithmOf(algorithm, "encrypt", prefix);
      data = copyOf(data);
      await later;
      allow(key, algorithm.name, "encrypt");
      return bufferOf(encrypt(key, algorithm, data, (size) => this.#chance(size)));
    }
    async decrypt(algorithm, key, data) {
      const prefix = wherever("decrypt");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 3, prefix);
      key = keyOf(key, prefix, "Argument 2");
      data = source(data, prefix, "Argument 3");
      algorithm = algorithmOf(algorithm, "decrypt", prefix);
      data = copyOf(data);
      await later;
      allow(key, algorithm.name, "decrypt");
      return bufferOf(decrypt(key, algorithm, data));
    }
    async sign(algorithm, key, data) {
      const prefix = wherever("sign");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 3, prefix);
      key = keyOf(key, prefix, "Argument 2");
      data = source(data, prefix, "Argument 3");
      algorithm = algorithmOf(algorithm, "sign", prefix);
      data = copyOf(data);
      await later;
      const { name, saltLength = 0 } = algorithm;
      allow(key, name, "sign", keys[name].isSecret ? "secret" : "private");
      // No modulus has room for a longer salt.
      if (saltLength > 1024) fail("OperationError", "RSA-PSS: the salt is too long");
      const salt = saltLength === 0 ? nothing : this.#chance(saltLength);
      return bufferOf(ops.op_sr_crypto_sign(key.handle, schemes[name] ?? 0, hashOf(key, algorithm), salt, data));
    }
    async verify(algorithm, key, signed, data) {
      const prefix = wherever("verify");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 4, prefix);
      key = keyOf(key, prefix, "Argument 2");
      signed = source(signed, prefix, "Argument 3");
      data = source(data, prefix, "Argument 4");
      algorithm = algorithmOf(algorithm, "verify", prefix);
      signed = copyOf(signed);
      data = copyOf(data);
      await later;
      const { name, saltLength = 0 } = algorithm;
      allow(key, name, "verify", keys[name].isSecret ? "secret" : "public");
      return checked(ops.op_sr_crypto_verify, key.handle, schemes[name] ?? 0, hashOf(key, algorithm), saltLength, signed, data);
    }
    async generateKey(algorithm, extractable, usages) {
      const prefix = wherever("generateKey");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 3, prefix);
      extractable = converters.boolean(extractable);
      usages = usagesOf(usages, prefix, "Argument 3");
      algorithm = algorithmOf(algorithm, "generateKey", prefix);
      const { name } = algorithm;
      const facts = keys[name];
      if (usages.every((usage) => facts.usages.includes(usage))) checkParameters(algorithm);
      await later;
      only(usages, facts.usages);
      if (facts.isSecret) {
        const all = { __proto__: null, name, hash: algorithm.hash, length: algorithm.length ?? blockBits[algorithm.hash] };
        if (usages.length === 0) fail("SyntaxError", "a key that is not public needs a usage");
        const bytes = this.#chance(Math.ceil(all.length / 8));
        const rest = all.length % 8;
        if (rest !== 0) bytes[bytes.length - 1] &= 0xff << (8 - rest);
        const handle = made.import(0, formats.raw, bytes);
        bytes.fill(0);
        return makeKey(handle, "secret", extractable, all, usages);
      }
      const forPrivate = usages.filter((usage) => facts.privateUsages.includes(usage));
      if (forPrivate.length === 0) fail("SyntaxError", "a private key needs a usage");
      const seed = this.#chance(SEED);
      let handle;
      if (facts.kty === "RSA") {
        const search = made.rsa_begin(algorithm.modulusLength, algorithm.publicExponent, seed);
        seed.fill(0);
        await complete(ops.op_sr_crypto_rsa_step, search, 4);
        handle = made.rsa_end(search);
      } else {
        handle = made.generate(kindOf(algorithm), seed);
        seed.fill(0);
      }
      const all = withFacts(handle, algorithm);
      return {
        publicKey: makeKey(made.public(handle), "public", true, all, usages.filter((usage) => facts.publicUsages.includes(usage))),
        privateKey: makeKey(handle, "private", extractable, all, forPrivate),
      };
    }
    async deriveKey(algorithm, baseKey, derivedKeyType, extractable, usages) {
      const prefix = wherever("deriveKey");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 5, prefix);
      const key = keyOf(baseKey, prefix, "Argument 2");
      extractable = converters.boolean(extractable);
      usages = usagesOf(usages, prefix, "Argument 5");
      algorithm = algorithmOf(algorithm, "deriveBits", prefix);
      const derived = algorithmOf(derivedKeyType, "derivedKey", prefix);
      await later;
      allow(key, algorithm.name, "deriveKey");
      const bytes = await deriveBits(key, algorithm, lengthOfKey(derived));
      const made = importKey("raw", bytes, derived, extractable, usages);
      bytes.fill(0);
      return made;
    }
    async deriveBits(algorithm, baseKey, length = null) {
      const prefix = wherever("deriveBits");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 2, prefix);
      const key = keyOf(baseKey, prefix, "Argument 2");
      if (length !== null) length = converters["unsigned long"](length, prefix, "Argument 3");
      algorithm = algorithmOf(algorithm, "deriveBits", prefix);
      await later;
      allow(key, algorithm.name, "deriveBits");
      return bufferOf(await deriveBits(key, algorithm, length));
    }
    async importKey(format, keyData, algorithm, extractable, usages) {
      const prefix = wherever("importKey");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 5, prefix);
      format = formatOf(format, prefix, "Argument 1");
      const isSource = isBytes(keyData);
      if (isSource === (format === "jwk")) throw new TypeError(`${prefix}: Argument 2 is not a key of the format ${format}`);
      let data = isSource ? keyData : jwkOf(keyData, prefix, "Argument 2");
      extractable = converters.boolean(extractable);
      usages = usagesOf(usages, prefix, "Argument 5");
      algorithm = algorithmOf(algorithm, "importKey", prefix);
      if (isSource) data = copyOf(data);
      await later;
      return importKey(format, data, algorithm, extractable, usages);
    }
    async exportKey(format, key) {
      const prefix = wherever("exportKey");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 2, prefix);
      format = formatOf(format, prefix, "Argument 1");
      key = keyOf(key, prefix, "Argument 2");
      await later;
      const exported = exportKey(format, key);
      return format === "jwk" ? exported : bufferOf(exported);
    }
    async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
      const prefix = wherever("wrapKey");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 4, prefix);
      format = formatOf(format, prefix, "Argument 1");
      key = keyOf(key, prefix, "Argument 2");
      wrappingKey = keyOf(wrappingKey, prefix, "Argument 3");
      const algorithm = algorithmOf(wrapAlgorithm, "wrapKey", prefix);
      await later;
      allow(wrappingKey, algorithm.name, "wrapKey");
      let bytes = exportKey(format, key);
      if (format === "jwk") bytes = utf8(stringify(bytes));
      return bufferOf(encrypt(wrappingKey, algorithm, bytes, (size) => this.#chance(size)));
    }
    async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, usages) {
      const prefix = wherever("unwrapKey");
      this.#bytes;
      webidl.requiredArguments(arguments.length, 7, prefix);
      format = formatOf(format, prefix, "Argument 1");
      wrappedKey = source(wrappedKey, prefix, "Argument 2");
      unwrappingKey = keyOf(unwrappingKey, prefix, "Argument 3");
      extractable = converters.boolean(extractable);
      usages = usagesOf(usages, prefix, "Argument 7");
      const algorithm = algorithmOf(unwrapAlgorithm, "unwrapKey", prefix);
      const keyAlgorithm = algorithmOf(unwrappedKeyAlgorithm, "importKey", prefix);
      wrappedKey = copyOf(wrappedKey);
      await later;
      allow(unwrappingKey, algorithm.name, "unwrapKey");
      const bytes = decrypt(unwrappingKey, algorithm, wrappedKey);
      return importKey(format, format === "jwk" ? jwkOfBytes(bytes, prefix) : bytes, keyAlgorithm, extractable, usages);
    }
  }
  webidl.configureInterface(SubtleCrypto);

  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const utf8 = (text) => encoder.encode(text);
  /** Reads a JWK that was decrypted. It is an object of ours: no code of a guest runs. */
  const jwkOfBytes = (bytes, prefix) => {
    let read;
    try {
      read = jwkOf(parse(decoder.decode(bytes)), prefix, "the unwrapped key");
    } catch {
      // The error says nothing of the text.
    }
    if (read?.kty === undefined) fail("DataError", "the unwrapped key is not a JWK");
    return read;
  };

  Object.assign(web.globals, { SubtleCrypto });
  /** Returns the object of a module. `bytes` returns random bytes with the module's rights. */
  web.makeSubtle = makeSubtle;
})(globalThis);
