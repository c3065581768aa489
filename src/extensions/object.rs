//! Objects of the engine around things of ours, for ops to give.
//!
//! deno_core makes them on the assumption that the engine can always make one. QuickJS's bindings cannot when they were told to stop
//! the isolate, or where its heap is full, and an op would then panic where nothing can unwind, which ends the process. So ops have
//! their objects made here. (Those of asynchronous ops are made in the event loop, which may panic: see `runtime/pool.rs`.)

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use deno_core::{GarbageCollected, cppgc, v8};

use super::error::OpError;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is where a panic is expected, and nobody needs to hear of it.
pub(crate) fn panic_is_expected() -> bool {
    EXPECTED.get()
}

/// An object around this.
///
/// # Errors
/// The isolate is being stopped, or has no memory left.
pub(crate) fn object<'s, T: GarbageCollected + 'static>(
    scope: &mut v8::PinScope<'s, '_>,
    thing: T,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    EXPECTED.set(cfg!(feature = "quickjs"));
    let made = catch_unwind(AssertUnwindSafe(|| cppgc::make_cppgc_object(scope, thing)));
    EXPECTED.set(false);
    made.map_err(|_| OpError::range_error("the engine cannot make another object"))
}
