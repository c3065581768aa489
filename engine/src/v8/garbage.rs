//! Garbage collections. Code without a handle of the isolate (asynchronous operations) can request one, and V8's heap
//! is measured at each of them.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;

use deno_core::v8;

type Note = Box<dyn Fn(usize)>;

thread_local! {
    static ISOLATE: Cell<Option<v8::UnsafeRawIsolatePtr>> = const { Cell::new(None) };
    /// The function that records the size of the heap.
    static NOTE: RefCell<Option<Note>> = const { RefCell::new(None) };
}

/// The registration of this thread's isolate. Dropping it removes the registration.
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        ISOLATE.set(None);
        NOTE.take();
    }
}

/// Registers the isolate of this thread for [`collect`]. `note` gets the size of its heap at each collection. The
/// isolate must outlive the result.
pub(crate) fn enter(isolate: &mut v8::Isolate, note: impl Fn(usize) + 'static) -> Entered {
    // SAFETY: the pointer is used on this thread, until `Entered` is dropped, which is before the isolate.
    ISOLATE.set(Some(unsafe { isolate.as_raw_isolate_ptr() }));
    NOTE.set(Some(Box::new(note)));
    // The heap is largest before a collection, apart from the copies that exist during the collection.
    isolate.add_gc_prologue_callback(measure, ptr::null_mut(), v8::GCType::kGCTypeAll);
    isolate.add_gc_epilogue_callback(measure, ptr::null_mut(), v8::GCType::kGCTypeAll);
    Entered(())
}

/// Returns the size of the heap, plus the peak memory of the compilers.
pub(super) fn heap_of(isolate: &mut v8::Isolate) -> usize {
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
    let _ = NOTE.try_with(|note| {
        if let Ok(note) = note.try_borrow()
            && let Some(note) = &*note
        {
            note(heap);
        }
    });
}

/// Collects the garbage of this thread's isolate.
pub(crate) fn collect() {
    if let Some(isolate) = ISOLATE.get() {
        // SAFETY: see `enter`. Operations run while the isolate is entered, and V8 may collect garbage at any
        // allocation in them.
        let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
        isolate.low_memory_notification();
    }
}

/// Collects the garbage of this isolate if `is_full` returns true.
pub(crate) fn collect_if(isolate: &mut v8::Isolate, is_full: impl FnOnce() -> bool) {
    if is_full() {
        isolate.low_memory_notification();
    }
}
