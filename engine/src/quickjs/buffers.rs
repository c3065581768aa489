//! The memory of array buffers. QuickJS allocates them on its only heap, and its heap limit counts them.

use deno_core::v8;

use crate::memory::{Memory, Reservation};

/// Returns the memory limits of an isolate.
pub(crate) fn create_params(heap: u64, _memory: &Memory) -> v8::CreateParams {
    v8::CreateParams::default().heap_limits(0, usize::try_from(heap).unwrap_or(usize::MAX))
}

/// Returns a buffer with these bytes. The engine copies them to its heap, which counts them.
pub(crate) fn buffer<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: Box<[u8]>,
    _held: Reservation,
) -> v8::Local<'s, v8::ArrayBuffer> {
    let store = v8::ArrayBuffer::new_backing_store_from_bytes(bytes);
    v8::ArrayBuffer::with_backing_store(scope, &store.make_shared())
}
