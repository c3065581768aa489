//! Denials name the module, the operation and the block. The lines that they suggest for `secure.toml` allow the
//! operation.

use super::{Done, command, secure_runtime};
use crate::support::{Scene, manifest};

/// Returns the manifest lines that a message suggests.
fn advised(said: &str) -> Vec<&str> {
    let (_, lines) = said
        .split_once("help: to allow it, write in secure.toml\n")
        .unwrap_or_else(|| panic!("{said}"));
    lines
        .lines()
        .map_while(|line| line.strip_prefix("    "))
        .collect()
}

/// Inserts the lines like a person would: under their section, in place of a line if they say so. A missing section is
/// appended.
fn pasted(manifest: &str, lines: &[&str]) -> String {
    let mut manifest: Vec<String> = manifest.lines().map(str::to_owned).collect();
    for pair in lines.chunks(2) {
        let [section, line] = pair else {
            panic!("{lines:?}")
        };
        let Some(header) = manifest.iter().position(|known| known == section) else {
            manifest.extend([(*section).to_owned(), (*line).to_owned()]);
            continue;
        };
        if let Some((_, key)) = line.split_once("  # in place of its ") {
            let old = manifest
                .iter()
                .skip(header)
                .position(|known| known.starts_with(&format!("{key} =")))
                .unwrap();
            manifest.remove(header + old);
        }
        manifest.insert(header + 1, (*line).to_owned());
    }
    manifest.join("\n") + "\n"
}

/// Runs a program that is denied an operation, applies the suggested lines, and checks that the program then runs to
/// its end.
#[track_caller]
fn denied_then_allowed(scene: Scene, module: &str, operation: &str, block: &str) {
    let run = |scene: &Scene| Done::from(command(scene, &["run"]).env("NAME", "value").output().unwrap());
    secure_runtime(&scene, &["lock"]).success();
    let said = run(&scene).failure_with_hint(3);
    let first = said.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(
        first.contains(operation) && first.ends_with(&format!(" was denied to module {module}")),
        "{said}"
    );
    assert!(said.contains(&format!("refused by {block}\n")), "{said}");

    let explained = secure_runtime(&scene, &["explain", first]).success();
    assert_eq!(advised(&explained), advised(&said));
    let asked = first
        .strip_prefix("error: ")
        .unwrap()
        .split(" was denied")
        .next()
        .unwrap();
    assert_eq!(
        secure_runtime(&scene, &["explain", "--module", module, asked]).success(),
        explained
    );

    let text = pasted(&scene.read("secure.toml"), &advised(&said));
    let scene = scene.file("secure.toml", &text);
    let locked = secure_runtime(&scene, &["lock"]);
    assert_eq!(locked.code, Some(0), "{text}\n{locked:?}");
    let done = run(&scene);
    assert_eq!(done.code, Some(0), "{text}\n{done:?}");
}

const PROGRAM: &str = "block 0: the program's [grants]";

/// CLI-13, CLI-14.
#[test]
fn a_first_grant() {
    let scene = Scene::of_main(
        &[],
        "import { fs } from 'cap:self'; await fs.readTextFile('a.txt');",
    )
    .file("a.txt", "");
    denied_then_allowed(scene, "app:/main.js", "fs read ", PROGRAM);
}

/// CLI-13, CLI-14.
#[test]
fn a_further_scope_of_the_same_action() {
    let scene = Scene::of_main(
        &["fs.read=./data/**", "fs.write=./out/**", "clock=1s"],
        "import { fs } from 'cap:self'; await fs.readTextFile('data/a.txt'); await fs.readTextFile('b \"c\".txt');",
    )
    .file("data/a.txt", "")
    .file("b \"c\".txt", "");
    denied_then_allowed(scene, "app:/main.js", "fs read ", PROGRAM);
}

/// CLI-13, CLI-14, RUN-51: a module of the program or of a package may not import WebAssembly.
#[cfg(feature = "v8")]
#[test]
fn webassembly() {
    let wasm = wat::parse_str("(module)").unwrap();
    let scene = Scene::of_main(&[], "import './lib/a.wasm';").file("lib/a.wasm", &wasm);
    denied_then_allowed(
        scene,
        "app:/main.js",
        "module import app:/lib/a.wasm#blake3:",
        PROGRAM,
    );
}

