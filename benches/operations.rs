//! Benchmark of the guard of an operation: a guarded operation, the same without its guard, and the op alone.
//!
//! The op alone is an op of bare deno_core, called by its name. The unguarded variant is called like the guarded one,
//! by a method of an object that holds a Rust value. It is asynchronous if the guarded one is. The difference is the
//! cost of the guard.
//!
//! `cargo bench --bench operations`. Each number is the time of one call in a loop after warm-up calls, including
//! `await` for asynchronous operations. The loop marks its begin and end with the clock of this process, so that the
//! start of an engine is excluded.
//!
//! The comparison is printed first. All variants run in turn, many times, because the speed of machines varies
//! (`ROUNDS=200` for more precision). The bare read handles the file like the guarded one. It opens it beneath a folder
//! in non-blocking mode, checks its type and file system, and reads it on another thread.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::cell::RefCell;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptionsExt};
use criterion::{Criterion, criterion_group, criterion_main};
use deno_core::{GarbageCollected, JsRuntime, OpState, PollEventLoopOptions, RuntimeOptions, op2, v8};
use deno_error::JsErrorBox;
use secure_runtime::{Exit, OpenOptions, Program, Runtime};

/// Number of warm-up calls.
const WARM: u64 = 5000;

const MANIFEST: &str = "[package]\nname = \"bench\"\nentry = \"main.js\"\n\n[grants]\nfs.read = [\"./data/**\"]\n\
    env.read = [\"SECURE_RUNTIME_BENCH\"]\nclock = \"1us\"\n";

/// The benchmarks: the name, the call with or without a guard, and the call of the op alone.
const CALLS: [(&str, &str, &str); 3] = [
    ("clock.now", "clock.now()", "op_bare_now()"),
    (
        "env.get",
        "env.get('SECURE_RUNTIME_BENCH')",
        "op_bare_variable('SECURE_RUNTIME_BENCH')",
    ),
    (
        "fs.readFile, 4 KiB",
        "await fs.readFile('data/file')",
        "await op_bare_read('data/file')",
    ),
];

