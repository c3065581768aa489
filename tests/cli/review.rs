//! Review: changes, growth of authority, and frozen locks.

use serde_json::{Value, json};

use super::{greeting, secure_runtime, store};
use crate::support::Scene;

/// Returns `greeting`, locked, with its lock copied to `old.lock`.
fn locked() -> Scene {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    keep(scene)
}

fn keep(scene: Scene) -> Scene {
    let lock = std::fs::read(scene.base().join("secure.lock")).unwrap();
    scene.file("old.lock", lock)
}

/// Adds a file to the package, changes one, and grants it a right.
fn updated() -> Scene {
    let scene = locked();
    let manifest = scene.read("secure.toml");
    let scene = scene
        .file("vendor/greet/package.json", "{\"name\":\"greet\",\"version\":\"1.2.4\",\"type\":\"module\",\"exports\":\"./index.js\"}")
        .file("vendor/greet/index.js", "import { hello } from './hello.js';\nimport './\u{202e}spy.js';\nexport const greet = (name) => `${hello}; ${name}!`;\n")
        .file("vendor/greet/\u{202e}spy.js", "process.exit();\n");
    // A name that changes the writing direction cannot be locked.
    secure_runtime(&scene, &["lock"]).failure(2);
    let scene = scene
        .file("vendor/greet/index.js", "import { hello } from './hello.js';\nimport './spy.js';\nexport const greet = (name) => `${hello}; ${name}!\u{202e}`;\n")
        .file("vendor/greet/spy.js", "export default () => process.exit();\n")
        .file("secure.toml", format!("{manifest}fs.read = [\"./**\"]\n[packages.greet]\ngrants = {{ fs.read = [\"./data/**\"] }}\n"));
    secure_runtime(&scene, &["lock"]).success();
    scene
}

/// CLI-24.
#[test]
fn diff_shows_what_changed_in_code() {
    let scene = updated();
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock", "secure.lock"]).success();
    for part in [
        "\n  ~ greet 1.2.3 -> 1.2.4\n",
        "\n  ~ greet/index.js  ",
        "\n  + greet/spy.js  ",
        "greet/index.js: \"./spy.js\" is greet/spy.js",
        "greet/spy.js: process",
        "+ package greet: fs.read=./data/**",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("main.js") && !said.contains("    | "), "{said}");
    let same = secure_runtime(&scene, &["graph", "diff", ".", "secure.lock"]).success();
    assert!(
        same.ends_with("no module, package or program gains authority\n") && !same.contains("modules"),
        "{same}"
    );
    secure_runtime(&scene, &["graph", "diff", "none.lock"]).failure_with_hint(2);
    let broken = scene.file("old.lock", "x");
    secure_runtime(&broken, &["graph", "diff", "old.lock"]).failure_with_hint(4);
}

