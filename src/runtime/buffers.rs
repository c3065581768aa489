//! The memory of array buffers on V8, which V8's own heap limit does not count.
//!
//! (QuickJS allocates buffers on its one heap, and its limit counts them.)

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deno_core::v8;

/// What the buffers of one isolate may still use, in bytes.
struct Budget(AtomicUsize);

/// What V8 asks of an allocator: buffers are aligned like the largest scalar type.
const ALIGNMENT: usize = 16;

impl Budget {
    fn take(&self, length: usize) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(length)
            })
            .is_ok()
    }

    fn give_back(&self, length: usize) {
        self.0.fetch_add(length, Ordering::Relaxed);
    }

    fn allocate(&self, length: usize, zeroed: bool) -> *mut c_void {
        // A length of 0 still needs an address of its own.
        let Ok(layout) = Layout::from_size_align(length.max(1), ALIGNMENT) else {
            return ptr::null_mut();
        };
        if !self.take(length) {
            // V8 collects garbage, asks again, and then throws a RangeError.
            return ptr::null_mut();
        }
        // SAFETY: the layout's size is at least 1.
        let memory = unsafe {
            if zeroed {
                alloc_zeroed(layout)
            } else {
                alloc(layout)
            }
        };
        if memory.is_null() {
            self.give_back(length);
        }
        memory.cast()
    }
}

unsafe extern "C" fn allocate(budget: &Budget, length: usize) -> *mut c_void {
    budget.allocate(length, true)
}

unsafe extern "C" fn allocate_uninitialized(budget: &Budget, length: usize) -> *mut c_void {
    budget.allocate(length, false)
}

unsafe extern "C" fn free(budget: &Budget, memory: *mut c_void, length: usize) {
    let Ok(layout) = Layout::from_size_align(length.max(1), ALIGNMENT) else {
        return;
    };
    if memory.is_null() {
        return;
    }
    // SAFETY: V8 frees what `allocate` returned, once, with the length that it asked for: the same layout.
    unsafe { dealloc(memory.cast(), layout) };
    budget.give_back(length);
}

unsafe extern "C" fn drop_budget(budget: *const Budget) {
    // SAFETY: `limited` made this pointer with `Arc::into_raw`, and V8 calls `drop` once.
    drop(unsafe { Arc::from_raw(budget) });
}

static VTABLE: v8::RustAllocatorVtable<Budget> = v8::RustAllocatorVtable {
    allocate,
    allocate_uninitialized,
    free,
    drop: drop_budget,
};

/// An allocator that gives out at most this many bytes at a time.
pub(super) fn limited(bytes: u64) -> v8::SharedRef<v8::Allocator> {
    let budget = Arc::new(Budget(AtomicUsize::new(
        usize::try_from(bytes).unwrap_or(usize::MAX),
    )));
    // SAFETY: the pointer stays valid until `drop_budget`, the budget is `Sync`, and the functions do not call V8.
    unsafe { v8::new_rust_allocator(Arc::into_raw(budget), &VTABLE) }.make_shared()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_given_out_once_and_comes_back() {
        let budget = Budget(AtomicUsize::new(100));
        let first = budget.allocate(60, true);
        assert!(!first.is_null());
        assert!(budget.allocate(60, true).is_null());
        // SAFETY: allocated above with this length.
        unsafe { free(&budget, first, 60) };
        let second = budget.allocate(100, false);
        assert!(!second.is_null());
        // SAFETY: allocated above with this length.
        unsafe { free(&budget, second, 100) };
    }
}
