//! Threads for isolates.
//!
//! V8 guards its code pages with memory protection keys, and a thread inherits its rights to them from the thread that
//! made it: every isolate must run on a descendant of the thread that started V8. An embedder's threads need not be, so
//! one host thread starts the engine and makes all isolate threads.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// A job, and where to say whether its thread started.
type Order = (Job, Sender<io::Result<()>>);

/// The stack of an isolate's thread, in bytes. The engines limit JavaScript to less than this by themselves.
const STACK: usize = 8 << 20;

static HOST: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();

/// Runs the job on a new thread that may hold an isolate.
pub(super) fn spawn(job: Job) -> io::Result<()> {
    let host = HOST.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Order>();
        let serve = move || {
            deno_core::JsRuntime::init_platform(None);
            for (job, started) in jobs {
                let spawned = thread::Builder::new()
                    .name("secure-runtime-isolate".to_owned())
                    .stack_size(STACK)
                    .spawn(job);
                let _ = started.send(spawned.map(drop));
            }
        };
        // Should this fail, the channel is closed, and `spawn` says so each time.
        let _ = thread::Builder::new()
            .name("secure-runtime-host".to_owned())
            .spawn(serve);
        Mutex::new(sender)
    });
    let gone = || io::Error::other("the engine's host thread is gone");
    let (started, answer) = mpsc::channel();
    host.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((job, started))
        .map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
