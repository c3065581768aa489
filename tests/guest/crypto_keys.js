// Conformance of `crypto.subtle` with https://w3c.github.io/webcrypto, without rights: keys of RSA and of the curves of
// NIST. The key of RSA, its signatures and its ciphertext are from Node.js 20. The program throws an error if something
// differs.

function equal(actual, expected, what) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}

// QuickJS has no `crypto.subtle`.
if (globalThis.CryptoKey !== undefined) await conforms(crypto.subtle);

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
  const base64 = (text) => Uint8Array.fromBase64(text.replaceAll(/\s/g, ""));
  const url = (bytes) => bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  const text = (value) => new TextEncoder().encode(value);
  const same = (actual, expected, what) => equal(new Uint8Array(actual).toHex(), new Uint8Array(expected).toHex(), what);
  const message = text("message");

  // ---- RSA ----
  const rsa = {
    pkcs8: `
      MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDE7HxIs56RKDNG6lFTEwObyBI9GJfa2JlDaZSzXLgcc7jrQEnS+6BvFweMN+
      A9J/KrR8kaQSAUXiCVlTcrtZfGdz155ZNEhSdsha8/dlIng/IAC7sbrmU9rOGa30GRVw1tXHGhc+j5WWRELNOrE0XHUqITxIrcAmWYZxSxYfki
      UfRPTIgKlm4Bo0+eBLLucQutIz1R/X/UpFdbjgpw9kuaGOyQSMaXt20Z7YKYHJ4A/RBEx0Se5Bgytes0pCwHmmR9va7235hEd99FWEmYC32ZVo
      qONSmD3XcxeiIqMGeKsKma+sXFeR0CP8Pq73Wo5lBhIgp2JGvra++3CaGA47vDAgMBAAECggEAC0Yet2rRIS5UATNZBJCKHFkP8j9+MiFEZP+e
      a8ZbJAXcCFvd3h5ZyQJghD6Or/GhivzJHp+r3n6lDutEBVSYI9yfwGLMU5fr8eKVbeSwP2Lmb+o8BBGv6iADqoItlsyNED3Co6OnKt9bRivq0l
      iAHjE05jzSVlYsytTb8mvRf41nr4zxb2seFgYugJlGndzd5K38XR+b/a4ncdoplGWHHl6QUl+BrvuSMVhwjFtXft0LIixWCbWEktgIOJIV03S9
      pdHMNgc+U2wdYnhNU6PiV83WkGrexjYQfQNzoz1Rwc1AuN2bjOwL+mlnKXJyp1DK3th7j2jG+BCIDeSknWhDAQKBgQD+Co09ov4xEeaRi7G5t1
      AEmtD6oqjfwhew9XjipRnewiLNI3hrSfp76vstlxvWnrowkSgWHualshFXI1vIjft2/jOSMUzuzXIw1YDQ2C/a3DWAvkwiy4qV5NHFX5jDHCBP
      a4FMl3MY0vUFVo9mFnx0hfzCZpQ/7XBMJW9iDlIR8wKBgQDGcTDCMT7j4uRHtQAPG5lnCMb/4UbnN4U0UTshWDQQ4E6jdHenR2ARmTTLq5YTpr
      pG61V6gWKLlimOBamoa0D3sct5k6phxxgvWip0HR1GPWO+DyFNmxBgRUr6oQsFGx4ZW807U7bOzCCbc4POfxLrtcyw3q/w+9VsABaHW9tS8QKB
      gQDNHFPheiJmGB/jT7jVS86NiTpFwuM6loluVSOfStJSasiSfJsTdQ2K07StoJ3XcRy/bdPB2H09N0KM6n2GtixcbO3SkX+eJ76U8y0ocgRhXv
      7LzdnHFjP0xmUgSQkcLy9fMFubLYS+fEVcZAEv2ePuaOglRZFY9CqBMJB3yTw2RQKBgA7jbSoUscg9PK1YmiGIC5FcajnGeCBe3QKY2Zvd10Iw
      4hWHZnbJdx665Ogm/oKI7s7lVytyy6b3ZDTAngMB0QUEdOSxPIZLfrgGxsqhaJHdhz86OWBuMuNWL5LwRDhk2XRDm/lIhZ2sWQHwv8HdbNj8cd
      gPTRoCeve4ZfhP3vuxAoGBAMdaWAIfGaWB89FPN1XUKvuYqfnK9m5AyBZAJ96P/RQTd5to1bbEmSMDACbHl1L3NDVfFPMBGWgxs8N7tph42UHG
      XxI3ayCJzwDZK99+AwGLGQJnYu4jIHsQgmn4nloasCXyeUEUXOkv95Qv8RLynEn3AS/mfxzz3yO6ApOxCEkT
    `,
    spki: `
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxOx8SLOekSgzRupRUxMDm8gSPRiX2tiZQ2mUs1y4HHO460BJ0vugbxcHjDfgPSfyq0
      fJGkEgFF4glZU3K7WXxnc9eeWTRIUnbIWvP3ZSJ4PyAAu7G65lPazhmt9BkVcNbVxxoXPo+VlkRCzTqxNFx1KiE8SK3AJlmGcUsWH5IlH0T0yI
      CpZuAaNPngSy7nELrSM9Uf1/1KRXW44KcPZLmhjskEjGl7dtGe2CmByeAP0QRMdEnuQYMrXrNKQsB5pkfb2u9t+YRHffRVhJmAt9mVaKjjUpg9
      13MXoiKjBnirCpmvrFxXkdAj/D6u91qOZQYSIKdiRr62vvtwmhgOO7wwIDAQAB
    `,
    pkcs1: `
      HWJYxBg56dscTTk/M2RuhG+AWpB7K/btkY/PBtLVfsLvNpBMSzfTuHSCVEVIyAX+VGSxifU6d0t/rntjUxMLLgbnZ8otThVaDhXecnd6TmLJT5
      VLMLOidLBGyE9e52HHtH9Lz9aT83Ifhs671uwGP2ABcBGIxV656ioc5VK7lHP8mI7A7gLo/5S9w9j9Df5JCDPesFW6pE1PuT/1pXIvtA8d1t/d
      pKpo15TNRBXoK++i2aL8DswT6oNuDTnuKz8cyMEhmK5c/+XSMUlftDu5smP6dHFjgqKuGDLwmjiwW9oVgFkWSycPGdNdtLYs0GELWXuUmRp/k7
      1L7+P2/7k2JQ==
    `,
    pss: `
      vfDWjKtj4l8Kw+qxR/+1V2oa91uGaW1e+Oby7gj85nKAkDHPCuHBfCM1vL/WZiPSkZgtJRWhecO5oOnN0stOIQ+fBkGTQi1sjX0tojo3zSp6oY
      MGNYbvCnHEWNsGX08yQVMOFWGudpwfDa5qnFgC8InYT1shsAPTIkf3xunOv2QCiaf7cW86R3B5RIY32+FYbytViI/gUw4qMDEtfaQgXuLHnCVb
      u7d/ZDUP4vhkZV0IySbi77rSBTwHDbpf91DwFpeWWiKNV5WpN2TdpqeiiMgslwphfYOXrn7R8GH/8HNmFOciV0mkpIilcCGVxZxWVLobcFxiOv
      DASYL2r//zBw==
    `,
    oaep: `
      VWQC5u06k/fnEY7XtsFlA1j1JyXIP41dCAvGAFrNlRWTz+xn57oHRwK+Z1qQdjU69XnWiGwt161Nkr4smllg2cYk6AWrq7RPprVHWZ5WwKstni
      6GeFDhbBkTDjk4t2+F7EiF/x+cflnrkUdppBlxQv/A7tXClkY9xv7RhgTEjcQO8EHekDqfXQ1hmZNdcmtqu8wE/0tZidj/l5D/DEG205VOP/qz
      lkb/vwkJ7gcdcz/8dG59pRQ/xqq345hGhUI5lnE0trTWJW7wLE4Xn5J4S7lEzVka6U/bVfvMi+7gYfjG7ohKk388QTnv23dpHpcXfai6Jj2UqG
      tjW6G65JFi9g==
    `,
  };
  const pkcs8 = base64(rsa.pkcs8);
  const spki = base64(rsa.spki);
  {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    const key = await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
    const open = await subtle.importKey("spki", spki, algorithm, true, ["verify"]);
    equal(key.type + open.type, "privatepublic", "the types");
    equal(JSON.stringify(key.algorithm), '{"name":"RSASSA-PKCS1-v1_5","modulusLength":2048,"publicExponent":{"0":1,"1":0,"2":1},"hash":{"name":"SHA-256"}}', "the algorithm");
    key.algorithm.publicExponent[0] = 7;
    same(key.algorithm.publicExponent, hex("010001"), "an exponent that nobody changes");
    const signature = await subtle.sign("RSASSA-PKCS1-v1_5", key, message);
    same(signature, base64(rsa.pkcs1), "RSASSA-PKCS1-v1_5");
    equal(await subtle.verify("RSASSA-PKCS1-v1_5", open, signature, message), true, "a right signature");
    equal(await subtle.verify("RSASSA-PKCS1-v1_5", open, signature, text("massage")), false, "another message");
    equal(await subtle.verify("RSASSA-PKCS1-v1_5", open, signature.slice(1), message), false, "a short signature");
    same(await subtle.exportKey("pkcs8", key), pkcs8, "as pkcs8");
    same(await subtle.exportKey("spki", open), spki, "as spki");
    const jwk = await subtle.exportKey("jwk", key);
    equal(Object.keys(jwk).sort().join(), "alg,d,dp,dq,e,ext,key_ops,kty,n,p,q,qi", "the fields of a JWK");
    equal(jwk.alg + jwk.e, "RS256AQAB", "RS256");
    const again = await subtle.importKey("jwk", jwk, algorithm, true, ["sign"]);
    same(await subtle.sign("RSASSA-PKCS1-v1_5", again, message), signature, "from JWK");
    const openJwk = await subtle.exportKey("jwk", open);
    equal(Object.keys(openJwk).sort().join(), "alg,e,ext,key_ops,kty,n", "the fields of a public JWK");
    same(await subtle.exportKey("spki", await subtle.importKey("jwk", openJwk, algorithm, true, ["verify"])), spki, "a public JWK");
    for (const [wrong, name] of [
      [{ ...jwk, d: jwk.p }, "DataError"], [{ ...jwk, qi: jwk.dp }, "DataError"], [{ ...jwk, dp: undefined }, "DataError"],
      [{ ...jwk, n: "AQAB" }, "DataError"], [{ ...jwk, n: url(new Uint8Array(2000).fill(255)) }, "DataError"],
      [{ ...jwk, p: "Aw" }, "DataError"], [{ ...jwk, p: "", q: "" }, "DataError"], [{ ...jwk, e: "AA" }, "DataError"],
      [{ ...jwk, alg: "PS256" }, "DataError"], [{ ...jwk, use: "enc" }, "DataError"], [{ ...jwk, oth: [] }, "NotSupportedError"],
    ]) await rejects(name, subtle.importKey("jwk", wrong, algorithm, true, ["sign"]), "a wrong JWK");
    for (const wrong of [spki.slice(1), spki.slice(0, 100), pkcs8, new Uint8Array(0)]) {
      await rejects("DataError", subtle.importKey("spki", wrong, algorithm, true, ["verify"]), "wrong bytes");
    }
    await rejects("NotSupportedError", subtle.importKey("raw", spki, algorithm, true, ["verify"]), "raw bytes");
    await rejects("SyntaxError", subtle.importKey("spki", spki, algorithm, true, ["sign"]), "a usage of the private key");
    await rejects("InvalidAccessError", subtle.sign({ name: "RSA-PSS", saltLength: 32 }, key, message), "a key of another algorithm");
    await rejects("InvalidAccessError", subtle.exportKey("spki", key), "the private key as spki");
  }
  {
    const algorithm = { name: "RSA-PSS", hash: "SHA-256" };
    const open = await subtle.importKey("spki", spki, algorithm, true, ["verify"]);
    const key = await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
    equal(await subtle.verify({ name: "RSA-PSS", saltLength: 32 }, open, base64(rsa.pss), message), true, "RSA-PSS");
    for (const saltLength of [0, 20, 33, 4294967295]) {
      equal(await subtle.verify({ name: "RSA-PSS", saltLength }, open, base64(rsa.pss), message), false, `a salt of ${saltLength} bytes`);
    }
    // Without a salt, a signature needs no chance.
    const signature = await subtle.sign({ name: "RSA-PSS", saltLength: 0 }, key, message);
    equal(await subtle.verify({ name: "RSA-PSS", saltLength: 0 }, open, signature, message), true, "no salt");
    await rejects("CapabilityError", subtle.sign({ name: "RSA-PSS", saltLength: 32 }, key, message), "a salt without the right");
    await rejects("OperationError", subtle.sign({ name: "RSA-PSS", saltLength: 1025 }, key, message), "a salt that is too long");
    await rejects("TypeError", subtle.sign("RSA-PSS", key, message), "no length of the salt");
  }
  {
    const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
    const key = await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["decrypt", "unwrapKey"]);
    const open = await subtle.importKey("spki", spki, algorithm, true, ["encrypt", "wrapKey"]);
    const label = text("label");
    same(await subtle.decrypt({ name: "RSA-OAEP", label }, key, base64(rsa.oaep)), message, "RSA-OAEP");
    const messages = new Set();
    for (const [wrong, bytes] of [[text("other"), base64(rsa.oaep)], [label, base64(rsa.oaep).fill(1, 9, 10)], [label, message], [label, hex("")]]) {
      messages.add((await rejects("OperationError", subtle.decrypt({ name: "RSA-OAEP", label: wrong }, key, bytes), "wrong bytes")).message);
    }
    equal(messages.size, 1, "one message");
    await rejects("CapabilityError", subtle.encrypt("RSA-OAEP", open, message), "an encryption without the right");
    await rejects("InvalidAccessError", subtle.encrypt("RSA-OAEP", key, message), "a key without the usage");
  }

  // ---- ECDSA (RFC 6979, A.2.5, A.2.6 and A.2.7: the message "sample") ----
  for (const [namedCurve, hash, secret, x, y, signature] of [
    ["P-256", "SHA-256", "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
      "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6", "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
      "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716 F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"],
    ["P-384", "SHA-384", "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
      "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
      "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720",
      `94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46
      99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8`],
    ["P-521", "SHA-512", `00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75CAA896EB32F1F47C70855836A6D16FCC
      1466F6D8FBEC67DB89EC0C08B0E996B83538`,
      `01894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4`,
      `00493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5`,
      `00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA
      00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A`],
  ]) {
    const jwk = { kty: "EC", crv: namedCurve, x: url(hex(x)), y: url(hex(y)), d: url(hex(secret)) };
    const algorithm = { name: "ECDSA", namedCurve };
    const key = await subtle.importKey("jwk", jwk, algorithm, true, ["sign"]);
    const open = await subtle.importKey("raw", hex(`04${x}${y}`), algorithm, true, ["verify"]);
    equal(JSON.stringify(open.algorithm), `{"name":"ECDSA","namedCurve":"${namedCurve}"}`, "the algorithm");
    const made = await subtle.sign({ name: "ECDSA", hash }, key, text("sample"));
    same(made, hex(signature), namedCurve);
    equal(await subtle.verify({ name: "ECDSA", hash }, open, made, text("sample")), true, "a right signature");
    equal(await subtle.verify({ name: "ECDSA", hash }, open, made, text("simple")), false, "another message");
    equal(await subtle.verify({ name: "ECDSA", hash }, open, new Uint8Array(made.byteLength), text("sample")), false, "zeros");
    equal(await subtle.verify({ name: "ECDSA", hash }, open, made.slice(1), text("sample")), false, "a short signature");
    for (const other of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]) {
      const signed = await subtle.sign({ name: "ECDSA", hash: other }, key, message);
      equal(await subtle.verify({ name: "ECDSA", hash: other }, open, signed, message), true, other);
    }
    const bytes = await subtle.exportKey("pkcs8", key);
    same(await subtle.sign({ name: "ECDSA", hash }, await subtle.importKey("pkcs8", bytes, algorithm, false, ["sign"]), text("sample")), made, "from pkcs8");
    const info = await subtle.exportKey("spki", open);
    same(await subtle.exportKey("raw", await subtle.importKey("spki", info, algorithm, true, ["verify"])), hex(`04${x}${y}`), "from spki");
    const { d, ...publicJwk } = await subtle.exportKey("jwk", key);
    equal(d + publicJwk.x + publicJwk.y, jwk.d + jwk.x + jwk.y, "as JWK");
    equal((await subtle.importKey("jwk", { ...publicJwk, key_ops: ["verify"] }, algorithm, true, ["verify"])).type, "public", "a public JWK");
    const size = hex(x).length;
    for (const [wrong, name] of [
      [{ ...jwk, x: jwk.y }, "DataError"], [{ ...jwk, d: url(new Uint8Array(size)) }, "DataError"], [{ ...jwk, d: url(new Uint8Array(size).fill(255)) }, "DataError"],
      [{ ...jwk, d: url(new Uint8Array(size).fill(1, size - 1)) }, "DataError"], [{ ...jwk, d: "AQ" }, "DataError"], [{ ...jwk, y: undefined }, "DataError"],
      [{ ...jwk, crv: "P-255" }, "DataError"], [{ ...jwk, alg: "ES255" }, "DataError"],
    ]) await rejects(name, subtle.importKey("jwk", wrong, algorithm, true, ["sign"]), "a wrong JWK");
    await rejects("DataError", subtle.importKey("raw", hex(`04${y}${x}`), algorithm, true, ["verify"]), "a point that is not on the curve");
    await rejects("DataError", subtle.importKey("raw", hex("00"), algorithm, true, ["verify"]), "the point at infinity");
    await rejects("NotSupportedError", subtle.importKey("raw", hex(`04${x}${y}`), { name: "ECDSA", namedCurve: "P-192" }, true, ["verify"]), "an unknown curve");
    await rejects("DataError", subtle.importKey("spki", info, { name: "ECDSA", namedCurve: namedCurve === "P-256" ? "P-384" : "P-256" }, true, ["verify"]), "another curve");
    await rejects("CapabilityError", subtle.generateKey(algorithm, true, ["sign", "verify"]), "a new key without the right");

    // ECDH with itself: both sides derive the same.
    const agreement = { name: "ECDH", namedCurve };
    const own = await subtle.importKey("jwk", jwk, agreement, false, ["deriveBits", "deriveKey"]);
    const other = await subtle.importKey("raw", hex(`04${x}${y}`), agreement, true, []);
    const shared = await subtle.deriveBits({ name: "ECDH", public: other }, own, null);
    equal(shared.byteLength, size, "the length of a secret");
    same(await subtle.deriveBits({ name: "ECDH", public: other }, own, 12), [new Uint8Array(shared)[0], new Uint8Array(shared)[1] & 0xf0], "12 bits");
    const derived = await subtle.deriveKey({ name: "ECDH", public: other }, own, { name: "AES-GCM", length: 256 }, true, ["encrypt"]);
    same(await subtle.exportKey("raw", derived), shared.slice(0, 32), "a derived key");
    await rejects("OperationError", subtle.deriveBits({ name: "ECDH", public: other }, own, size * 8 + 8), "more than it has");
    await rejects("SyntaxError", subtle.importKey("raw", hex(`04${x}${y}`), agreement, true, ["deriveBits"]), "a public key derives nothing");
    await rejects("InvalidAccessError", subtle.deriveBits({ name: "ECDH", public: open }, own, null), "a key of ECDSA");
  }
  for (const [algorithm, usages] of [
    [{ name: "AES-GCM", length: 256 }, ["encrypt"]], [{ name: "HMAC", hash: "SHA-256" }, ["sign"]], ["Ed25519", ["sign"]], ["X25519", ["deriveBits"]],
    [{ name: "RSA-PSS", hash: "SHA-256", modulusLength: 2048, publicExponent: hex("010001") }, ["sign"]],
  ]) {
    const error = await rejects("CapabilityError", subtle.generateKey(algorithm, true, usages), "a new key without the right");
    equal(error.family + error.action, "randomread", "the right");
  }
}
