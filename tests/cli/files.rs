//! Input files of commands: only regular files are read, and only up to a maximum size. `spec/cli.md`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use secure_runtime_capabilities::{Base, Block, Families, KeyPair, Token};

use super::{Done, command, greeting, secure_runtime};
use crate::support::Scene;

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn linked(scene: &Scene, target: &str, name: &str) {
    let path = scene.base().join(name);
    let _ = fs::remove_file(&path);
    std::os::unix::fs::symlink(target, path).unwrap();
}

/// Creates a program, a key, and a token that the key signed.
fn scene() -> (Scene, String) {
    let scene = greeting();
    let key = KeyPair::generate().unwrap();
    let rights = Families::builtin().parse_grants(["fs.read=/**"], &Base::new("/").unwrap());
    let token = Token::mint(&key, &Block::of(rights.unwrap())).unwrap();
    fs::write(scene.base().join("root.key"), key.to_secret_text().as_bytes()).unwrap();
    fs::write(scene.base().join("a.token"), token.to_text()).unwrap();
    secure_runtime(&scene, &["lock"]).success();
    (scene, key.public().to_string())
}

/// CLI-43, A129. Every command refuses a FIFO without a writer and an endless device at once, in place of any file.
#[test]
fn a129_files_that_are_not_regular_are_refused_at_once() {
    let (scene, root) = scene();
    let root = root.as_str();
    let fifo_path = scene.base().join("fifo");
    fifo(&fifo_path);
    linked(&scene, "/dev/zero", "zero");
    linked(&scene, "/dev/tty", "tty");
    let regular = fs::read(scene.base().join("secure.toml")).unwrap();
    let lock = fs::read(scene.base().join("secure.lock")).unwrap();
    for odd in ["fifo", "zero", "tty", "out", "/dev/zero", "/dev/null"] {
        let list = format!("{odd}/x");
        for arguments in [
            vec!["key", "public", odd],
            vec!["token", "mint", "--key", odd, "--grant", "fs.read=/**"],
            vec!["token", "inspect", odd, "--root-key", root],
            vec![
                "token",
                "attest",
                "sign",
                odd,
                "--key",
                "root.key",
                "--graph",
                "secure.lock",
            ],
            vec![
                "token",
                "attest",
                "add",
                "a.token",
                odd,
                "--root-key",
                root,
                "--by",
                root,
            ],
            vec!["token", "revoke", "--key", "root.key", "--list", odd],
            vec!["token", "revoke", "--key", "root.key", "--list", &list],
            vec!["token", "revocations", odd, "--key", root],
            vec![
                "token",
                "verify",
                "a.token",
                "--root-key",
                root,
                "--revocations",
                odd,
            ],
            vec!["run", "--token", odd, "--root-key", root],
            vec![
                "run",
                "--token",
                "a.token",
                "--root-key",
                root,
                "--holder-key",
                odd,
            ],
            vec!["run", odd],
            vec!["lock", odd],
            vec!["sign", "--key", odd],
            vec!["graph", "diff", odd, "secure.lock"],
            vec!["store", "add", odd],
            vec!["store", "gc", "--keep", odd],
            vec![
                "store",
                "get",
                &format!("blake3:{}", "0a".repeat(32)),
                "--store",
                "http://127.0.0.1:9",
                "--store-token",
                odd,
            ],
        ] {
            // `revoke` can create a list in a folder.
            if odd == "out" && arguments.contains(&list.as_str()) {
                continue;
            }
            let done = secure_runtime(&scene, &arguments);
            assert!(matches!(done.code, Some(2 | 4)), "{arguments:?}: {done:#?}");
        }
        if odd.starts_with('/') || odd == "out" {
            continue;
        }
        for (name, content) in [("secure.toml", &regular), ("secure.lock", &lock)] {
            let path = scene.base().join(name);
            fs::remove_file(&path).unwrap();
            match odd {
                "fifo" => fifo(&path),
                _ => linked(&scene, odd, name),
            }
            // `lock` replaces an old lock that cannot be read, and does not follow it.
            let lock = ["lock", "."];
            let commands = [
                &["run"][..],
                &["verify"],
                &["graph", "show"],
                &["explain", "fs read a"],
                &lock,
            ];
            for arguments in &commands[..if name == "secure.toml" { 5 } else { 4 }] {
                let done = secure_runtime(&scene, arguments);
                assert!(
                    matches!(done.code, Some(2 | 4)),
                    "{name} is {odd}: {arguments:?}: {done:#?}"
                );
            }
            fs::remove_file(&path).unwrap();
            fs::write(&path, content).unwrap();
        }
    }
    // Links to regular files are followed, because the user created them.
    linked(&scene, "a.token", "link.token");
    secure_runtime(&scene, &["token", "inspect", "link.token", "--root-key", root]).success();
    fs::rename(scene.base().join("secure.toml"), scene.base().join("real.toml")).unwrap();
    linked(&scene, "real.toml", "secure.toml");
    secure_runtime(&scene, &["run"]).success();
}

