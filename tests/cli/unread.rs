//! Output without a reader, or with a slow one.

use std::io::{Read, pipe};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secure_runtime_loaders::ContentHash;

use super::{Done, command};
use crate::support::{Scene, manifest};

/// Far more than the promised two seconds, because the machine may be busy.
const SOON: Duration = Duration::from_secs(60);

fn printing(limits: &str, source: &str) -> Scene {
    Scene::new()
        .file("secure.toml", manifest(&[], &format!("[limits]\n{limits}\n")))
        .file("main.js", source)
}

/// Waits for the end of a process whose output is not read.
#[track_caller]
fn ended(child: &mut Child, begun: Instant) -> Option<i32> {
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if begun.elapsed() > SOON {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kill(child: &Child, signal: &str) {
    let told = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(told.unwrap().success());
}

fn unread(scene: &Scene, arguments: &[&str]) -> Child {
    let mut command = command(scene, arguments);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the file that a program creates when it starts.
fn wait_for(scene: &Scene, path: &str) {
    let begun = Instant::now();
    while !scene.base().join(path).exists() {
        assert!(begun.elapsed() < SOON, "the program does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const BEGUN: &str = "import { fs } from 'cap:self';\nawait fs.writeTextFile('out/begun', '');\n";

fn begun(source: &str) -> Scene {
    Scene::new()
        .file("secure.toml", manifest(&["fs.write=./out/**"], ""))
        .file("main.js", format!("{BEGUN}{source}"))
        .folder("out")
}

const FLOODS: [&str; 4] = [
    "for (;;) console.log('x'.repeat(1000));",
    "for (;;) console.error('x'.repeat(1000));",
    "for (;;) { console.log('x'.repeat(1000)); console.error('x'.repeat(1000)); }",
    "const line = 'x'.repeat(90_000); for (;;) { console.warn(line); await null; }",
];

/// CLI-36. A limit ends a program that waits for a reader.
#[test]
fn a_limit_ends_a_program_without_a_reader() {
    for source in FLOODS {
        let scene = printing("wall = \"1s\"", source);
        let begun = Instant::now();
        assert_eq!(ended(&mut unread(&scene, &["run"]), begun), Some(5), "{source}");
    }
    // The program prints more than a pipe holds and then ends, but its output is not read.
    for source in [
        "console.log('x'.repeat(100_000));",
        "console.log('x'.repeat(100_000)); throw new Error('end');",
    ] {
        let scene = printing("wall = \"1s\"", source);
        let begun = Instant::now();
        assert_eq!(ended(&mut unread(&scene, &["run"]), begun), Some(5), "{source}");
    }
    // The isolate of a package waits like that of the program.
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(
                &[],
                "[imports]\nflood = \"./vendor/flood/\"\n[packages.flood]\nisolate = true\nlimits = { wall = \"1s\" }\n",
            ),
        )
        .file("main.js", "import { flood } from 'flood';\nawait flood();\n")
        .file("vendor/flood/package.json", "{\"name\":\"flood\",\"version\":\"1.0.0\",\"type\":\"module\",\"exports\":\"./index.js\"}")
        .file("vendor/flood/index.js", "export const flood = () => { for (;;) console.log('x'.repeat(1000)); };\n");
    let mut child = unread(&scene, &["run"]);
    // The failure message waits for the reader, because the program itself has no limit.
    std::thread::sleep(Duration::from_secs(3));
    let _read = std::thread::spawn({
        let mut out = child.stdout.take().unwrap();
        move || std::io::copy(&mut out, &mut std::io::sink())
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("package flood hit its wall time limit of 1s"),
        "{said}"
    );
}

/// CLI-36, CLI-1. A signal ends such a program as well.
#[test]
fn a_signal_ends_a_program_without_a_reader() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        for source in FLOODS {
            let scene = begun(source);
            let mut child = unread(&scene, &["run"]);
            wait_for(&scene, "out/begun");
            // Both pipes are full, or soon will be.
            std::thread::sleep(Duration::from_millis(300));
            let told = Instant::now();
            kill(&child, signal);
            assert_eq!(ended(&mut child, told), Some(code), "{signal} {source}");
        }
    }
}

/// CLI-36. A signal also ends the command if the program has ended and its output or error waits for a reader.
#[test]
fn a_signal_ends_a_command_whose_program_has_ended() {
    for source in [
        "console.log('x'.repeat(100_000));",
        "console.error('x'.repeat(100_000)); throw new Error('end');",
        "console.log('x'.repeat(100_000)); await fs.readTextFile('/etc/passwd');",
    ] {
        let scene = begun(source);
        let mut child = unread(&scene, &["run"]);
        wait_for(&scene, "out/begun");
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(child.try_wait().unwrap(), None, "it waits for its reader");
        let told = Instant::now();
        kill(&child, "-TERM");
        assert_eq!(ended(&mut child, told), Some(143), "{source}");
    }
}

/// CLI-36. A blocked stream does not prevent output on the other one.
#[test]
fn a_blocked_stream_does_not_block_the_other() {
    let source = "console.error('before'); for (;;) console.log('x'.repeat(1000));";
    let scene = printing("wall = \"1s\"", source);
    let mut child = unread(&scene, &["run"]);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(ended(&mut child, Instant::now()), Some(5));
    assert!(said.contains("\nbefore\n"), "{said}");
    assert!(
        said.contains("the program hit its wall time limit of 1s"),
        "{said}"
    );
}

/// CLI-36. A signal ends the process even if an audit record also waits for its reader.
#[test]
fn a_signal_ends_a_program_with_a_blocked_audit_file() {
    let scene = begun(
        "for (;;) { await fs.writeTextFile('out/' + 'x'.repeat(100), ''); console.log('x'.repeat(1000)); }",
    );
    let pipe = scene.base().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let _unread = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let mut child = unread(&scene, &["run", "--audit", "pipe"]);
    wait_for(&scene, "out/begun");
    std::thread::sleep(Duration::from_millis(300));
    let told = Instant::now();
    kill(&child, "-TERM");
    assert_eq!(ended(&mut child, told), Some(143));
}

/// CLI-37. A slow reader receives all output in order, followed by the error.
#[test]
fn a_slow_reader_loses_nothing() {
    let source = "for (let n = 0; n < 20_000; n++) (n % 3 ? console.log : console.error)(`${n} ${'x'.repeat(60)}`);\n\
                  throw new Error('the end');";
    let scene = printing("", source);
    let (mut reader, writer) = pipe().unwrap();
    let mut command = command(&scene, &["run"]);
    let mut child = command
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    drop(command);
    let (mut text, mut piece) = (Vec::new(), vec![0; 50_000]);
    loop {
        match reader.read(&mut piece).unwrap() {
            0 => break,
            read => text.extend_from_slice(&piece[..read]),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let text = String::from_utf8(text).unwrap();
    let numbers = text
        .lines()
        .filter_map(|line| line.split(' ').next()?.parse::<u32>().ok());
    let is_in_order = numbers.eq(0..20_000);
    assert!(is_in_order, "{:.2000}", text);
    assert!(
        text.contains("\nerror: uncaught Error: the end"),
        "{}",
        &text[text.len() - 300..]
    );
}

/// CLI-37. All output is written, however the program ends by itself.
#[test]
fn all_output_before_the_end_is_written() {
    for (end, code) in [
        ("", 0),
        ("throw 1;", 1),
        ("await fs.readTextFile('/etc/passwd');", 3),
    ] {
        let source = format!(
            "import {{ fs }} from 'cap:self';\nfor (let n = 0; n < 3000; n++) console.log('y'.repeat(999));\n{end}"
        );
        let done: Done = command(&printing("wall = \"10m\"", &source), &["run"])
            .output()
            .unwrap()
            .into();
        assert_eq!((done.code, done.out.len()), (Some(code), 3_000_000), "{end}");
    }
}

/// CLI-37. Another process may have made the pipe non-blocking.
#[test]
fn a_non_blocking_pipe_loses_nothing() {
    let scene = printing("", "for (let n = 0; n < 3000; n++) console.log('y'.repeat(999));");
    let (mut reader, writer) = pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut command = command(&scene, &["run"]);
    let mut child = command.stdout(writer).spawn().unwrap();
    drop(command);
    std::thread::sleep(Duration::from_millis(500));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!((child.wait().unwrap().code(), text.len()), (Some(0), 3_000_000));
}

/// CLI-37. The same holds for the result of a command.
#[test]
fn a_result_waits_for_the_reader_of_a_non_blocking_pipe() {
    let large = "z".repeat(1_000_000);
    let names: Vec<String> = (0..1000).map(|n| format!("{}{n}.js", "m".repeat(100))).collect();
    let main: String = names.iter().map(|name| format!("import './{name}';\n")).collect();
    let scene = names
        .iter()
        .fold(printing("", &main), |scene, name| scene.file(name, ""));
    let scene = scene.file("large.txt", &large);
    let hash = ContentHash::of(large.as_bytes()).to_string();
    assert!(
        command(&scene, &["store", "add", "large.txt"])
            .status()
            .unwrap()
            .success()
    );
    for (arguments, least) in [
        (&["store", "get", &hash][..], large.len()),
        (&["graph", "show"], 100_000),
    ] {
        let (mut reader, writer) = pipe().unwrap();
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
        let mut command = command(&scene, arguments);
        let mut child = command.stdout(writer).spawn().unwrap();
        drop(command);
        // If the reader starts earlier than the writer, the pipe may never be full, and the test proves less.
        std::thread::sleep(Duration::from_millis(500));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
        assert!(text.len() >= least, "{arguments:?}: {}", text.len());
    }
}

/// CLI-37. Output that cannot be written is an error. A reader that closed the pipe is not.
#[test]
fn lost_output_is_an_error() {
    let scene = printing("", "for (let n = 0; n < 3000; n++) console.log('y'.repeat(999));");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done: Done = command(&scene, &["run"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap()
        .into();
    let said = done.failure_with_hint(2);
    assert!(said.contains("standard output: "), "{said}");
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let done: Done = command(&scene, &["run"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap()
        .into();
    assert_eq!(
        (done.code, done.err.as_str()),
        (
            Some(0),
            "note: no secure.lock: the modules that run are not pinned; `secure-runtime lock` pins them\n"
        )
    );
}
