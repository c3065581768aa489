//! Threads of isolates that can neither continue nor unwind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::extensions::ResourceTable;
use crate::termination::{Stopped, Termination};

/// Number of threads that were parked since the process started.
static PARKED: AtomicUsize = AtomicUsize::new(0);

/// Default number of parked threads at which no further program is started.
pub const MOST_PARKED: usize = 64;

/// Returns the number of isolate threads that this process has parked.
///
/// The runtime parks a thread if the engine can neither continue nor unwind. One reason is an allocation that fails
/// inside a built-in function. Another is a function that does not notice its termination until the heap is several
/// times its limit.
///
/// The run then reports its limit. The thread, its stack and its heap stay until the process ends. If the number grows,
/// restart the process at a convenient time. If there are too many, a runtime starts no further program
/// (`Builder::most_parked_threads`).
pub fn parked_threads() -> usize {
    PARKED.load(Ordering::Relaxed)
}

/// Stops one isolate at its heap limit, with everything that ends with it. Any thread may use it.
#[derive(Clone)]
pub(crate) struct Stopping {
    why: Stopped,
    stop: Arc<dyn Fn(&Stopped) + Send + Sync>,
}

/// The steps before the thread of one isolate is parked.
#[derive(Clone)]
pub(crate) struct Parking {
    termination: Termination,
    open: ResourceTable,
    pub(crate) stopping: Stopping,
}

/// Counts a thread that is parked now.
pub(crate) fn count() {
    let count = PARKED.fetch_add(1, Ordering::Relaxed) + 1;
    // A subscriber of warnings may panic.
    let _ = catch_unwind(|| {
        tracing::warn!(
            count,
            "a thread was parked: the engine could neither continue nor unwind; its memory is lost until the process ends"
        );
    });
}

impl Stopping {
    /// Stops the isolate at its heap limit.
    pub(crate) fn stop(&self) {
        (self.stop)(&self.why);
    }
}

impl Parking {
    pub(crate) fn new(
        termination: &Termination,
        open: &ResourceTable,
        why: Stopped,
        stop: impl Fn(&Stopped) + Send + Sync + 'static,
    ) -> Self {
        Parking {
            termination: termination.clone(),
            open: open.clone(),
            stopping: Stopping {
                why,
                stop: Arc::new(stop),
            },
        }
    }

    /// Stops the isolate at its heap limit. The engine then unwinds.
    pub(crate) fn stop(&self) {
        self.stopping.stop();
    }

    /// Reports how the isolate ended, closes its open resources, and parks the thread for good. The alternatives are
    /// unbounded memory growth or aborting the process.
    pub(crate) fn park(&self) -> ! {
        self.park_because(self.stopping.why.clone())
    }

    /// Parks the thread like [`park`](Self::park), for another reason than the heap limit.
    pub(crate) fn park_because(&self, why: Stopped) -> ! {
        (self.stopping.stop)(&why);
        // This closes a guest's files and connections. A panic here must not prevent the parking.
        let _ = catch_unwind(AssertUnwindSafe(|| self.open.close()));
        count();
        self.termination.park(why)
    }
}
