//! Tests of the command line, which run the binary like a user does: `spec/cli.md`.

mod additions;
mod advice;
mod audit;
mod bounds;
mod commands;
mod delegation;
mod doctor;
mod drift;
mod exit_codes;
mod files;
mod flips;
mod held_secrets;
mod lock_text;
mod logs;
mod malformed;
mod names;
mod newcomers;
mod not_utf8;
mod review;
mod revocation;
mod secrets;
mod self_write;
mod serve;
mod signatures;
mod sockets;
mod store_tokens;
mod stores;
mod tokens;
mod uncaught;
mod units;
mod unread;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::support::Scene;

/// Returns a command that runs the binary in the scene's folder. Its environment contains only the scene's store and
/// home.
fn command(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-runtime"));
    command
        .args(arguments)
        .current_dir(scene.base())
        .env_clear()
        .env("HOME", home(scene))
        .env("SECURE_RUNTIME_STORE", store(scene))
        .stdin(Stdio::null());
    command
}

fn home(scene: &Scene) -> PathBuf {
    scene.base().parent().unwrap().join("home")
}

/// Returns the folder of the scene's local store.
fn store(scene: &Scene) -> PathBuf {
    scene.base().parent().unwrap().join("store")
}

/// The result of a command.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Done {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn secure_runtime(scene: &Scene, arguments: &[&str]) -> Done {
    command(scene, arguments).output().unwrap().into()
}

impl Done {
    /// Checks that the command succeeded, and returns its standard output.
    #[track_caller]
    fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// Checks that the command failed with this code and a well-formed message, and returns its standard error.
    #[track_caller]
    fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let message = self.err.lines().find(|line| line.starts_with("error: "));
        assert!(message.is_some(), "no error is named: {self:#?}");
        assert!(
            !self.err.contains("panicked") && !self.err.contains("this is a bug"),
            "{self:#?}"
        );
        let is_plain = |character: char| character == '\n' || !character.is_control();
        assert!(self.err.chars().all(is_plain), "{self:#?}");
        self.err
    }

    /// Checks like [`Done::failure`], and that the message contains advice.
    #[track_caller]
    fn failure_with_hint(self, code: i32) -> String {
        let said = self.failure(code);
        assert!(said.contains("help: ") || said.contains("; "), "no hint: {said}");
        said
    }
}

/// Creates a program whose main module writes `out/marker` with the help of a package without rights. If the file does
/// not exist, no code ran.
fn greeting() -> Scene {
    Scene::new()
        .file(
            "secure.toml",
            "[package]\nname = \"greeting\"\nentry = \"main.js\"\n\n[imports]\ngreet = \"./vendor/greet/\"\n\
             \"#lib/\" = \"./lib/\"\n\n[grants]\nfs.write = [\"./out/**\"]\n",
        )
        .file(
            "main.js",
            "import { fs } from 'cap:self';\nimport { greet } from 'greet';\nimport words from '#lib/words.json' with { type: 'json' };\n\
             await fs.writeTextFile('out/marker', greet(words[0]));\nconsole.log(greet(words[0]));\n",
        )
        .file("lib/words.json", "[\"world\"]")
        .file(
            "vendor/greet/package.json",
            "{\"name\":\"greet\",\"version\":\"1.2.3\",\"type\":\"module\",\"exports\":\"./index.js\"}",
        )
        .file("vendor/greet/index.js", "import { hello } from './hello.js';\nexport const greet = (name) => `${hello}, ${name}!`;\n")
        .file("vendor/greet/hello.js", "export const hello = 'Hello';\n")
        .folder("out")
}

fn has_run(scene: &Scene) -> bool {
    scene.base().join("out/marker").exists()
}

#[test]
fn every_line_of_the_specification_has_a_test() {
    let tests = [
        include_str!("advice.rs"),
        include_str!("audit.rs"),
        include_str!("bounds.rs"),
        include_str!("commands.rs"),
        include_str!("delegation.rs"),
        include_str!("doctor.rs"),
        include_str!("drift.rs"),
        include_str!("exit_codes.rs"),
        include_str!("files.rs"),
        include_str!("../kv/file.rs"),
        include_str!("flips.rs"),
        include_str!("held_secrets.rs"),
        include_str!("lock_text.rs"),
        include_str!("logs.rs"),
        include_str!("malformed.rs"),
        include_str!("names.rs"),
        include_str!("newcomers.rs"),
        include_str!("not_utf8.rs"),
        include_str!("review.rs"),
        include_str!("revocation.rs"),
        include_str!("secrets.rs"),
        include_str!("serve.rs"),
        include_str!("store_tokens.rs"),
        include_str!("self_write.rs"),
        include_str!("stores.rs"),
        include_str!("tokens.rs"),
        include_str!("uncaught.rs"),
        include_str!("units.rs"),
        include_str!("unread.rs"),
    ]
    .concat();
    let lines = include_str!("../../spec/cli.md")
        .split("**")
        .filter(|part| part.starts_with("CLI-"));
    let mut count = 0;
    for line in lines {
        let is_named = [format!("{line}."), format!("{line},")]
            .iter()
            .any(|name| tests.contains(name));
        assert!(is_named, "no test names {line}");
        count += 1;
    }
    assert_eq!(count, 58);
}
