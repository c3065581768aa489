//! What recording and the second wall cost: a thousand guarded reads of 4 KiB with and without an audit log, and then with and
//! without the wall; how long entering the wall takes.
//!
//! `cargo bench --bench guards`. The wall is for good, so that what is measured behind it comes last.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use secure_runtime::{AuditLog, AuditOptions, Exit, OpenOptions, Program, Runtime, Wall};

/// Set for a process that enters the wall, and says how many nanoseconds it took: the folder of its program.
const ENTER: &str = "SECURE_RUNTIME_BENCH_FOLDER";

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

fn guards(criterion: &mut Criterion) {
    let folder = folder();
    let program = open(folder.path());
    let reactor = reactor();
    let file = folder.path().join("data/file");
    let mut group = criterion.benchmark_group("guards");
    group.sample_size(20);
    let mut reads = |name: &str, log: Option<AuditLog>| {
        let runtime = runtime(&program, log);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let outcome = reactor.block_on(runtime.run(program.graph(), &[]));
                let exit = outcome.expect("the program starts").exit;
                assert!(matches!(exit, Exit::Completed), "{exit:?}");
            });
        });
    };
    let log =
        |name: &str, options: AuditOptions| AuditLog::open(folder.path().join(name), options).expect("a log");
    let waiting = AuditOptions {
        wait: true,
        ..AuditOptions::default()
    };
    reads("1000 reads", None);
    reads(
        "1000 reads, recorded",
        Some(log("a.jsonl", AuditOptions::default())),
    );
    reads("1000 reads, recorded first", Some(log("b.jsonl", waiting)));
    let native = |bencher: &mut criterion::Bencher<'_>| bencher.iter(|| std::fs::read(&file));
    group.bench_function("enter the wall", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| entering(folder.path())).sum());
    });
    group.bench_function("read a file", native);

    // The results are written below the current folder.
    let wall = Wall::new().program(&program, None).expect("its grants");
    wall.read(".").write(".").enter().expect("the wall");
    group.bench_function("read a file, behind the wall", native);
    let runtime = runtime(&program, None);
    group.bench_function("1000 reads, behind the wall", |bencher| {
        bencher.iter(|| reactor.block_on(runtime.run(program.graph(), &[])));
    });
    group.finish();
    // Behind the wall it cannot be removed.
    let _ = folder.keep();
}

/// How long a process of its own took to enter the wall for the program in this folder.
fn entering(folder: &Path) -> Duration {
    let this = std::env::current_exe().expect("this program's path");
    let output = Command::new(this).env(ENTER, folder).output().expect("a process");
    let text = String::from_utf8(output.stdout).expect("a number");
    Duration::from_nanos(text.trim().parse().expect("a number"))
}

criterion_group!(benches, guards);

fn main() {
    if let Some(folder) = std::env::var_os(ENTER) {
        let program = open(Path::new(&folder));
        let started = Instant::now();
        let wall = Wall::new().program(&program, None).expect("its grants");
        wall.enter().expect("the wall");
        return println!("{}", started.elapsed().as_nanos());
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
