//! Benchmark of whole processes that run one line, in turn: secure-runtime, a bare deno_core that does the same, and
//! Deno.
//!
//! Each is a fresh copy of its program, and the first one of a round rotates. The way a program's file was written, and
//! the previous process, change such times by up to a tenth.
//!
//! `DENO=path/to/deno cargo bench --bench processes`. Without `DENO`, the one on the search path is used. Without any,
//! only the others are measured (`ROUNDS=200` for more precision). The npm package of Deno contains one: `npm install
//! --prefix SOMEWHERE deno`.
//!
//! The bare variant is this program, which starts itself. It starts deno_core from a snapshot of deno_core alone, if
//! the engine has snapshots, and evaluates the line. It has no command line, manifest, token or realm, and only
//! deno_core's event loop. This is the minimum for any program on deno_core. With `--test`, which continuous
//! integration uses, there is one round.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use deno_core::{JsRuntime, PollEventLoopOptions, RuntimeOptions};

mod deno;

/// The variable that marks the process of the bare variant. Its value is the path of the snapshot, or empty if there is
/// none.
const BARE: &str = "SECURE_RUNTIME_BENCH_BARE";

fn main() {
    match env::var_os(BARE) {
        Some(snapshot) => bare(&snapshot),
        None => compare(),
    }
}

fn bare(snapshot: &OsString) {
    let snapshot: Option<&'static [u8]> = (!snapshot.is_empty()).then(|| {
        let bytes = fs::read(snapshot).expect("the snapshot is there");
        &*bytes.leak()
    });
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop");
    reactor.block_on(async {
        let mut js = JsRuntime::new(RuntimeOptions {
            startup_snapshot: snapshot,
            ..RuntimeOptions::default()
        });
        js.execute_script("main.js", "Deno.core.print('hi\\n')")
            .expect("the line runs");
        js.run_event_loop(PollEventLoopOptions::default())
            .await
            .expect("the event loop ends");
        // Exits like secure-runtime, which does not wait for the teardown of the engine's heap.
        std::process::exit(0);
    });
}

/// Writes the snapshot of the bare variant to a file in this folder.
#[cfg(feature = "v8")]
fn snapshot(folder: &Path) -> OsString {
    let made = deno_core::JsRuntimeForSnapshot::new(RuntimeOptions::default()).snapshot();
    let path = folder.join("bare.snapshot");
    fs::write(&path, made).expect("the snapshot is written");
    path.into()
}

#[cfg(not(feature = "v8"))]
fn snapshot(_folder: &Path) -> OsString {
    OsString::new()
}

/// Runs the command, and returns the time that it took.
fn time(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program is there");
    let took = begun.elapsed();
    assert!(
        output.status.success() && output.stdout == b"hi\n",
        "{command:?}: {output:?}"
    );
    took
}

fn compare() {
    let is_measured = env::args().any(|argument| argument == "--bench");
    let rounds = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: usize = if is_measured { rounds.unwrap_or(60) } else { 1 };
    let folder = tempfile::tempdir().expect("a scratch folder");
    let folder = folder.path();
    fs::write(folder.join("main.js"), "console.log(\"hi\");\n").expect("the module is written");

    let copy = |program: &Path, name: &str| {
        let to = folder.join(name);
        fs::copy(program, &to).expect("the program is copied");
        to
    };
    let this = env::current_exe().expect("this program is a file");
    let mut bare = Command::new(copy(&this, "bare"));
    bare.env(BARE, snapshot(folder));
    let mut ours = Command::new(copy(
        Path::new(env!("CARGO_BIN_EXE_secure-runtime")),
        "secure-runtime",
    ));
    ours.args(["run", "main.js"]).current_dir(folder);
    let mut commands = vec![("bare deno_core", bare), ("secure-runtime run", ours)];
    if let Some(program) = deno::file() {
        commands.push(("deno run", deno::run(&copy(&program, "deno-program"), folder)));
    }

    // A first run fills the caches of Deno and of the file system.
    for (_, command) in &mut commands {
        time(command);
    }
    let mut times = vec![Vec::new(); commands.len()];
    for round in 0..rounds {
        let mut turn: Vec<_> = commands.iter_mut().zip(&mut times).collect();
        let first = round % turn.len();
        turn.rotate_left(first);
        for ((_, command), times) in turn {
            times.push(time(command).as_secs_f64() * 1000.0);
        }
    }
    let figures = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        [0, times.len() / 4, times.len() / 2].map(|at| times.get(at).copied().unwrap_or_default())
    };
    let figures: Vec<[f64; 3]> = times.iter_mut().map(figures).collect();
    let last = figures.last().copied().unwrap_or_default();
    println!("milliseconds: fastest, quarter, median; and of the last line's");
    for ((name, _), [fastest, quarter, median]) in commands.iter().zip(&figures) {
        let [of_fastest, of_quarter, of_median] = last;
        println!(
            "{name:20} {fastest:6.2} {quarter:6.2} {median:6.2}   {:.2} {:.2} {:.2}",
            fastest / of_fastest,
            quarter / of_quarter,
            median / of_median
        );
    }
}
