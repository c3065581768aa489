//! The audit file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{command, secure_runtime};
use crate::support::{Scene, manifest};

/// CLI-15.
#[test]
fn audit_appends_one_json_record_a_decision() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self';\nawait fs.readTextFile('data/a');\n\
         try { await fs.readTextFile('b\\u001b\\u202e') } catch {}",
    )
    .file("data/a", "");
    secure_runtime(&scene, &["run", "--audit", "audit.jsonl"]).success();
    secure_runtime(&scene, &["run", "--audit", "audit.jsonl"]).success();
    let text = scene.read("audit.jsonl");
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let verdicts: Vec<&str> = records
        .iter()
        .map(|record| record["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["allowed", "denied", "allowed", "denied"]);
    assert_eq!(records[1]["module"], "app:/main.js");
    assert_eq!(records[1]["block"], 0);
    assert!(
        records[1]["resource"]
            .as_str()
            .unwrap()
            .ends_with("/b\u{1b}\u{202e}")
    );
}

/// CLI-15.
#[test]
fn audit_denials_records_only_denials() {
    let source = "import { fs } from 'cap:self';\nawait fs.readTextFile('data/a');\n\
                  try { await fs.readTextFile('b') } catch {}";
    let scene = Scene::of_main(&["fs.read=./data/**"], source).file("data/a", "");
    let options = ["run", "--audit", "audit.jsonl", "--audit-denials"];
    secure_runtime(&scene, &options).success();
    let records = records(&scene.base().join("audit.jsonl"));
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["verdict"], "denied");
}

/// CLI-16. An operation that cannot be recorded is refused, and the run stops: invariant 7.
#[test]
fn a_full_audit_disk_stops_the_run() {
    let scene = Scene::of_main(
        &["fs.write=./out/**"],
        "import { fs } from 'cap:self';\ntry { await fs.writeTextFile('out/a', '') } catch {}\n\
         for (;;) { try { await fs.writeTextFile('out/b', '') } catch {} }",
    )
    .folder("out");
    let done = secure_runtime(&scene, &["run", "--audit", "/dev/full"]);
    assert!(!scene.base().join("out/a").exists() && !scene.base().join("out/b").exists());
    let said = done.failure_with_hint(2);
    assert!(said.contains("/dev/full cannot be written"), "{said}");
    let said = secure_runtime(&scene, &["run", "--audit", "no/such/folder/a.jsonl"]).failure_with_hint(2);
    assert!(said.contains("no/such/folder/a.jsonl"), "{said}");
}

/// CLI-16. A file that accepts no data, like a pipe without a reader, first blocks the program and then stops it.
#[test]
fn a_blocked_audit_file_stops_the_run() {
    let source = "import { fs } from 'cap:self';\nconst path = `${'x'.repeat(200)}/`.repeat(10) + 'x';\n\
                  for (;;) { try { await fs.readTextFile(path) } catch {} }";
    let scene = Scene::new()
        .file("secure.toml", manifest(&[], "[limits]\nwall = \"10m\"\n"))
        .file("main.js", source);
    let pipe = scene.base().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _unread = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let said = secure_runtime(&scene, &["run", "--audit", "pipe"]).failure_with_hint(2);
    assert!(said.contains("no record was written"), "{said}");
}

fn records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn resources(records: &[Value]) -> Vec<u32> {
    let number = |record: &Value| {
        record["resource"]
            .as_str()
            .unwrap()
            .rsplit_once('/')
            .unwrap()
            .1
            .parse()
            .unwrap()
    };
    records.iter().map(number).collect()
}

const MANY: u32 = 500;

/// Creates a program that is denied `MANY` files, prints a line, and then runs `end`.
fn denied_many(end: &str) -> Scene {
    let source = format!(
        "import {{ fs }} from 'cap:self';\n\
         for (let n = 0; n < {MANY}; n++) {{ try {{ await fs.readTextFile(`${{n}}`) }} catch {{}} }}\n\
         console.log('ready');\n{end}\n"
    );
    Scene::new()
        .file("secure.toml", manifest(&[], "[limits]\nwall = \"10m\"\n"))
        .file("main.js", source)
}

