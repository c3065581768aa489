// The algorithms of `crypto.subtle` (https://w3c.github.io/webcrypto/), on V8: the conversion of their parameters, and
// the properties of their keys. crypto_keys.js and crypto.js use them.
//
// An algorithm is an object of a guest. Each of its members is read once, in the order of Web IDL, and bytes are copied
// when they are read. The result is an object that no guest reaches.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { core } = secure;
  const { all: { DOMException }, webidl } = web.deno;
  const { converters } = webidl;
  const { getter, TypedArray, arrayKind, arrayBuffer, arrayOffset, viewBuffer, viewOffset, viewLength } = secure.intrinsics;
  const arrayBytes = getter(TypedArray.prototype, "byteLength");
  const bufferBytes = getter(ArrayBuffer.prototype, "byteLength");
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

  /** Throws a DOMException. */
  const fail = (name, message) => {
    throw new DOMException(message, name);
  };
  for (const name of ["OperationError", "DataError", "InvalidAccessError"]) {
    core.registerErrorBuilder(`DOMException${name}`, (message) => new DOMException(message, name));
  }

  // ---- bytes ----------------------------------------------------------------------------------------------------
  /** Returns a copy of the bytes of a buffer or a view. If the buffer was transferred, there are none. */
  const copyOf = (source) => {
    let [buffer, offset, length] = [source, 0, 0];
    if (core.isTypedArray(source)) [buffer, offset, length] = [arrayBuffer(source), arrayOffset(source), arrayBytes(source)];
    else if (core.isDataView(source)) [buffer, offset, length] = [viewBuffer(source), viewOffset(source), viewLength(source)];
    else length = bufferBytes(source);
    return length === 0 ? new Uint8Array(0) : new Uint8Array(buffer, offset, length).slice();
  };
  const isBytes = (value) => core.isTypedArray(value) || core.isDataView(value) || core.isArrayBuffer(value);
  const nothing = new Uint8Array(0);

  // ---- members of algorithms ------------------------------------------------------------------------------------
  const inRange = { __proto__: null, enforceRange: true };
  const integer = (type) => (value, prefix, context) => converters[type](value, prefix, context, inRange);
  const octet = integer("octet");
  const short = integer("unsigned short");
  const long = integer("unsigned long");
  const bytes = (value, prefix, context) => copyOf(converters.BufferSource(value, prefix, context));
  const bigInteger = (value, prefix, context) => {
    if (arrayKind(value) !== "Uint8Array") throw new TypeError(`${prefix}: ${context} is not a Uint8Array`);
    return copyOf(value);
  };
  const hash = (value, prefix) => algorithmOf(value, "digest", prefix).name;
  const key = (value, prefix, context) => {
    if (!web.crypto.isKey(value)) throw new TypeError(`${prefix}: ${context} is not a CryptoKey`);
    return value;
  };

  // The members in the order in which Web IDL reads them: name, conversion, and if it is required.
  const none = [];
  const withHash = [["hash", hash, true]];
  const withCurve = [["namedCurve", converters.DOMString, true]];
  const withLength = [["length", short, true]];
  const hmac = [["hash", hash, true], ["length", long, false]];
  const rsa = [["hash", hash, true], ["modulusLength", long, true], ["publicExponent", bigInteger, true]];
  const withPublic = [["public", key, true]];
  const signatures = {
    __proto__: null, "RSASSA-PKCS1-v1_5": none, "RSA-PSS": [["saltLength", long, true]], ECDSA: withHash, HMAC: none, Ed25519: none,
  };
  const ciphers = {
    __proto__: null,
    "RSA-OAEP": [["label", bytes, false]],
    "AES-CBC": [["iv", bytes, true]],
    "AES-CTR": [["counter", bytes, true], ["length", octet, true]],
    "AES-GCM": [["additionalData", bytes, false], ["iv", bytes, true], ["tagLength", octet, false]],
  };
  const supported = {
    __proto__: null,
    digest: { __proto__: null, "SHA-1": none, "SHA-256": none, "SHA-384": none, "SHA-512": none },
    sign: signatures,
    verify: signatures,
    encrypt: ciphers,
    decrypt: ciphers,
    wrapKey: { __proto__: null, ...ciphers, "AES-KW": none },
    unwrapKey: { __proto__: null, ...ciphers, "AES-KW": none },
    deriveBits: {
      __proto__: null,
      ECDH: withPublic,
      X25519: withPublic,
      HKDF: [["hash", hash, true], ["info", bytes, true], ["salt", bytes, true]],
      PBKDF2: [["hash", hash, true], ["iterations", long, true], ["salt", bytes, true]],
    },
    generateKey: {
      __proto__: null, "RSASSA-PKCS1-v1_5": rsa, "RSA-PSS": rsa, "RSA-OAEP": rsa, ECDSA: withCurve, ECDH: withCurve, Ed25519: none,
      X25519: none, HMAC: hmac, "AES-CBC": withLength, "AES-CTR": withLength, "AES-GCM": withLength, "AES-KW": withLength,
    },
    importKey: {
      __proto__: null, "RSASSA-PKCS1-v1_5": withHash, "RSA-PSS": withHash, "RSA-OAEP": withHash, ECDSA: withCurve, ECDH: withCurve,
      Ed25519: none, X25519: none, HMAC: hmac, "AES-CBC": none, "AES-CTR": none, "AES-GCM": none, "AES-KW": none, HKDF: none,
      PBKDF2: none,
    },
    // The type of a derived key: the members for its length, and those for its import.
    derivedKey: {
      __proto__: null, HMAC: hmac, "AES-CBC": withLength, "AES-CTR": withLength, "AES-GCM": withLength, "AES-KW": withLength,
      HKDF: none, PBKDF2: none,
    },
  };
  // Names are compared without their case.
  const canonical = { __proto__: null };
  for (const operation in supported) {
    canonical[operation] = { __proto__: null };
    for (const name in supported[operation]) canonical[operation][name.toUpperCase()] = name;
  }
  const ascii = /^[\x20-\x7e]*$/;

  /** Converts an algorithm for an operation (section 18.4.4 of the standard). */
  const algorithmOf = (value, operation, prefix) => {
    const given = isObject(value) ? value : { __proto__: null, name: converters.DOMString(value, prefix, "the algorithm") };
    const read = given.name;
    if (read === undefined) throw new TypeError(`${prefix}: the algorithm has no name`);
    const asked = converters.DOMString(read, prefix, "the name of the algorithm");
    // Some letters outside of ASCII become ASCII letters in upper case.
    const name = asked.length <= 32 && ascii.test(asked) ? canonical[operation][asked.toUpperCase()] : undefined;
    if (name === undefined) fail("NotSupportedError", `${prefix}: the algorithm is not supported`);
    const made = { __proto__: null, name };
    for (const [member, convert, isRequired] of supported[operation][name]) {
      const item = given[member];
      if (item !== undefined) made[member] = convert(item, prefix, `${member} of the algorithm`);
      else if (isRequired) throw new TypeError(`${prefix}: the algorithm ${name} needs ${member}`);
    }
    return made;
  };

  // ---- numbers of Rust ------------------------------------------------------------------------------------------
  const hashes = { __proto__: null, "SHA-1": 0, "SHA-256": 1, "SHA-384": 2, "SHA-512": 3 };
  const kinds = { __proto__: null, secret: 0, RSA: 1, "P-256": 2, "P-384": 3, "P-521": 4, Ed25519: 5, X25519: 6 };
  const formats = { __proto__: null, raw: 0, spki: 1, pkcs8: 2 };
  const schemes = { __proto__: null, "RSASSA-PKCS1-v1_5": 1, "RSA-PSS": 2 };
  const modes = { __proto__: null, "AES-CBC": 0, "AES-CTR": 2, "AES-GCM": 4 };
  const aesLengths = [128, 192, 256];
  const blockBits = { __proto__: null, "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 };

  // ---- keys by algorithm ----------------------------------------------------------------------------------------
  const digits = (name) => name.slice(4); // of a hash function
  const curves = { __proto__: null, "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };
  const secret = (usages, use, alg) => ({ __proto__: null, isSecret: true, usages, kty: "oct", use, alg });
  const pair = (publicUsages, privateUsages, kty, use, alg) => ({
    __proto__: null, isSecret: false, publicUsages, privateUsages, usages: [...publicUsages, ...privateUsages], kty, use, alg,
  });
  const both = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
  const derives = ["deriveKey", "deriveBits"];
  /**
   * For each algorithm: usages of its keys, and what a JWK says of them. `alg` returns the names that an imported JWK
   * may have. An exported one has the first, if that is not undefined.
   */
  const keys = {
    __proto__: null,
    "AES-CBC": secret(both, "enc", ({ length }) => [`A${length}CBC`]),
    "AES-CTR": secret(both, "enc", ({ length }) => [`A${length}CTR`]),
    "AES-GCM": secret(both, "enc", ({ length }) => [`A${length}GCM`]),
    "AES-KW": secret(["wrapKey", "unwrapKey"], "enc", ({ length }) => [`A${length}KW`]),
    HMAC: secret(["sign", "verify"], "sig", ({ hash }) => [`HS${digits(hash)}`]),
    HKDF: secret(derives),
    PBKDF2: secret(derives),
    "RSASSA-PKCS1-v1_5": pair(["verify"], ["sign"], "RSA", "sig", ({ hash }) => [`RS${digits(hash)}`]),
    "RSA-PSS": pair(["verify"], ["sign"], "RSA", "sig", ({ hash }) => [`PS${digits(hash)}`]),
    "RSA-OAEP": pair(
      ["encrypt", "wrapKey"], ["decrypt", "unwrapKey"], "RSA", "enc", ({ hash }) => [hash === "SHA-1" ? "RSA-OAEP" : `RSA-OAEP-${digits(hash)}`],
    ),
    ECDSA: pair(["verify"], ["sign"], "EC", "sig", ({ namedCurve }) => [undefined, curves[namedCurve]]),
    ECDH: pair([], derives, "EC", "enc"),
    Ed25519: pair(["verify"], ["sign"], "OKP", "sig", () => ["Ed25519", "EdDSA"]),
    X25519: pair([], derives, "OKP", "enc"),
  };
  /** Returns the kind of key of an algorithm, as a number of Rust. */
  const kindOf = ({ name, namedCurve }) => {
    switch (keys[name].kty) {
      case "RSA":
        return kinds.RSA;
      case "EC":
        if (kinds[namedCurve] === undefined || curves[namedCurve] === undefined) fail("NotSupportedError", "the curve is not supported");
        return kinds[namedCurve];
      case "OKP":
        return kinds[name];
      default:
        return kinds.secret;
    }
  };

  // ---- JWK ------------------------------------------------------------------------------------------------------
  const text = converters.DOMString;
  const members = ["alg", "crv", "d", "dp", "dq", "e", "k", "kty", "n", "p", "q", "qi", "use", "x", "y"];
  const jwkOf = webidl.createDictionaryConverter("JsonWebKey", [
    ...members.map((key) => ({ key, converter: text })),
    { key: "ext", converter: converters.boolean },
    { key: "key_ops", converter: converters["sequence<DOMString>"] },
    { key: "oth", converter: converters["sequence<object>"] },
  ]);
  const numbers = ["k", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y"];
  const allUsages = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];
  /** Checks what a JWK says of its key. */
  const checkJwk = (jwk, { name, namedCurve }, extractable, usages) => {
    const { kty, use } = keys[name];
    if (jwk.kty !== kty) fail("DataError", `the member kty of the key is not ${kty}`);
    if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) fail("DataError", `the member use of the key is not ${use}`);
    const { key_ops: operations } = jwk;
    if (operations !== undefined) {
      const distinct = new Set(operations);
      if (distinct.size !== operations.length) fail("DataError", "the member key_ops of the key has a value twice");
      if (!usages.every((usage) => distinct.has(usage))) fail("DataError", "the member key_ops of the key does not allow the usages");
    }
    if (jwk.ext === false && extractable) fail("DataError", "the member ext of the key does not allow to extract it");
    if (jwk.oth !== undefined && kty === "RSA") fail("NotSupportedError", "the key has more than two primes");
    const curve = kty === "EC" ? namedCurve : kty === "OKP" ? name : undefined;
    if (curve !== undefined && jwk.crv !== curve) fail("DataError", `the member crv of the key is not ${curve}`);
  };
  /** Checks the algorithm that a JWK names. For some, the length of the key is known only now. */
  const checkAlg = (jwk, algorithm) => {
    const alg = keys[algorithm.name].alg?.(algorithm);
    if (alg !== undefined && jwk.alg !== undefined && !alg.includes(jwk.alg)) fail("DataError", "the member alg of the key names another algorithm");
  };
  /** Returns the fields of a JWK that Rust reads. */
  const numbersOf = (jwk) => {
    const made = {};
    for (const name of numbers) {
      const value = jwk[name];
      if (value === undefined) continue;
      secure.room(value.length * 4, "a key");
      made[name] = value;
    }
    return made;
  };

  web.crypto = {
    __proto__: null, isKey: undefined, fail, copyOf, isBytes, nothing, algorithmOf, hashes, formats, schemes, modes, blockBits, keys, kindOf,
    jwkOf, allUsages, aesLengths, checkJwk, checkAlg, numbersOf,
  };
})(globalThis);
