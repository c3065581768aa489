//! A store in a file: what is kept, and what a crash leaves.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use secure_runtime::{FileKvStore, KvChange, KvError, KvRange, KvStore, KvValue, OpenKvError};

use super::{ALL, all_keys, key, telling, text};

const LIMIT: u64 = FileKvStore::DEFAULT_LIMIT;

/// The variable with the file that the child process of a test writes.
const FILE: &str = "SECURE_RUNTIME_TEST_KV";

fn open(path: &std::path::Path) -> FileKvStore {
    FileKvStore::open(path, LIMIT).unwrap()
}

/// RUN-103
#[test]
fn entries_are_there_after_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entries.kv");
    let source = r#"
        await tell("set", () => kv.set("b/1", "one"));
        await tell("bytes", () => kv.set("b/2", new Uint8Array([0, 255])));
        await tell("replaced", () => kv.set("b/1", "two"));
        await tell("gone", () => kv.set("c", "three"));
        await tell("deleted", () => kv.delete("c"));
        await tell("list", () => list("b/"));
    "#;
    let ran = telling(ALL, source)
        .kv(std::sync::Arc::new(open(&path)))
        .run(&[])
        .completed();
    assert_eq!(
        ran.out,
        "set: undefined\nbytes: undefined\nreplaced: undefined\ngone: undefined\ndeleted: undefined\nlist: [\"b/1\",\"b/2\"]\n"
    );
    // The engine may keep objects of the run, and with them the store. So a copy of the file is opened, as after a
    // crash.
    let copy = folder.path().join("copy.kv");
    std::fs::copy(&path, &copy).unwrap();
    let store = open(&copy);
    assert_eq!(store.get(&key("b/1")), Ok(Some(text("two"))));
    assert_eq!(store.get(&key("b/2")), Ok(Some(KvValue::Bytes(vec![0, 255]))));
    assert_eq!(store.get(&key("c")), Ok(None));
}

/// RUN-103
#[test]
fn bytes_are_limited_across_openings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entries.kv");
    let bytes = |count| KvValue::Bytes(vec![0; count]);
    // Two entries with keys of one byte, and 98 bytes for their values.
    let limit = 2 * 257 + 98;
    let store = FileKvStore::open(&path, limit).unwrap();
    store.set(&key("a"), bytes(99 + 256)).unwrap();
    assert!(matches!(
        store.set(&key("b"), bytes(0)),
        Err(KvError::Full { .. })
    ));
    assert!(matches!(
        store.set(&key("a"), bytes(100 + 257 + 98)),
        Err(KvError::Full { .. })
    ));
    assert_eq!(store.get(&key("a")), Ok(Some(bytes(99 + 256))));
    drop(store);
    let store = FileKvStore::open(&path, limit).unwrap();
    assert!(matches!(
        store.set(&key("b"), bytes(0)),
        Err(KvError::Full { .. })
    ));
    store.set(&key("a"), bytes(10)).unwrap();
    store.set(&key("b"), bytes(88)).unwrap();
    store.delete(&key("a")).unwrap();
    store.delete(&key("a")).unwrap();
    store.set(&key("c"), bytes(10)).unwrap();
}

/// RUN-103
#[test]
fn a_file_that_is_no_store_is_rejected_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entries.kv");
    let store = open(&path);
    for number in 0..200 {
        store
            .set(&key(&format!("n/{number}")), text(&"x".repeat(number * 10)))
            .unwrap();
    }
    assert!(matches!(
        FileKvStore::open(&path, LIMIT),
        Err(OpenKvError::InUse { .. })
    ));
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(all_keys(&open(&path)).len(), 200);

    let text_file = folder.path().join("text");
    std::fs::write(&text_file, "hello").unwrap();
    assert!(matches!(
        FileKvStore::open(&text_file, LIMIT),
        Err(OpenKvError::Damaged { .. })
    ));
    assert_eq!(std::fs::read(&text_file).unwrap(), b"hello");
    assert!(matches!(
        FileKvStore::open(folder.path(), LIMIT),
        Err(OpenKvError::System { .. })
    ));

    // A changed byte is detected, or it is in a part of the file that is not in use.
    let damaged = folder.path().join("damaged");
    let mut detected = 0;
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&damaged, &bytes).unwrap();
        match FileKvStore::open(&damaged, LIMIT) {
            Err(_) => detected += 1,
            Ok(store) => {
                for number in 0..200 {
                    let value = store.get(&key(&format!("n/{number}")));
                    assert_eq!(value, Ok(Some(text(&"x".repeat(number * 10)))), "byte {at}");
                }
            }
        }
    }
    assert!(detected > 10, "{detected}");
}

