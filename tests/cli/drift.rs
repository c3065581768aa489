//! Drift: a lock that no longer matches the project is an error with `--locked`, and otherwise a warning.

use super::{greeting, has_run, secure_runtime};
use crate::support::Scene;

/// Checks that `verify`, `sign` and `run --locked` refuse the lock and name each of these parts. `run` must print them
/// as warnings and run the locked program. After `lock`, no command may complain.
#[track_caller]
fn drifted(scene: &Scene, parts: &[&str]) {
    let named = |said: &str, arguments: &[&str]| {
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
    };
    secure_runtime(scene, &["key", "generate", "--out", "a.key"]).success();
    for arguments in [&["verify"][..], &["run", "--locked"], &["sign", "--key", "a.key"]] {
        let said = secure_runtime(scene, arguments).failure_with_hint(4);
        named(&said, arguments);
        assert!(
            said.contains("secure.lock is out of date"),
            "{arguments:?}: {said}"
        );
        assert!(!has_run(scene));
    }
    secure_runtime(scene, &["lock", "--frozen"]).failure_with_hint(4);
    let ran = secure_runtime(scene, &["run"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.err
            .contains("warning: secure.lock is out of date, and the locked program runs"),
        "{ran:#?}"
    );
    named(&ran.err, &["run"]);
    assert_eq!(ran.out, "Hello, world!\n");
    std::fs::remove_file(scene.base().join("out/marker")).unwrap();

    secure_runtime(scene, &["lock"]).success();
    secure_runtime(scene, &["verify"]).success();
    let ran = secure_runtime(scene, &["run", "--locked"]);
    assert!(!ran.err.contains("out of date"), "{ran:#?}");
    ran.success();
}

fn locked() -> Scene {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    scene
}

/// A138, CLI-50, GRAPH-93: an import map with another folder, another file, or additional entries.
#[test]
fn a138_a_changed_import_map_is_detected() {
    let manifest = greeting().read("secure.toml");
    let moved = |of: &str, to: &str| manifest.replace(of, to);
    let scene = locked()
        .file(
            "vendor/other/package.json",
            "{\"name\":\"greet\",\"version\":\"1.2.3\",\"type\":\"module\",\"exports\":\"./main.js\"}",
        )
        .file("vendor/other/main.js", "export const greet = () => 'other';\n")
        .file("secure.toml", moved("./vendor/greet/", "./vendor/other/"));
    drifted(
        &scene,
        &[
            "secure.toml:6: [imports] \"greet\" is \"./vendor/other\", and the lock records \"./vendor/greet\"",
        ],
    );
    let scene = locked()
        .file("words/words.json", "[\"you\"]")
        .file("secure.toml", moved("./lib/", "./words/"));
    drifted(
        &scene,
        &[
            "secure.toml:7: [imports] \"#lib/\" is \"./words/\"",
            "app:/main.js: \"#lib/words.json\"",
        ],
    );
    // Another spelling of the same target is not drift.
    let scene = locked().file("secure.toml", moved("./vendor/greet/", "./vendor/./greet"));
    secure_runtime(&scene, &["verify"]).success();
    secure_runtime(&scene, &["lock", "--frozen"]).success();
}

/// Returns `greeting` with `greet` in `node_modules`.
fn installed() -> Scene {
    let manifest = greeting().read("secure.toml");
    let scene = greeting();
    let files = ["package.json", "index.js", "hello.js"]
        .map(|name| (name, scene.read(&format!("vendor/greet/{name}"))));
    let mut scene = scene.file(
        "secure.toml",
        manifest.replace("./vendor/greet/", "npm:greet@1.2.3"),
    );
    for (name, content) in files {
        scene = scene.file(&format!("node_modules/greet/{name}"), content);
    }
    secure_runtime(&scene, &["lock"]).success();
    scene
}

/// A138, CLI-50: a pin to another version, which may or may not be installed.
#[test]
fn a138_a_pin_to_another_version_is_detected() {
    let scene = installed();
    let manifest = scene.read("secure.toml").replace("1.2.3", "2.0.0");
    let scene = scene.file("secure.toml", manifest.clone());
    let pin =
        "secure.toml:6: [imports] \"greet\" is \"npm:greet@2.0.0\", and the lock records \"npm:greet@1.2.3\"";
    for arguments in [&["verify"][..], &["run", "--locked"]] {
        let said = secure_runtime(&scene, arguments).failure_with_hint(4);
        assert!(said.contains(pin), "{arguments:?} {said}");
    }
    let ran = secure_runtime(&scene, &["run"]);
    assert!(ran.code == Some(0) && ran.err.contains(pin), "{ran:#?}");
    std::fs::remove_file(scene.base().join("out/marker")).unwrap();
    // The other version is installed, with the same files.
    let json = scene
        .read("node_modules/greet/package.json")
        .replace("1.2.3", "2.0.0");
    let scene = scene.file("node_modules/greet/package.json", json);
    drifted(
        &scene,
        &[
            pin,
            "package greet has the version \"2.0.0\", and the lock records \"1.2.3\"",
        ],
    );
    // Nothing is installed. The lock and the manifest are sufficient.
    let scene = installed();
    std::fs::remove_dir_all(scene.base().join("node_modules")).unwrap();
    secure_runtime(&scene, &["verify"]).success();
    secure_runtime(&scene, &["run", "--locked"]).success();
    let scene = scene.file("secure.toml", manifest);
    let said = secure_runtime(&scene, &["verify"]).failure_with_hint(4);
    assert!(said.contains(pin), "{said}");
}

/// A139, CLI-50: the exports of a package, which depend on files without a hash in the lock.
#[test]
fn a139_changed_exports_are_detected() {
    for scene in [locked(), installed()] {
        let folder = if scene.base().join("node_modules").exists() {
            "node_modules"
        } else {
            "vendor"
        };
        let json = scene
            .read(&format!("{folder}/greet/package.json"))
            .replace("./index.js", "./new.js");
        let scene = scene.file(&format!("{folder}/greet/package.json"), json).file(
            &format!("{folder}/greet/new.js"),
            "export const greet = () => 'new';\n",
        );
        let line = format!(
            "app:/main.js: \"greet\" was locked as \"greet/index.js\", and now resolves to {folder}/greet/new.js"
        );
        drifted(&scene, &[&line]);
    }
}

/// A139, CLI-50: a new file that takes precedence over the locked one.
#[test]
fn a139_a_new_file_with_precedence_is_detected() {
    let scene = greeting()
        .file(
            "vendor/greet/package.json",
            "{\"name\":\"greet\",\"version\":\"1.2.3\"}",
        )
        .file(
            "vendor/greet/index.js",
            "exports.greet = (name) => require('./hello') + ', ' + name + '!';\n",
        )
        .file("vendor/greet/hello.json", "\"Hello\"");
    std::fs::remove_file(scene.base().join("vendor/greet/hello.js")).unwrap();
    secure_runtime(&scene, &["lock"]).success();
    secure_runtime(&scene, &["verify"]).success();
    let scene = scene.file("vendor/greet/hello.js", "module.exports = 'Bye';\n");
    drifted_but_for_output(
        &scene,
        "greet/index.js: \"./hello\" was locked as \"greet/hello.json\", and now resolves to vendor/greet/hello.js",
    );
    // A package in a nearer `node_modules`.
    let scene = installed()
        .file(
            "node_modules/greet/index.js",
            "import { hello } from 'hello';\nexport const greet = (name) => `${hello}, ${name}!`;\n",
        )
        .file("node_modules/hello/package.json", "{\"type\":\"module\"}")
        .file("node_modules/hello/index.js", "export const hello = 'Hello';\n");
    secure_runtime(&scene, &["lock"]).success();
    let scene = scene
        .file(
            "node_modules/greet/node_modules/hello/package.json",
            "{\"type\":\"module\",\"exports\":\"./other.js\"}",
        )
        .file(
            "node_modules/greet/node_modules/hello/other.js",
            "export const hello = 'Bye';\n",
        );
    drifted_but_for_output(
        &scene,
        "greet/index.js: \"hello\" was locked as \"greet>hello/index.js\"",
    );
}

#[track_caller]
fn drifted_but_for_output(scene: &Scene, line: &str) {
    for arguments in [&["verify"][..], &["run", "--locked"]] {
        let said = secure_runtime(scene, arguments).failure_with_hint(4);
        assert!(said.contains(line), "{arguments:?}: {said}");
    }
    let ran = secure_runtime(scene, &["run"]);
    assert!(ran.err.contains(line) && ran.out == "Hello, world!\n", "{ran:#?}");
}

/// A139, CLI-50: drift that only locking again detects, such as the kind of a module or an optional package. `run` does
/// not look for it.
#[test]
fn a139_locked_and_verify_detect_drift_that_needs_locking_again() {
    let scene = installed();
    let json = scene
        .read("node_modules/greet/package.json")
        .replace("{", "{\"sideEffects\":false,");
    let scene = scene.file("node_modules/greet/package.json", json);
    secure_runtime(&scene, &["verify"]).success();
    let scene = scene.file(
        "node_modules/greet/index.js",
        "export const greet = (name) => `Hello, ${name}!`;\nimport('extra').catch(() => 0);\n",
    );
    secure_runtime(&scene, &["lock"]).success();
    secure_runtime(&scene, &["verify"]).success();
    let scene = scene
        .file("node_modules/extra/package.json", "{\"type\":\"module\"}")
        .file("node_modules/extra/index.js", "export {};\n");
    for arguments in [&["verify"][..], &["run", "--locked"]] {
        let said = secure_runtime(&scene, arguments).failure_with_hint(4);
        assert!(
            said.contains("added greet>extra/index.js"),
            "{arguments:?}: {said}"
        );
    }
    secure_runtime(&scene, &["run"]).success();
}

/// A139, CLI-50: a package that CommonJS requires in vain, and that is installed later. A comment requires nothing.
#[test]
fn a139_a_missing_package_that_is_installed_later_is_detected() {
    let scene = installed()
        .file(
            "node_modules/greet/package.json",
            "{\"name\":\"greet\",\"version\":\"1.2.3\",\"main\":\"index.js\"}",
        )
        .file(
            "node_modules/greet/index.js",
            "// require('commented')\nlet by = ''; try { by = require('extra'); } catch {}\nexports.greet = (name) => `Hello, ${name}!${by}`;\n",
        )
        .file("node_modules/commented/package.json", "{}")
        .file("node_modules/commented/index.js", "");
    secure_runtime(&scene, &["lock"]).success();
    let ran = secure_runtime(&scene, &["run"]);
    assert!(!ran.err.contains("out of date"), "{ran:#?}");
    ran.success();
    let scene = scene
        .file("node_modules/extra/package.json", "{}")
        .file("node_modules/extra/index.js", "module.exports = ' And more.';\n");
    let ran = secure_runtime(&scene, &["run"]);
    let line =
        "greet/index.js: \"extra\" was locked as nothing, and now resolves to node_modules/extra/index.js";
    assert!(
        ran.err.contains(line) && !ran.err.contains("commented"),
        "{ran:#?}"
    );
    assert_eq!(ran.success(), "Hello, world!\n");
    for arguments in [&["verify"][..], &["run", "--locked"]] {
        let said = secure_runtime(&scene, arguments).failure_with_hint(4);
        assert!(said.contains("added greet>extra/index.js"), "{said}");
    }
}

/// CLI-50: a missing optional package is treated like any other package that only a store has.
#[test]
fn an_optional_package_only_in_a_store_is_no_drift() {
    let scene = installed()
        .file(
            "node_modules/greet/index.js",
            "export const greet = (name) => `Hello, ${name}!`;\nimport('extra').catch(() => 0);\n",
        )
        .file("node_modules/extra/package.json", "{\"type\":\"module\"}")
        .file("node_modules/extra/index.js", "export {};\n");
    secure_runtime(&scene, &["lock"]).success();
    std::fs::remove_dir_all(scene.base().join("node_modules/extra")).unwrap();
    secure_runtime(&scene, &["verify"]).success();
    let ran = secure_runtime(&scene, &["run", "--locked"]);
    assert!(!ran.err.contains("out of date"), "{ran:#?}");
    ran.success();
}

/// CLI-50: missing files are not drift, because stores have them.
#[test]
fn missing_files_are_no_drift() {
    let scene = locked();
    for gone in ["vendor", "lib"] {
        std::fs::remove_dir_all(scene.base().join(gone)).unwrap();
    }
    std::fs::remove_file(scene.base().join("main.js")).unwrap();
    secure_runtime(&scene, &["verify"]).success();
    let ran = secure_runtime(&scene, &["run", "--locked"]);
    assert!(!ran.err.contains("out of date"), "{ran:#?}");
    ran.success();
}