/// The objects with the unguarded methods.
const UNGUARDED: &str = "
    const { op_bare_mark, op_bare_now, op_bare_variable, op_bare_read, op_bare_handle } = Deno.core.ops;
    const { op_bare_handle_now, op_bare_handle_variable, op_bare_handle_read } = Deno.core.ops;
    class Clock {
        #handle = op_bare_handle();
        now() { return op_bare_handle_now(this.#handle); }
    }
    class Environment {
        #handle = op_bare_handle();
        get(name) { return op_bare_handle_variable(this.#handle, name) ?? undefined; }
    }
    class FileSystem {
        #handle = op_bare_handle();
        async readFile(path) { return await op_bare_handle_read(this.#handle, path); }
    }
    const [clock, env, fs] = [new Clock(), new Environment(), new FileSystem()];
";

/// The times at which the loop began and ended.
type Marks = Arc<Mutex<Vec<Instant>>>;

fn marked(marks: &Marks) -> Duration {
    let marks = std::mem::take(&mut *marks.lock().expect("nobody panicked"));
    let [begun, ended]: [Instant; 2] = marks.try_into().expect("two marks");
    ended - begun
}

/// Returns a script that makes the calls in a function that is called often. Engines optimize such a function best, but
/// not always a single long loop.
fn script(call: &str, mark: &str, times: u64) -> String {
    let kind = if call.starts_with("await") { "async " } else { "" };
    format!(
        "const some = {kind}(most) => {{ for (let n = 0; n < most; n++) {call}; }};
         for (let n = 0; n < {WARM}; n += 100) await some(100);
         {mark};
         for (let left = {times}; left > 0; left -= 1000) await some(Math.min(left, 1000));
         {mark};"
    )
}

fn reactor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    std::fs::write(folder.path().join("data/file"), "x".repeat(4096)).expect("a file");
    std::fs::write(folder.path().join("secure.toml"), MANIFEST).expect("a manifest");
    folder
}

fn guarded(folder: &Path, call: &str, times: u64) -> Duration {
    let code = script(call, "console.log()", times);
    let module =
        format!("import {{ fs, env, clock }} from \"cap:self\"; export default async () => {{ {code} }};");
    std::fs::write(folder.join("main.js"), module).expect("a module");
    let program = reactor()
        .block_on(Program::open(folder, &OpenOptions::default()))
        .expect("the program opens");
    let marks = Marks::default();
    let seen = marks.clone();
    let runtime = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .variables(|name| std::env::var(name).ok())
        .console(move |_| seen.lock().expect("nobody panicked").push(Instant::now()))
        .build()
        .expect("the runtime is put together");
    let outcome = reactor().block_on(runtime.run(program.graph(), &[]));
    let exit = outcome.expect("the program starts").exit;
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
    marked(&marks)
}

#[op2(fast)]
fn op_bare_mark(state: &OpState) {
    state
        .borrow::<Marks>()
        .lock()
        .expect("nobody panicked")
        .push(Instant::now());
}

#[op2(fast)]
fn op_bare_now() -> f64 {
    now()
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_micros() as f64 / 1000.0)
}

#[op2]
#[string]
fn op_bare_variable(#[string] name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[op2]
#[buffer]
async fn op_bare_read(state: Rc<RefCell<OpState>>, #[string] path: String) -> Result<Vec<u8>, JsErrorBox> {
    let dir = state.borrow().borrow::<Arc<Dir>>().clone();
    read(dir, path).await
}

async fn read(dir: Arc<Dir>, path: String) -> Result<Vec<u8>, JsErrorBox> {
    let read = tokio::task::spawn_blocking(move || {
        let mut options = cap_std::fs::OpenOptions::new();
        // O_NONBLOCK, O_NOCTTY
        options.read(true).custom_flags(0o4000 | 0o400);
        let mut file = dir.open_with(path, &options)?.into_std();
        let metadata = file.metadata()?;
        if !metadata.is_file() || rustix::fs::fstatfs(&file)?.f_type == 0x9fa0 {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        Read::by_ref(&mut file).take(1 << 30).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    });
    let read = read.await.map_err(JsErrorBox::from_err)?;
    read.map_err(JsErrorBox::from_err)
}

/// The Rust value of an object.
struct Handle(Arc<Dir>);

// SAFETY: the value contains no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for Handle {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Handle"
    }
}

#[op2]
#[cppgc]
fn op_bare_handle(state: &OpState) -> Handle {
    Handle(state.borrow::<Arc<Dir>>().clone())
}

#[op2(fast)]
fn op_bare_handle_now(#[cppgc] _clock: &Handle) -> f64 {
    now()
}

#[op2]
#[string]
fn op_bare_handle_variable(#[cppgc] _env: &Handle, #[string] name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[op2]
#[buffer]
async fn op_bare_handle_read(#[cppgc] fs: &Handle, #[string] path: String) -> Result<Vec<u8>, JsErrorBox> {
    read(fs.0.clone(), path).await
}

deno_core::extension!(
    bare,
    ops = [
        op_bare_mark,
        op_bare_now,
        op_bare_variable,
        op_bare_read,
        op_bare_handle,
        op_bare_handle_now,
        op_bare_handle_variable,
        op_bare_handle_read,
    ],
);

/// Measures on a separate thread, like the guarded variant.
fn bare(folder: &Path, call: &str, times: u64) -> Duration {
    std::thread::scope(|scope| {
        let took = scope.spawn(|| bare_here(folder, call, times));
        took.join().expect("it ends")
    })
}

fn bare_here(folder: &Path, call: &str, times: u64) -> Duration {
    let marks = Marks::default();
    let code = script(call, "op_bare_mark()", times);
    let code = format!("{UNGUARDED} (async () => {{ {code} }})();");
    reactor().block_on(async {
        let mut js = JsRuntime::new(RuntimeOptions {
            extensions: vec![bare::init()],
            ..RuntimeOptions::default()
        });
        {
            let state = js.op_state();
            let mut state = state.borrow_mut();
            state.put(marks.clone());
            let dir = Dir::open_ambient_dir(folder, ambient_authority()).expect("the folder opens");
            state.put(Arc::new(dir));
        }
        js.execute_script("bare.js", code).expect("the script runs");
        js.run_event_loop(PollEventLoopOptions::default())
            .await
            .expect("the loop ends");
    });
    marked(&marks)
}

/// Measures all variants in turn, and prints the median of each and of the difference in each round.
fn compared(folder: &Path) {
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    for (name, call, alone) in CALLS {
        let times = if call.starts_with("await") { 1_000 } else { 100_000 };
        let nanos = |took: Duration| took.as_nanos() as f64 / times as f64;
        let mut measured: Vec<[f64; 5]> = (0..rounds.unwrap_or(30))
            .map(|_| {
                let alone = nanos(bare(folder, alone, times));
                let unguarded = nanos(bare(folder, call, times));
                let guarded = nanos(guarded(folder, call, times));
                [alone, unguarded, guarded, guarded - unguarded, guarded - alone]
            })
            .collect();
        let mut median = |part: usize| {
            measured.sort_by(|one, other| one.get(part).partial_cmp(&other.get(part)).expect("numbers"));
            measured
                .get(measured.len() / 2)
                .and_then(|round| round.get(part))
                .copied()
                .unwrap_or(0.0)
        };
        let [alone, unguarded, guarded, guard, more] = [0, 1, 2, 3, 4].map(&mut median);
        println!(
            "{name}: guarded {guarded:.0} ns; unguarded {unguarded:.0} ns: the guard takes {guard:.0} ns ({:.1} %); the op alone \
             {alone:.0} ns: {more:.0} ns more ({:.1} %)",
            100.0 * guard / unguarded,
            100.0 * more / alone
        );
    }
}

fn operations(criterion: &mut Criterion) {
    // V8 requires that its threads descend from the thread that starts it.
    JsRuntime::init_platform(None);
    let folder = folder();
    if !std::env::args().any(|argument| argument == "--test") {
        compared(folder.path());
    }
    let mut group = criterion.benchmark_group("operations");
    for (name, call, alone) in CALLS {
        group.bench_function(format!("{name}, the op alone"), |bencher| {
            bencher.iter_custom(|times| bare(folder.path(), alone, times));
        });
        group.bench_function(format!("{name}, unguarded"), |bencher| {
            bencher.iter_custom(|times| bare(folder.path(), call, times));
        });
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| guarded(folder.path(), call, times));
        });
    }
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
