//! Projects, stores, keys and tokens in folders whose names are not UTF-8. Paths are bytes to the operating system.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{Done, command, greeting};
use crate::support::Scene;

const PLAIN: &[u8] = b"cafe";
const NOT_UTF8: &[u8] = b"caf\xe9";

/// A folder with this name in the scene's, which contains everything that a user has.
struct Project {
    scene: Scene,
    folder: PathBuf,
}

impl Project {
    fn new(name: &[u8], grants: &str) -> Self {
        let scene = greeting();
        let folder = scene.base().join(OsStr::from_bytes(name));
        let program = folder.join("program");
        fs::create_dir_all(&program).unwrap();
        for entry in ["main.js", "lib", "vendor"] {
            fs::rename(scene.base().join(entry), program.join(entry)).unwrap();
        }
        let manifest = fs::read_to_string(scene.base().join("secure.toml")).unwrap();
        let manifest = manifest.replace("fs.write = [\"./out/**\"]", grants);
        fs::write(program.join("secure.toml"), manifest).unwrap();
        fs::write(
            program.join("main.js"),
            "import { greet } from 'greet';\nimport words from '#lib/words.json' with { type: 'json' };\nconsole.log(greet(words[0]));\n",
        )
        .unwrap();
        Project { scene, folder }
    }

    /// Runs the command. An argument `@name` is the path of that file in the folder.
    fn command(&self, arguments: &[&str]) -> Done {
        let arguments: Vec<OsString> = arguments
            .iter()
            .map(|argument| match argument.split_once('@') {
                Some((before, name)) => {
                    let mut argument = OsString::from(before);
                    argument.push(self.folder.join(name));
                    argument
                }
                None => argument.into(),
            })
            .collect();
        command(&self.scene, &[])
            .args(arguments)
            .env("SECURE_RUNTIME_STORE", self.folder.join("store"))
            .env("XDG_STATE_HOME", self.folder.join("state"))
            .output()
            .unwrap()
            .into()
    }
}

/// CLI-55. The same commands work in both folders.
#[test]
fn all_commands_work_in_a_folder_whose_name_is_not_utf8() {
    for name in [PLAIN, NOT_UTF8] {
        let project = Project::new(name, "random = true");
        let run = |arguments: &[&str]| project.command(arguments).success();
        assert_eq!(run(&["run", "@program"]), "Hello, world!\n");
        run(&["key", "generate", "--out", "@root.key"]);
        let key = run(&["key", "public", "@root.key"]);
        let key = key.trim();
        run(&["lock", "@program"]);
        run(&["lock", "@program", "--frozen"]);
        assert!(project.folder.join("program/secure.lock").exists());
        assert_eq!(run(&["run", "@program", "--locked"]), "Hello, world!\n");
        run(&["run", "@program", "--audit", "@audit"]);
        assert!(project.folder.join("audit").exists());
        run(&["graph", "show", "@program"]);
        let ask = [
            "explain",
            "--dir",
            "@program",
            "--module",
            "app:/main.js",
            "fs read /a",
        ];
        assert!(run(&ask).contains("fs read /a"));

        run(&["sign", "@program", "--key", "@root.key"]);
        run(&["verify", "@program", "--signed-by", key]);
        run(&["store", "add", "@program/main.js"]);
        run(&["store", "verify"]);
        run(&["store", "gc", "--keep", "@program/secure.lock"]);
        // The other store is the only one that has the signature.
        fs::rename(project.folder.join("store"), project.folder.join("other")).unwrap();
        project
            .command(&["verify", "@program", "--signed-by", key])
            .failure(4);
        run(&["verify", "@program", "--signed-by", key, "--store", "@other"]);
        run(&["run", "@program", "--locked", "--store", "@other"]);

        let mint = ["token", "mint", "--key", "@root.key", "--grant", "random=true"];
        for out in ["@a.token", "@b.token"] {
            run(&[&mint[..], &["--base", "@program", "--out", out]].concat());
        }
        run(&["token", "inspect", "@a.token", "--root-key", key]);
        let key_of = ["--root-key", key];
        let revoke = [
            "token",
            "revoke",
            "@b.token",
            "--key",
            "@root.key",
            "--list",
            "@revoked.list",
        ];
        run(&[&revoke[..], &key_of].concat());
        let present = [
            "run",
            "@program",
            "--token",
            "@a.token",
            "--revocations",
            "@revoked.list",
        ];
        run(&[&present[..], &key_of].concat());
    }
}

/// CLI-55. Scopes are text, so relative ones have no meaning in a folder whose path is not. Absolute ones do.
#[test]
fn relative_scopes_are_refused_in_a_folder_whose_name_is_not_utf8() {
    let said = Project::new(NOT_UTF8, "fs.read = [\"./data/**\"]")
        .command(&["run", "@program"])
        .failure_with_hint(2);
    assert!(
        said.contains("is not UTF-8: write an absolute path, or rename the folder")
            && said.contains("secure.toml:10"),
        "{said}"
    );
    let run = |name, grants| Project::new(name, grants).command(&["run", "@program"]).success();
    assert_eq!(run(PLAIN, "fs.read = [\"./data/**\"]"), "Hello, world!\n");
    assert_eq!(run(NOT_UTF8, "fs.read = [\"/srv/**\"]"), "Hello, world!\n");
}

/// CLI-55. A guest's paths are text too: with an absolute grant, only absolute paths work.
#[test]
fn relative_paths_are_refused_in_a_folder_whose_name_is_not_utf8() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().canonicalize().unwrap();
    fs::write(data.join("a.txt"), "text").unwrap();
    let project = Project::new(NOT_UTF8, &format!("fs.read = [\"{}/**\"]", data.display()));
    let main = |path: &str| {
        let code =
            format!("import {{ fs }} from 'cap:self';\nconsole.log(await fs.readTextFile({path:?}));\n");
        fs::write(project.folder.join("program/main.js"), code).unwrap();
        project.command(&["run", "@program"])
    };
    assert_eq!(main(data.join("a.txt").to_str().unwrap()).success(), "text\n");
    let said = main("a.txt").failure(1);
    assert!(said.contains("is not UTF-8: write an absolute path"), "{said}");
}