/// RUN-103: the process is killed at random moments, and each time the next one goes on with the file.
///
/// `KILLS` is the number of kills. The default suits continuous integration.
#[test]
fn no_acknowledged_entry_is_lost_when_the_process_is_killed() {
    if let Some(path) = std::env::var_os(FILE) {
        return write_until_killed(path.as_ref());
    }
    let kills = std::env::var("KILLS").map_or(20, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entries.kv");
    drop(open(&path));
    let mut acknowledged = 0_u64;
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kv::file::no_acknowledged_entry_is_lost_when_the_process_is_killed",
                "--nocapture",
            ])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        // Waits for the first entries, so that every child writes some, and then for a time of its own.
        let begun = lines.by_ref().filter_map(|line| written(&line)).nth(kill % 3);
        std::thread::sleep(Duration::from_micros((kill as u64 * 7919) % 20_000));
        child.kill().unwrap();
        let last = lines.filter_map(|line| written(&line)).last().or(begun);
        child.wait().unwrap();
        acknowledged = last.expect("the child wrote no entry").max(acknowledged);

        let store = open(&path);
        let (keys, count) = (all_keys(&store), next_number(&store));
        // The last change may have reached the disk although nobody was told.
        assert!(
            count == acknowledged + 1 || count == acknowledged + 2,
            "{count} is the next entry, {acknowledged} is the last one that was acknowledged"
        );
        // Each change adds an entry and removes another, so that all others are there.
        let numbers = count.saturating_sub(KEPT)..count;
        assert_eq!(keys, numbers.clone().map(name).collect::<Vec<_>>());
        for number in numbers {
            assert_eq!(
                store.get(&key(&name(number))),
                Ok(Some(entry(number))),
                "{number}"
            );
        }
        acknowledged = count - 1;
    }
    println!("{kills} kills, {acknowledged} acknowledged changes");
}

/// Returns the number in a line of the child process.
fn written(line: &str) -> Option<u64> {
    line.strip_prefix("written ")?.parse().ok()
}

fn entry(number: u64) -> KvValue {
    text(&format!("{number} ").repeat(300))
}

/// Number of entries that are kept, so that each round can look at all of them.
const KEPT: u64 = 100;

fn name(number: u64) -> String {
    format!("{number:08}")
}

/// Returns the number after the last entry.
fn next_number(store: &FileKvStore) -> u64 {
    let mut range = KvRange::prefix("");
    range.reverse = true;
    let last = store.keys(&range, 1).unwrap();
    last.first().map_or(0, |last| last.parse::<u64>().unwrap() + 1)
}

fn write_until_killed(path: &std::path::Path) {
    let store = open(path);
    for number in next_number(&store).. {
        let set = KvChange::Set {
            key: key(&name(number)),
            value: entry(number),
            expire_in: None,
        };
        let former = number.checked_sub(KEPT);
        let delete = former.map(|former| KvChange::Delete {
            key: key(&name(former)),
        });
        let changes = [set].into_iter().chain(delete).collect();
        assert_eq!(store.commit(&[], changes), Ok(true));
        let mut out = std::io::stdout();
        writeln!(out, "written {number}").unwrap();
        out.flush().unwrap();
    }
}

