//! Looks at long texts without copying them.

use deno_core::v8;

use super::json;

/// Returns the beginning of a text, without joining the parts of the text.
pub(crate) fn beginning<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    length: usize,
) -> Option<v8::Local<'s, v8::String>> {
    let mut units = vec![0; text.length().min(length)];
    text.write_v2(scope, 0, &mut units, v8::WriteFlags::default());
    v8::String::new_from_two_byte(scope, &units, v8::NewStringType::Normal)
}

/// Returns the most bytes that the parser takes outside of its heap for a JSON text. It stops counting at `most`.
pub(crate) fn json_needs(
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
    most: usize,
) -> usize {
    // The view forbids collections of garbage while it lives.
    let view = v8::ValueView::new(scope, text);
    match view.data() {
        v8::ValueViewData::OneByte(units) => json::needs(units.iter().copied().map(u16::from), most),
        v8::ValueViewData::TwoByte(units) => json::needs(units.iter().copied(), most),
    }
}
