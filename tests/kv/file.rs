//! A store in a file: what is kept, and what a crash leaves.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use secure_runtime::{FileKvStore, KvError, KvStore, KvValue, OpenKvError};

use super::{ALL, key, telling, text};

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
    for name in ["a", "b", "b/", "b0"] {
        store.set(&key(name), text(name)).unwrap();
    }
    let keys = |prefix, after, count| store.keys(prefix, after, count).unwrap();
    assert_eq!(keys("b/", None, 9), ["b/", "b/1", "b/2"]);
    assert_eq!(keys("b/", None, 2), ["b/", "b/1"]);
    assert_eq!(keys("b/", Some("b/1"), 2), ["b/2"]);
    assert_eq!(keys("b/", Some("a"), 1), ["b/"]);
    assert_eq!(keys("", Some("b/2"), 9), ["b0"]);
    assert!(keys("d", None, 9).is_empty());
}

/// RUN-103
#[test]
fn bytes_are_limited_across_openings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entries.kv");
    let bytes = |count| KvValue::Bytes(vec![0; count]);
    let store = FileKvStore::open(&path, 100).unwrap();
    store.set(&key("a"), bytes(99)).unwrap();
    assert!(matches!(
        store.set(&key("b"), bytes(0)),
        Err(KvError::Full { .. })
    ));
    assert!(matches!(
        store.set(&key("a"), bytes(100)),
        Err(KvError::Full { .. })
    ));
    assert_eq!(store.get(&key("a")), Ok(Some(bytes(99))));
    drop(store);
    let store = FileKvStore::open(&path, 100).unwrap();
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
    assert_eq!(open(&path).keys("", None, 1000).unwrap().len(), 200);

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
        let keys = store.keys("", None, usize::MAX).unwrap();
        let count = keys.len() as u64;
        // The last change may have reached the disk although nobody was told.
        assert!(
            count == acknowledged + 1 || count == acknowledged + 2,
            "{count} entries, {acknowledged} is the last one that was acknowledged"
        );
        for number in count.saturating_sub(50)..count {
            let value = store.get(&key(&format!("{number:08}"))).unwrap();
            assert_eq!(value, Some(entry(number)), "{number}");
        }
        acknowledged = count - 1;
    }
}

/// Returns the number in a line of the child process.
fn written(line: &str) -> Option<u64> {
    line.strip_prefix("written ")?.parse().ok()
}

fn entry(number: u64) -> KvValue {
    text(&format!("{number} ").repeat(300))
}

fn write_until_killed(path: &std::path::Path) {
    let store = open(path);
    let first = store.keys("", None, usize::MAX).unwrap().len() as u64;
    for number in first.. {
        store.set(&key(&format!("{number:08}")), entry(number)).unwrap();
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
