//! Programs that may write files that decide about them.

use super::delegation::{key, run};
use super::secure_runtime;
use crate::support::Scene;

/// CLI-39.
#[test]
fn a_program_that_may_write_its_manifest_is_refused() {
    for (scope, written) in [
        ("./**", true),
        ("./secure.toml", true),
        ("./secure.lock", true),
        ("./out/**", false),
        ("./secure.toml.old", false),
    ] {
        let scene = Scene::of_main(&[&format!("fs.write={scope}")], "console.log('ran');").folder("out");
        let warned = secure_runtime(&scene, &["lock"]);
        assert_eq!(warned.code, Some(0), "{warned:?}");
        assert_eq!(
            warned.err.contains("--allow-self-write"),
            written,
            "{scope} {warned:?}"
        );
        let ran = secure_runtime(&scene, &["run"]);
        if written {
            assert!(!ran.out.contains("ran"), "{scope}");
            let said = ran.failure_with_hint(2);
            assert!(
                said.contains("/secure.") && said.contains("--allow-self-write"),
                "{said}"
            );
        } else {
            assert_eq!(ran.success(), "ran\n");
        }
        let ran = secure_runtime(&scene, &["run", "--allow-self-write"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), "ran\n"), "{ran:?}");
        assert_eq!(
            ran.err.contains("warning: the program may write"),
            written,
            "{ran:?}"
        );
    }
}

/// CLI-39. Links are resolved.
#[test]
fn a_program_that_may_write_its_audit_file_is_refused() {
    let scene = || {
        Scene::of_main(&["fs.write=./out/**"], "console.log('ran');")
            .folder("out")
            .folder("log")
    };
    let run = |scene: &Scene, file: &str, more: &[&str]| {
        secure_runtime(scene, &[&["run", "--audit", file], more].concat())
    };
    let said = run(&scene(), "out/audit.jsonl", &[]).failure_with_hint(2);
    assert!(said.contains("out/audit.jsonl"), "{said}");
    run(&scene(), "out/../out/audit.jsonl", &[]).failure(2);
    let linked = scene().link("audit", "out");
    run(&linked, "audit/audit.jsonl", &[]).failure(2);
    let linked = scene().file("out/a.jsonl", "").link("a.jsonl", "out/a.jsonl");
    run(&linked, "a.jsonl", &[]).failure(2);
    assert_eq!(run(&scene(), "log/audit.jsonl", &[]).success(), "ran\n");
    assert_eq!(
        run(&scene(), "out/audit.jsonl", &["--allow-self-write"]).success(),
        "ran\n"
    );
    let kept = || Scene::of_main(&["fs.write=./log/a.jsonl.2"], "console.log('ran');").folder("log");
    run(&kept(), "log/a.jsonl", &["--audit-max-size", "20kB"]).failure(2);
    assert_eq!(run(&kept(), "log/a.jsonl", &[]).success(), "ran\n");
    // The check also applies to a file without a manifest.
    let scene = Scene::new().file("main.js", "console.log('ran');");
    let arguments = ["run", "main.js", "--grant", "fs.write=./**", "--audit", "a.jsonl"];
    secure_runtime(&scene, &arguments).failure(2);
    assert_eq!(secure_runtime(&scene, &arguments[..4]).success(), "ran\n");
}

/// CLI-39. The grants of a program are those that its token leaves.
#[test]
fn a_program_may_write_what_its_token_leaves() {
    let scene = Scene::of_main(&["fs.write=./**"], "console.log('ran');")
        .folder("out")
        .folder("log");
    let root = key(&scene, "root.key");
    for (scope, token, written) in [
        ("./out/**", "out.token", None),
        ("./**", "all.token", Some("secure.toml")),
        ("./log/**", "log.token", Some("log/audit.jsonl")),
    ] {
        let mint = format!("token mint --key root.key --grant fs.write={scope} --out {token}");
        run(&scene, &mint).success();
        let ran = run(
            &scene,
            &format!("run --token {token} --root-key {root} --audit log/audit.jsonl"),
        );
        let Some(written) = written else {
            assert_eq!(ran.success(), "ran\n");
            continue;
        };
        let said = ran.failure_with_hint(2);
        assert!(
            said.contains("the program may write") && said.contains(written),
            "{said}"
        );
    }
}
