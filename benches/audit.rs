//! Benchmark of the cost of an audit record for an operation. It compares no record, a queue with a writer thread, a
//! direct write, and a queue whose writer the operation waits for.
//!
//! `cargo bench --bench audit`. The queue is the former implementation of `AuditLog`. It loses a record if the process
//! aborts before the thread has written it. The operation is `env.get`, which is cheap, and each time is that of one
//! call. All variants are measured in turn, many times, and the medians are printed (`ROUNDS=100` for more precision).

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use secure_runtime::{
    AuditLog, AuditOptions, AuditRecord, Exit, OpenOptions as ProgramOptions, Program, Runtime,
};

const CALLS: u32 = 20_000;

const MANIFEST: &str =
    "[package]\nname = \"bench\"\nentry = \"main.js\"\n\n[grants]\nenv.read = [\"SECURE_RUNTIME_BENCH\"]\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sink {
    None,
    Queue,
    Write,
    WaitForQueue,
}

const SINKS: [(Sink, &str); 4] = [
    (Sink::None, "no records"),
    (Sink::Queue, "a queue (before)"),
    (Sink::Write, "a write of its own (now)"),
    (Sink::WaitForQueue, "a queue, waited for (before, --audit-wait)"),
];

/// The queue and its writer thread.
#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    work: Condvar,
    progress: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    queued: usize,
    written: usize,
    is_closed: bool,
}

impl Queue {
    fn start(mut file: File) -> Arc<Queue> {
        let queue = Arc::new(Queue::default());
        let writing = queue.clone();
        std::thread::spawn(move || {
            let mut lines = writing.lines.lock().expect("nobody panicked");
            loop {
                while lines.waiting.is_empty() {
                    if lines.is_closed {
                        return;
                    }
                    lines = writing.work.wait(lines).expect("nobody panicked");
                }
                let taken = std::mem::take(&mut lines.waiting);
                drop(lines);
                file.write_all(&taken).expect("the file is written");
                lines = writing.lines.lock().expect("nobody panicked");
                lines.written += taken.len();
                writing.progress.notify_all();
            }
        });
        queue
    }

    fn push(&self, record: &AuditRecord, waits: bool) {
        const MOST: usize = 1 << 20;
        let line = format!("{}\n", record.to_json_line());
        let mut lines = self.lines.lock().expect("nobody panicked");
        while lines.queued - lines.written > MOST {
            lines = self.progress.wait(lines).expect("nobody panicked");
        }
        if lines.waiting.is_empty() {
            self.work.notify_one();
        }
        lines.waiting.extend_from_slice(line.as_bytes());
        lines.queued += line.len();
        let queued = lines.queued;
        while waits && lines.written < queued {
            lines = self.progress.wait(lines).expect("nobody panicked");
        }
    }

    fn close(&self) {
        self.lines.lock().expect("nobody panicked").is_closed = true;
        self.work.notify_one();
    }
}

fn reactor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop")
}

/// Returns the nanoseconds of one call.
fn measured(folder: &Path, sink: Sink) -> f64 {
    let path = folder.join("audit.jsonl");
    let _ = std::fs::remove_file(&path);
    let program = reactor()
        .block_on(Program::open(folder, &ProgramOptions::default()))
        .expect("the program opens");
    let marks = Arc::new(Mutex::new(Vec::new()));
    let seen = marks.clone();
    let mut builder = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .console(move |_| seen.lock().expect("nobody panicked").push(Instant::now()));
    let mut queue = None;
    match sink {
        Sink::None => {}
        Sink::Write => {
            let log = AuditLog::open(&path, AuditOptions::default()).expect("the log opens");
            builder = builder.audit(move |record| log.record(record));
        }
        Sink::Queue | Sink::WaitForQueue => {
            let file = OpenOptions::new().append(true).create(true).open(&path);
            let started = Queue::start(file.expect("the file opens"));
            queue = Some(started.clone());
            builder = builder.audit(move |record| {
                started.push(record, sink == Sink::WaitForQueue);
                Ok(())
            });
        }
    }
    let runtime = builder.build().expect("the runtime is put together");
    let outcome = reactor().block_on(runtime.run(program.graph(), &[]));
    let exit = outcome.expect("the program starts").exit;
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
    if let Some(queue) = queue {
        queue.close();
    }
    let marks = marks.lock().expect("nobody panicked");
    let &[begun, ended] = marks.as_slice() else {
        unreachable!("two marks")
    };
    let took: Duration = ended - begun;
    took.as_nanos() as f64 / f64::from(CALLS)
}

fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let rounds: usize = if is_measured { rounds.unwrap_or(30) } else { 1 };
    let folder = tempfile::tempdir().expect("a scratch folder");
    let source = format!(
        "import {{ env }} from \"cap:self\";
         const some = (most) => {{ for (let n = 0; n < most; n++) env.get(\"SECURE_RUNTIME_BENCH\"); }};
         some(5000);
         console.log();
         for (let n = 0; n < {CALLS}; n += 1000) some(1000);
         console.log();"
    );
    std::fs::write(folder.path().join("main.js"), source).expect("a module");
    std::fs::write(folder.path().join("secure.toml"), MANIFEST).expect("a manifest");
    let mut times = vec![Vec::new(); SINKS.len()];
    for round in 0..rounds {
        let mut turn: Vec<_> = SINKS.iter().zip(&mut times).collect();
        let first = round % turn.len();
        turn.rotate_left(first);
        for ((sink, _), times) in turn {
            times.push(measured(folder.path(), *sink));
        }
    }
    for ((_, name), times) in SINKS.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let quantile = |part: usize| times.get(times.len() * part / 4).copied().unwrap_or_default();
        println!(
            "{name:45} quarter {:7.0} ns, median {:7.0} ns",
            quantile(1),
            quantile(2)
        );
    }
}
