//! Durations and sizes.

use super::secure_runtime;
use crate::support::{Scene, manifest};

/// CLI-40. In manifests.
#[test]
fn units_that_differ_by_case_alone_are_refused_in_manifests() {
    let lock = |limits: &str| {
        let scene = Scene::new()
            .file("secure.toml", manifest(&[], &format!("[limits]\n{limits}\n")))
            .file("main.js", "");
        secure_runtime(&scene, &["lock"])
    };
    for right in [
        "wall = \"10m\"",
        "wall = \"2months\"",
        "heap = \"64MiB\"",
        "heap = \"64MB\"",
        "output = \"20kB\"",
    ] {
        lock(right).success();
    }
    for (wrong, meant) in [
        ("wall = \"10M\"", "months"),
        ("cpu = \"1h 10M\"", "months"),
        ("heap = \"64Mib\"", "write MiB"),
        ("heap = \"64mib\"", "write MiB"),
        ("heap = \"64Mb\"", "write MB"),
        ("heap = \"64M\"", "write "),
        ("read = \"1KB\"", "write kB"),
    ] {
        let said = lock(wrong).failure_with_hint(2);
        assert!(said.contains(meant), "{wrong}: {said}");
    }
}

/// CLI-40. In options and in arguments of guests.
#[test]
fn units_that_differ_by_case_alone_are_refused_in_options_and_by_guests() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self';\nfor (const expires of ['10m', '10M', '1h 1M', 'soon']) {\n\
         try { fs.attenuate({ expires }); console.log('yes'); } catch (error) { console.log(error.message.includes('months')); } }",
    );
    assert_eq!(
        secure_runtime(&scene, &["run"]).success(),
        "yes\ntrue\ntrue\nfalse\n"
    );
    secure_runtime(&scene, &["key", "generate", "--out", "root.key"]).success();
    let mint = |expires: &str| {
        secure_runtime(
            &scene,
            &[
                "token",
                "mint",
                "--key",
                "root.key",
                "--grant",
                "fs.read=./data/**",
                "--expires",
                expires,
            ],
        )
    };
    assert_eq!(mint("10m").code, Some(0));
    assert!(mint("10M").failure_with_hint(2).contains("months"));
    let revoke = |valid: &str, list: &str| {
        secure_runtime(
            &scene,
            &[
                "token", "revoke", "--key", "root.key", "--list", list, "--valid", valid,
            ],
        )
    };
    assert_eq!(revoke("1h", "a.list").code, Some(0));
    assert!(revoke("1M", "b.list").failure_with_hint(2).contains("months"));
    secure_runtime(&scene, &["store", "gc", "--older-than", "1M"]).failure(2);
    secure_runtime(&scene, &["store", "gc", "--older-than", "1day"]).success();
    secure_runtime(&scene, &["run", "--audit", "a.jsonl", "--audit-max-size", "20Kb"]).failure(2);
}
