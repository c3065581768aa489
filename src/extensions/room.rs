//! The memory of capabilities, which no engine's heap limit counts: they are objects of Rust, and guests make as many as they like.

use std::cell::Cell;
use std::rc::Rc;

use deno_core::v8;

use super::error::OpError;
use crate::runtime::{Held, Memory};

/// What the capabilities of one isolate take.
pub(crate) struct Room {
    memory: Memory,
    taken: Cell<usize>,
    /// What the engine was told of.
    told: Cell<usize>,
}

/// A part of the room, until it is dropped.
pub(crate) struct Taken {
    bytes: usize,
    room: Rc<Room>,
    _held: Held,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Room { taken, .. } = &*self.room;
        taken.set(taken.get().saturating_sub(self.bytes));
    }
}

impl Room {
    /// The room of an isolate: as much as other things may take that are held for it, in an account of its own. A guest that keeps many
    /// capabilities can still use them.
    pub(crate) fn new(others: &Memory) -> Rc<Self> {
        Rc::new(Room {
            memory: others.of_capabilities(),
            taken: Cell::new(0),
            told: Cell::new(0),
        })
    }

    /// Takes as much, whether it is there or not. Callers that a guest can trigger must look first.
    pub(super) fn take(self: &Rc<Self>, bytes: usize) -> Taken {
        self.taken.set(self.taken.get().saturating_add(bytes));
        Taken {
            bytes,
            room: self.clone(),
            _held: self.memory.hold(bytes),
        }
    }

    /// Looks whether a guest may make one more. The engine hears what there is by now, so that it collects garbage in time; where nothing
    /// is left, it does so at once.
    ///
    /// # Errors
    /// No room is left.
    pub(super) fn look(&self, isolate: &mut v8::Isolate) -> Result<(), OpError> {
        let (taken, told) = (self.taken.get(), self.told.replace(self.taken.get()));
        let change = i64::try_from(taken).unwrap_or(i64::MAX) - i64::try_from(told).unwrap_or(i64::MAX);
        isolate.adjust_amount_of_external_allocated_memory(change);
        let is_full = || self.memory.used() >= self.memory.most();
        if cfg!(feature = "v8") && is_full() {
            isolate.low_memory_notification();
        }
        if !is_full() {
            return Ok(());
        }
        Err(OpError::range_error(format!(
            "there is no room for another capability: those that are alive take {} bytes; keep fewer of them, or raise the limit `heap`",
            self.taken.get()
        )))
    }
}
