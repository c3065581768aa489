//! Collections of garbage, asked for by code that has no handle of the isolate: asynchronous operations.

/// Lets [`collect`] reach the isolate of this thread.
#[cfg(feature = "v8")]
pub(super) use self::v8_heap::{Entered, enter};

/// Collects the garbage of this thread's isolate. On QuickJS nothing happens: it counts references.
pub(crate) fn collect() {
    #[cfg(feature = "v8")]
    v8_heap::collect();
}

#[cfg(feature = "v8")]
mod v8_heap {
    use std::cell::Cell;

    use deno_core::v8;

    thread_local! {
        static ISOLATE: Cell<Option<v8::UnsafeRawIsolatePtr>> = const { Cell::new(None) };
    }

    /// The isolate of this thread, as long as this lives.
    pub(in crate::runtime) struct Entered(());

    impl Drop for Entered {
        fn drop(&mut self) {
            ISOLATE.set(None);
        }
    }

    /// The isolate must live as long as what this returns.
    pub(in crate::runtime) fn enter(isolate: &v8::Isolate) -> Entered {
        // SAFETY: the pointer is used on this thread, until `Entered` is dropped, which is before the isolate.
        ISOLATE.set(Some(unsafe { isolate.as_raw_isolate_ptr() }));
        Entered(())
    }

    pub(super) fn collect() {
        if let Some(isolate) = ISOLATE.get() {
            // SAFETY: see `enter`. Operations run while the isolate is entered, and V8 may collect garbage at any allocation of theirs.
            let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
            isolate.low_memory_notification();
        }
    }
}
