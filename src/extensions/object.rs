//! Objects of the engine around things of ours, for ops to give.
//!
//! deno_core makes them on the assumption that the engine can always make one. QuickJS's bindings cannot when they were told to stop
//! the isolate, or where its heap is full, and an op would then panic where nothing can unwind, which ends the process. So ops have
//! their objects made here, asynchronous ones by another op, which takes what they have left.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use deno_core::{GarbageCollected, OpState, cppgc, v8};

use super::error::OpError;
use crate::runtime::heap_room;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is where a panic is expected, and nobody needs to hear of it.
pub(crate) fn panic_is_expected() -> bool {
    EXPECTED.get()
}

/// Whether the isolate's heap has room for a text of so many bytes. The bindings of QuickJS panic where it has none; V8 counts by itself.
///
/// # Errors
/// It has none.
pub(crate) fn has_room_for_text(bytes: usize, doing: &str) -> Result<(), OpError> {
    // Two bytes a character, and what else is made of it.
    let needed = bytes.saturating_mul(2).saturating_add(64 << 10);
    let room = heap_room();
    if needed <= room {
        return Ok(());
    }
    let size = |bytes: usize| bytesize::ByteSize(bytes as u64).display().iec().to_string();
    Err(OpError::range_error(format!(
        "{doing}: {} do not fit into the heap, of which {} are left; read it in parts, or raise the limit `heap`",
        size(bytes),
        size(room)
    )))
}

/// What asynchronous ops have left for an object, by the numbers that they gave.
#[derive(Default)]
pub(crate) struct Left {
    things: HashMap<u32, Box<dyn Any>>,
    next: u32,
}

impl Left {
    /// Leaves this for [`left`].
    pub(crate) fn leave(state: &RefCell<OpState>, thing: impl Any) -> u32 {
        let mut state = state.borrow_mut();
        let left = state.borrow_mut::<Left>();
        left.next = left.next.wrapping_add(1);
        left.things.insert(left.next, Box::new(thing));
        left.next
    }
}

/// An object around what an asynchronous op has left.
///
/// # Errors
/// There is no such thing any more; and as [`object`].
pub(crate) fn left<'s, T: GarbageCollected + 'static>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    number: u32,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    let thing = state.borrow_mut::<Left>().things.remove(&number);
    let thing = thing.and_then(|thing| thing.downcast::<T>().ok());
    let thing = thing.ok_or_else(|| OpError::type_error("this was taken already"))?;
    object(scope, *thing)
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
