//! Looks at long texts. On QuickJS, a text has no parts, and the memory of the JSON parser is on the engine's heap.

use deno_core::v8;

/// Returns the text. The realm does not shorten texts with this function on QuickJS.
#[expect(clippy::unnecessary_wraps, reason = "V8 may refuse to make a text")]
pub(crate) fn beginning<'s>(
    _scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    _length: usize,
) -> Option<v8::Local<'s, v8::String>> {
    Some(text)
}

/// Returns 0: the parser takes no memory outside of the heap.
pub(crate) fn json_needs(
    _scope: &mut v8::PinScope<'_, '_>,
    _text: v8::Local<'_, v8::String>,
    _most: usize,
) -> usize {
    0
}
