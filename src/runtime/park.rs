//! Threads of isolates that can neither go on nor unwind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "v8")]
use std::thread;

use super::brake::{Brake, Stopped};
use crate::extensions::OpenThings;

/// The threads that were parked since the process started.
static PARKED: AtomicUsize = AtomicUsize::new(0);

/// How many threads may be parked until no further program is started, unless the host says otherwise.
pub(super) const MOST_PARKED: usize = 64;

/// Returns how many threads of isolates this process has parked.
///
/// The runtime parks a thread where the engine can neither continue nor unwind: an allocation failed inside a built-in function, or a
/// function did not notice that it was stopped until the heap was several times its limit. The run was answered with its limit. The
/// thread, its stack and its heap stay until the process ends. A process whose number grows should be restarted at a convenient time: a
/// runtime starts no further program where there are too many (`Builder::most_parked_threads`).
pub fn parked_threads() -> usize {
    PARKED.load(Ordering::Relaxed)
}

/// What stops one isolate, and whatever ends with it, at its heap limit; from any thread.
#[derive(Clone)]
pub(super) struct Stopping {
    why: Stopped,
    stop: Arc<dyn Fn(&Stopped) + Send + Sync>,
}

/// What the thread of one isolate does before it is parked.
#[derive(Clone)]
pub(super) struct Parking {
    brake: Brake,
    open: OpenThings,
    stopping: Stopping,
}

fn count() {
    let count = PARKED.fetch_add(1, Ordering::Relaxed) + 1;
    // What listens to warnings may panic.
    let _ = catch_unwind(|| {
        tracing::warn!(
            count,
            "a thread was parked: the engine could neither continue nor unwind; its memory is lost until the process ends"
        );
    });
}

#[cfg(feature = "v8")]
impl Stopping {
    /// Parks a thread that is not the isolate's own, and stops the isolate.
    pub(super) fn park_helper(&self) -> ! {
        (self.stop)(&self.why);
        count();
        loop {
            thread::park();
        }
    }
}

impl Parking {
    pub(super) fn new(
        brake: &Brake,
        open: &OpenThings,
        why: Stopped,
        stop: impl Fn(&Stopped) + Send + Sync + 'static,
    ) -> Self {
        Parking {
            brake: brake.clone(),
            open: open.clone(),
            stopping: Stopping {
                why,
                stop: Arc::new(stop),
            },
        }
    }

    /// Returns what stops the isolate from other threads.
    #[cfg(feature = "v8")]
    pub(super) fn stopping(&self) -> Stopping {
        self.stopping.clone()
    }

    /// Stops the isolate at its heap limit. The engine unwinds.
    pub(super) fn stop(&self) {
        (self.stopping.stop)(&self.stopping.why);
    }

    /// Reports how the isolate ended, closes what it has open, and parks the thread for good. The alternatives are memory without
    /// limit or the end of the process.
    pub(super) fn park(&self) -> ! {
        self.park_because(self.stopping.why.clone())
    }

    /// As [`park`](Self::park), for another reason than the heap limit.
    pub(super) fn park_because(&self, why: Stopped) -> ! {
        (self.stopping.stop)(&why);
        // What is closed is a guest's files and connections. A panic there must not keep the thread from parking.
        let _ = catch_unwind(AssertUnwindSafe(|| self.open.close()));
        count();
        self.brake.abandon(why)
    }
}
