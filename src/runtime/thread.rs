//! Threads for isolates.
//!
//! V8 protects its code pages with memory protection keys, and a thread inherits its rights to them from its parent. So
//! every isolate must run on a descendant of the thread that started V8. An embedder's threads may not be descendants.
//! Therefore one host thread starts the engine and all isolate threads.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::thread;

use super::panics::{self, THREAD};

type Job = Box<dyn FnOnce() + Send>;

/// A job, and the channel that reports whether its thread started.
type Order = (Job, Sender<io::Result<()>>);

/// Size of the stack of an isolate's thread, in bytes. The engines themselves limit JavaScript to less.
const STACK: usize = 8 << 20;

/// Disables the code cache of QuickJS's bindings. They would store compiled code in a folder of the user, find it by a
/// hash that is easy to forge, and run it unchecked. It must be called before other threads read the environment.
fn keep_no_code() {
    /// The variable that the bindings read when they first compile code.
    const VARIABLE: &str = "V82JSC_NO_BC_CACHE";
    if cfg!(feature = "quickjs") && std::env::var_os(VARIABLE).is_none() {
        // SAFETY: Rust's own functions synchronise their access to the environment. The remaining risk is C code that
        // reads it on another thread at this moment. The command has no such thread yet. The crate's documentation
        // tells embedders to set the variable themselves.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
}

/// Lets V8 compile only on the isolate's own thread, unless the host has started V8 itself.
///
/// By default, V8 compiles hot functions on its own threads, with all of its compilers. If the heap is full, these
/// threads wait for the isolate's thread to collect garbage. A race in this code (V8 15.0,
/// `CollectionBarrier::AwaitCollectionBackground`) aborts the process. So a guest that fills its heap would end the
/// programs of all others. Compilation on the isolate's thread also counts as the guest's processor time.
///
/// The baseline compiler waits until it has more work than the functions that finish a realm, which run only once.
/// Otherwise, finishing takes 25% longer in every isolate. (Programs of 5 to 100 ms took the same time as before.)
#[cfg(feature = "v8")]
fn compile_in_place() {
    // Flags cannot be set after V8 has started. V8 does not report whether it has started, but the names of its threads
    // do.
    let names = std::fs::read_dir("/proc/self/task").map(|threads| {
        let comm = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm")).ok();
        threads.flatten().filter_map(comm).collect::<Vec<String>>()
    });
    let runs = match &names {
        Ok(names) => names.iter().any(|name| name.starts_with("V8 ")),
        // Without permission to read /proc, the state is unknown. Without /proc, V8 has probably not started.
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    };
    if runs {
        tracing::warn!(
            "V8 may have been started before secure-runtime, with compiler threads: a guest that fills its heap can then end the \
             process; start V8 with --no-concurrent-recompilation --no-concurrent-sparkplug"
        );
    } else {
        deno_core::v8::V8::set_flags_from_string(
            "--no-concurrent-recompilation --no-concurrent-sparkplug --baseline-batch-compilation-threshold=16384",
        );
    }
}

/// Prepares the process for the engine. This runs once, before the engine starts and before the process is sandboxed.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        keep_no_code();
        #[cfg(feature = "v8")]
        compile_in_place();
    });
}

static HOST: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();

/// Runs the job on a new thread that may have an isolate.
pub(super) fn spawn(job: Job) -> io::Result<()> {
    order(job)?.recv().map_err(|_| gone())?
}

/// Runs the job like [`spawn`], without waiting for the thread, or for the engine if this is its first thread. The
/// receiver reports whether the thread started. A job that never runs is dropped.
pub(super) fn order(job: Job) -> io::Result<Receiver<io::Result<()>>> {
    let (started, answer) = mpsc::channel();
    host()
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((job, started))
        .map_err(|_| gone())?;
    Ok(answer)
}

/// Begins to start the engine, without waiting for it.
pub(crate) fn start_engine() {
    host();
}

/// Returns the channel to the thread that starts all isolate threads. That thread first starts the engine.
fn host() -> &'static Mutex<Sender<Order>> {
    HOST.get_or_init(|| {
        prepare();
        let (sender, jobs) = mpsc::channel::<Order>();
        let serve = move || {
            deno_core::JsRuntime::init_platform(None);
            #[cfg(feature = "v8")]
            super::fatal::install();
            panics::install();
            for (job, started) in jobs {
                let spawned = thread::Builder::new()
                    .name(THREAD.to_owned())
                    .stack_size(STACK)
                    .spawn(job);
                let _ = started.send(spawned.map(drop));
            }
        };
        // If this fails, the channel is closed, and `order` returns an error each time.
        let _ = thread::Builder::new()
            .name("secure-runtime-host".to_owned())
            .spawn(serve);
        Mutex::new(sender)
    })
}

fn gone() -> io::Error {
    io::Error::other("the engine's host thread is gone")
}