/// CLI-24.
#[test]
fn diff_shows_texts_from_the_store_and_marks_them() {
    let scene = updated();
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock", "--text"]).success();
    for part in [
        "\n    | +import './spy.js';\n",
        "    | -export const greet",
        "    | +export const greet",
        "\\u{202e}",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Only the store has the old text.
    std::fs::remove_dir_all(store(&scene)).unwrap();
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock", "--text"]).success();
    assert!(said.contains("    | no text: blake3:"), "{said}");
    // A text that differs from the lock must not be shown as the locked one.
    let scene = scene.file("vendor/greet/index.js", "");
    secure_runtime(&scene, &["graph", "diff", "old.lock", "--text"]).failure_with_hint(4);
}

/// CLI-24: a changed source that produces the same module.
#[test]
fn diff_shows_sources_that_changed() {
    let scene = Scene::new()
        .file("secure.toml", "[package]\nname = \"t\"\nentry = \"main.ts\"\n")
        .file("main.ts", "const a: number = 1;\n");
    secure_runtime(&scene, &["lock"]).success();
    let scene = keep(scene).file("main.ts", "const a: string = 1;\n");
    let changed = secure_runtime(&scene, &["lock"]).success();
    assert!(changed.contains("\n  changed app:/main.ts\n"), "{changed}");
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock"]).success();
    assert!(
        said.contains("\n  ~ app:/main.ts  21 B -> 21 B, the same bytes from another source\n"),
        "{said}"
    );
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock", "--json"]).success();
    let said: Value = serde_json::from_str(&said).unwrap();
    let module = &said["modules"][0];
    assert_eq!(module["old"]["hash"], module["new"]["hash"]);
    assert_ne!(module["old"]["source"], module["new"]["source"]);
}

/// CLI-25.
#[test]
fn diff_shows_growth_of_authority() {
    let scene = updated();
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock"]).success();
    let grown = said.split("gain authority\n").nth(1).unwrap();
    assert_eq!(
        grown,
        "  the program: fs.read = [\"./**\"]\n  package greet: fs.read = [\"./data/**\"]\n"
    );
    let denied = secure_runtime(&scene, &["graph", "diff", "old.lock", "--deny-growth"]);
    assert_eq!(denied.out, said);
    assert!(denied.failure_with_hint(3).contains("the program, package greet"));
    let arguments = ["graph", "diff", "old.lock", ".", "--json", "--deny-growth"];
    let report = secure_runtime(&scene, &arguments);
    let parsed: Value = serde_json::from_str(&report.out).unwrap();
    report.failure(3);
    assert_eq!(
        (
            &parsed["growth"][1],
            &parsed["modules"][1]["change"],
            &parsed["imports"][0]["new"]
        ),
        (
            &json!({ "owner": "package greet", "gained": ["fs.read = [\"./data/**\"]"] }),
            &json!("added"),
            &json!("greet/spy.js")
        )
    );
    // In the other direction, authority only shrinks.
    secure_runtime(&scene, &["graph", "diff", ".", "old.lock", "--deny-growth"]).success();
}

/// CLI-26.
#[test]
fn show_draws_the_graph() {
    let scene = locked();
    for (format, start, part) in [
        (
            "dot",
            "digraph \"greeting\" {\n",
            "\"app:/main.js\" -> \"greet/index.js\";\n",
        ),
        ("svg", "<svg xmlns=", "<title>greet 1.2.3: no grants</title>"),
        ("html", "<!DOCTYPE html>\n", "fs.write=./out/**"),
    ] {
        let said = secure_runtime(&scene, &["graph", "show", "--format", format]).success();
        assert!(said.starts_with(start) && said.contains(part), "{format}: {said}");
    }
    let json = secure_runtime(&scene, &["graph", "show", "--format", "json"]).success();
    assert_eq!(
        json,
        secure_runtime(&scene, &["graph", "show", "--json"]).success()
    );
}

/// CLI-27.
#[test]
fn a_frozen_lock_does_not_change() {
    let scene = greeting();
    let missing = secure_runtime(&scene, &["lock", "--frozen"]).failure_with_hint(4);
    assert!(missing.contains("there is no lock"), "{missing}");
    assert!(!scene.base().join("secure.lock").exists());
    secure_runtime(&scene, &["lock"]).success();
    secure_runtime(&scene, &["lock", "--frozen"]).success();
    let before = std::fs::read(scene.base().join("secure.lock")).unwrap();
    let scene = scene.file("lib/words.json", "[\"you\"]");
    let said = secure_runtime(&scene, &["lock", "--frozen"]).failure_with_hint(4);
    assert!(said.contains("changed app:/lib/words.json"), "{said}");
    assert_eq!(std::fs::read(scene.base().join("secure.lock")).unwrap(), before);
    secure_runtime(&scene, &["lock"]).success();
    secure_runtime(&scene, &["lock", "--frozen"]).success();
    let scene = scene.file("secure.lock", "x");
    secure_runtime(&scene, &["lock", "--frozen"]).failure_with_hint(4);
}

/// CLI-24, CLI-25, CLI-26: isolation of a package is shown, and removing the isolation is growth.
#[test]
fn isolates_of_packages_are_reviewed() {
    let scene = locked();
    let manifest = scene.read("secure.toml");
    let with = |scene: Scene, rest: &str| scene.file("secure.toml", format!("{manifest}{rest}"));
    let scene = with(scene, "[packages.greet]\nisolate = true\n");
    // The lock does not contain these settings yet.
    let said = secure_runtime(&scene, &["run"]).failure_with_hint(4);
    assert!(
        said.contains("greet") && said.contains("secure-runtime lock"),
        "{said}"
    );
    let said = secure_runtime(&scene, &["lock"]).success();
    assert!(
        said.contains("package greet now has an isolate of its own"),
        "{said}"
    );
    let shown = secure_runtime(&scene, &["graph", "show"]).success();
    assert!(shown.contains("; in an isolate of its own"), "{shown}");
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock", "--deny-growth"]).success();
    assert!(said.contains("+ package greet: an isolate of its own"), "{said}");

    let scene = with(keep(scene), "");
    secure_runtime(&scene, &["lock"]).success();
    let said = secure_runtime(&scene, &["graph", "diff", "old.lock"]).success();
    assert!(said.contains("- package greet: an isolate of its own"), "{said}");
    assert!(said.contains("package greet: isolate = false"), "{said}");
    secure_runtime(&scene, &["graph", "diff", "old.lock", "--deny-growth"]).failure_with_hint(3);
}
