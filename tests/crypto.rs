//! `crypto.subtle` with rights, and its limits. The programs `tests/guest/crypto_*.js` test everything that needs no
//! rights. QuickJS has no `crypto.subtle`.

use std::time::{Duration, Instant};

use secure_runtime::{Exit, Limit, LimitHit, Limits, Verdict};

use crate::support::Scene;

/// A program that generates a key of every algorithm and uses it.
const ALL: &str = r#"
const { subtle } = crypto;
const message = new TextEncoder().encode("message");
const same = (one, other) => new Uint8Array(one).toHex() === new Uint8Array(other).toHex();
const check = (value, what) => { if (!value) throw new Error(what); };
const hashes = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
const copy = async (key, algorithm, usages) => {
  const formats = { secret: ["raw", "jwk"], public: ["spki", "jwk"], private: ["pkcs8", "jwk"] }[key.type];
  for (const format of formats) {
    const exported = await subtle.exportKey(format, key);
    const made = await subtle.importKey(format, exported, algorithm, true, usages);
    const again = await subtle.exportKey(format, made);
    check(format === "jwk" ? JSON.stringify(again) === JSON.stringify(exported) : same(again, exported), `${algorithm.name} as ${format}`);
    key = made;
  }
  return key;
};
for (const name of ["AES-CBC", "AES-CTR", "AES-GCM"]) for (const length of [128, 192, 256]) {
  const key = await subtle.generateKey({ name, length }, true, ["encrypt", "decrypt"]);
  check(key.algorithm.length === length && key.usages.join() === "encrypt,decrypt", name);
  const algorithm = { name, iv: crypto.getRandomValues(new Uint8Array(16)), counter: new Uint8Array(16), length: 64 };
  const encrypted = await subtle.encrypt(algorithm, await copy(key, { name }, ["encrypt"]), message);
  check(same(await subtle.decrypt(algorithm, key, encrypted), message), `${name} back`);
}
for (const hash of hashes) {
  const key = await subtle.generateKey({ name: "HMAC", hash }, true, ["sign", "verify"]);
  check(await subtle.verify("HMAC", key, await subtle.sign("HMAC", await copy(key, { name: "HMAC", hash }, ["sign"]), message), message), `HMAC ${hash}`);
}
const large = await subtle.generateKey({ name: "HMAC", hash: "SHA-1", length: 600_003 }, true, ["sign"]);
check((await subtle.exportKey("raw", large)).byteLength === 75_001, "a long key");
for (const namedCurve of ["P-256", "P-384", "P-521"]) {
  const { publicKey, privateKey } = await subtle.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]);
  check(publicKey.usages.join() + privateKey.usages.join() === "verifysign", "the usages");
  const signature = await subtle.sign({ name: "ECDSA", hash: "SHA-384" }, await copy(privateKey, { name: "ECDSA", namedCurve }, ["sign"]), message);
  check(await subtle.verify({ name: "ECDSA", hash: "SHA-384" }, await copy(publicKey, { name: "ECDSA", namedCurve }, ["verify"]), signature, message), namedCurve);
  const [one, other] = [await subtle.generateKey({ name: "ECDH", namedCurve }, false, ["deriveBits"]), await subtle.generateKey({ name: "ECDH", namedCurve }, false, ["deriveBits"])];
  check(one.publicKey.extractable && !one.privateKey.extractable, "a public key is extractable");
  check(same(await subtle.deriveBits({ name: "ECDH", public: one.publicKey }, other.privateKey, null), await subtle.deriveBits({ name: "ECDH", public: other.publicKey }, one.privateKey, null)), "ECDH");
}
{
  const { publicKey, privateKey } = await subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  check(await subtle.verify("Ed25519", await copy(publicKey, { name: "Ed25519" }, ["verify"]), await subtle.sign("Ed25519", await copy(privateKey, { name: "Ed25519" }, ["sign"]), message), message), "Ed25519");
  const [one, other] = [await subtle.generateKey("X25519", true, ["deriveBits"]), await subtle.generateKey("X25519", true, ["deriveBits"])];
  const mine = await copy(one.privateKey, { name: "X25519" }, ["deriveBits"]);
  check(same(await subtle.deriveBits({ name: "X25519", public: one.publicKey }, other.privateKey, null), await subtle.deriveBits({ name: "X25519", public: other.publicKey }, mine, null)), "X25519");
}
const publicExponent = new Uint8Array([0, 1, 0, 1]);
const pair = await subtle.generateKey({ name: "RSA-PSS", hash: "SHA-256", modulusLength: 2049, publicExponent }, true, ["sign", "verify"]);
check(pair.publicKey.algorithm.modulusLength === 2049 && pair.publicKey.algorithm.publicExponent.join() === "1,0,1", "the modulus");
const pkcs8 = await subtle.exportKey("pkcs8", pair.privateKey);
const spki = await subtle.exportKey("spki", pair.publicKey);
for (const hash of hashes) {
  for (const [name, more] of [["RSA-PSS", { saltLength: 20 }], ["RSASSA-PKCS1-v1_5", {}]]) {
    const open = await copy(await subtle.importKey("spki", spki, { name, hash }, true, ["verify"]), { name, hash }, ["verify"]);
    const key = await copy(await subtle.importKey("pkcs8", pkcs8, { name, hash }, true, ["sign"]), { name, hash }, ["sign"]);
    const signatures = [await subtle.sign({ name, ...more }, key, message), await subtle.sign({ name, ...more }, key, message)];
    check(same(...signatures) === (name !== "RSA-PSS"), `two signatures of ${name}`);
    for (const signature of signatures) check(await subtle.verify({ name, ...more }, open, signature, message), `${name} ${hash}`);
  }
  const open = await subtle.importKey("spki", spki, { name: "RSA-OAEP", hash }, true, ["encrypt", "wrapKey"]);
  const key = await subtle.importKey("pkcs8", pkcs8, { name: "RSA-OAEP", hash }, true, ["decrypt", "unwrapKey"]);
  const encrypted = await subtle.encrypt("RSA-OAEP", open, message);
  check(!same(encrypted, await subtle.encrypt("RSA-OAEP", open, message)), "two ciphertexts");
  check(same(await subtle.decrypt("RSA-OAEP", key, encrypted), message), `RSA-OAEP ${hash}`);
  check(await subtle.encrypt("RSA-OAEP", open, new Uint8Array(200)).catch((error) => error.name === "OperationError") === (hash !== "SHA-1") || hash === "SHA-1", "too long");
  const wrapped = await subtle.wrapKey("raw", await subtle.generateKey({ name: "AES-KW", length: 256 }, true, ["wrapKey"]), open, "RSA-OAEP");
  check((await subtle.unwrapKey("raw", wrapped, key, "RSA-OAEP", "AES-KW", false, ["unwrapKey"])).algorithm.length === 256, "a wrapped key");
}
const refused = async (name, algorithm, usages) => {
  const error = await subtle.generateKey(algorithm, true, usages).then(() => ({}), (error) => error);
  check(error.name === name, `${JSON.stringify(algorithm)}: ${error.name}, not ${name}`);
};
await refused("SyntaxError", { name: "ECDSA", namedCurve: "P-256" }, ["verify"]);
await refused("SyntaxError", { name: "ECDSA", namedCurve: "P-256" }, ["encrypt"]);
await refused("NotSupportedError", { name: "ECDSA", namedCurve: "P-257" }, ["sign"]);
await refused("OperationError", { name: "AES-GCM", length: 127 }, ["encrypt"]);
await refused("OperationError", { name: "HMAC", hash: "SHA-1", length: 0 }, ["sign"]);
for (const [modulusLength, exponent] of [[1024, [1, 0, 1]], [2047, [1, 0, 1]], [8193, [1, 0, 1]], [4294967295, [1, 0, 1]], [2048, []], [2048, [1]], [2048, [2]], [2048, [3, 0, 0, 0, 1]]]) {
  await refused("OperationError", { name: "RSA-PSS", hash: "SHA-256", modulusLength, publicExponent: new Uint8Array(exponent) }, ["sign"]);
}
await refused("TypeError", { name: "RSA-PSS", hash: "SHA-256", modulusLength: 2048, publicExponent: [1, 0, 1] }, ["sign"]);
console.log("all");
"#;

