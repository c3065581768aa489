//! Successful runs of each command.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value;

use super::{command, greeting, has_run, home, secure_runtime, store};
use crate::support::Scene;

#[test]
fn version_names_the_engine() {
    let out = secure_runtime(&Scene::new(), &["--version"]).success();
    let engine = if cfg!(feature = "quickjs") {
        "QuickJS-ng, "
    } else {
        "V8 "
    };
    assert!(
        out.starts_with(concat!("secure-runtime ", env!("CARGO_PKG_VERSION"), " (")),
        "{out}"
    );
    assert!(out.contains(engine), "{out}");
}

#[test]
fn help_names_exit_codes_and_the_local_store() {
    let out = secure_runtime(&Scene::new(), &["--help"]).success();
    for part in ["Exit codes", "SECURE_RUNTIME_STORE", "NO_COLOR", "explain"] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn init_makes_a_project_that_runs_and_locks() {
    let scene = Scene::new();
    let said = secure_runtime(&scene, &["init", "hello"]).success();
    assert!(said.contains("secure-runtime run hello"), "{said}");
    assert_eq!(
        secure_runtime(&scene, &["run", "hello"]).success(),
        "Hello, world!\n"
    );
    assert_eq!(
        secure_runtime(&scene, &["run", "hello", "--", "a", "b"]).success(),
        "Hello, a!\nHello, b!\n"
    );
    secure_runtime(&scene, &["lock", "hello"]).success();
    secure_runtime(&scene, &["verify", "hello"]).success();
    assert_eq!(
        secure_runtime(&scene, &["run", "--locked", "hello"]).success(),
        "Hello, world!\n"
    );
    let explained = secure_runtime(
        &scene,
        &[
            "explain",
            "--dir",
            "hello",
            "--module",
            "greet",
            "fs read data/names.txt",
        ],
    );
    assert!(explained.success().contains("[packages.greet]"));
}

/// CLI-9.
#[test]
fn init_overwrites_nothing() {
    let scene = Scene::new().file("main.js", "mine");
    let said = secure_runtime(&scene, &["init"]).failure_with_hint(2);
    assert!(said.contains("main.js exists already"), "{said}");
    assert_eq!(scene.read("main.js"), "mine");
    assert!(!scene.base().join("secure.toml").exists());
}

/// CLI-4.
#[test]
fn lock_reports_changes() {
    let scene = greeting();
    let first = secure_runtime(&scene, &["lock"]).success();
    assert!(
        first.contains("1 package, 4 modules") && first.contains("new"),
        "{first}"
    );
    let again = secure_runtime(&scene, &["lock"]).success();
    assert!(again.contains("unchanged"), "{again}");
    let scene = scene.file("lib/words.json", "[\"you\"]");
    let changed = secure_runtime(&scene, &["lock"]).success();
    assert!(
        changed.contains("changed app:/lib/words.json") && !changed.contains("greet/"),
        "{changed}"
    );
    let manifest = scene.read("secure.toml").replace("./out/**", "./**");
    let scene = scene.file("secure.toml", manifest);
    let report: Value = serde_json::from_str(&secure_runtime(&scene, &["lock", "--json"]).success()).unwrap();
    assert_eq!(
        report["changes"],
        serde_json::json!([
            "grant to the program: fs.write=./**",
            "no grant to the program any more: fs.write=./out/**"
        ])
    );
}

/// CLI-8, GRAPH-53, GRAPH-60: for TypeScript, the store contains the generated JavaScript, and the project the source.
#[test]
fn typescript_is_locked_verified_and_run() {
    let scene = Scene::new()
        .file("secure.toml", "[package]\nname = \"t\"\nentry = \"main.ts\"\n")
        .file("main.ts", "const a: number = 1;\nconsole.log(a as unknown);\n");
    secure_runtime(&scene, &["lock"]).success();
    let shown = secure_runtime(&scene, &["graph", "show"]).success();
    assert!(
        shown.contains("main.ts") && shown.contains("TypeScript"),
        "{shown}"
    );
    let verified = secure_runtime(&scene, &["verify", "--json"]).success();
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(
        (&verified["in_store"], &verified["in_project"]),
        (&1.into(), &1.into())
    );
    let scene = scene.file("main.ts", "const a: string = 1;\nconsole.log(a as unknown);\n");
    let said = secure_runtime(&scene, &["run", "--locked"]).failure_with_hint(4);
    assert!(said.contains("main.ts differs from the lock"), "{said}");
    std::fs::remove_file(scene.base().join("main.ts")).unwrap();
    assert_eq!(secure_runtime(&scene, &["run", "--locked"]).success(), "1\n");
}

/// CLI-8.
#[test]
fn a_locked_program_runs_from_the_store_alone() {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    std::fs::remove_dir_all(scene.base().join("vendor")).unwrap();
    std::fs::remove_file(scene.base().join("main.js")).unwrap();
    let verified: Value =
        serde_json::from_str(&secure_runtime(&scene, &["verify", "--json"]).success()).unwrap();
    assert_eq!(
        (
            &verified["modules"],
            &verified["in_store"],
            &verified["in_project"]
        ),
        (&4.into(), &4.into(), &1.into())
    );
    assert_eq!(
        secure_runtime(&scene, &["run", "--locked"]).success(),
        "Hello, world!\n"
    );
    assert!(has_run(&scene));
}

/// CLI-6.
#[test]
fn graph_show_is_a_tree_or_json() {
    let scene = greeting();
    let unlocked = secure_runtime(&scene, &["graph", "show"]);
    assert!(unlocked.err.contains("no secure.lock"), "{unlocked:?}");
    secure_runtime(&scene, &["lock"]).success();
    let tree = secure_runtime(&scene, &["graph", "show"]).success();
    assert_eq!(tree, unlocked.out);
    for part in [
        "greet 1.2.3",
        "no grants",
        "fs.write=./out/**",
        "app:/main.js",
        "the entry",
        "greet/hello.js",
    ] {
        assert!(tree.contains(part), "{part}: {tree}");
    }
    let graph: Value =
        serde_json::from_str(&secure_runtime(&scene, &["graph", "show", "--json"]).success()).unwrap();
    assert_eq!(graph["entry"], "app:/main.js");
    assert_eq!(graph["packages"][1]["name"], "greet");
    assert_eq!(
        graph["packages"][0]["modules"][1]["imports"]["greet"],
        "greet/index.js"
    );
    assert!(tree.contains(graph["graph"].as_str().unwrap()));
}

/// CLI-4.
#[test]
fn run_notes_a_missing_lock_on_standard_error() {
    let scene = greeting();
    let done = secure_runtime(&scene, &["run"]);
    assert!(
        done.err.contains("no secure.lock") && done.err.contains("secure-runtime lock"),
        "{done:?}"
    );
    assert_eq!(done.success(), "Hello, world!\n");
}

/// CLI-10.
#[test]
fn run_passes_arguments_streams_and_allowed_variables() {
    let scene = Scene::of_main(
        &["env.read=GREETING"],
        "import { env } from 'cap:self';\n\
         export default (args) => { console.log(args.join()); console.error(env.get('GREETING')); }",
    );
    let mut command = command(&scene, &["run", ".", "--", "--x", "y"]);
    let done = super::Done::from(command.env("GREETING", "hi").output().unwrap());
    assert_eq!((done.out.as_str(), done.code), ("--x,y\n", Some(0)), "{done:?}");
    assert!(done.err.ends_with("hi\n"), "{done:?}");
}

/// CLI-11.
#[test]
fn a_file_without_a_manifest_runs_with_grants() {
    let scene = Scene::new().file("a.txt", "A").file(
        "one.js",
        "import { fs } from 'cap:self'; console.log(await fs.readTextFile('a.txt'));",
    );
    let denied = secure_runtime(&scene, &["run", "one.js"]).failure_with_hint(3);
    assert!(denied.contains("--grant 'fs.read=./a.txt'"), "{denied}");
    assert_eq!(
        secure_runtime(&scene, &["run", "one.js", "--grant", "fs.read=./a.txt"]).success(),
        "A\n"
    );
}

/// CLI-5, CLI-9.
#[test]
fn store_adds_gets_lists_and_verifies() {
    let bytes = b"\x00\xffbytes\x1b[31m";
    let scene = Scene::new().file("a.bin", bytes).file("b.txt", "b");
    let added = secure_runtime(&scene, &["store", "add", "a.bin", "b.txt"]).success();
    assert_eq!(added.lines().count(), 2);
    let hash = added.split(' ').next().unwrap();
    let got = command(&scene, &["store", "get", hash]).output().unwrap();
    assert_eq!(got.stdout, bytes);
    secure_runtime(&scene, &["store", "get", hash, "-o", "copy.bin"]).success();
    assert_eq!(std::fs::read(scene.base().join("copy.bin")).unwrap(), bytes);
    secure_runtime(&scene, &["store", "get", hash, "-o", "copy.bin"]).failure_with_hint(2);
    let listed = secure_runtime(&scene, &["store", "list"]).success();
    assert!(
        listed.starts_with(store(&scene).to_str().unwrap()) && listed.contains(hash),
        "{listed}"
    );
    let json: Value =
        serde_json::from_str(&secure_runtime(&scene, &["store", "list", "--json"]).success()).unwrap();
    assert_eq!(json["blobs"].as_array().unwrap().len(), 2);
    assert!(
        secure_runtime(&scene, &["store", "verify"])
            .success()
            .contains("verified 2 blobs")
    );
}

/// CLI-8.
#[test]
fn the_environment_determines_the_local_store() {
    let scene = Scene::new();
    let place = |variables: &[(&str, &str)]| {
        let mut command = command(&scene, &["store", "list"]);
        command
            .env_remove("SECURE_RUNTIME_STORE")
            .env_remove("HOME")
            .envs(variables.iter().copied());
        super::Done::from(command.output().unwrap())
    };
    let (home, data) = (home(&scene), scene.base().join("data"));
    let (home, data) = (home.to_str().unwrap(), data.to_str().unwrap());
    let default = format!("{home}/.local/share/secure-runtime/store: 0 blobs");
    assert!(place(&[("HOME", home)]).success().starts_with(&default));
    assert!(
        place(&[("HOME", home), ("XDG_DATA_HOME", "relative")])
            .success()
            .starts_with(&default)
    );
    let in_data = format!("{data}/secure-runtime/store: 0 blobs");
    assert!(
        place(&[("HOME", home), ("XDG_DATA_HOME", data)])
            .success()
            .starts_with(&in_data)
    );
    assert!(place(&[]).failure_with_hint(2).contains("SECURE_RUNTIME_STORE"));
}

/// CLI-8. If a machine has no modules of a program, it fetches them from a served store and keeps them.
#[test]
fn a_served_store_provides_modules_to_another_machine() {
    let origin = greeting();
    secure_runtime(&origin, &["lock"]).success();
    let mut server = command(&origin, &["store", "serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(address.starts_with("http://127.0.0.1:"), "{line}");

    let other = Scene::new()
        .file("secure.toml", origin.read("secure.toml"))
        .file(
            "secure.lock",
            std::fs::read(origin.base().join("secure.lock")).unwrap(),
        )
        .folder("out");
    let said = secure_runtime(&other, &["run", "--locked"]).failure_with_hint(2);
    assert!(said.contains("--store"), "{said}");
    assert_eq!(
        secure_runtime(&other, &["run", "--locked", "--store", &address]).success(),
        "Hello, world!\n"
    );

    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &server.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert_eq!(
        secure_runtime(&other, &["run", "--locked"]).success(),
        "Hello, world!\n"
    );
}

/// CLI-9.
#[test]
fn keys_are_private_files_with_a_public_half() {
    let scene = Scene::new();
    let public = secure_runtime(&scene, &["key", "generate", "--out", "root.key"]).success();
    let mode = std::fs::metadata(scene.base().join("root.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        secure_runtime(&scene, &["key", "public", "root.key"]).success(),
        public
    );
    let private = scene.read("root.key");
    let said = secure_runtime(&scene, &["key", "generate", "--out", "root.key"]).failure_with_hint(2);
    assert!(said.contains("nothing is overwritten"), "{said}");
    assert_eq!(scene.read("root.key"), private);
    let printed = secure_runtime(&scene, &["key", "generate"]);
    assert!(
        printed.out.starts_with("ed25519-private/") && printed.err.contains("warning"),
        "{}",
        printed.err
    );
}

/// CLI-6. A reader that closes the pipe early, like `… | head`, is not an error.
#[test]
fn a_closed_pipe_is_no_error() {
    let scene = greeting();
    for arguments in [&["graph", "show"][..], &["run"], &["--help"]] {
        let mut child = command(&scene, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let done = super::Done::from(child.wait_with_output().unwrap());
        assert_eq!(done.code, Some(0), "{arguments:?} {done:?}");
    }
}

/// CLI-53.
#[test]
fn shells_and_manuals() {
    let scene = Scene::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = secure_runtime(&scene, &["completions", shell]).success();
        for word in ["secure-runtime", "attenuate", "--frozen", "--sandbox-log"] {
            let found = script.contains(word) || script.contains(word.trim_start_matches('-'));
            assert!(found, "{shell}: {word}: {script}");
        }
    }
    let script = secure_runtime(&scene, &["completions", "bash"]).success();
    let scene = scene.file("complete.bash", script);
    let ask = "source ./complete.bash; COMP_WORDS=(secure-runtime token pro); COMP_CWORD=2; \
               _secure__runtime secure-runtime pro token; echo \"${COMPREPLY[@]}\"";
    let completed = std::process::Command::new("bash")
        .args(["--norc", "-c", ask])
        .current_dir(scene.base())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(completed.stdout).unwrap(), "prove\n");

    for _ in 0..2 {
        let said = secure_runtime(&scene, &["man", "share/man1"]).success();
        assert!(said.contains(" pages in share/man1"), "{said}");
    }
    let page = scene.read("share/man1/secure-runtime-token-prove.1");
    assert!(page.contains("\\-\\-challenge"), "{page}");
    assert!(scene.read("share/man1/secure-runtime.1").contains("Exit codes"));
    let scene = scene.file("file", "");
    let said = secure_runtime(&scene, &["man", "file/pages"]).failure_with_hint(2);
    assert!(said.contains("file/pages"), "{said}");
}
