//! An engine whose memory is freed completely.

use std::ops::{Deref, DerefMut};

use deno_core::JsRuntime;

use crate::js_engine;

/// An engine whose memory is freed completely when it is dropped.
pub(super) struct Released(JsRuntime);

impl From<JsRuntime> for Released {
    fn from(js: JsRuntime) -> Self {
        Released(js)
    }
}

impl Deref for Released {
    type Target = JsRuntime;

    fn deref(&self) -> &JsRuntime {
        &self.0
    }
}

impl DerefMut for Released {
    fn deref_mut(&mut self) -> &mut JsRuntime {
        &mut self.0
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        js_engine::teardown(&mut self.0);
    }
}