/// RUN-140: keys are generated with the module's `random`, for every algorithm.
#[test]
fn every_algorithm_works_with_the_right_for_chance() {
    let ran = Scene::of_main(&["random=true"], ALL).run(&[]).completed();
    assert_eq!(ran.out, "all\n");
    assert!(
        ran.audit
            .iter()
            .any(|record| record.family == "random" && record.verdict == Verdict::Allowed)
    );
}

/// RUN-141: with `random = "seeded"`, the keys of a module are the same in every run.
#[test]
fn keys_of_a_seeded_module_are_the_same_in_every_run() {
    let source = "const { subtle } = crypto;
        const publicExponent = new Uint8Array([1, 0, 1]);
        for (const algorithm of [{ name: 'ECDSA', namedCurve: 'P-521' }, 'Ed25519', { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent }]) {
          const { publicKey } = await subtle.generateKey(algorithm, false, ['sign']);
          console.log(new Uint8Array(await subtle.exportKey('spki', publicKey)).toHex());
        }";
    let keys = |grant: &str| Scene::of_main(&[grant], source).run(&[]).completed().out;
    assert_eq!(keys("random=seeded"), keys("random=seeded"));
    assert_ne!(keys("random=true"), keys("random=true"));
}

/// RUN-142: limits act while a key is generated or bits are derived, and other code runs meanwhile.
#[test]
fn limits_act_while_keys_are_generated_or_derived() {
    let derive = "const key = await crypto.subtle.importKey('raw', new Uint8Array(1), 'PBKDF2', false, ['deriveBits']);
        const work = crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 4294967295 }, key, 1024);";
    let generate = "const work = crypto.subtle.generateKey({ name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 8192, publicExponent: new Uint8Array([1, 0, 1]) }, false, ['sign']);";
    let grants = ["random=true"];
    for source in [derive, generate] {
        let begun = Instant::now();
        let limits = Limits {
            cpu: Some(Duration::from_millis(500)),
            ..Limits::default()
        };
        let ran = Scene::of_main(&grants, &format!("{source} await work;"))
            .limits(limits)
            .run(&[]);
        let is_cpu = matches!(
            &ran.exit,
            Ok(Exit::Limit(LimitHit {
                limit: Limit::Cpu(_),
                ..
            }))
        );
        assert!(is_cpu, "{source}: {:?}", ran.exit);
        let limits = Limits {
            wall: Some(Duration::from_millis(500)),
            ..Limits::default()
        };
        let ran = Scene::of_main(&grants, &format!("{source} await work;"))
            .limits(limits)
            .run(&[]);
        let is_wall = matches!(
            &ran.exit,
            Ok(Exit::Limit(LimitHit {
                limit: Limit::Wall(_),
                ..
            }))
        );
        assert!(is_wall, "{source}: {:?}", ran.exit);
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{source}: {:?}",
            begun.elapsed()
        );
        // A timer of the same isolate fires meanwhile, and ends the program.
        let source = format!(
            "{source} work.then(() => {{}}); await new Promise((resolve) => setTimeout(resolve, 20)); throw new Error('meanwhile');"
        );
        let ran = Scene::of_main(&grants, &source).run(&[]);
        let is_thrown = matches!(&ran.exit, Ok(Exit::Uncaught(error)) if error.message.contains("meanwhile"));
        assert!(is_thrown, "{:?}", ran.exit);
    }
}

