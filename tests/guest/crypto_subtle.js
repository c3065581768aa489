// Conformance of `crypto.subtle` with https://w3c.github.io/webcrypto, without rights: everything that needs no chance.
// The vectors are those of FIPS 180-4, SP 800-38A, the specification of GCM, and the RFCs that the comments name. The
// program throws an error if something differs.

function equal(actual, expected, what) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}

// QuickJS has no `crypto.subtle`.
if (globalThis.CryptoKey === undefined) {
  equal(crypto.subtle, undefined, "subtle on QuickJS");
} else {
  await conforms(crypto.subtle);
}

async function rejects(name, promise, what) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    equal(error.name, name, `${what}: the error (${error.message})`);
    return error;
  }
  throw new Error(`${what}: expected ${name}, got ${value}`);
}

async function conforms(subtle) {
  const hex = (text) => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));
  const text = (value) => new TextEncoder().encode(value);
  const same = (actual, expected, what) => equal(new Uint8Array(actual).toHex(), typeof expected === "string" ? expected.replaceAll(/\s/g, "") : new Uint8Array(expected).toHex(), what);
  const raw = (bytes, algorithm, usages, extractable = false) => subtle.importKey("raw", bytes, algorithm, extractable, usages);

  // ---- the interfaces ----
  equal(Object.prototype.toString.call(subtle), "[object SubtleCrypto]", "the tag");
  equal(subtle instanceof SubtleCrypto, true, "the class");
  equal(Object.isFrozen(subtle), true, "frozen");
  for (const Class of [SubtleCrypto, CryptoKey]) {
    equal((() => { try { new Class(); } catch (error) { return error.name; } })(), "TypeError", `new ${Class.name}`);
  }
  await rejects("TypeError", SubtleCrypto.prototype.digest.call({}, "SHA-1", new Uint8Array()), "a wrong receiver");
  await rejects("TypeError", subtle.digest("SHA-256"), "too few arguments");
  await rejects("TypeError", subtle.digest("SHA-256", "text"), "a text is not bytes");
  await rejects("NotSupportedError", subtle.digest("MD5", new Uint8Array()), "an unknown algorithm");
  await rejects("NotSupportedError", subtle.digest("\u017fHA-1", new Uint8Array()), "a letter that is S in upper case");

  // ---- digests (FIPS 180-4) ----
  for (const [name, expected] of [
    ["SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"],
    ["sha-256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["SHA-384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"],
    ["SHA-512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"],
  ]) {
    same(await subtle.digest(name, text("abc")), expected, name);
    same(await subtle.digest({ name }, new DataView(text("xabcx").buffer, 1, 3)), expected, `${name} of a view`);
  }
  {
    // The bytes are those at the end of the conversions.
    const bytes = text("abd");
    const digest = subtle.digest({ get name() { bytes[2] = 0x63; return "SHA-1"; } }, bytes);
    bytes[0] = 0;
    same(await digest, "a9993e364706816aba3e25717850c26c9cd0d89d", "bytes that change");
  }

  // ---- HMAC (RFC 4231, case 2) ----
  {
    const key = await raw(text("Jefe"), { name: "HMAC", hash: "SHA-256" }, ["verify", "sign", "sign"], true);
    equal(key.type, "secret", "the type");
    equal(key.extractable, true, "extractable");
    equal(JSON.stringify(key.algorithm), '{"name":"HMAC","hash":{"name":"SHA-256"},"length":32}', "the algorithm");
    equal(key.usages.join(), "sign,verify", "the usages");
    equal(key.algorithm, key.algorithm, "one object");
    equal(Object.isFrozen(key.algorithm) && Object.isFrozen(key.algorithm.hash) && Object.isFrozen(key.usages) && Object.isFrozen(key), true, "frozen");
    const code = await subtle.sign("HMAC", key, text("what do ya want for nothing?"));
    same(code, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "HMAC");
    equal(await subtle.verify("HMAC", key, code, text("what do ya want for nothing?")), true, "a right code");
    equal(await subtle.verify("HMAC", key, code, text("what do ya want for something?")), false, "a wrong message");
    equal(await subtle.verify("HMAC", key, code.slice(1), text("what do ya want for nothing?")), false, "a short code");
    same(await subtle.exportKey("raw", key), text("Jefe"), "exported");
    const jwk = await subtle.exportKey("jwk", key);
    equal(JSON.stringify(jwk), '{"kty":"oct","alg":"HS256","k":"SmVmZQ","key_ops":["sign","verify"],"ext":true}', "as JWK");
    const again = await subtle.importKey("jwk", jwk, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
    same(await subtle.sign("HMAC", again, text("what do ya want for nothing?")), code, "imported again");
    // The standard allows a clone of a key. It is the same key.
    const clone = structuredClone({ key }).key;
    equal(clone !== key && clone instanceof CryptoKey, true, "a clone");
    same(await subtle.sign("HMAC", clone, text("what do ya want for nothing?")), code, "a clone signs");
    const few = await raw(hex("ff"), { name: "HMAC", hash: "SHA-1", length: 3 }, ["sign"], true);
    same(await subtle.exportKey("raw", few), "e0", "a key of 3 bits");
    await rejects("DataError", raw(hex(""), { name: "HMAC", hash: "SHA-1" }, ["sign"]), "an empty key");
    await rejects("DataError", raw(hex("ff"), { name: "HMAC", hash: "SHA-1", length: 9 }, ["sign"]), "a length beyond the key");
    await rejects("SyntaxError", raw(hex("ff"), { name: "HMAC", hash: "SHA-1" }, []), "no usage");
    await rejects("SyntaxError", raw(hex("ff"), { name: "HMAC", hash: "SHA-1" }, ["encrypt"]), "a wrong usage");
    await rejects("TypeError", raw(hex("ff"), { name: "HMAC", hash: "SHA-1" }, ["seal"]), "an unknown usage");
    await rejects("TypeError", raw(hex("ff"), { name: "HMAC" }, ["sign"]), "no hash");
    await rejects("NotSupportedError", raw(hex("ff"), { name: "HMAC", hash: "HMAC" }, ["sign"]), "a hash that is none");
    for (const [wrong, name] of [
      [{ ...jwk, kty: "RSA" }, "DataError"], [{ ...jwk, alg: "HS384" }, "DataError"], [{ ...jwk, use: "enc" }, "DataError"],
      [{ ...jwk, key_ops: ["verify"] }, "DataError"], [{ ...jwk, key_ops: ["sign", "sign"] }, "DataError"],
      [{ ...jwk, ext: false }, "DataError"], [{ ...jwk, k: undefined }, "DataError"], [{ ...jwk, k: "a+b/" }, "DataError"],
      [hex("ff"), "TypeError"], [1, "TypeError"],
    ]) await rejects(name, subtle.importKey("jwk", wrong, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]), `a JWK ${JSON.stringify(wrong)}`);
    const closed = await raw(text("Jefe"), { name: "HMAC", hash: "SHA-256" }, ["verify"]);
    await rejects("InvalidAccessError", subtle.sign("HMAC", closed, hex("")), "a usage that the key does not have");
    for (const format of ["raw", "jwk"]) await rejects("InvalidAccessError", subtle.exportKey(format, closed), `${format} of a key that is not extractable`);
    await rejects("NotSupportedError", subtle.exportKey("spki", key), "a secret key as spki");
    await rejects("InvalidAccessError", subtle.sign("Ed25519", key, hex("")), "a key of another algorithm");
    await rejects("TypeError", subtle.sign("HMAC", {}, hex("")), "an object that is not a key");
    await rejects("TypeError", subtle.sign("HMAC", Object.create(CryptoKey.prototype), hex("")), "an object with the prototype of a key");
  }

  // ---- AES (SP 800-38A, F.2.1, F.2.5, F.5.1; the specification of GCM, cases 4, 6 and 16; RFC 3394, 4.1 and 4.6) ----
  const plain = hex(`6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710`);
  const key128 = hex("2b7e151628aed2a6abf7158809cf4f3c");
  const key256 = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  const uses = ["encrypt", "decrypt"];
  for (const [key, expected] of [
    [key128, `7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
      73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7`],
    [key256, `f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
      39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b`],
  ]) {
    const cipher = await raw(key, "AES-CBC", uses);
    const iv = hex("000102030405060708090a0b0c0d0e0f");
    const encrypted = await subtle.encrypt({ name: "AES-CBC", iv }, cipher, plain);
    equal(encrypted.byteLength, 80, "a whole block of padding");
    same(encrypted.slice(0, 64), expected, "AES-CBC");
    same(await subtle.decrypt({ name: "AES-CBC", iv }, cipher, encrypted), plain, "AES-CBC back");
    for (let length = 0; length < 33; length++) {
      const bytes = plain.slice(0, length);
      same(await subtle.decrypt({ name: "AES-CBC", iv }, cipher, await subtle.encrypt({ name: "AES-CBC", iv }, cipher, bytes)), bytes, `${length} bytes`);
    }
    // No error says what is wrong.
    const messages = new Set();
    for (const wrong of [encrypted.slice(0, 64), encrypted.slice(1), new ArrayBuffer(0), new ArrayBuffer(16)]) {
      messages.add((await rejects("OperationError", subtle.decrypt({ name: "AES-CBC", iv }, cipher, wrong), "AES-CBC of wrong bytes")).message);
    }
    equal(messages.size, 1, "one message");
    await rejects("OperationError", subtle.encrypt({ name: "AES-CBC", iv: iv.slice(1) }, cipher, plain), "a short vector");
  }
  {
    const cipher = await raw(key128, "AES-CTR", uses);
    const counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    const encrypted = await subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, cipher, plain);
    same(encrypted, `874d6191b620e3261bef6864990db6ce 9806f66b7970fdff8617187bb9fffdff
      5ae4df3edbd5d35e5b4f09020db03eab 1e031dda2fbe03d1792170a0f3009cee`, "AES-CTR");
    same(await subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, cipher, encrypted), plain, "AES-CTR back");
    // A counter of 2 bits goes round to its beginning, and cannot count a fifth block.
    const ones = hex("ffffffffffffffffffffffffffffffff");
    const round = await subtle.encrypt({ name: "AES-CTR", counter: ones, length: 2 }, cipher, new Uint8Array(32));
    const zero = await subtle.encrypt({ name: "AES-CTR", counter: hex("fffffffffffffffffffffffffffffffc"), length: 128 }, cipher, new Uint8Array(16));
    same(round.slice(16), zero, "a counter that goes round");
    await rejects("OperationError", subtle.encrypt({ name: "AES-CTR", counter: ones, length: 2 }, cipher, new Uint8Array(65)), "too many blocks");
    for (const length of [0, 129]) await rejects("OperationError", subtle.encrypt({ name: "AES-CTR", counter, length }, cipher, plain), `a counter of ${length} bits`);
    await rejects("TypeError", subtle.encrypt({ name: "AES-CTR", counter, length: 256 }, cipher, plain), "a length beyond an octet");
    const large = new Uint8Array(100_001).fill(7);
    same(await subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, cipher, await subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, cipher, large)), large, "many blocks");
  }
  {
    const message = hex(`d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
      1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39`);
    const additionalData = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    const key = "feffe9928665731c6d6a8f9467308308";
    const long = hex(`9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728
      c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b`);
    for (const [bytes, iv, expected] of [
      [key, hex("cafebabefacedbaddecaf888"), `42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
        21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091 5bc94fbc3221a5db94fae95ae7121a47`],
      [key, long, `8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7
        01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5 619cc5aefffe0bfa462af43c1699d050`],
      [key + key, hex("cafebabefacedbaddecaf888"), `522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
        8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b`],
    ]) {
      const cipher = await raw(hex(bytes), "AES-GCM", uses);
      const algorithm = { name: "AES-GCM", iv, additionalData };
      const encrypted = await subtle.encrypt(algorithm, cipher, message);
      same(encrypted, expected, "AES-GCM");
      same(await subtle.decrypt(algorithm, cipher, encrypted), message, "AES-GCM back");
      for (const tagLength of [32, 64, 96, 104, 112, 120, 128]) {
        const short = await subtle.encrypt({ ...algorithm, tagLength }, cipher, message);
        same(short, new Uint8Array(encrypted).slice(0, message.length + tagLength / 8), `a tag of ${tagLength} bits`);
        same(await subtle.decrypt({ ...algorithm, tagLength }, cipher, short), message, `a tag of ${tagLength} bits back`);
      }
      const messages = new Set();
      for (const at of [0, message.length, encrypted.byteLength - 1]) {
        const wrong = new Uint8Array(encrypted.slice());
        wrong[at] ^= 1;
        messages.add((await rejects("OperationError", subtle.decrypt(algorithm, cipher, wrong), "a changed byte")).message);
      }
      messages.add((await rejects("OperationError", subtle.decrypt({ ...algorithm, additionalData: hex("00") }, cipher, encrypted), "other data")).message);
      messages.add((await rejects("OperationError", subtle.decrypt(algorithm, cipher, encrypted.slice(0, 15)), "shorter than a tag")).message);
      equal(messages.size, 1, "one message");
      for (const tagLength of [0, 8, 127, 136]) await rejects("OperationError", subtle.encrypt({ ...algorithm, tagLength }, cipher, message), `a tag of ${tagLength} bits`);
      await rejects("OperationError", subtle.encrypt({ name: "AES-GCM", iv: hex("") }, cipher, message), "an empty vector");
      await rejects("TypeError", subtle.encrypt({ name: "AES-GCM" }, cipher, message), "no vector");
    }
    await rejects("DataError", raw(hex("00"), "AES-GCM", uses), "a key of one byte");
  }
  {
    const data = hex("00112233445566778899aabbccddeeff");
    const wrapped = hex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
    const wrapping = await raw(hex("000102030405060708090a0b0c0d0e0f"), "AES-KW", ["wrapKey", "unwrapKey"]);
    const key = await raw(data, "AES-CBC", ["encrypt"], true);
    same(await subtle.wrapKey("raw", key, wrapping, "AES-KW"), wrapped, "AES-KW");
    const again = await subtle.unwrapKey("raw", wrapped, wrapping, "AES-KW", "AES-CBC", true, ["encrypt"]);
    same(await subtle.exportKey("raw", again), data, "AES-KW back");
    wrapped[0] ^= 1;
    await rejects("OperationError", subtle.unwrapKey("raw", wrapped, wrapping, "AES-KW", "AES-CBC", true, ["encrypt"]), "a changed byte");
    const closed = await raw(data, "AES-CBC", ["encrypt"]);
    await rejects("InvalidAccessError", subtle.wrapKey("raw", closed, wrapping, "AES-KW"), "wrapping a key that is not extractable");
    await rejects("InvalidAccessError", subtle.wrapKey("raw", key, key, { name: "AES-CBC", iv: data }), "a key without the usage");
    // With another cipher, and as JWK.
    const gcm = await raw(data, "AES-GCM", ["wrapKey", "unwrapKey"]);
    const algorithm = { name: "AES-GCM", iv: hex("000102030405060708090a0b") };
    const box = await subtle.wrapKey("jwk", key, gcm, algorithm);
    const out = await subtle.unwrapKey("jwk", box, gcm, algorithm, "AES-CBC", true, ["encrypt"]);
    same(await subtle.exportKey("raw", out), data, "a JWK in AES-GCM");
    const bits = await raw(data, "AES-GCM", ["encrypt", "unwrapKey"]);
    for (const wrong of ["{", "1", "null", "{}", "\u0000"]) {
      const encrypted = await subtle.encrypt(algorithm, bits, text(wrong));
      await rejects("DataError", subtle.unwrapKey("jwk", encrypted, bits, algorithm, "AES-CBC", true, ["encrypt"]), `a JWK ${wrong}`);
    }
  }

  // ---- HKDF (RFC 5869, A.1 and A.3) and PBKDF2 (RFC 6070; RFC 7914, 11) ----
  {
    const key = await raw(hex("0b".repeat(22)), "HKDF", ["deriveBits", "deriveKey"]);
    const algorithm = { name: "HKDF", hash: "SHA-256", salt: hex("000102030405060708090a0b0c"), info: hex("f0f1f2f3f4f5f6f7f8f9") };
    same(await subtle.deriveBits(algorithm, key, 336), `3cb25f25faacd57a90434f64d0362f2a 2d2d0a90cf1a5a4c5db02d56ecc4c5bf 34007208d5b887185865`, "HKDF");
    same(await subtle.deriveBits({ ...algorithm, salt: hex(""), info: hex("") }, key, 336), `8da4e775a563c18f715f802a063c5a31
      b8a11f5c5ee1879ec3454e5f3c738d2d 9d201395faa4b61a96c8`, "HKDF without a salt");
    equal((await subtle.deriveBits(algorithm, key, 0)).byteLength, 0, "no bits");
    const derived = await subtle.deriveKey(algorithm, key, { name: "AES-GCM", length: 128 }, true, ["encrypt"]);
    same(await subtle.exportKey("raw", derived), "3cb25f25faacd57a90434f64d0362f2a", "a derived key");
    equal((await subtle.deriveKey(algorithm, key, { name: "HMAC", hash: "SHA-512" }, true, ["sign"])).algorithm.length, 1024, "the length of a derived key");
    await rejects("OperationError", subtle.deriveBits(algorithm, key, null), "no length");
    await rejects("OperationError", subtle.deriveBits(algorithm, key, 7), "a length that is not in bytes");
    await rejects("OperationError", subtle.deriveBits(algorithm, key, 8 * (255 * 32 + 1)), "more than HKDF can derive");
    await rejects("SyntaxError", raw(hex("00"), "HKDF", ["deriveBits"], true), "an extractable key");
    await rejects("NotSupportedError", subtle.exportKey("raw", key), "an export");

    const password = await raw(text("password"), "PBKDF2", ["deriveBits", "deriveKey"]);
    const rounds = (hash, salt, iterations) => ({ name: "PBKDF2", hash, salt: text(salt), iterations });
    same(await subtle.deriveBits(rounds("SHA-1", "salt", 1), password, 160), "0c60c80f961f0e71f3a9b524af6012062fe037a6", "one iteration");
    same(await subtle.deriveBits(rounds("SHA-1", "salt", 4096), password, 160), "4b007901b765489abead49d926f721d065a429c1", "4,096 iterations");
    const longer = await raw(text("passwordPASSWORDpassword"), "PBKDF2", ["deriveBits"]);
    same(await subtle.deriveBits(rounds("SHA-1", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096), longer, 200), "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038", "two blocks");
    const passwd = await raw(text("passwd"), "PBKDF2", ["deriveBits"]);
    same(await subtle.deriveBits(rounds("SHA-256", "salt", 1), passwd, 512), `55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc
      49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783`, "RFC 7914");
    await rejects("OperationError", subtle.deriveBits(rounds("SHA-1", "salt", 0), password, 160), "no iterations");
    await rejects("InvalidAccessError", subtle.deriveKey(rounds("SHA-1", "salt", 1), longer, { name: "AES-CBC", length: 128 }, true, ["encrypt"]), "no usage");
    await rejects("OperationError", subtle.deriveKey(rounds("SHA-1", "salt", 1), password, { name: "AES-CBC", length: 100 }, true, ["encrypt"]), "a length that AES does not have");
  }

  // ---- Ed25519 (RFC 8032, 7.1, test 2) and X25519 (RFC 7748, 5.2) ----
  {
    const seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const point = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const pkcs8 = hex(`302e020100300506032b657004220420${seed}`);
    const spki = hex(`302a300506032b6570032100${point}`);
    const key = await subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
    const open = await subtle.importKey("raw", hex(point), "Ed25519", true, ["verify"]);
    const signature = await subtle.sign("Ed25519", key, hex("72"));
    same(signature, `92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
      085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00`, "Ed25519");
    equal(await subtle.verify("Ed25519", open, signature, hex("72")), true, "a right signature");
    equal(await subtle.verify("Ed25519", open, signature, hex("73")), false, "another message");
    equal(await subtle.verify("Ed25519", open, signature.slice(1), hex("72")), false, "a short signature");
    same(await subtle.exportKey("pkcs8", key), pkcs8, "as pkcs8");
    same(await subtle.exportKey("spki", open), spki, "as spki");
    same(await subtle.exportKey("raw", await subtle.importKey("spki", spki, "Ed25519", true, ["verify"])), point, "as raw");
    const jwk = await subtle.exportKey("jwk", key);
    equal(jwk.kty + jwk.crv, "OKPEd25519", "as JWK");
    same(Uint8Array.fromBase64(jwk.d, { alphabet: "base64url" }), seed, "the secret of a JWK");
    same(Uint8Array.fromBase64(jwk.x, { alphabet: "base64url" }), point, "the point of a JWK");
    same(await subtle.sign("Ed25519", await subtle.importKey("jwk", jwk, "Ed25519", false, ["sign"]), hex("72")), signature, "from JWK");
    await rejects("DataError", subtle.importKey("jwk", { ...jwk, x: jwk.d }, "Ed25519", false, ["sign"]), "a point of another key");
    await rejects("DataError", subtle.importKey("jwk", { ...jwk, crv: "X25519" }, "Ed25519", false, ["sign"]), "another curve");
    await rejects("InvalidAccessError", subtle.exportKey("spki", key), "the private key as spki");
    await rejects("InvalidAccessError", subtle.exportKey("raw", key), "the private key as raw");
    await rejects("SyntaxError", subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["verify"]), "a usage of the public key");
    await rejects("SyntaxError", subtle.importKey("pkcs8", pkcs8, "Ed25519", false, []), "a private key without a usage");
    await rejects("DataError", subtle.importKey("pkcs8", pkcs8.slice(1), "Ed25519", false, ["sign"]), "broken DER");
    await rejects("DataError", subtle.importKey("pkcs8", pkcs8, "X25519", false, ["deriveBits"]), "a key of another algorithm");
    await rejects("DataError", subtle.importKey("raw", hex("00"), "Ed25519", false, ["verify"]), "a short key");

    const alice = hex("302e020100300506032b656e04220420a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    const secret = await subtle.importKey("pkcs8", alice, "X25519", true, ["deriveBits", "deriveKey"]);
    same(await subtle.exportKey("pkcs8", secret), alice, "X25519 as pkcs8");
    const other = await raw(hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"), "X25519", []);
    const shared = await subtle.deriveBits({ name: "X25519", public: other }, secret, null);
    same(shared, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", "a shared secret");
    same(await subtle.deriveBits({ name: "X25519", public: other }, secret, 128), shared.slice(0, 16), "a part of it");
    await rejects("OperationError", subtle.deriveBits({ name: "X25519", public: other }, secret, 257), "more than it has");
    await rejects("OperationError", subtle.deriveBits({ name: "X25519", public: await raw(new Uint8Array(32), "X25519", []) }, secret, 256), "a point of small order");
    await rejects("InvalidAccessError", subtle.deriveBits({ name: "X25519", public: secret }, secret, 256), "a private key as the other");
    await rejects("TypeError", subtle.deriveBits({ name: "X25519", public: {} }, secret, 256), "an object as the other");
  }
}
