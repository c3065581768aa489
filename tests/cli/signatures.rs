//! Signing of programs and packages, and enforcement of signatures: `spec/signatures.md`.

use std::path::PathBuf;

use serde_json::Value;

use super::{command, greeting, has_run, secure_runtime, store};
use crate::support::Scene;

/// Returns `greeting`, locked, with key pairs in `a.key` to `c.key`. Also returns the public keys.
fn locked() -> (Scene, [String; 3]) {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    let key = |name: &str| {
        let key = secure_runtime(&scene, &["key", "generate", "--out", name]).success();
        key.trim_end().to_owned()
    };
    let keys = [key("a.key"), key("b.key"), key("c.key")];
    (scene, keys)
}

/// Adds these lines to the manifest and locks it, because the demands are part of the signed content.
fn demand(scene: Scene, lines: &str) -> Scene {
    let manifest = scene.read("secure.toml");
    let scene = scene.file("secure.toml", format!("{manifest}{lines}\n"));
    secure_runtime(&scene, &["lock"]).success();
    scene
}

fn sign(scene: &Scene, key: &str) {
    let said = secure_runtime(scene, &["sign", "--key", key]).success();
    assert!(said.contains("signed the graph blake3:"), "{said}");
}

fn graph_hash(scene: &Scene) -> String {
    let shown = secure_runtime(scene, &["graph", "show", "--json"]).success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["graph"]
        .as_str()
        .unwrap()
        .strip_prefix("blake3:")
        .unwrap()
        .to_owned()
}

/// Returns the path of a signature in the scene's store.
fn file(scene: &Scene, hash: &str, key: &str) -> PathBuf {
    let key = key.strip_prefix("ed25519/").unwrap();
    store(scene)
        .join("signatures")
        .join(&hash[..2])
        .join(hash)
        .join(key)
}

/// SIG-10: all commands that enforce signatures refuse the program with exit code 4 and the same message.
fn refused(scene: &Scene, parts: &[&str]) {
    for arguments in [
        &["run"][..],
        &["run", "--locked"],
        &["verify"],
        &["lock", "--frozen"],
    ] {
        let said = secure_runtime(scene, arguments).failure_with_hint(4);
        assert!(
            parts.iter().all(|part| said.contains(part)),
            "{parts:?} {arguments:?} {said}"
        );
        assert!(!has_run(scene), "{arguments:?}");
    }
}

fn accepted(scene: &Scene) {
    secure_runtime(scene, &["verify"]).success();
    secure_runtime(scene, &["lock", "--frozen"]).success();
    secure_runtime(scene, &["run", "--locked"]).success();
    assert!(has_run(scene));
    std::fs::remove_file(scene.base().join("out/marker")).unwrap();
}

/// SIG-8, SIG-10.
#[test]
fn a_program_runs_when_enough_have_signed() {
    let (scene, [a, b, c]) = locked();
    let scene = demand(
        scene,
        &format!("[trust]\nthreshold = 2\nkeys = [\"{a}\", \"{b}\", \"{c}\"]"),
    );
    refused(
        &scene,
        &[
            "the program: 0 of the 2 signatures",
            &a,
            &b,
            &c,
            "no signature",
            "secure-runtime sign",
        ],
    );
    sign(&scene, "a.key");
    refused(&scene, &["1 of the 2", &b, &c]);
    sign(&scene, "c.key");
    accepted(&scene);
    // The signatures cover exactly these bytes.
    let scene = scene.file("lib/words.json", "[\"you\"]");
    secure_runtime(&scene, &["lock"]).success();
    refused(&scene, &["0 of the 2", &a]);
}

/// SIG-10: signatures are also enforced for a program without a lock.
#[test]
fn a_program_without_a_lock_needs_signatures_too() {
    let (scene, [a, ..]) = locked();
    let scene = demand(scene, &format!("[trust]\nkeys = [\"{a}\"]"));
    std::fs::remove_file(scene.base().join("secure.lock")).unwrap();
    secure_runtime(&scene, &["run"]).failure_with_hint(4);
    assert!(!has_run(&scene));
    secure_runtime(&scene, &["lock"]).success();
    sign(&scene, "a.key");
    accepted(&scene);
}

