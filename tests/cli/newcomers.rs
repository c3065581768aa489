//! Errors that newcomers make: each message names the wrong option or file, and its help is about this error.

use std::time::Duration;

use super::{Done, command, greeting, has_run, secure_runtime};
use crate::support::Scene;

/// Creates the greeting program with two keys and two tokens: `a.token`, and `b.token`, which is bound to `bob.key`.
/// Returns the public keys of root and Bob.
fn with_tokens() -> (Scene, String, String) {
    let scene = greeting();
    let key = |name: &str| {
        let public = secure_runtime(&scene, &["key", "generate", "--out", name]).success();
        public.trim().to_owned()
    };
    let (root, bob) = (key("root.key"), key("bob.key"));
    let mint = "token mint --key root.key --grant fs.write=./out/** --out a.token";
    said(&scene, mint).success();
    let seal = format!("token seal a.token --root-key {root} --holder {bob} --out b.token");
    said(&scene, &seal).success();
    let scene = scene.file("bob.pub", format!("{bob}\n"));
    (scene, root, bob)
}

fn said(scene: &Scene, words: &str) -> Done {
    secure_runtime(scene, &words.split(' ').collect::<Vec<_>>())
}

/// CLI-18: a proof with a key that the token is not bound to proves nothing, so none is made.
#[test]
fn a_proof_needs_the_key_of_the_holder() {
    let (scene, root, bob) = with_tokens();
    let challenge = said(&scene, "token challenge").success();
    let prove = |token: &str, key: &str| {
        said(
            &scene,
            &format!(
                "token prove {token} --root-key {root} --key {key} --challenge {}",
                challenge.trim()
            ),
        )
    };
    prove("b.token", "bob.key").success();
    let wrong = prove("b.token", "root.key");
    assert_eq!(wrong.out, "");
    let wrong = wrong.failure_with_hint(2);
    for part in ["--key root.key", "bound to", &root, &bob] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    // A token that is bound to nobody needs no proof, but a proof for it is true.
    prove("a.token", "root.key").success();
    let module = format!("blake3:{}", "07".repeat(32));
    said(
        &scene,
        &format!("token seal a.token --root-key {root} --holder {module} --out c.token"),
    )
    .success();
    let wrong = prove("c.token", "bob.key").failure_with_hint(2);
    assert!(wrong.contains(&module) && wrong.contains("a module"), "{wrong}");
}

/// CLI-54.
#[test]
fn the_wrong_option_is_named() {
    let (scene, root, _) = with_tokens();
    said(&scene, "lock").success();
    let scene = scene.file("words.txt", "hello\n");
    let challenge = said(&scene, "token challenge").success();
    let challenge = challenge.trim();
    for (words, parts) in [
        ("sign --key bob.pub", ["--key bob.pub", "this is a public key"]),
        ("sign --key words.txt", ["--key words.txt", "ed25519-private/"]),
        (
            "token mint --grant random=true --key bob.pub",
            ["--key bob.pub", "this is a public key"],
        ),
        ("key public bob.pub", ["bob.pub", "this is a public key"]),
        (
            "token revoke --list l --key bob.pub",
            ["--key bob.pub", "this is a public key"],
        ),
        (
            "run --token a.token --root-key root.key",
            ["--root-key", "secure-runtime key public"],
        ),
        (
            "explain --token a.token --root-key bob --module greet random",
            ["--root-key", "secure-runtime key public"],
        ),
        (
            "token inspect a.token --root-key root.key",
            ["--root-key", "secure-runtime key public"],
        ),
        (
            &format!("run --token b.token --root-key {root} --holder-key bob.pub"),
            ["--holder-key bob.pub", "this is a public key"],
        ),
        (
            &format!("token prove b.token --root-key {root} --key bob.pub --challenge {challenge}"),
            ["--key bob.pub", "this is a public key"],
        ),
        ("verify --signed-by bob.pub", ["--signed-by", "ed25519/"]),
        ("token revocations l --key bob", ["--key", "ed25519/"]),
        ("store serve --root-key root.key", ["--root-key", "ed25519/"]),
        (
            &format!("token attenuate a.token --root-key {root} --attested-by bob"),
            ["--attested-by", "ed25519/"],
        ),
        (
            &format!("token attenuate a.token --root-key {root} --holder bob"),
            ["--holder", "public key"],
        ),
        (
            &format!(
                "token verify b.token --root-key {root} --challenge {challenge} --proof {} --by bob",
                "00".repeat(64)
            ),
            ["--by", "ed25519/"],
        ),
    ] {
        let wrong = said(&scene, words).failure_with_hint(2);
        let first = wrong.lines().next().unwrap();
        assert!(first.contains(parts[0]), "{words}: {wrong}");
        assert!(wrong.contains(parts[1]), "{words}: {wrong}");
    }
    assert!(!has_run(&scene));

    // A private key in place of a public one is not repeated.
    let private = scene.read("root.key");
    let wrong = said(
        &scene,
        &format!("run --token a.token --root-key {}", private.trim()),
    )
    .failure_with_hint(2);
    assert!(
        wrong.contains("--root-key: this is a private key") && !wrong.contains(private.trim()),
        "{wrong}"
    );
}

