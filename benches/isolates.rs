//! Benchmark of isolates in a process that already has some. It measures the time to start one, the time of a run in a
//! warm one, and the memory of warm ones.
//!
//! `cargo bench --bench isolates`. The baseline is a bare deno_core runtime on its own thread, in the same process. If
//! the engine has snapshots, a second baseline starts from a snapshot of deno_core alone. That is the minimum for an
//! isolate with deno_core.
//!
//! The time to start an isolate ends when it can be used. Another one of its kind exists meanwhile, because V8 drops
//! shared data with the last isolate. Teardown is not included, and is complete before the next start. Memory is the
//! growth of the process (`VmRSS` of proc(5)) per isolate. The variable `ISOLATES` sets their number; the default is
//! 50, or 5 with `--test`.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use deno_core::{JsRuntime, RuntimeOptions, StaticModuleLoader};
use secure_runtime::{Exit, OpenOptions, Program, Runtime};

fn reactor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop")
}

fn bare_runtime(snapshot: Option<&'static [u8]>) -> JsRuntime {
    JsRuntime::new(RuntimeOptions {
        module_loader: Some(Rc::new(StaticModuleLoader::default())),
        startup_snapshot: snapshot,
        ..RuntimeOptions::default()
    })
}

/// Returns a snapshot of deno_core alone.
#[cfg(feature = "v8")]
fn snapshot() -> Option<&'static [u8]> {
    Some(Box::leak(
        deno_core::JsRuntimeForSnapshot::new(RuntimeOptions::default()).snapshot(),
    ))
}

/// Returns nothing, because QuickJS has no snapshots.
#[cfg(not(feature = "v8"))]
fn snapshot() -> Option<&'static [u8]> {
    None
}

/// Returns the time that a bare engine takes to start on its own thread.
fn bare(snapshot: Option<&'static [u8]>) -> Duration {
    let begun = Instant::now();
    let thread = std::thread::spawn(move || {
        reactor().block_on(async {
            let bare = bare_runtime(snapshot);
            let took = begun.elapsed();
            drop(bare);
            took
        })
    });
    thread.join().expect("the thread ends")
}

/// Starts a bare engine on its own thread, which ends when the sender is dropped.
fn kept_bare(snapshot: Option<&'static [u8]>) -> (std::thread::JoinHandle<()>, mpsc::Sender<()>) {
    let (started, has_started) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        reactor().block_on(async {
            let bare = bare_runtime(snapshot);
            started.send(()).expect("somebody waits");
            let _ = released.recv();
            drop(bare);
        });
    });
    has_started.recv().expect("a bare engine starts");
    (thread, release)
}

/// Returns the time until an isolate of secure-runtime is ready for a program.
fn ours(program: &Program) -> Duration {
    let others = threads();
    let begun = Instant::now();
    let waiting = runtime(program, 1);
    wait_for(&waiting, 1);
    let took = begun.elapsed();
    drop(waiting);
    wait_for_end(others);
    took
}

fn program() -> (tempfile::TempDir, Program) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("main.js");
    std::fs::write(&path, "export const answer = 42;").expect("the module is written");
    let program = reactor().block_on(Program::open(&path, &OpenOptions::default()));
    (folder, program.expect("the program opens"))
}

fn runtime(program: &Program, idle: usize) -> Runtime {
    Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .idle_isolates(idle)
        .build()
        .expect("the runtime is put together")
}

/// Waits until this number of isolates is idle. It does not sleep, because that would take as long as a part of the
/// start.
fn wait_for(runtime: &Runtime, idle: usize) {
    while runtime.idle_isolates() < idle {
        std::thread::yield_now();
    }
}

fn run(reactor: &tokio::runtime::Runtime, runtime: &Runtime, program: &Program) {
    let outcome = reactor.block_on(runtime.run(program.graph(), &[]));
    let exit = outcome.expect("the program starts").exit;
    assert!(matches!(exit, Exit::Completed));
}

/// Returns a number from the kernel's status of this process.
fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the memory of this process in KiB.
fn memory() -> Option<u64> {
    status("VmRSS:")
}

fn threads() -> Option<u64> {
    status("Threads:")
}

/// Waits until the process has no more threads than before, if the kernel reports them. Then the unused isolate has
/// ended. It does not sleep, because a processor that slept would be slower afterwards.
fn wait_for_end(others: Option<u64>) {
    if others.is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    while threads() > others {
        std::thread::yield_now();
    }
}

/// Prints the memory of each of several isolates, for warm isolates of secure-runtime and for bare engines.
fn print_memory(program: &Program) {
    let wanted = std::env::var("ISOLATES").map(|count| count.parse().expect("ISOLATES is a number"));
    let count = if std::env::args().any(|argument| argument == "--test") {
        5
    } else {
        wanted.unwrap_or(50)
    };
    let report = |what: &str, before: Option<u64>| {
        if let (Some(before), Some(after)) = (before, memory()) {
            let each = after.saturating_sub(before) / count as u64;
            println!("memory of {what}: {each} KiB each, of {count}");
        }
    };
    let before = memory();
    let runtime = runtime(program, count);
    wait_for(&runtime, count);
    report("an isolate that waits", before);
    let before = memory();
    let threads: Vec<_> = (0..count).map(|_| kept_bare(None)).collect();
    report("a bare engine", before);
    for (thread, release) in threads {
        drop(release);
        thread.join().expect("the thread ends");
    }
}

fn isolates(criterion: &mut Criterion) {
    let (_folder, program) = program();
    let reactor = reactor();
    // The first run initializes shared data.
    run(&reactor, &runtime(&program, 0), &program);
    print_memory(&program);

    let mut group = criterion.benchmark_group("isolates");
    group.sample_size(20);
    let snapshots = std::thread::spawn(snapshot).join().expect("the snapshot is made");
    for (what, snapshot) in [
        ("a bare engine starts", Some(None)),
        ("a bare engine starts from a snapshot", snapshots.map(Some)),
    ] {
        let Some(snapshot) = snapshot else { continue };
        let (thread, release) = kept_bare(snapshot);
        group.bench_function(what, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| bare(snapshot)).sum());
        });
        drop(release);
        thread.join().expect("the thread ends");
    }
    let another = runtime(&program, 1);
    wait_for(&another, 1);
    group.bench_function("an isolate starts", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| ours(&program)).sum());
    });
    let fresh = runtime(&program, 0);
    group.bench_function("a run in a new isolate", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                let others = threads();
                let begun = Instant::now();
                run(&reactor, &fresh, &program);
                time += begun.elapsed();
                wait_for_end(others);
            }
            time
        });
    });
    let pooled = runtime(&program, 2);
    group.bench_function("a run in an isolate that waited", |bencher| {
        bencher.iter_custom(|rounds| {
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                wait_for(&pooled, 2);
                let begun = Instant::now();
                run(&reactor, &pooled, &program);
                time += begun.elapsed();
            }
            time
        });
    });
    group.finish();
}

criterion_group!(benches, isolates);
criterion_main!(benches);
