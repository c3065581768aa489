//! `token seal`, `token attest`, `token challenge` and `token prove`: delegation between programs.

use secure_runtime_capabilities::{KeyPair, Token};
use serde_json::Value;

use super::{Done, secure_runtime};
use crate::support::Scene;

/// Creates a scene with `root.key` and `a.token`, which may read `./data/**`. Also returns the public key.
pub(super) fn with_token() -> (Scene, String) {
    let scene = Scene::new();
    let root = key(&scene, "root.key");
    run(
        &scene,
        "token mint --key root.key --grant fs.read=./data/** --out a.token",
    )
    .success();
    (scene, root)
}

/// Creates a key pair in this file, and returns the public key.
pub(super) fn key(scene: &Scene, file: &str) -> String {
    let public = secure_runtime(scene, &["key", "generate", "--out", file]).success();
    public.trim().to_owned()
}

/// Runs the command line. Words in single quotes may contain spaces.
pub(super) fn run(scene: &Scene, line: &str) -> Done {
    secure_runtime(scene, &words(line))
}

pub(super) fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        })
        .collect()
}

/// Converts `ed25519/KEY` to a holder.
fn holder(public: &str) -> String {
    public.replacen('/', ":", 1)
}

/// CLI-17, TOK-38.
#[test]
fn a_sealed_token_is_for_its_holder_and_cannot_be_extended() {
    let (scene, root) = with_token();
    let bob = holder(&key(&scene, "bob.key"));
    run(
        &scene,
        &format!("token seal a.token --root-key {root} --holder {bob} --out b.token"),
    )
    .success();
    let ask = format!("token verify b.token --root-key {root} --operation 'fs read data/x'");
    run(&scene, &format!("{ask} --holder {bob}")).success();
    // A key in the format that `key` prints also names a holder.
    run(&scene, &format!("{ask} --holder {}", bob.replacen(':', "/", 1))).success();
    // Several holders may present a token together.
    let module = format!("blake3:{}", "cd".repeat(32));
    run(&scene, &format!("{ask} --holder {module} --holder {bob}")).success();
    let said = run(&scene, &format!("{ask} --holder {module}")).failure_with_hint(3);
    assert!(
        said.contains("refused by block 1: it is bound to another holder"),
        "{said}"
    );
    for grow in [
        format!("token attenuate b.token --root-key {root} --expires 1h"),
        format!("token seal b.token --root-key {root} --holder {bob}"),
        format!("token attest request b.token --root-key {root}"),
    ] {
        let said = run(&scene, &grow).failure_with_hint(2);
        assert!(said.contains("sealed"), "{said}");
    }
    // The original token is unchanged.
    run(
        &scene,
        &format!("token attenuate a.token --root-key {root} --expires 1h"),
    )
    .success();

    let tree = run(&scene, &format!("token inspect b.token --root-key {root}")).success();
    assert!(
        tree.contains(", sealed; its signatures hold")
            && tree.contains(&format!("bound to {}", bob.replacen(':', "/", 1))),
        "{tree}"
    );
    let is_sealed = |token: &str| {
        let shown = run(&scene, &format!("token inspect {token} --root-key {root} --json"));
        serde_json::from_str::<Value>(&shown.success()).unwrap()["sealed"].clone()
    };
    assert_eq!(is_sealed("b.token"), true);
    assert_eq!(is_sealed("a.token"), false);
}

