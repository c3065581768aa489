//! Results of operations that stay counted until the engine has released them.

use std::ptr;

use deno_core::{ToV8, v8};
use deno_error::JsErrorBox;

use super::error::OperationError;
use crate::js_engine;
use crate::memory::{NoRoom, Reservation};

/// Memory of one running operation, in bytes: its future, its task and the message of its thread.
pub(super) const UNDER_WAY: usize = 2048;

/// Bytes for a `Uint8Array`. On V8, they are counted until the buffer is collected. On QuickJS, they are counted until
/// the engine has copied them to its heap.
pub(crate) struct HeldBytes {
    bytes: Box<[u8]>,
    held: Reservation,
}

/// A text. It is counted until the engine has copied it to its heap.
pub(crate) struct HeldText {
    text: String,
    _held: Reservation,
}

impl HeldBytes {
    /// Creates the result. `held` is the reservation for the bytes.
    pub(crate) fn new(bytes: Vec<u8>, mut held: Reservation) -> Self {
        let bytes = bytes.into_boxed_slice();
        held.shrink_to(bytes.len());
        HeldBytes { bytes, held }
    }
}

impl HeldText {
    /// Creates the result. `held` is the reservation for the text.
    pub(crate) fn new(text: String, held: Reservation) -> Self {
        HeldText { text, _held: held }
    }
}

/// Bytes for a buffer of the guest. JavaScript gets their number.
pub(crate) struct Filled {
    bytes: HeldBytes,
    into: v8::Global<v8::Uint8Array>,
}

impl Filled {
    /// Creates the result. The bytes are copied when the isolate takes it.
    pub(crate) fn new(bytes: HeldBytes, into: v8::Global<v8::Uint8Array>) -> Self {
        Filled { bytes, into }
    }
}

/// Returns the refusal of an operation for which there is not enough memory.
pub(crate) fn no_room(doing: &str, shown: &str, why: NoRoom) -> OperationError {
    OperationError::range_error(format!("{doing} {:?}: {why}", super::error::clipped(shown)))
}

impl<'s> ToV8<'s> for HeldBytes {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'s, 'i>) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
        let HeldBytes { bytes, mut held } = self;
        held.delivered();
        let length = bytes.len();
        let buffer = if length == 0 {
            v8::ArrayBuffer::new(scope, 0)
        } else {
            js_engine::buffer(scope, bytes, held)
        };
        let array = v8::Uint8Array::new(scope, buffer, 0, length);
        let array = array.ok_or_else(|| JsErrorBox::range_error("the engine cannot make another array"))?;
        Ok(array.into())
    }
}

impl<'s> ToV8<'s> for Filled {
    type Error = JsErrorBox;

    /// Copies the bytes. The guest may have shrunk, moved or detached the buffer since the call, so its size is read
    /// here, where no guest runs.
    fn to_v8<'i>(self, scope: &mut v8::PinScope<'s, 'i>) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
        let bytes = &self.bytes.bytes;
        if !bytes.is_empty() {
            let view = v8::Local::new(scope, &self.into);
            let smaller = || JsErrorBox::type_error("the buffer became smaller while it was read into");
            let buffer = view.buffer(scope).ok_or_else(smaller)?;
            let (start, size) = (view.byte_offset(), view.byte_length());
            let end = start.checked_add(bytes.len()).ok_or_else(smaller)?;
            if bytes.len() > size || end > buffer.byte_length() {
                return Err(smaller());
            }
            let data = buffer.data().ok_or_else(smaller)?.cast::<u8>();
            // SAFETY: the buffer has at least `end` bytes at this address. Only this thread uses them, because there
            // are no shared buffers, and no guest runs meanwhile. The bytes are a separate allocation of the host.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.as_ptr().add(start), bytes.len()) };
        }
        Ok(v8::Number::new(scope, bytes.len() as f64).into())
    }
}

impl<'s> ToV8<'s> for HeldText {
    type Error = JsErrorBox;

    fn to_v8<'i>(self, scope: &mut v8::PinScope<'s, 'i>) -> Result<v8::Local<'s, v8::Value>, JsErrorBox> {
        let text = v8::String::new(scope, &self.text);
        let text = text.ok_or_else(|| JsErrorBox::range_error("the text is longer than a string can be"))?;
        Ok(text.into())
    }
}
