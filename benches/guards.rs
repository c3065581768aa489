//! Benchmark of auditing and the OS sandbox. It measures a thousand guarded reads of 4 KiB, with and without an audit
//! log, and with and without the sandbox. It also measures the time to enter the sandbox.
//!
//! `cargo bench --bench guards`. The sandbox is irreversible, so this program starts itself again. Measurements with
//! the sandbox, and those that they are compared with, run in separate processes.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use secure_runtime::{AuditLog, AuditOptions, Exit, OpenOptions, Program, Runtime, Sandbox};

/// The variables of a process that measures: the benchmark, the number of repetitions, and the folder of the program.
const MEASURE: [&str; 3] = [
    "SECURE_RUNTIME_BENCH_WHAT",
    "SECURE_RUNTIME_BENCH_TIMES",
    "SECURE_RUNTIME_BENCH_FOLDER",
];

const READS: &str = "import { fs } from \"cap:self\";\n\
    export default async () => { for (let n = 0; n < 1000; n++) await fs.readFile(\"data/file\"); };";
const MANIFEST: &str =
    "[package]\nname = \"bench\"\nentry = \"main.js\"\n\n[grants]\nfs.read = [\"./data/**\"]\n";

fn reactor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop")
}

fn open(folder: &Path) -> Program {
    let opened = reactor().block_on(Program::open(folder, &OpenOptions::default()));
    opened.expect("the program opens")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path();
    std::fs::create_dir(path.join("data")).expect("a folder");
    for (name, content) in [
        ("secure.toml", MANIFEST),
        ("main.js", READS),
        ("data/file", &"x".repeat(4096)),
    ] {
        std::fs::write(path.join(name), content).expect("a file");
    }
    folder
}

fn runtime(program: &Program, log: Option<AuditLog>) -> Runtime {
    let mut builder = Runtime::builder()
        .base(program.base())
        .shared_store(program.store());
    if let Some(log) = log {
        builder = builder.audit(move |record| log.record(record));
    }
    builder.build().expect("the runtime is put together")
}

fn run(program: &Program, runtime: &Runtime) {
    let outcome = reactor().block_on(runtime.run(program.graph(), &[]));
    let exit = outcome.expect("the program starts").exit;
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
}

fn recording(criterion: &mut Criterion) {
    let folder = folder();
    let program = open(folder.path());
    let log = |name: &str, options| {
        let log = AuditLog::open(folder.path().join(name), options);
        Some(log.expect("a log"))
    };
    let mut group = criterion.benchmark_group("recording");
    group.sample_size(20);
    for (name, log) in [
        ("1000 reads", None),
        ("1000 reads, recorded", log("a.jsonl", AuditOptions::default())),
    ] {
        let runtime = runtime(&program, log);
        group.bench_function(name, |bencher| bencher.iter(|| run(&program, &runtime)));
    }
    group.finish();
}

fn sandbox(criterion: &mut Criterion) {
    let folder = folder();
    let mut group = criterion.benchmark_group("sandbox");
    group.sample_size(20);
    for what in [
        "enter",
        "file",
        "file, sandboxed",
        "1000 reads",
        "1000 reads, sandboxed",
    ] {
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|times| elsewhere(what, times, folder.path()));
        });
    }
    group.finish();
}

/// Measures in a separate process.
fn elsewhere(what: &str, times: u64, folder: &Path) -> Duration {
    let this = std::env::current_exe().expect("this program's path");
    // A process can enter the sandbox only once.
    let (processes, times) = if what == "enter" { (times, 1) } else { (1, times) };
    let measured = || {
        let values = [what.to_owned(), times.to_string(), folder.display().to_string()];
        let output = Command::new(&this).envs(MEASURE.into_iter().zip(values)).output();
        let text = String::from_utf8(output.expect("a process").stdout).expect("a number");
        Duration::from_nanos(text.trim().parse().expect("a number"))
    };
    (0..processes).map(|_| measured()).sum()
}

/// Measures in the separate process, and prints nanoseconds.
fn measure(what: &str, times: u64, folder: &Path) {
    let program = open(folder);
    let mut started = Instant::now();
    if what == "enter" || what.ends_with("sandboxed") {
        let sandbox = Sandbox::new().program(&program, None).expect("its grants");
        sandbox.enter().expect("the sandbox");
    }
    if what != "enter" {
        let runtime = runtime(&program, None);
        let file = folder.join("data/file");
        // A first run excludes one-time costs.
        run(&program, &runtime);
        started = Instant::now();
        for _ in 0..times {
            if what.starts_with("file") {
                std::fs::read(&file).expect("it is granted");
            } else {
                run(&program, &runtime);
            }
        }
    }
    println!("{}", started.elapsed().as_nanos());
}

criterion_group!(benches, recording, sandbox);

fn main() {
    let [what, times, folder] = MEASURE.map(|name| std::env::var(name).ok());
    if let (Some(what), Some(times), Some(folder)) = (what, times, folder) {
        return measure(&what, times.parse().expect("a number"), Path::new(&folder));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