/// CLI-34.
#[test]
fn no_end_of_a_program_loses_a_record() {
    for (end, code) in [
        ("throw Symbol('end')", 1),
        ("", 0),
        ("throw new Error('end')", 1),
        ("await fs.readTextFile('500')", 3),
        (
            "const all = []; for (;;) all.push(new Array(1000).fill(all.length))",
            5,
        ),
        ("Promise.reject(new TypeError('end'))", 1),
    ] {
        let scene = denied_many(end);
        let done = secure_runtime(&scene, &["run", "--audit", "audit.jsonl"]);
        assert_eq!(done.code, Some(code), "{end} {done:#?}");
        let expected = MANY + u32::from(code == 3);
        let found = resources(&records(&scene.base().join("audit.jsonl")));
        assert_eq!(found, (0..expected).collect::<Vec<u32>>(), "{end}");
    }
}

/// CLI-1, CLI-34. A signal stops the program while it waits and while it computes.
#[test]
fn a_signal_stops_the_program_and_loses_no_record() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        for end in [
            "await new Promise((resolve) => setTimeout(resolve, 60_000))",
            "for (;;) {}",
        ] {
            let scene = denied_many(end);
            let mut running = command(&scene, &["run", "--audit", "audit.jsonl"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(running.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert_eq!(line, "ready\n");
            let told = Command::new("kill")
                .args([signal, &running.id().to_string()])
                .status()
                .unwrap();
            assert!(told.success());
            let done = super::Done::from(running.wait_with_output().unwrap());
            let said = done.failure(code);
            assert!(said.contains("stopped by SIG"), "{said}");
            assert_eq!(
                resources(&records(&scene.base().join("audit.jsonl"))),
                (0..MANY).collect::<Vec<u32>>()
            );
        }
    }
}

/// CLI-16, CLI-34. If a process is killed, the file contains a record for every operation that took effect.
#[test]
fn a_killed_process_loses_no_record() {
    let source = "import { fs } from 'cap:self';\n\
                  for (let n = 0; ; n++) await fs.writeFile(`out/${n}`, new Uint8Array(0), { createNew: true });";
    for patience in [40, 90, 160, 250] {
        let scene = Scene::of_main(&["fs.write=./out/**"], source).folder("out");
        let mut running = command(&scene, &["run", "--audit", "audit.jsonl"])
            .spawn()
            .unwrap();
        // The program is running.
        while !scene.base().join("out/20").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(patience));
        running.kill().unwrap();
        running.wait().unwrap();
        let text = scene.read("audit.jsonl");
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let recorded: std::collections::BTreeSet<u32> = whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .flat_map(|record| resources(&[record]))
            .collect();
        let done: Vec<u32> = std::fs::read_dir(scene.base().join("out"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        assert!(done.len() > 20);
        let lost: Vec<&u32> = done.iter().filter(|number| !recorded.contains(number)).collect();
        assert!(lost.is_empty(), "{lost:?} of {}", done.len());
    }
}

/// CLI-35. Rotation also works in the OS sandbox, which allows access to the folder of the file.
#[test]
fn rotation_of_audit_files_loses_and_splits_no_line() {
    let scene = denied_many("");
    let folder = scene.base().join("log");
    std::fs::create_dir(&folder).unwrap();
    let largest = 20_000;
    let run = |keep: &str| {
        let options = [
            "run",
            "--audit",
            "log/a.jsonl",
            "--audit-max-size",
            "20kB",
            "--audit-keep",
            keep,
        ];
        secure_runtime(&scene, &options).success();
    };
    let file = |number: u32| match number {
        0 => folder.join("a.jsonl"),
        _ => folder.join(format!("a.jsonl.{number}")),
    };
    run("1000");
    let count = (1..).find(|number| !file(*number).exists()).unwrap();
    assert!(count > 5, "{count} files");
    let mut all = Vec::new();
    for number in (0..count).rev() {
        assert!(std::fs::metadata(file(number)).unwrap().len() <= largest);
        all.extend(resources(&records(&file(number))));
    }
    assert_eq!(all, (0..MANY).collect::<Vec<u32>>());

    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    run("2");
    assert_eq!((0..9).filter(|number| file(*number).exists()).count(), 3);
    let mut last = Vec::new();
    for number in [2, 1, 0] {
        last.extend(resources(&records(&file(number))));
    }
    assert_eq!(last, (MANY - last.len() as u32..MANY).collect::<Vec<u32>>());

    for wrong in [
        &["--audit-max-size", "20kB"][..],
        &["--audit", "a", "--audit-keep", "3"],
        &["--audit", "a", "--audit-max-size", "0"],
    ] {
        secure_runtime(&scene, &[&["run"], wrong].concat()).failure(2);
    }
}
