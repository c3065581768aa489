//! Creation of engine objects around Rust values, for the results of ops.
//!
//! deno_core assumes that the engine can always create an object. QuickJS's bindings cannot if the isolate is being
//! terminated or its heap is full. An op would then panic in a place that cannot unwind, and abort the process.
//!
//! So ops create their objects here. An asynchronous op leaves its value in a hand-off table, and a synchronous op
//! creates the object.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use deno_core::{GarbageCollected, cppgc, v8};

use super::error::OperationError;
use crate::js_engine::{self, heap_room};

/// Lets the engine own objects of a type without engine handles.
macro_rules! host_object {
    ($type:ident) => {
        // SAFETY: the object holds no engine handles, so there is nothing to trace.
        unsafe impl deno_core::GarbageCollected for $type {
            fn trace(&self, _visitor: &mut deno_core::v8::cppgc::Visitor) {}

            fn get_name(&self) -> &'static std::ffi::CStr {
                match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($type), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => c"object",
                }
            }
        }
    };
}
pub(crate) use host_object;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if this thread expects a panic, which is then not reported.
pub(crate) fn panic_is_expected() -> bool {
    EXPECTED.get()
}

/// Checks that the isolate's heap has room for a text of this size. Without room, the bindings of QuickJS panic. V8
/// does its own accounting.
///
/// # Errors
/// The heap does not have enough room.
pub(crate) fn has_room_for_text(bytes: usize, doing: &str) -> Result<(), OperationError> {
    // A character takes two bytes. The rest is for objects that are created from the text.
    let needed = bytes.saturating_mul(2).saturating_add(64 << 10);
    let room = heap_room();
    if needed <= room {
        return Ok(());
    }
    let size = |bytes: usize| bytesize::ByteSize(bytes as u64).display().iec().to_string();
    Err(OperationError::range_error(format!(
        "{doing}: {} do not fit into the heap, of which {} are left; read it in parts, or raise the limit `heap`",
        size(bytes),
        size(room)
    )))
}

/// The hand-off table: values that asynchronous ops have left for [`HandOffs::object`], by number.
#[derive(Default)]
pub(crate) struct HandOffs {
    things: RefCell<HashMap<u32, Box<dyn Any>>>,
    next: Cell<u32>,
}

impl HandOffs {
    /// Stores a value and returns its number.
    pub(crate) fn leave(&self, thing: impl Any) -> u32 {
        self.next.set(self.next.get().wrapping_add(1));
        self.things.borrow_mut().insert(self.next.get(), Box::new(thing));
        self.next.get()
    }

    /// Creates an object around a value that an asynchronous op has left.
    ///
    /// # Errors
    /// The value was taken already, or the same as for [`object`].
    pub(crate) fn object<'s, T: GarbageCollected + 'static>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        number: u32,
    ) -> Result<v8::Local<'s, v8::Object>, OperationError> {
        let thing = self.things.borrow_mut().remove(&number);
        let thing = thing.and_then(|thing| thing.downcast::<T>().ok());
        let thing = thing.ok_or_else(|| OperationError::type_error("this was taken already"))?;
        object(scope, *thing)
    }
}

/// Creates an object around this value.
///
/// # Errors
/// The isolate is being terminated, or has no memory left.
pub(crate) fn object<'s, T: GarbageCollected + 'static>(
    scope: &mut v8::PinScope<'s, '_>,
    thing: T,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    EXPECTED.set(js_engine::CREATION_PANICS);
    let made = catch_unwind(AssertUnwindSafe(|| cppgc::make_cppgc_object(scope, thing)));
    EXPECTED.set(false);
    made.map_err(|_| OperationError::range_error("the engine cannot make another object"))
}
