//! Functions that the ops about requests share.

use std::rc::Rc;

use bytes::Bytes;
use deno_core::{OpState, v8};

use super::calls::InProgress;
use super::response::counted;
use crate::extensions::{Monitor, OperationError, no_room};
use crate::memory::Memory;

pub(super) fn gone() -> OperationError {
    OperationError::type_error("this request has ended")
}

/// Calls `work` with the request of this number.
pub(super) fn with_call<T>(
    state: &OpState,
    number: u32,
    work: impl FnOnce(&mut InProgress) -> Result<T, OperationError>,
) -> Result<T, OperationError> {
    let mut calls = state.borrow::<Rc<Monitor>>().calls.borrow_mut();
    work(calls.get(number).ok_or_else(gone)?)
}

/// Returns a copy of the bytes of a view, counted until the client has them.
pub(super) fn copied(
    value: v8::Local<'_, v8::Value>,
    state: &OpState,
) -> Result<Option<Bytes>, OperationError> {
    let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(value) else {
        return Ok(None);
    };
    let length = view.byte_length();
    let held = state.borrow::<Memory>().hold_now(length);
    let held = held.map_err(|why| no_room("sending", "the body of the response", why))?;
    let mut bytes = vec![0; length];
    let written = view.copy_contents(&mut bytes);
    bytes.truncate(written);
    Ok(Some(counted(bytes, held)))
}
