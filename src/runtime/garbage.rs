//! Collections of garbage: asked for by code that has no handle of the isolate (asynchronous operations), and the moments at which V8's
//! heap is measured.

/// Lets [`collect`] reach the isolate of this thread, and measures its heap.
#[cfg(feature = "v8")]
pub(super) use self::v8_heap::{Entered, enter, heap_of};

/// Collects the garbage of this thread's isolate. On QuickJS nothing happens: it counts references.
pub(crate) fn collect() {
    #[cfg(feature = "v8")]
    v8_heap::collect();
}

#[cfg(feature = "v8")]
mod v8_heap {
    use std::cell::{Cell, RefCell};
    use std::ffi::c_void;
    use std::ptr;

    use deno_core::v8;

    use crate::runtime::Memory;

    thread_local! {
        static ISOLATE: Cell<Option<v8::UnsafeRawIsolatePtr>> = const { Cell::new(None) };
        /// Where the size of its heap is noted.
        static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
    }

    /// The isolate of this thread, as long as this lives.
    pub(in crate::runtime) struct Entered(());

    impl Drop for Entered {
        fn drop(&mut self) {
            ISOLATE.set(None);
            MEMORY.take();
        }
    }

    /// The isolate must live as long as what this returns.
    pub(in crate::runtime) fn enter(isolate: &mut v8::Isolate, memory: &Memory) -> Entered {
        // SAFETY: the pointer is used on this thread, until `Entered` is dropped, which is before the isolate.
        ISOLATE.set(Some(unsafe { isolate.as_raw_isolate_ptr() }));
        MEMORY.set(Some(memory.clone()));
        // Before a collection the heap is largest, but for what is copied while it goes on.
        isolate.add_gc_prologue_callback(measure, ptr::null_mut(), v8::GCType::kGCTypeAll);
        isolate.add_gc_epilogue_callback(measure, ptr::null_mut(), v8::GCType::kGCTypeAll);
        Entered(())
    }

    /// Returns what the heap takes, with the most that compilers took.
    pub(in crate::runtime) fn heap_of(isolate: &mut v8::Isolate) -> usize {
        let statistics = isolate.get_heap_statistics();
        statistics
            .total_heap_size()
            .saturating_add(statistics.peak_malloced_memory())
    }

    unsafe extern "C" fn measure(
        isolate: v8::UnsafeRawIsolatePtr,
        _kind: v8::GCType,
        _flags: v8::GCCallbackFlags,
        _data: *mut c_void,
    ) {
        // SAFETY: V8 passes the isolate that it collects, on the thread that it is entered on.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
        let heap = heap_of(&mut isolate);
        let _ = MEMORY.try_with(|memory| {
            if let Ok(memory) = memory.try_borrow()
                && let Some(memory) = &*memory
            {
                memory.note_heap(heap);
            }
        });
    }

    pub(super) fn collect() {
        if let Some(isolate) = ISOLATE.get() {
            // SAFETY: see `enter`. Operations run while the isolate is entered, and V8 may collect garbage at any allocation of theirs.
            let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
            isolate.low_memory_notification();
        }
    }
}