/// CLI-56, CLI-39
#[test]
fn the_command_keeps_entries_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entries.kv");
    let source = "await tell('former', () => kv.get('a')); await kv.set('a', 'one');";
    let program = tempfile::tempdir().unwrap();
    let main = program.path().join("main.js");
    std::fs::write(&main, telling(ALL, source).read("main.js")).unwrap();
    let run = |grants: &[&str], more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secure-runtime"));
        command.arg("run").arg(&main);
        for grant in grants {
            command.args(["--grant", grant]);
        }
        let output = command.arg("--kv").arg(&path).args(more).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(
        run(ALL, &[]),
        (Some(0), "former: undefined\n".to_owned(), String::new())
    );
    assert_eq!(run(ALL, &[]).1, "former: \"one\"\n");
    let (code, _, error) = run(ALL, &["--kv-size", "2 B"]);
    assert_eq!(code, Some(3), "{error}");

    let write = format!("fs.write={}/**", folder.path().display());
    let (code, _, error) = run(&[ALL[0], ALL[1], &write], &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("the program may write"), "{error}");
    assert!(error.contains("entries.kv"), "{error}");

    let store = open(&path);
    let (code, _, error) = run(ALL, &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("another process uses this store"), "{error}");
    drop(store);
    std::fs::write(&path, "no store").unwrap();
    let (code, _, error) = run(ALL, &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("not a store of `kv` entries"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"no store");
}

/// CLI-60, CLI-39
#[test]
fn the_manifest_names_the_file_beneath_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    let program = folder.path().join("program");
    for folder in [&outside, &program, &program.join("data")] {
        std::fs::create_dir(folder).unwrap();
    }
    let source = "await tell('former', () => kv.get('a')); await kv.set('a', 'one');";
    std::fs::write(program.join("main.js"), telling(ALL, source).read("main.js")).unwrap();
    let manifest = |grants: &str, kv: &str| {
        let head =
            "[package]\nname = \"t\"\nentry = \"main.js\"\n[grants]\nkv.read = [\"*\"]\nkv.write = [\"*\"]\n";
        std::fs::write(
            program.join("secure.toml"),
            format!("{head}{grants}\n[kv]\n{kv}\n"),
        )
        .unwrap();
    };
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secure-runtime"));
        let output = command.arg("run").arg(&program).args(more).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    manifest("", "file = \"data/entries.kv\"");
    let (code, out, error) = run(&[]);
    assert_eq!((code, out.as_str()), (Some(0), "former: undefined\n"), "{error}");
    assert_eq!(run(&[]).1, "former: \"one\"\n");
    assert!(program.join("data/entries.kv").is_file());
    // The command line wins.
    let other = outside.join("other.kv");
    let other = other.to_str().unwrap();
    assert_eq!(run(&["--kv", other]).1, "former: undefined\n");
    assert_eq!(run(&["--kv", other]).1, "former: \"one\"\n");
    manifest("", "file = \"data/entries.kv\"\nsize = \"2 B\"");
    assert_eq!(run(&[]).0, Some(3));
    assert_eq!(run(&["--kv", other]).0, Some(0));

    // A manifest names no store of other programs, also not by a link.
    manifest("", &format!("file = {other:?}"));
    let (code, _, error) = run(&[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(
        error.contains("secure.toml:9:8") && error.contains("run --kv FILE"),
        "{error}"
    );
    std::os::unix::fs::symlink(&outside, program.join("link")).unwrap();
    std::os::unix::fs::symlink(outside.join("other.kv"), program.join("file.kv")).unwrap();
    std::os::unix::fs::symlink(outside.join("new.kv"), program.join("new.kv")).unwrap();
    for file in ["link/other.kv", "file.kv", "new.kv"] {
        manifest("", &format!("file = {file:?}"));
        let (code, _, error) = run(&[]);
        assert_eq!(code, Some(2), "{file}: {error}");
        assert!(error.contains("a link leads out of"), "{file}: {error}");
    }
    assert!(!outside.join("new.kv").exists());
    manifest("", "file = \"missing/entries.kv\"");
    assert_eq!(run(&[]).0, Some(2));

    // A program that may write the file could change entries that it may not write.
    manifest("fs.write = [\"./data/**\"]", "file = \"data/entries.kv\"");
    let (code, _, error) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("the program may write") && error.contains("entries.kv"),
        "{error}"
    );
    manifest("fs.write = [\"./out/**\"]", "file = \"data/entries.kv\"");
    assert_eq!(run(&[]).0, Some(0));
}
