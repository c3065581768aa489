//! Threads for isolates.
//!
//! V8 guards its code pages with memory protection keys, and a thread inherits its rights to them from the thread that
//! made it: every isolate must run on a descendant of the thread that started V8. An embedder's threads need not be, so
//! one host thread starts the engine and makes all isolate threads.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::thread;

use super::panics::{self, THREAD};

type Job = Box<dyn FnOnce() + Send>;

/// A job, and where to say whether its thread started.
type Order = (Job, Sender<io::Result<()>>);

/// The stack of an isolate's thread, in bytes. The engines limit JavaScript to less than this by themselves.
const STACK: usize = 8 << 20;

/// Keeps QuickJS's bindings from keeping compiled code in a folder of the user, where they would find it by a hash that is easy to
/// forge, and run it unseen. To be called before other threads read the environment.
fn keep_no_code() {
    /// What the bindings look for when they first compile something.
    const VARIABLE: &str = "V82JSC_NO_BC_CACHE";
    if cfg!(feature = "quickjs") && std::env::var_os(VARIABLE).is_none() {
        // SAFETY: Rust's own readers of the environment wait for each other. What remains is C code that reads it in another thread
        // at this moment: the command line has none yet, and the crate's documentation tells embedders to set the variable themselves.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
}

/// Lets V8 compile on the isolate's own thread only, unless the host has started V8 itself.
///
/// Left alone, it compiles what is hot on threads of its own, with all of its compilers. Where the heap is full, these wait for the
/// isolate's thread to collect garbage, and a race in that (V8 15.0, `CollectionBarrier::AwaitCollectionBackground`) aborts the process:
/// a guest that fills its heap would end everybody's programs. What is compiled here also counts as the guest's processor time.
///
/// The quick compiler waits until there is more for it to do than the functions that finish a realm, which run once: else that takes a
/// quarter longer in every isolate. (Programs of 5 to 100 ms took as long as before.)
#[cfg(feature = "v8")]
fn compile_in_place() {
    // Flags cannot be set any more once V8 runs, and V8 does not tell whether it does; its threads do.
    let names = std::fs::read_dir("/proc/self/task").map(|threads| {
        let comm = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm")).ok();
        threads.flatten().filter_map(comm).collect::<Vec<String>>()
    });
    let runs = match &names {
        Ok(names) => names.iter().any(|name| name.starts_with("V8 ")),
        // Nobody can tell. Where there is no /proc, it is more likely that it does not.
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

/// What must be settled before the engine is started, and before the process is confined: once, whoever asks first.
pub(crate) fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        keep_no_code();
        #[cfg(feature = "v8")]
        compile_in_place();
    });
}

static HOST: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();

/// Runs the job on a new thread that may hold an isolate.
pub(super) fn spawn(job: Job) -> io::Result<()> {
    order(job)?.recv().map_err(|_| gone())?
}

/// As [`spawn`], without waiting for the thread, or for the engine where this is its first one: what is received is whether it
/// started. A job that never runs is dropped.
pub(super) fn order(job: Job) -> io::Result<Receiver<io::Result<()>>> {
    let (started, answer) = mpsc::channel();
    host()
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((job, started))
        .map_err(|_| gone())?;
    Ok(answer)
}

/// Begins to start the engine, and does not wait for it.
pub(crate) fn start_engine() {
    host();
}

/// The thread that makes all isolate threads. It starts the engine first.
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
        // Should this fail, the channel is closed, and `order` says so each time.
        let _ = thread::Builder::new()
            .name("secure-runtime-host".to_owned())
            .spawn(serve);
        Mutex::new(sender)
    })
}

fn gone() -> io::Error {
    io::Error::other("the engine's host thread is gone")
}
