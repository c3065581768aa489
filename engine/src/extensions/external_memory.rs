//! The external memory of capabilities. They are Rust objects, so no engine's heap limit counts them, and guests may
//! create any number.

use std::cell::Cell;
use std::rc::Rc;

use deno_core::v8;

use super::error::OperationError;
use crate::js_engine;
use crate::memory::{Memory, Reservation};

/// The external memory of one isolate's capabilities.
pub(crate) struct ExternalMemory {
    memory: Memory,
    taken: Cell<usize>,
    /// The number of bytes that was last reported to the engine.
    told: Cell<usize>,
}

/// A reservation, which is released when it is dropped.
pub(crate) struct TakenMemory {
    bytes: usize,
    of: Rc<ExternalMemory>,
    _held: Reservation,
}

impl Drop for TakenMemory {
    fn drop(&mut self) {
        let ExternalMemory { taken, .. } = &*self.of;
        taken.set(taken.get().saturating_sub(self.bytes));
    }
}

impl ExternalMemory {
    /// Creates the account of an isolate. Capabilities have their own limit, equal to that of `others`. So a guest that
    /// keeps many capabilities can still use them.
    pub(crate) fn new(others: &Memory) -> Rc<Self> {
        Rc::new(ExternalMemory {
            memory: others.of_capabilities(),
            taken: Cell::new(0),
            told: Cell::new(0),
        })
    }

    /// Reserves unconditionally. Callers that a guest can trigger must check the budget first, with `look`.
    pub(super) fn take(self: &Rc<Self>, bytes: usize) -> TakenMemory {
        self.taken.set(self.taken.get().saturating_add(bytes));
        TakenMemory {
            bytes,
            of: self.clone(),
            _held: self.memory.hold(bytes),
        }
    }

    /// Checks that a guest may create one more capability. Reports the current size to the engine, so that it collects
    /// garbage in time. If the budget is used up, V8 collects at once.
    ///
    /// # Errors
    /// The budget is used up.
    pub(super) fn look(&self, isolate: &mut v8::Isolate) -> Result<(), OperationError> {
        let (taken, told) = (self.taken.get(), self.told.replace(self.taken.get()));
        let change = i64::try_from(taken).unwrap_or(i64::MAX) - i64::try_from(told).unwrap_or(i64::MAX);
        isolate.adjust_amount_of_external_allocated_memory(change);
        let is_full = || self.memory.used() >= self.memory.most();
        js_engine::collect_if(isolate, is_full);
        if !is_full() {
            return Ok(());
        }
        Err(OperationError::range_error(format!(
            "there is no room for another capability: those that are alive take {} bytes; keep fewer of them, or raise the limit `heap`",
            self.taken.get()
        )))
    }
}