/// CLI-43. A file or standard input that is too large is not read completely.
#[test]
fn a129_files_that_are_too_large_are_refused() {
    let (scene, root) = scene();
    for name in ["secure.toml", "secure.lock", "a.token", "root.key"] {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(scene.base().join(name))
            .unwrap();
        file.set_len(1 << 40).unwrap();
    }
    for arguments in [
        &["run"][..],
        &["token", "inspect", "a.token", "--root-key", &root],
        &["key", "public", "root.key"],
        &["graph", "diff", "secure.lock", "secure.lock"],
    ] {
        let said = secure_runtime(&scene, arguments).failure_with_hint(2);
        assert!(said.contains("is larger than "), "{said}");
    }
    for path in ["-", "/dev/stdin"] {
        let endless = fs::File::open("/dev/zero").unwrap();
        let done: Done = command(&scene, &["key", "public", path])
            .stdin(endless)
            .output()
            .unwrap()
            .into();
        done.failure_with_hint(2);
    }
}

/// A129, CLI-43. A file of `/proc` is said to be empty, and may have no end.
#[cfg(target_os = "linux")]
#[test]
fn a129_files_with_a_stated_size_of_zero_are_bounded() {
    let (scene, _) = scene();
    let said = secure_runtime(&scene, &["store", "add", "/proc/self/pagemap"]).failure_with_hint(2);
    assert!(said.contains("/proc/self/pagemap: has more than "), "{said}");
    let left = fs::read_dir(super::store(&scene).join("blobs")).unwrap();
    let left: Vec<_> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".writing-"))
        .collect();
    assert_eq!(left, [""; 0]);
    secure_runtime(&scene, &["store", "add", "/proc/self/status"]).success();
}

/// CLI-43. Standard input, and the pipe of a shell's `<(command)`, which has no name in a folder, are read.
#[test]
fn pipes_of_a_shell_are_read() {
    let (scene, root) = scene();
    let token = fs::read(scene.base().join("a.token")).unwrap();
    for path in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let mut child = command(&scene, &["token", "inspect", path, "--root-key", &root])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&token).unwrap();
        let done: Done = child.wait_with_output().unwrap().into();
        let said = done.success();
        assert!(said.contains("its signatures hold"), "{path}: {said}");
    }
}

/// CLI-43. A single function reads all files of users, so that the same limits apply to each.
#[test]
fn a_single_function_reads_all_files() {
    let root = crate::support::root();
    // Exceptions: they read system folders, files of guests (which the capability limits), or a file of tests.
    let others = [
        "loaders/src/files.rs",
        "engine/src/v8/start.rs",
        "families/src/fs/files.rs",
        "capabilities/src/vectors.rs",
    ];
    let mut found = Vec::new();
    let mut folders = vec![
        root.join("src"),
        root.join("cli/src"),
        root.join("engine/src"),
        root.join("families/src"),
        root.join("loaders/src"),
        root.join("capabilities/src"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            if others.contains(&name) || !name.ends_with(".rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text
                .split("#[cfg(test)]")
                .next()
                .unwrap()
                .replace("LogFile::open(", "");
            for needle in ["fs::read(", "read_to_string(", "read_to_end(", "File::open("] {
                found.extend(code.contains(needle).then(|| format!("{name}: {needle}")));
            }
        }
    }
    assert_eq!(found, [""; 0]);
}
