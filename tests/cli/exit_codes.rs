//! A cause for each exit code, and its message.

use super::{greeting, has_run, secure_runtime};
use crate::support::{Scene, manifest};

/// CLI-1.
#[test]
fn success_is_0() {
    assert_eq!(secure_runtime(&greeting(), &["run"]).code, Some(0));
}

/// CLI-1.
#[test]
fn an_uncaught_error_is_1_with_message_and_stack() {
    for source in [
        "function inner() { throw new TypeError('no such thing'); }\nexport default function main() { inner(); }",
        "function inner() { throw new TypeError('no such thing'); }\nawait null;\ninner();",
        "function inner() { throw new TypeError('no such thing'); }\nsetTimeout(() => inner(), 1);",
        "async function inner() { throw new TypeError('no such thing'); }\ninner();",
    ] {
        let said = secure_runtime(&Scene::of_main(&[], source), &["run"]).failure(1);
        assert!(
            said.contains("error: uncaught TypeError: no such thing\n    at inner (app:/main.js:1:"),
            "{source}\n{said}"
        );
    }
    for (source, message) in [
        ("throw 'words'", "words"),
        ("throw null", "null"),
        ("null.x", "TypeError"),
    ] {
        let said = secure_runtime(&Scene::of_main(&[], source), &["run"]).failure(1);
        assert!(said.contains(message), "{source} {said}");
    }
}

/// CLI-1.
#[test]
fn wrong_usage_is_2() {
    let scene = greeting();
    for arguments in [
        &["nonsense"][..],
        &["run", "--nonsense"],
        &["run", "no-such-folder"],
        &["run", "--grant", "fs.read=./x"],
        &["run", "--token", "t"],
        &["run", "--store", "no-such-store"],
        &["run", "main.js", "--grant", "fs.read"],
        &["lock", "no-such-folder"],
        &["verify"],
        &["graph", "diff", "a", "b"],
        &["sign"],
        &["key", "public", "no-such-file"],
        &["store", "get", "blake3:00"],
        &["store", "add"],
        &["store", "serve", "--listen", "nowhere"],
        &["explain", "--module", "no-such-module", "fs read a"],
        &["explain", "nonsense"],
    ] {
        secure_runtime(&scene, arguments).failure(2);
    }
    assert!(!has_run(&scene));
}

/// CLI-1, CLI-2. Syntax errors are found during locking, before any code runs.
#[test]
fn wrong_syntax_is_2() {
    for source in [
        "1 +",
        "import {",
        "import 'nowhere';",
        "import './nowhere.js';",
        "import 'https://example.com/a.js';",
    ] {
        let scene = greeting().file("vendor/greet/hello.js", source);
        let said = secure_runtime(&scene, &["run"]).failure_with_hint(2);
        assert!(said.contains("vendor/greet/hello.js"), "{said}");
        assert!(!has_run(&scene));
    }
}