/// SIG-8.
#[test]
fn claims_can_be_demanded() {
    let (scene, [a, b, _]) = locked();
    let scene = demand(
        scene,
        &format!("[trust]\nclaims = [\"reviewed\", \"built-from=v1\"]\nkeys = [\"{a}\"]"),
    );
    sign(&scene, "a.key");
    refused(&scene, &["does not claim reviewed"]);
    let claiming = |claims: &[&str]| {
        let mut arguments = vec!["sign", "--key", "a.key"];
        claims
            .iter()
            .for_each(|claim| arguments.extend(["--claim", claim]));
        secure_runtime(&scene, &arguments).success()
    };
    claiming(&["reviewed=yes", "built-from=v2"]);
    refused(&scene, &["does not claim built-from=v1"]);
    let said = claiming(&["reviewed=yes", "built-from=v1"]);
    assert!(said.contains("claiming reviewed=yes, built-from=v1"), "{said}");
    accepted(&scene);
    let asked = ["verify", "--signed-by", &a, "--claim", "reviewed"];
    let said = secure_runtime(&scene, &asked).success();
    assert_eq!(said.matches(&a).count(), 1, "{said}");
    secure_runtime(&scene, &["verify", "--signed-by", &a, "--claim", "audited"]).failure_with_hint(4);
    secure_runtime(&scene, &["verify", "--signed-by", &b]).failure_with_hint(4);
    for wrong in ["Reviewed", "a=", "a b", "a=\u{1}"] {
        secure_runtime(&scene, &["sign", "--key", "a.key", "--claim", wrong]).failure_with_hint(2);
    }
}

/// SIG-9.
#[test]
fn keys_rotate() {
    let (scene, [a, b, _]) = locked();
    sign(&scene, "a.key");
    let old = format!("{{ key = \"{a}\", until = \"2020-01-01T00:00:00Z\" }}");
    let next =
        format!("{{ key = \"{b}\", from = \"2020-01-01T00:00:00Z\", until = \"9999-01-01T00:00:00Z\" }}");
    let scene = demand(scene, &format!("[trust]\nthreshold = 1\nkeys = [{old}, {next}]"));
    refused(
        &scene,
        &["was trusted until 2020-01-01T00:00:00Z", &b, "no signature"],
    );
    sign(&scene, "b.key");
    accepted(&scene);
    let early = scene
        .read("secure.toml")
        .replace("from = \"2020", "from = \"2999");
    let scene = scene.file("secure.toml", early);
    secure_runtime(&scene, &["lock"]).success();
    refused(&scene, &["is trusted from 2999-01-01T00:00:00Z on"]);
}

/// SIG-7.
#[test]
fn a_wrong_signature_is_named_and_nothing_runs() {
    let (scene, [a, b, _]) = locked();
    let scene = demand(
        scene,
        &format!("[trust]\nthreshold = 1\nkeys = [\"{a}\", \"{b}\"]"),
    );
    sign(&scene, "a.key");
    accepted(&scene);
    let hash = graph_hash(&scene);
    let path = file(&scene, &hash, &a);
    let right = std::fs::read(&path).unwrap();
    // Wrong signatures: by another key, for another program, changed, garbage, and too large.
    sign(&scene, "b.key");
    let by_another = std::fs::read(file(&scene, &hash, &b)).unwrap();
    let (other, _) = locked();
    std::fs::copy(scene.base().join("a.key"), other.base().join("same.key")).unwrap();
    let other = other.file("lib/words.json", "[]");
    secure_runtime(&other, &["lock"]).success();
    sign(&other, "same.key");
    let about_another = std::fs::read(file(&other, &graph_hash(&other), &a)).unwrap();
    let mut changed = right.clone();
    changed[20] ^= 1;
    for wrong in [
        by_another,
        about_another,
        changed,
        b"x".to_vec(),
        Vec::new(),
        vec![0; 70_000],
    ] {
        std::fs::write(&path, wrong).unwrap();
        let said = secure_runtime(&scene, &["run"]).failure_with_hint(4);
        assert!(said.contains(&path.display().to_string()), "{said}");
        assert!(!has_run(&scene));
    }
    // A wrong signature is an error even if another one would be sufficient.
    std::fs::write(&path, &right[1..]).unwrap();
    refused(&scene, &["is wrong", &a, &path.display().to_string()]);
    std::fs::write(&path, right).unwrap();
    accepted(&scene);
}