/// CLI-18, TOK-39. The public key alone does not prove that its presenter is the holder.
#[test]
fn possession_is_proven_by_an_answer_to_a_challenge() {
    let (scene, root) = with_token();
    let bob = key(&scene, "bob.key");
    let eve = key(&scene, "eve.key");
    let seal = format!("token seal a.token --root-key {root} --holder {}", holder(&bob));
    run(&scene, &format!("{seal} --out b.token")).success();
    let challenge = || run(&scene, "token challenge").success().trim().to_owned();
    let prove = |token: &str, key: &str, challenge: &str| {
        let answer = run(
            &scene,
            &format!("token prove {token} --root-key {root} --key {key} --challenge {challenge}"),
        );
        answer.success().trim().to_owned()
    };
    let verify = |challenge: &str, proof: &str, by: &str| {
        run(
            &scene,
            &format!(
                "token verify b.token --root-key {root} --operation 'fs read data/x' --challenge {challenge} --proof {proof} --by {by}"
            ),
        )
    };
    let (first, second) = (challenge(), challenge());
    assert_ne!(first, second);
    let proof = prove("b.token", "bob.key", &first);
    verify(&first, &proof, &bob).success();

    // The command makes no proof with another key (CLI-18), but an attacker can.
    let forged = |challenge: &str| {
        let eve: KeyPair = scene.read("eve.key").trim().parse().unwrap();
        let token = Token::parse_text(scene.read("b.token").trim(), &root.parse().unwrap()).unwrap();
        eve.prove(&token, &challenge.parse().unwrap()).to_string()
    };

    // A proof for another challenge, for another token, or by another key.
    for (challenge, proof, by) in [
        (&second, &proof, &bob),
        (&first, &prove("a.token", "bob.key", &first), &bob),
        (&first, &forged(&first), &bob),
        (&first, &proof, &eve),
    ] {
        let said = verify(challenge, proof, by).failure_with_hint(4);
        assert!(said.contains("the proof does not hold"), "{said}");
    }
    // A proof with another key proves another holder.
    verify(&first, &forged(&first), &eve).failure_with_hint(3);
    run(&scene, &format!("token verify b.token --root-key {root}")).failure_with_hint(3);
    for wrong in ["ab", "", "nonsense"] {
        verify(&first, wrong, &bob).failure(2);
        verify(wrong, &proof, &bob).failure(2);
    }
    run(
        &scene,
        &format!("token verify b.token --root-key {root} --challenge {first}"),
    )
    .failure(2);
}

/// CLI-17, TOK-34. An auditor attests every module of a lock, without seeing the token.
#[test]
fn an_auditor_attests_the_modules_of_a_lock() {
    let (scene, root) = with_token();
    let auditor = key(&scene, "auditor.key");
    let scene = scene
        .file("secure.toml", crate::support::manifest(&["fs.read=./**"], ""))
        .file("main.js", "import './other.js';")
        .file("other.js", "export {};");
    run(&scene, "lock").success();
    run(
        &scene,
        &format!("token attenuate a.token --root-key {root} --attested-by {auditor} --out demanding.token"),
    )
    .success();
    let verify = |token: &str, module: &str| {
        run(
            &scene,
            &format!("token verify {token} --root-key {root} --operation 'fs read data/x' --holder {module}"),
        )
    };
    let hash = |file: &str| {
        let added = secure_runtime(&scene, &["store", "add", file]).success();
        added.split_whitespace().next().unwrap().to_owned()
    };
    let (main, other, lock) = (hash("main.js"), hash("other.js"), hash("secure.lock"));
    let said = verify("demanding.token", &main).failure_with_hint(3);
    assert!(
        said.contains(&format!(
            "refused by block 1: it is only for modules that {auditor} attested"
        )),
        "{said}"
    );

    let request = run(
        &scene,
        &format!("token attest request demanding.token --root-key {root}"),
    )
    .success();
    assert!(request.len() < 120, "a request has little more than a signature");
    std::fs::write(scene.base().join("request"), request).unwrap();
    let sign = |more: &str| {
        run(
            &scene,
            &format!("token attest sign request --key auditor.key {more}"),
        )
    };
    let signed = sign("--graph secure.lock");
    assert!(signed.err.contains("vouches for 2 modules"), "{signed:?}");
    std::fs::write(scene.base().join("all"), signed.success()).unwrap();
    let signed = sign(&format!("--module {main} --module {main}")).success();
    std::fs::write(scene.base().join("one"), signed).unwrap();
    let add = |token: &str, attestation: &str, by: &str, out: &str| {
        run(
            &scene,
            &format!("token attest add {token} {attestation} --root-key {root} --by {by} --out {out}"),
        )
    };
    add("demanding.token", "all", &auditor, "all.token").success();
    add("demanding.token", "one", &auditor, "one.token").success();
    verify("all.token", &main).success();
    verify("all.token", &other).success();
    verify("all.token", &lock).failure_with_hint(3);
    verify("one.token", &main).success();
    verify("one.token", &other).failure_with_hint(3);
    run(&scene, &format!("token verify one.token --root-key {root}")).failure_with_hint(3);
    run(
        &scene,
        &format!("token verify one.token --root-key {root} --holder {main}"),
    )
    .success();

    let tree = run(&scene, &format!("token inspect all.token --root-key {root}")).success();
    for part in [
        format!("only for modules attested by {auditor}"),
        format!("{auditor} attests 2 modules"),
        format!("  {main}\n"),
        "block 2, by a third party".to_owned(),
    ] {
        assert!(tree.contains(&part), "{part}: {tree}");
    }
    let shown = run(
        &scene,
        &format!("token inspect one.token --root-key {root} --json"),
    )
    .success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["blocks"][1]["attested_by"], auditor.as_str());
    assert_eq!(
        shown["blocks"][2]["attestation"],
        serde_json::json!({ "by": auditor, "modules": [main] })
    );

    // Wrong attestations: by another key, for another token, for an earlier state of this token, and a file that is
    // none.
    add("demanding.token", "all", &root, "x.token").failure_with_hint(4);
    add("a.token", "all", &auditor, "x.token").failure_with_hint(4);
    add("one.token", "all", &auditor, "x.token").failure_with_hint(4);
    add("demanding.token", "request", &auditor, "x.token").failure_with_hint(4);
    assert!(!scene.base().join("x.token").exists());
    run(
        &scene,
        "token attest sign all --key auditor.key --graph secure.lock",
    )
    .failure_with_hint(4);
    sign("").failure(2);
    sign("--module blake3:00").failure_with_hint(2);
    sign("--graph main.js").failure_with_hint(4);
}