/// CLI-1.
#[test]
fn an_uncaught_denial_is_3_and_a_caught_one_is_not() {
    let source = "import { fs } from 'cap:self';\nfunction reader() { return fs.readTextFile('a.txt'); }\n";
    let said = secure_runtime(
        &Scene::of_main(&[], &format!("{source}await reader();")),
        &["run"],
    )
    .failure_with_hint(3);
    for part in [
        "/a.txt was denied to module app:/main.js",
        "refused by block 0: the program's [grants]",
        "at reader (app:/main.js:2:",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    secure_runtime(
        &Scene::of_main(&[], &format!("{source}await reader().catch(() => 0);")),
        &["run"],
    )
    .success();
}

/// CLI-1, CLI-2.
#[test]
fn a_missing_lock_with_locked_is_4() {
    let scene = greeting();
    let said = secure_runtime(&scene, &["run", "--locked"]).failure_with_hint(4);
    assert!(
        said.contains("secure.lock") && said.contains("secure-runtime lock"),
        "{said}"
    );
    assert!(!has_run(&scene));
}

/// CLI-1, CLI-2.
#[test]
fn a_manifest_that_allows_more_than_its_lock_is_4() {
    for (from, to) in [
        ("[\"./out/**\"]", "[\"./out/**\", \"/etc/**\"]"),
        ("fs.write", "random = true\nfs.write"),
        ("entry = \"main.js\"", "entry = \"lib/words.json\""),
    ] {
        let scene = greeting();
        secure_runtime(&scene, &["lock"]).success();
        let manifest = scene.read("secure.toml").replace(from, to);
        let scene = scene.file("secure.toml", manifest);
        for command in ["run", "verify"] {
            let said = secure_runtime(&scene, &[command]).failure_with_hint(4);
            assert!(said.contains("secure.toml"), "{said}");
        }
        assert!(!has_run(&scene));
    }
}

/// CLI-1.
#[test]
fn a_limit_is_5_with_its_name_and_figure() {
    for (limit, source, told) in [
        ("wall = \"300ms\"", "for (;;);", "wall time limit of 300ms"),
        (
            "wall = \"300ms\"",
            "await new Promise(() => setTimeout(() => 0, 1e6));",
            "wall time limit of 300ms",
        ),
        // This program spends most of its time creating errors, where the engine can lose a termination request.
        (
            "wall = \"300ms\"",
            "import { env } from 'cap:self'; for (;;) { try { env.get('X') } catch {} }",
            "wall time limit of 300ms",
        ),
        (
            "heap = \"16MiB\"",
            "const all = []; for (;;) all.push(new Array(1000).fill({}));",
            "heap limit of 16.0 MiB",
        ),
        #[cfg(target_os = "linux")]
        ("cpu = \"200ms\"", "for (;;);", "processor time limit of 200ms"),
    ] {
        let text = format!("{}\n[limits]\n{limit}\n", manifest(&[], ""));
        let scene = Scene::new().file("secure.toml", text).file("main.js", source);
        let said = secure_runtime(&scene, &["run"]).failure_with_hint(5);
        assert!(said.contains(told), "{said}");
    }
}

/// CLI-1, RUN-85: a fatal error of V8 is reported like any other limit. Earlier output and audit records are written.
#[cfg(feature = "v8")]
#[test]
fn a_fatal_error_of_v8_is_5_and_loses_no_output() {
    for call in [
        "'a'.repeat(2 ** 28).split('')",
        "[].toSorted.call({ length: 2 ** 31 })",
    ] {
        let text = format!("{}\n[limits]\nheap = \"64MiB\"\n", manifest(&["clock=1s"], ""));
        let source = format!(
            "import {{ clock }} from 'cap:self'; for (let n = 0; n < 500; n++) clock.now(); console.log('printed'); {call};"
        );
        let scene = Scene::new().file("secure.toml", text).file("main.js", source);
        let done = secure_runtime(&scene, &["run", "--audit", "audit.jsonl"]);
        assert_eq!(done.out, "printed\n");
        let said = done.failure_with_hint(5);
        assert!(
            said.contains("the program hit its heap limit of 64.0 MiB"),
            "{said}"
        );
        let records = std::fs::read_to_string(scene.base().join("audit.jsonl")).unwrap();
        assert_eq!(records.lines().count(), 500);
    }
}

/// CLI-5. Text of guests reaches the terminal without control sequences, and cannot imitate messages of the command.
#[test]
fn guests_cannot_control_the_terminal() {
    for source in [
        "throw new Error('a\\u001b[2J\\r\\u202eb\\u009b\\nerror: forged\\n  help: forged')",
        "const e = new Error('x'); e.name = 'N\\u001b]0;t\\u0007\\nerror: forged'; throw e",
        "const f = { ['n\\u001b[1m\\nerror: forged']() { throw new Error('x') } }; Object.values(f)[0]()",
    ] {
        let said = secure_runtime(&Scene::of_main(&[], source), &["run"]).failure(1);
        let forged =
            |line: &str| line.starts_with("error: forged") || line.trim_start().starts_with("help: forged");
        assert!(!said.lines().any(forged) && !said.contains('\u{202e}'), "{said}");
    }
    let printed =
        "console.log('a\\u001b[2J\\u009b'); console.error('a\\u001b[2J'); throw new Error('y'.repeat(1e6))";
    let done = secure_runtime(&Scene::of_main(&[], printed), &["run"]);
    assert!(!done.out.contains(['\u{1b}', '\u{9b}']), "{}", done.out);
    assert!(done.failure(1).len() < 20_000);
    let source = "import { fs } from 'cap:self'; await fs.readTextFile('a\\u001b[2J\\u202e\\nerror: forged')";
    let said = secure_runtime(&Scene::of_main(&[], source), &["run"]).failure_with_hint(3);
    assert!(
        !said.contains('\u{202e}') && !said.lines().any(|line| line.starts_with("error: forged")),
        "{said}"
    );
}

/// An error that ends one isolate ends neither the command nor the program's other isolates.
#[test]
fn a_value_that_ends_a_packages_isolate_ends_nothing_else() {
    for thrown in [
        "Symbol('x')",
        "Object.defineProperty(new Error('x'), 'name', { value: Symbol('x') })",
        "new (class extends Error { get message() { throw Symbol('x'); } })()",
        "Object.setPrototypeOf(() => {}, Error.prototype)",
        "Proxy.revocable({}, {}).proxy",
    ] {
        let packages = "[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n";
        let scene = Scene::new()
            .file("secure.toml", crate::support::manifest(&[], packages))
            .file(
                "p/index.js",
                format!("export const run = () => {{ Promise.reject({thrown}); return new Promise(() => {{}}); }};"),
            )
            .file(
                "main.js",
                "import { run } from 'p'; await run().catch((error) => console.log(error.name)); console.log('went on');",
            );
        let done = secure_runtime(&scene, &["run"]);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(0), "IsolateError\nwent on\n"),
            "{thrown}: {done:#?}"
        );
    }
}

