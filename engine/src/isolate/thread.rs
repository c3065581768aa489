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
use crate::js_engine;

type Job = Box<dyn FnOnce() + Send>;

/// A job, and the channel that reports whether its thread started.
type Order = (Job, Sender<io::Result<()>>);

/// Size of the stack of an isolate's thread, in bytes. The engines themselves limit JavaScript to less.
const STACK: usize = 8 << 20;

/// Prepares the process for the engine. This runs once, before the engine starts and before the process is sandboxed.
pub fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| {
        js_engine::prepare_process();
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
pub fn start_engine() {
    host();
}

/// Returns the channel to the thread that starts all isolate threads. That thread first starts the engine.
fn host() -> &'static Mutex<Sender<Order>> {
    HOST.get_or_init(|| {
        prepare();
        let (sender, jobs) = mpsc::channel::<Order>();
        let serve = move || {
            deno_core::JsRuntime::init_platform(None);
            js_engine::install_handlers();
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