/// CLI-54.
#[test]
fn a_key_in_place_of_a_token_is_named() {
    let (scene, root, bob) = with_tokens();
    for (words, parts) in [
        (
            format!("run --token root.key --root-key {root}"),
            ["--token root.key: this is a private key", "token mint"],
        ),
        (
            format!("run --token bob.pub --root-key {root}"),
            ["--token bob.pub: this is a public key", "token mint"],
        ),
        (
            format!("token inspect root.key --root-key {root}"),
            ["the token root.key: this is a private key", "token mint"],
        ),
    ] {
        let wrong = said(&scene, &words).failure_with_hint(2);
        for part in parts {
            assert!(wrong.contains(part), "{words}: {wrong}");
        }
        assert!(!wrong.contains(scene.read("root.key").trim()), "{wrong}");
    }
    // The token of another issuer.
    let wrong = said(&scene, &format!("run --token a.token --root-key {bob}")).failure_with_hint(4);
    assert!(wrong.contains("--token a.token"), "{wrong}");
    assert!(!has_run(&scene));
}

/// CLI-24.
#[test]
fn a_missing_graph_is_explained() {
    let scene = greeting();
    let wrong = said(&scene, "graph diff old.lock").failure_with_hint(2);
    for part in [
        "old.lock: there is no such file",
        "secure.lock",
        "secure.toml",
        "git show",
    ] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    said(&scene, "lock").success();
    let wrong = said(&scene, "graph diff secure.lock.txt").failure_with_hint(4);
    assert!(wrong.contains("not its text"), "{wrong}");
}

#[test]
fn commands_of_init_can_be_pasted() {
    for (name, shown) in [
        ("hello", "secure-runtime run hello\n"),
        ("my program", "secure-runtime run 'my program'\n"),
        ("it's", "secure-runtime run 'it'\\''s'\n"),
        ("$HOME", "secure-runtime run '$HOME'\n"),
    ] {
        let scene = Scene::new();
        let out = secure_runtime(&scene, &["init", name]).success();
        assert!(out.contains(shown), "{name}: {out}");
        let binary = std::path::Path::new(env!("CARGO_BIN_EXE_secure-runtime"));
        for line in out
            .lines()
            .filter_map(|line| line.strip_prefix("  secure-runtime "))
        {
            let ran = std::process::Command::new("sh")
                .args(["-c", &format!("{} {line}", binary.display())])
                .current_dir(scene.base())
                .env("SECURE_RUNTIME_STORE", super::store(&scene))
                .output()
                .unwrap();
            assert!(ran.status.success(), "{line}: {ran:?}");
        }
    }
}

/// CLI-30.
#[test]
fn a_token_over_plain_http_has_a_remedy() {
    let (scene, ..) = with_tokens();
    let add = "store add main.js --to http://192.0.2.1:7000 --store-token a.token";
    let wrong = said(&scene, add).failure_with_hint(2);
    assert!(
        wrong.contains("others could read it") && !wrong.contains("is not a store"),
        "{wrong}"
    );
    let help = wrong.lines().find(|line| line.contains("help: ")).unwrap();
    assert!(
        help.contains("https://") && help.contains("http://127.0.0.1"),
        "{wrong}"
    );
}

#[test]
fn the_help_of_a_syntax_error_is_about_syntax() {
    for (name, source) in [("main.js", "const = 1;"), ("vendor/greet/hello.js", "export {")] {
        let scene = greeting().file(name, source);
        for command in ["lock", "run"] {
            let wrong = said(&scene, command).failure_with_hint(2);
            assert!(
                wrong.contains(name) && wrong.contains("help: correct the file at this place"),
                "{name}: {wrong}"
            );
            assert!(!wrong.contains("[imports]"), "{name}: {wrong}");
        }
    }
    let scene = greeting().file("main.js", "import './lost.js';");
    let wrong = said(&scene, "lock").failure_with_hint(2);
    assert!(wrong.contains("[imports]"), "{wrong}");
}

/// CLI-16: a FIFO that nobody reads is an error, and does not block.
#[test]
fn an_audit_fifo_without_a_reader_does_not_block() {
    let scene = greeting();
    let fifo = scene.base().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let mut child = command(&scene, &["run", "--audit", "fifo"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut waited = 0;
    while child.try_wait().unwrap().is_none() && waited < 300 {
        std::thread::sleep(Duration::from_millis(100));
        waited += 1;
    }
    if child.try_wait().unwrap().is_none() {
        child.kill().unwrap();
        panic!("the command blocks");
    }
    let wrong = Done::from(child.wait_with_output().unwrap()).failure_with_hint(2);
    assert!(
        wrong.contains("the audit file fifo") && wrong.contains("nobody reads"),
        "{wrong}"
    );
    assert!(!has_run(&scene));
}

/// CLI-14: the remedy of a block that is bound or revoked is not a grant.
#[test]
fn remedies_are_true() {
    let (scene, root, _) = with_tokens();
    let ask = ["--operation", "fs write out/x"];
    let verify = format!("token verify b.token --root-key {root}");
    let verify: Vec<&str> = verify.split(' ').chain(ask).collect();
    let bound = secure_runtime(&scene, &verify).failure_with_hint(3);
    assert!(
        bound.contains("present") && !bound.contains("can grant it"),
        "{bound}"
    );
    said(
        &scene,
        &format!("token revoke a.token --root-key {root} --key root.key --list l"),
    )
    .success();
    let verify = format!("token verify a.token --root-key {root} --revocations l");
    let verify: Vec<&str> = verify.split(' ').chain(ask).collect();
    let revoked = secure_runtime(&scene, &verify).failure_with_hint(3);
    assert!(
        revoked.contains("new token") && !revoked.contains("can grant it"),
        "{revoked}"
    );
}
