//! Garbage collections. Code without a handle of the isolate (asynchronous operations) can request one, and V8's heap
//! is measured at each of them.

/// Lets [`collect`] reach the isolate of this thread, and measures its heap.
#[cfg(feature = "v8")]
pub(super) use self::v8_heap::{Entered, enter, heap_of};

/// Collects the garbage of this thread's isolate. On QuickJS it does nothing, because QuickJS counts references.
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
        /// The account that records the size of the heap.
        static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
    }

    /// The registration of this thread's isolate. Dropping it removes the registration.
    pub(in crate::runtime) struct Entered(());

    impl Drop for Entered {
        fn drop(&mut self) {
            ISOLATE.set(None);
            MEMORY.take();
        }
    }

    /// Registers the isolate of this thread. The isolate must outlive the result.
    pub(in crate::runtime) fn enter(isolate: &mut v8::Isolate, memory: &Memory) -> Entered {
        // SAFETY: the pointer is used on this thread, until `Entered` is dropped, which is before the isolate.
        ISOLATE.set(Some(unsafe { isolate.as_raw_isolate_ptr() }));
        MEMORY.set(Some(memory.clone()));
        // The heap is largest before a collection, apart from the copies that exist during the collection.
        isolate.add_gc_prologue_callback(measure, ptr::null_mut(), v8::GCType::kGCTypeAll);
        isolate.add_gc_epilogue_callback(measure, ptr::null_mut(), v8::GCType::kGCTypeAll);
        Entered(())
    }

    /// Returns the size of the heap, plus the peak memory of the compilers.
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
        // SAFETY: V8 passes the isolate that it collects, on the thread that has entered it.
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
            // SAFETY: see `enter`. Operations run while the isolate is entered, and V8 may collect garbage at any
            // allocation in them.
            let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
            isolate.low_memory_notification();
        }
    }
}