#[test]
fn a_new_attestation_can_be_added_beside_an_old_one() {
    let (scene, root) = with_token();
    let auditor = key(&scene, "auditor.key");
    let modules = ["aa", "bb"].map(|digits| format!("blake3:{}", digits.repeat(32)));
    let mut token = "a.token".to_owned();
    for (number, module) in modules.iter().enumerate() {
        let next = format!("{number}.token");
        let request = run(&scene, &format!("token attest request {token} --root-key {root}")).success();
        std::fs::write(scene.base().join("request"), request).unwrap();
        let signed = run(
            &scene,
            &format!("token attest sign request --key auditor.key --module {module}"),
        )
        .success();
        std::fs::write(scene.base().join("signed"), signed).unwrap();
        run(
            &scene,
            &format!("token attest add {token} signed --root-key {root} --by {auditor} --out {next}"),
        )
        .success();
        token = next;
    }
    run(
        &scene,
        &format!("token attenuate {token} --root-key {root} --attested-by {auditor} --out last.token"),
    )
    .success();
    for module in modules {
        run(
            &scene,
            &format!("token verify last.token --root-key {root} --holder {module}"),
        )
        .success();
    }
}

/// Runs the commands of the README's section literally, in a shell that stops at the first failure.
#[test]
fn the_commands_of_the_readme_work() {
    let readme = include_str!("../../README.md");
    let section = readme.split("## Delegation between programs").nth(1).unwrap();
    let script = section.split("```sh\n").nth(1).unwrap();
    let script = script.split("```").next().unwrap();
    let scene = Scene::new()
        .file("secure.toml", crate::support::manifest(&["fs.read=./**"], ""))
        .file(
            "main.js",
            "import { fs } from 'cap:self';\nconsole.log(await fs.readTextFile('data/public/notes.txt'));",
        )
        .file("data/public/notes.txt", "the notes");
    run(&scene, "lock").success();
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_secure-runtime"))
        .parent()
        .unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-euc", script]).current_dir(scene.base()).env_clear();
    shell.env("PATH", path).env("HOME", super::home(&scene));
    let out = Done::from(shell.output().unwrap()).success();
    assert_eq!(out.matches("the notes\n").count(), 2, "{out}");
    for part in [
        ", sealed; its signatures hold",
        "notes.txt is allowed",
        "revoked block 2 of bob.token",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    // The state at the end is the promised one.
    let root = run(&scene, "key public root.key").success();
    let line = format!(
        "run --token bob.token --root-key {} --holder-key bob.key --revocations revoked.list",
        root.trim()
    );
    let said = run(&scene, &line).failure_with_hint(3);
    assert!(said.contains("revoked"), "{said}");
}
