//! The memory of capabilities, which no engine's heap limit counts: they are objects of Rust, and guests make as many as they like.

use std::cell::Cell;
use std::rc::Rc;

use deno_core::v8;

use super::error::OpError;

/// What the capabilities of one isolate take, and what they may.
pub(crate) struct Room {
    taken: Cell<usize>,
    /// What the engine was told of.
    told: Cell<usize>,
    most: usize,
}

/// A part of the room, until it is dropped.
pub(crate) struct Taken {
    bytes: usize,
    room: Rc<Room>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Room { taken, .. } = &*self.room;
        taken.set(taken.get().saturating_sub(self.bytes));
    }
}

impl Room {
    /// Room for as many bytes as the isolate's heap may have.
    pub(crate) fn new(heap: u64) -> Rc<Self> {
        Rc::new(Room {
            taken: Cell::new(0),
            told: Cell::new(0),
            most: usize::try_from(heap).unwrap_or(usize::MAX),
        })
    }

    /// Takes as much, whether it is there or not: who asks has looked, or is none of the guests.
    pub(super) fn take(self: &Rc<Self>, bytes: usize) -> Taken {
        self.taken.set(self.taken.get().saturating_add(bytes));
        Taken {
            bytes,
            room: self.clone(),
        }
    }

    /// Whether a guest may make one more. The engine hears what there is by now, so that it collects garbage in time; where nothing
    /// is left, it does so at once.
    ///
    /// # Errors
    /// All of the room is taken by capabilities that are alive.
    pub(super) fn look(&self, isolate: &mut v8::Isolate) -> Result<(), OpError> {
        let (taken, told) = (self.taken.get(), self.told.replace(self.taken.get()));
        let change = i64::try_from(taken).unwrap_or(i64::MAX) - i64::try_from(told).unwrap_or(i64::MAX);
        isolate.adjust_amount_of_external_allocated_memory(change);
        if cfg!(feature = "v8") && self.taken.get() >= self.most {
            isolate.low_memory_notification();
        }
        if self.taken.get() < self.most {
            return Ok(());
        }
        Err(OpError::range_error(format!(
            "there is no room for another capability: those that are alive take {} bytes; keep fewer of them, or raise the limit `heap`",
            self.taken.get()
        )))
    }
}