/// RUN-143: a key stays in its isolate.
#[test]
fn a_key_does_not_cross_to_a_package_with_an_isolate() {
    let manifest = "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n";
    let main = "import { same } from 'p';
        const key = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, ['encrypt']);
        for (const value of [key, { key }, [key], crypto.subtle]) await same(value).then(() => console.log('crossed'), (error) => console.log(error.name));";
    let ran = Scene::new()
        .file("secure.toml", manifest)
        .file("p/index.js", "export const same = (value) => value;")
        .file("main.js", main)
        .run(&[])
        .completed();
    assert_eq!(ran.out, "TypeError\n".repeat(4));
}

/// RUN-144: members of an algorithm are read once, before bytes are copied. A failed decryption does not say why.
#[test]
fn arguments_are_read_once_and_failures_say_nothing() {
    let source = r#"
        const { subtle } = crypto;
        const reads = [];
        const once = (members) => new Proxy(members, { get: (target, key) => (reads.push(key), target[key]) });
        const key = await subtle.importKey("raw", new Uint8Array(16), once({ name: "AES-GCM" }), false, ["encrypt", "decrypt"]);
        const iv = new Uint8Array(12);
        const data = new Uint8Array(40);
        const algorithm = once({ name: "AES-GCM", iv, get additionalData() { data[39] ^= 1; return iv; }, tagLength: 96 });
        const work = subtle.encrypt(algorithm, key, data);
        data.fill(9);
        iv.fill(9);
        const encrypted = await work;
        console.log(reads.join());
        iv.fill(0);
        const plain = await subtle.decrypt({ name: "AES-GCM", iv, additionalData: iv, tagLength: 96 }, key, encrypted);
        console.log(new Uint8Array(plain).join());
        const messages = new Set();
        for (const wrong of [new Uint8Array(0), new Uint8Array(11), new Uint8Array(12), new Uint8Array(100), encrypted.slice(1)]) {
          await subtle.decrypt({ name: "AES-GCM", iv, tagLength: 96 }, key, wrong).catch((error) => messages.add(`${error.name}: ${error.message}`));
        }
        console.log([...messages].join());
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    let zeros = "0,".repeat(39);
    assert_eq!(
        ran.out,
        format!("name,name,additionalData,iv,tagLength\n{zeros}1\nOperationError: the operation failed\n")
    );
}
