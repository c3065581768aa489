//! `cargo xtask calls`: counts the system calls that the tests make in the OS sandbox, and those that it
//! refuses.
//!
//! The tables in `src/sandbox/calls.rs` and `src/sandbox/arguments.rs` are based on its output. It needs strace
//! (Debian: `strace`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engine::{Choice, Engine};
use crate::steps::{Steps, cargo, root, target};
use crate::{packages, setup};

/// The tests that run programs in the OS sandbox. Other tests run none, or measure resource use, which strace
/// would distort.
const TESTS: &[&str] = &[
    "cli::",
    "fs::",
    "net::",
    "sandbox::",
    "isolates::",
    "limits::",
    "kv::",
    "wasm::",
    "revocations::",
];

pub(crate) fn run(choice: Choice, filters: &[String]) -> Result<()> {
    let engine = setup::run(choice)?;
    let mut steps = Steps::new();
    packages::install(&mut steps)?;
    let mut build = cargo(&[
        "test",
        "--package",
        "secure-runtime-cli",
        "--test",
        "main",
        "--no-run",
    ]);
    steps.run("build", build.args(engine.cargo_arguments()))?;
    let record = target()?.join(format!("calls-{engine}.strace"));
    steps.run("tests under strace", &mut traced(engine, &record, filters))?;
    let calls = steps.step("count", || read(&record))?;
    println!(
        "\nSystem calls behind the OS sandbox on {} ({engine}):",
        std::env::consts::ARCH
    );
    println!("{:>10} {:>8}  call", "made", "refused");
    for (name, call) in &calls {
        println!("{:>10} {:>8}  {name}", call.made, call.refused);
        if let Some(example) = &call.example {
            println!("{:20}  {example}", "");
        }
    }
    println!("\nEvery call is in {}", record.display());
    Ok(())
}

/// Returns the command that runs the tests and records every system call of all their processes in a file.
fn traced(engine: Engine, record: &Path, filters: &[String]) -> Command {
    let mut command = Command::new("strace");
    command.args(["--follow-forks", "--quiet=all", "--string-limit=8", "--output"]);
    command.arg(record);
    let tests = cargo(&["test", "--package", "secure-runtime-cli", "--test", "main"]);
    command.arg(tests.get_program()).args(tests.get_args());
    command
        .args(engine.cargo_arguments())
        .arg("--")
        .current_dir(root());
    match filters.is_empty() {
        true => command.args(TESTS),
        false => command.args(filters),
    };
    // strace makes each process several times slower, so only two tests run at the same time.
    command.arg("--test-threads=2");
    command
}

/// The number of calls, and of refused ones.
#[derive(Default)]
struct Made {
    made: u64,
    refused: u64,
    /// The first refused call.
    example: Option<String>,
}

/// Reads strace's output. Each line is the number of a thread, and a call with its arguments and result.
fn read(record: &Path) -> Result<BTreeMap<String, Made>> {
    let processes = processes(record)?;
    let process = |mut thread: u32| {
        while let Some(starter) = processes.get(&thread) {
            thread = *starter;
        }
        thread
    };
    let mut confined = HashSet::new();
    let mut calls = BTreeMap::<String, Made>::new();
    for line in lines(record)? {
        let line = line?;
        let Some((thread, call)) = parts(&line) else {
            continue;
        };
        let (name, is_resumed) = match call.strip_prefix("<... ") {
            Some(rest) => (rest.split(' ').next().unwrap_or_default(), true),
            None => (call.split('(').next().unwrap_or_default(), false),
        };
        let process = process(thread);
        if confined.contains(&process) {
            let made = calls.entry(name.to_owned()).or_default();
            made.made += u64::from(!is_resumed);
            if call.contains("= -1 EPERM") || call.contains("= -1 ENOSYS") {
                made.refused += 1;
                made.example.get_or_insert_with(|| call.to_owned());
            }
        } else if name == "seccomp" && call.contains("= 0") {
            confined.insert(process);
        }
    }
    if confined.is_empty() {
        bail!("no process of these tests entered an OS sandbox");
    }
    println!("    {} processes behind the OS sandbox", confined.len());
    Ok(calls)
}

/// Returns, for each thread, the thread of the same process that started it.
fn processes(record: &Path) -> Result<HashMap<u32, u32>> {
    let mut starters = HashMap::new();
    let mut starting = HashMap::new();
    for line in lines(record)? {
        let line = line?;
        let Some((thread, call)) = parts(&line) else {
            continue;
        };
        if !call.starts_with("clone") && !call.starts_with("<... clone") {
            continue;
        }
        let is_thread = match call.starts_with("<...") {
            true => starting.remove(&thread).unwrap_or(false),
            false => call.contains("CLONE_THREAD"),
        };
        let result = call
            .rsplit_once("= ")
            .and_then(|(_, result)| result.trim().parse().ok());
        match result {
            Some(started) if is_thread => {
                starters.insert(started, thread);
            }
            Some(_) => {}
            None => {
                starting.insert(thread, is_thread);
            }
        }
    }
    Ok(starters)
}

fn lines(record: &Path) -> Result<impl Iterator<Item = std::io::Result<String>>> {
    let file = File::open(record).with_context(|| format!("{} cannot be read", record.display()))?;
    Ok(BufReader::new(file).lines())
}

fn parts(line: &str) -> Option<(u32, &str)> {
    let (thread, call) = line.split_once(' ')?;
    Some((thread.parse().ok()?, call.trim_start()))
}
