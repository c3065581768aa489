//! The memory of array buffers on V8, which V8's own heap limit does not count.
//!
//! (QuickJS allocates buffers on its only heap, and its heap limit counts them.)

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr;

use deno_core::v8;

use crate::memory::{Memory, Reservation};

/// Alignment of array buffers, in bytes. V8 requires that of the largest scalar type.
const ALIGNMENT: usize = 16;

fn allocate_from(memory: &Memory, length: usize, zeroed: bool) -> *mut c_void {
    // A buffer of length 0 still needs a unique address.
    let Ok(layout) = Layout::from_size_align(length.max(1), ALIGNMENT) else {
        return ptr::null_mut();
    };
    if !memory.take(length) {
        // V8 then collects garbage, tries again, and finally throws a RangeError.
        return ptr::null_mut();
    }
    // SAFETY: the layout's size is at least 1.
    let allocated = unsafe {
        if zeroed {
            alloc_zeroed(layout)
        } else {
            alloc(layout)
        }
    };
    if allocated.is_null() {
        memory.give_back(length);
    }
    allocated.cast()
}

unsafe extern "C" fn allocate(memory: &Memory, length: usize) -> *mut c_void {
    allocate_from(memory, length, true)
}

unsafe extern "C" fn allocate_uninitialized(memory: &Memory, length: usize) -> *mut c_void {
    allocate_from(memory, length, false)
}

unsafe extern "C" fn free(memory: &Memory, allocated: *mut c_void, length: usize) {
    let Ok(layout) = Layout::from_size_align(length.max(1), ALIGNMENT) else {
        return;
    };
    if allocated.is_null() {
        return;
    }
    // SAFETY: V8 frees a pointer that `allocate` returned, once, with the length of the allocation, so the layout is
    // the same.
    unsafe { dealloc(allocated.cast(), layout) };
    memory.give_back(length);
}

unsafe extern "C" fn drop_memory(memory: *const Memory) {
    // SAFETY: `limited` made this pointer with `Box::into_raw`, and V8 calls `drop` once.
    drop(unsafe { Box::from_raw(memory.cast_mut()) });
}

static VTABLE: v8::RustAllocatorVtable<Memory> = v8::RustAllocatorVtable {
    allocate,
    allocate_uninitialized,
    free,
    drop: drop_memory,
};

/// Returns an allocator that counts its buffers in this account.
fn limited(memory: &Memory) -> v8::SharedRef<v8::Allocator> {
    let memory = Box::into_raw(Box::new(memory.clone()));
    // SAFETY: the pointer stays valid until `drop_memory`, the account is `Sync`, and the functions do not call V8.
    unsafe { v8::new_rust_allocator(memory.cast_const(), &VTABLE) }.make_shared()
}

/// Returns the memory limits of an isolate. Array buffers have their own limit, equal to the heap limit.
pub(crate) fn create_params(heap: u64, memory: &Memory) -> v8::CreateParams {
    v8::CreateParams::default()
        .heap_limits(0, usize::try_from(heap).unwrap_or(usize::MAX))
        .array_buffer_allocator(limited(memory))
}

/// Frees the bytes and their reservation. V8 calls this when it collects their buffer.
unsafe extern "C" fn free_held(bytes: *mut c_void, length: usize, held: *mut c_void) {
    // SAFETY: `buffer` made both pointers with `Box::into_raw`, and V8 calls this once.
    unsafe {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(
            bytes.cast::<u8>(),
            length,
        )));
        drop(Box::from_raw(held.cast::<Reservation>()));
    }
}

/// Returns a buffer with these bytes. They are counted until the buffer is collected.
pub(crate) fn buffer<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: Box<[u8]>,
    held: Reservation,
) -> v8::Local<'s, v8::ArrayBuffer> {
    let length = bytes.len();
    let bytes = Box::into_raw(bytes).cast::<c_void>();
    let held = Box::into_raw(Box::new(held)).cast::<c_void>();
    // SAFETY: the bytes are not moved or freed until V8 calls `free_held`.
    let store = unsafe { v8::ArrayBuffer::new_backing_store_from_ptr(bytes, length, free_held, held) };
    v8::ArrayBuffer::with_backing_store(scope, &store.make_shared())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_lent_once_and_returned() {
        let memory = Memory::new(100);
        let first = allocate_from(&memory, 60, true);
        assert!(!first.is_null());
        assert!(allocate_from(&memory, 60, true).is_null());
        // SAFETY: allocated above with this length.
        unsafe { free(&memory, first, 60) };
        let second = allocate_from(&memory, 100, false);
        assert!(!second.is_null());
        // SAFETY: allocated above with this length.
        unsafe { free(&memory, second, 100) };
    }
}