/// CLI-13, CLI-14.
#[test]
fn every_family() {
    for (source, operation) in [
        (
            "import { fs } from 'cap:self'; await fs.writeTextFile('new.txt', '');",
            "fs write ",
        ),
        (
            "import { env } from 'cap:self'; if (env.get('NAME') !== 'value') throw 0;",
            "env read NAME",
        ),
        (
            "import { random } from 'cap:self'; random.bytes(8);",
            "random read ",
        ),
        ("import { clock } from 'cap:self'; clock.now();", "clock read "),
    ] {
        denied_then_allowed(
            Scene::of_main(&["fs.read=./x"], source),
            "app:/main.js",
            operation,
            PROGRAM,
        );
    }
}

/// A package `@scope/reader` that reads `data/a.txt` with its own rights.
fn reader(grants: &[&str], rest: &str) -> Scene {
    let imports = "[imports]\n\"@scope/reader\" = \"./vendor/reader/\"\n";
    Scene::new()
        .file("secure.toml", format!("{}\n{rest}", manifest(grants, imports)))
        .file("main.js", "import { read } from '@scope/reader'; await read();")
        .file(
            "vendor/reader/index.js",
            "import { fs } from 'cap:self';\nexport const read = () => fs.readTextFile('data/a.txt');\n",
        )
        .file("data/a.txt", "")
}

const PACKAGE: &str = "block 1: the grants of package @scope/reader";

/// CLI-13, CLI-14.
#[test]
fn a_package_without_grants() {
    denied_then_allowed(
        reader(&["fs.read=./data/**"], ""),
        "@scope/reader/index.js",
        "fs read ",
        PACKAGE,
    );
}

/// CLI-13, CLI-14.
#[test]
fn a_package_with_other_grants() {
    let rest = "[packages.\"@scope/reader\"]\ngrants = { fs.read = [\"./data/other.txt\"], random = true }\n";
    let scene = reader(&["fs.read=./data/**", "random=true"], rest);
    denied_then_allowed(scene, "@scope/reader/index.js", "fs read ", PACKAGE);
}

/// CLI-13, CLI-14.
#[test]
fn a_package_and_a_program_without_the_grant() {
    denied_then_allowed(
        reader(&["fs.read=./main.js"], ""),
        "@scope/reader/index.js",
        "fs read ",
        PROGRAM,
    );
}

/// CLI-13, CLI-14.
#[test]
fn a_module_with_fewer_rights_than_the_program() {
    let rest = "[modules.\"./part.js\"]\ngrants = { fs.read = [\"./data/other.txt\"] }\n";
    let scene = Scene::new()
        .file(
            "secure.toml",
            format!("{}\n{rest}", manifest(&["fs.read=./data/**"], "")),
        )
        .file("main.js", "import { read } from './part.js'; await read();")
        .file(
            "part.js",
            "import { fs } from 'cap:self';\nexport const read = () => fs.readTextFile('data/a.txt');\n",
        )
        .file("data/a.txt", "");
    denied_then_allowed(
        scene,
        "app:/part.js",
        "fs read ",
        "block 1: the grants of module app:/part.js",
    );
}