/// CLI-1. The message about a limit in a module's body contains only words of the runtime.
#[test]
fn the_message_of_a_limit_has_no_text_of_the_engine() {
    for body in ["while (true) {}", "await null; while (true) {}"] {
        let scene = Scene::new()
            .file("secure.toml", manifest(&[], "[limits]\nwall = \"500ms\"\n"))
            .file("main.js", body);
        secure_runtime(&scene, &["lock"]).success();
        let said = secure_runtime(&scene, &["run"]).failure_with_hint(5);
        assert!(!said.contains("warning: "), "{said}");
    }
}

/// CLI-1. No manifest leads to exit code 70. Isolation and bounds of a package that no module imports are errors of the
/// manifest.
#[test]
fn bounds_of_a_package_that_is_not_imported_are_2() {
    let key = "ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let trust = format!("trust = {{ keys = [\"{key}\"] }}");
    for table in [
        "isolate = true",
        "limits = { operations = 5 }",
        "isolate = true\nlimits = { heap = \"16MiB\" }",
        &trust,
    ] {
        let scene = greeting();
        let manifest = scene.read("secure.toml");
        let unused = manifest.replace("[imports]", "[imports]\nunused = \"./unused/\"");
        let scene = scene
            .file("secure.toml", format!("{unused}\n[packages.unused]\n{table}\n"))
            .file(
                "unused/package.json",
                "{\"type\":\"module\",\"exports\":\"./index.js\"}",
            )
            .file("unused/index.js", "export {};");
        for arguments in [&["lock"][..], &["lock", "--frozen"], &["run"]] {
            let said = secure_runtime(&scene, arguments).failure_with_hint(2);
            assert!(
                said.contains("[packages.\"unused\"]: no module imports this package"),
                "{said}"
            );
        }
        // The manifest was locked without the lines, which were added later.
        let scene = scene.file("secure.toml", &unused);
        secure_runtime(&scene, &["lock"]).success();
        for name in ["unused", "gret"] {
            let scene =
                Scene::copy(&scene).file("secure.toml", format!("{unused}\n[packages.{name}]\n{table}\n"));
            for arguments in [&["run"][..], &["run", "--locked"], &["verify"]] {
                let said = secure_runtime(&scene, arguments).failure_with_hint(2);
                assert!(
                    said.contains(&format!("[packages.\"{name}\"] has `isolate`")),
                    "{said}"
                );
            }
            secure_runtime(&scene, &["lock"]).failure_with_hint(2);
            assert!(!has_run(&scene));
        }
    }
}

/// CLI-1, RUN-68. Isolates that would wait for each other are found when the program is locked.
#[test]
fn isolates_that_import_each_other_are_2() {
    let packages = "[imports]\na = \"npm:a\"\nb = \"npm:b\"\n[packages.a]\nisolate = true\n[packages.b]\n";
    let scene = Scene::new()
        .file("secure.toml", manifest(&[], packages))
        .file("main.js", "import 'a';")
        .file("node_modules/a/package.json", "{\"type\":\"module\"}")
        .file("node_modules/a/index.js", "import 'b'; export {};")
        .file("node_modules/b/package.json", "{\"type\":\"module\"}")
        .file("node_modules/b/index.js", "import 'a'; export {};");
    secure_runtime(&scene, &["lock"]).success();
    let scene = scene.file(
        "secure.toml",
        manifest(&[], &format!("{packages}isolate = true\n")),
    );
    for arguments in [&["lock"][..], &["lock", "--frozen"]] {
        let said = secure_runtime(&scene, arguments).failure_with_hint(2);
        assert!(
            said.contains("import each other: a imports b imports a"),
            "{said}"
        );
    }
    std::fs::remove_file(scene.base().join("secure.lock")).unwrap();
    let said = secure_runtime(&scene, &["run"]).failure_with_hint(2);
    assert!(
        said.contains("import each other: a imports b imports a"),
        "{said}"
    );
}