/// SIG-5, SIG-6, SIG-11: other stores, in a folder or over HTTP, provide signatures together with the content.
#[test]
fn signatures_come_from_other_stores() {
    let (scene, [a, ..]) = locked();
    let scene = demand(scene, &format!("[trust]\nkeys = [\"{a}\"]"));
    sign(&scene, "a.key");
    let elsewhere = scene.base().parent().unwrap().join("elsewhere");
    std::fs::rename(store(&scene), &elsewhere).unwrap();
    refused(&scene, &["no signature"]);

    let mut serve = command(&scene, &["store", "serve", "--listen", "127.0.0.1:0"]);
    let mut server = serve
        .env("SECURE_RUNTIME_STORE", &elsewhere)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(server.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let address = line.trim_end().rsplit(' ').next().unwrap();
    let fetched = secure_runtime(&scene, &["run", "--store", address]);
    let _ = (server.kill(), server.wait());
    fetched.success();
    std::fs::remove_file(scene.base().join("out/marker")).unwrap();
    // The local store kept the signature.
    assert!(file(&scene, &graph_hash(&scene), &a).exists());
    accepted(&scene);

    std::fs::remove_dir_all(store(&scene)).unwrap();
    let folder = elsewhere.to_str().unwrap();
    secure_runtime(&scene, &["verify"]).failure_with_hint(4);
    let said = secure_runtime(&scene, &["verify", "--store", folder]).success();
    assert!(
        said.contains(&format!("the program signed by {a} at 2")),
        "{said}"
    );
    secure_runtime(&scene, &["lock", "--frozen", "--store", folder]).success();
}

/// SIG-11.
#[test]
fn only_verified_programs_are_signed() {
    let (scene, [a, b, c]) = locked();
    let scene = scene.file("vendor/greet/index.js", "changed");
    secure_runtime(&scene, &["sign", "--key", "a.key"]).failure_with_hint(4);
    assert!(!store(&scene).join("signatures").exists());
    secure_runtime(&scene, &["lock"]).success();
    sign(&scene, "a.key");
    sign(&scene, "b.key");
    let verify = |arguments: &[&str]| secure_runtime(&scene, &[&["verify"], arguments].concat());
    verify(&["--signed-by", &a, "--signed-by", &b]).success();
    let said = verify(&["--signed-by", &a, "--signed-by", &c]).failure_with_hint(4);
    assert!(
        said.contains("1 of the 2") && said.contains(&c) && !said.contains(&a),
        "{said}"
    );
    verify(&["--signed-by", &a, "--signed-by", &c, "--threshold", "1"]).success();
    for wrong in [
        &["--signed-by", "ed25519/00"][..],
        &["--signed-by", &a, "--signed-by", &a],
        &["--signed-by", &a, "--threshold", "0"],
        &["--signed-by", &a, "--threshold", "2"],
    ] {
        verify(wrong).failure_with_hint(2);
    }
    let report: Value = serde_json::from_str(&verify(&["--json", "--signed-by", &b]).success()).unwrap();
    assert_eq!(report["signatures"][0]["key"], b.as_str());
    secure_runtime(&scene, &["sign", "--key", "a.key", "--package", "nobody"]).failure_with_hint(2);
}

/// SIG-11: a user can demand signatures that the manifest does not demand.
#[test]
fn a_run_demands_signatures() {
    let (scene, [a, b, _]) = locked();
    let run = |arguments: &[&str]| secure_runtime(&scene, &[&["run"], arguments].concat());
    let printed = run(&[]).success();
    assert!(!printed.is_empty());
    let refused = |arguments: &[&str], reason: &str| {
        let done = run(arguments);
        assert_eq!(done.out, "", "something was evaluated");
        let said = done.failure_with_hint(4);
        assert!(said.contains(reason), "{said}");
    };
    refused(&["--signed-by", &a], &a);
    sign(&scene, "a.key");
    assert_eq!(run(&["--signed-by", &a]).success(), printed);
    refused(&["--signed-by", &a, "--signed-by", &b], &b);
    refused(&["--signed-by", &a, "--claim", "reviewed"], "reviewed");
    assert_eq!(
        run(&["--signed-by", &a, "--signed-by", &b, "--threshold", "1"]).success(),
        printed
    );
    // A single file has no signatures.
    std::fs::write(scene.base().join("alone.js"), "console.log(1)").unwrap();
    run(&["alone.js"]).success();
    refused(&["--signed-by", &a, "alone.js"], &a);
    run(&["--threshold", "1"]).failure(2);
}

/// SIG-4, SIG-8: the signature of a package is valid in every program, but only for the signed content.
#[test]
fn a_package_is_signed_for_all_programs() {
    let (reviewer, [a, ..]) = locked();
    let arguments = [
        "sign",
        "--key",
        "a.key",
        "--package",
        "greet",
        "--claim",
        "reviewed",
    ];
    let said = secure_runtime(&reviewer, &arguments).success();
    assert!(said.contains("signed the package blake3:"), "{said}");
    let folder = store(&reviewer);

    // Another program uses the package under another name.
    let manifest = reviewer.read("secure.toml").replace("greet = ", "hello = ");
    let main = reviewer.read("main.js").replace("from 'greet'", "from 'hello'");
    let trust = format!("[packages.hello.trust]\nkeys = [\"{a}\"]\nclaims = [\"reviewed\"]\n");
    let scene = greeting()
        .file("secure.toml", format!("{manifest}{trust}"))
        .file("main.js", main);
    secure_runtime(&scene, &["lock"]).success();
    refused(
        &scene,
        &["package hello: 0 of the 1 signatures", "package blake3:"],
    );
    let from_there = ["verify", "--store", folder.to_str().unwrap()];
    let said = secure_runtime(&scene, &from_there).success();
    assert!(said.contains("package hello signed by"), "{said}");
    accepted(&scene);
    let scene = scene.file("vendor/greet/hello.js", "export const hello = 'Bye';\n");
    secure_runtime(&scene, &["lock"]).success();
    refused(&scene, &["package hello: 0 of the 1"]);
    let said = secure_runtime(&scene, &from_there).failure_with_hint(4);
    assert!(said.contains(&a), "{said}");
}

/// SIG-8.
#[test]
fn policies_without_effect_are_refused() {
    let (scene, [a, b, _]) = locked();
    let manifest = scene.read("secure.toml");
    let mut scene = scene;
    for (wrong, said) in [
        ("[trust]", "names no key"),
        ("[trust]\nkeys = []", "names no key"),
        ("[trust]\nkeys = \"A\"", "a list"),
        ("[trust]\nkeys = [1]", "a public key"),
        ("[trust]\nkeys = [\"ed25519/00\"]", "64 lower-case"),
        ("[trust]\nkeys = [\"A\", \"A\"]\nthreshold = 2", "twice"),
        ("[trust]\nkeys = [\"A\", { key = \"A\" }]\nthreshold = 1", "twice"),
        ("[trust]\nkeys = [\"A\", \"B\"]", "several keys need a threshold"),
        ("[trust]\nkeys = [\"A\", \"B\"]\nthreshold = 3", "threshold is 3"),
        ("[trust]\nkeys = [\"A\"]\nthreshold = 0", "threshold is 0"),
        ("[trust]\nkeys = [\"A\"]\nthreshold = -1", "whole number"),
        ("[trust]\nkeys = [\"A\"]\nthreshold = \"1\"", "whole number"),
        (
            "[trust]\nkeys = [{ until = \"2030-01-01T00:00:00Z\" }]",
            "no `key`",
        ),
        (
            "[trust]\nkeys = [{ key = \"A\", until = \"soon\" }]",
            "not a time",
        ),
        ("[trust]\nkeys = [{ key = \"A\", til = \"soon\" }]", "unknown key"),
        (
            "[trust]\nkeys = [{ key = \"A\", from = \"2030-01-01T00:00:00Z\", until = \"2030-01-01T00:00:00Z\" }]",
            "until",
        ),
        ("[trust]\nkeys = [\"A\"]\nclaims = [\"Reviewed\"]", "not a claim"),
        ("[trust]\nkeys = [\"A\"]\nkey = \"A\"", "unknown key"),
        ("[packages.greet.trust]\nkeys = []", "names no key"),
        ("[modules.\"./main.js\".trust]\nkeys = [\"A\"]", "unknown key"),
    ] {
        let lines = wrong
            .replace("\"A\"", &format!("\"{a}\""))
            .replace("\"B\"", &format!("\"{b}\""));
        scene = scene.file("secure.toml", format!("{manifest}{lines}\n"));
        let error = secure_runtime(&scene, &["verify"]).failure(2);
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

#[test]
fn every_line_of_the_specification_has_a_test() {
    let tests = [
        include_str!("signatures.rs"),
        include_str!("../../src/signatures/trust.rs"),
        include_str!("../../capabilities/tests/suite/statements.rs"),
        include_str!("../../loaders/tests/suite/signatures.rs"),
    ]
    .concat();
    let specification = include_str!("../../spec/signatures.md");
    let lines = specification.split("**").filter(|part| part.starts_with("SIG-"));
    let mut count = 0;
    for line in lines {
        let is_named = [".", ",", ":"]
            .iter()
            .any(|end| tests.contains(&format!("{line}{end}")));
        assert!(is_named, "no test names {line}");
        count += 1;
    }
    assert_eq!(count, 11);
}