/// CLI-13. No manifest can restore a right that the program itself removed.
#[test]
fn an_attenuation_is_named() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self'; await fs.attenuate({ read: ['data/b/**'] }).readTextFile('data/a.txt');",
    )
    .file("data/a.txt", "");
    let said = secure_runtime(&scene, &["run"]).failure_with_hint(3);
    assert!(
        said.contains("refused by block 2: an attenuation in the program"),
        "{said}"
    );
    assert!(
        said.contains("attenuate()") && !said.contains("write in secure.toml"),
        "{said}"
    );
}

/// CLI-13.
#[test]
fn an_expired_capability_is_named() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self'; await fs.attenuate({ expires: '0s' }).readTextFile('data/a.txt');",
    );
    let said = secure_runtime(&scene, &["run"]).failure_with_hint(3);
    assert!(
        said.contains("the capability has expired") && said.contains("still valid"),
        "{said}"
    );
}

/// CLI-14. `explain` accepts a line of an audit file.
#[test]
fn explain_reads_audit_records() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self'; await fs.readTextFile('a.txt').catch(() => 0);",
    );
    secure_runtime(&scene, &["run", "--audit", "audit.jsonl"]).success();
    let explained = secure_runtime(&scene, &["explain", scene.read("audit.jsonl").as_str()]).success();
    assert!(
        explained.contains("a.txt is denied to module app:/main.js by block 0: the program's [grants]"),
        "{explained}"
    );
    assert_eq!(
        advised(&explained),
        [
            "[grants]",
            "fs.read = [\"./data/**\", \"./a.txt\"]  # in place of its fs.read"
        ]
    );
    let message = "CapabilityError: fs read \"a.txt\" is not allowed in app:/main.js: no grant covers it";
    assert_eq!(secure_runtime(&scene, &["explain", message]).success(), explained);
}

/// CLI-14. `explain` accepts the message of a denial of every family.
#[test]
fn explain_reads_the_messages_of_all_families() {
    let source = "import { fs, net, env, clock, random, kv } from 'cap:self';
        for (const call of [
            () => fs.readTextFile('a.txt'), () => net.fetch('https://example.com:8443/a?b#c'), () => env.get('HOME'),
            () => clock.now(), () => random.bytes(1), () => kv.get('key'),
        ]) { try { await call(); console.log('allowed'); } catch (error) { console.log(String(error)); } }";
    let scene = Scene::of_main(&[], source);
    let messages = secure_runtime(&scene, &["run"]).success();
    assert_eq!(messages.lines().count(), 6, "{messages}");
    for message in messages.lines() {
        assert!(message.starts_with("CapabilityError: "), "{message}");
        let explained = secure_runtime(&scene, &["explain", message]).success();
        assert!(
            explained.contains("is denied to module app:/main.js"),
            "{message}: {explained}"
        );
    }
}

/// CLI-14.
#[test]
fn explain_reports_allowed_operations() {
    let scene = Scene::of_main(&["fs.read=./data/**"], "");
    for module in ["main.js", "./main.js", "app:/main.js"] {
        let explained =
            secure_runtime(&scene, &["explain", "--module", module, "fs read data/a.txt"]).success();
        assert!(
            explained.contains("is allowed to module app:/main.js") && !explained.contains("help"),
            "{explained}"
        );
    }
}

/// GRAPH-61: the advice mentions strict mode for errors that only strict mode throws, if a CommonJS module threw them.
#[test]
fn advice_explains_errors_of_strict_mode() {
    for (source, is_told) in [
        ("undeclared = 1", true),
        ("Object.freeze(exports).a = 1", true),
        ("null.a", false),
        ("throw new Error('a is not defined')", false),
    ] {
        let scene = Scene::new()
            .file("secure.toml", manifest(&[], "[imports]\np = \"npm:p\"\n"))
            .file("main.js", "import 'p'")
            .file("node_modules/p/package.json", "{}")
            .file("node_modules/p/index.js", source);
        let said = secure_runtime(&scene, &["run"]).failure(1);
        let told = said.contains("help: p/index.js is CommonJS, which runs as strict code here");
        assert_eq!(told, is_told, "{source}: {said}");
    }
    // ECMAScript modules always use strict mode.
    let scene = Scene::of_main(&[], "undeclared = 1");
    assert!(!secure_runtime(&scene, &["run"]).failure(1).contains("CommonJS"));
}

/// CLI-4: the advice never tells the user to edit a file of an installed package.
#[test]
fn advice_never_suggests_editing_installed_files() {
    let scene = Scene::new()
        .file("secure.toml", manifest(&[], "[imports]\np = \"npm:p\"\n"))
        .file("main.js", "import 'p'")
        .file("node_modules/p/package.json", r#"{"type":"module"}"#)
        .file("node_modules/p/index.js", "import 'none'; let a = = 1");
    let said = secure_runtime(&scene, &["lock"]).failure_with_hint(2);
    assert!(
        said.contains("help: the file belongs to an installed package"),
        "{said}"
    );
    let own = Scene::of_main(&[], "let a = = 1");
    let said = secure_runtime(&own, &["lock"]).failure_with_hint(2);
    assert!(said.contains("help: correct the file at this place"), "{said}");
}
