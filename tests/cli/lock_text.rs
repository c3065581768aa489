//! The text of a lock, `secure.lock.txt`: `spec/cli.md`, and `spec/graph.md`, "Text".

use std::fs;

use super::{greeting, has_run, secure_runtime};
use crate::support::Scene;

fn locked() -> Scene {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    secure_runtime(&scene, &["key", "generate", "--out", "a.key"]).success();
    scene
}

/// Checks that the commands that need the text reject the program, that their messages have each of these parts, and
/// that `run` does not notice.
#[track_caller]
fn rejected(scene: &Scene, parts: &[&str]) {
    for arguments in [
        &["verify"][..],
        &["lock", "--frozen"],
        &["sign", "--key", "a.key"],
    ] {
        let said = secure_runtime(scene, arguments).failure_with_hint(4);
        for part in ["secure.lock.txt", "run `secure-runtime lock`"]
            .iter()
            .chain(parts)
        {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
    }
    assert!(!has_run(scene));
    let ran = secure_runtime(scene, &["run", "--locked"]);
    // On QuickJS, `run` notes which engine it is.
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(!ran.err.contains("secure.lock"), "{ran:#?}");
    fs::remove_file(scene.base().join("out/marker")).unwrap();
}

/// CLI-52.
#[test]
fn a_lock_has_its_text() {
    let scene = locked();
    let text = scene.read("secure.lock.txt");
    for line in [
        "entry \"app:/main.js\"",
        "map \"greet\" -> \"./vendor/greet\"",
        "  grant \"fs.write=./out/**\"",
        "package \"greet\"",
        "  import \"./hello.js\" -> \"greet/hello.js\"",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
    let shown = secure_runtime(&scene, &["graph", "show", "--format", "text"]).success();
    assert_eq!(shown, text);
    for arguments in [
        &["verify"][..],
        &["lock", "--frozen"],
        &["sign", "--key", "a.key"],
    ] {
        secure_runtime(&scene, arguments).success();
    }
}

/// CLI-52.
#[test]
fn a_text_that_differs_is_rejected() {
    let scene = locked();
    let text = scene.read("secure.lock.txt");

    // The text shows fewer rights than the lock has.
    let line = "  grant \"fs.write=./out/**\"";
    let number = text.lines().position(|other| other == line).unwrap() + 1;
    let scene = scene.file(
        "secure.lock.txt",
        text.replace(line, "  grant \"fs.write=./log/**\""),
    );
    rejected(
        &scene,
        &[
            &format!("line {number} differs from the lock"),
            "the text:   grant \"fs.write=./log/**\"",
            "the lock:   grant \"fs.write=./out/**\"",
        ],
    );
    let scene = scene.file("secure.lock.txt", text.replace('\n', "\n\u{1b}[2J"));
    rejected(&scene, &["line 2 differs", "\\u{1b}[2J"]);
    fs::remove_file(scene.base().join("secure.lock.txt")).unwrap();
    rejected(&scene, &["is missing"]);

    secure_runtime(&scene, &["lock"]).success();
    assert_eq!(scene.read("secure.lock.txt"), text);
    secure_runtime(&scene, &["verify"]).success();
}

/// CLI-52: the text is that of the new lock, even if the old text was no regular file.
#[test]
fn lock_replaces_the_text() {
    let scene = locked();
    fs::remove_file(scene.base().join("secure.lock.txt")).unwrap();
    std::os::unix::fs::symlink("main.js", scene.base().join("secure.lock.txt")).unwrap();
    secure_runtime(&scene, &["verify"]).failure_with_hint(2);
    let scene = scene.file("lib/words.json", "[\"you\"]");
    secure_runtime(&scene, &["lock"]).success();
    assert!(scene.read("main.js").starts_with("import { fs }"));
    secure_runtime(&scene, &["verify"]).success();

    // If the text cannot be written, the lock stays the old one.
    let old = fs::read(scene.base().join("secure.lock")).unwrap();
    fs::remove_file(scene.base().join("secure.lock.txt")).unwrap();
    let scene = scene
        .file("lib/words.json", "[\"all\"]")
        .folder("secure.lock.txt");
    let said = secure_runtime(&scene, &["lock"]).failure_with_hint(2);
    assert!(said.contains("secure.lock.txt"), "{said}");
    assert_eq!(fs::read(scene.base().join("secure.lock")).unwrap(), old);
}
