//! The text of `error.stack`, of any error that a guest makes.
//!
//! deno_core makes that text of the error's name and message, and panics where the text is longer than a string can be. The panic
//! is within a function that cannot unwind, which ends the process. So it gets an object with a name and a message that fit.

use deno_core::v8;

/// Most characters (UTF-16 units) of a name or a message that the text repeats.
const MOST: usize = 64 << 10;

/// Where deno_core looks for the call sites of an error that nobody caught.
const CALL_SITES: &str = "deno_core::call_site_evals";

/// Sets the function that makes the text.
pub(super) fn prepare(isolate: &mut v8::Isolate) {
    isolate.set_prepare_stack_trace_callback(prepared);
}

fn prepared<'s, 'i>(
    scope: &mut v8::PinScope<'s, 'i>,
    error: v8::Local<'s, v8::Value>,
    call_sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    let shown = v8::Object::new(scope);
    if let Ok(object) = error.try_cast::<v8::Object>() {
        if let Some(name) = v8::String::new(scope, CALL_SITES) {
            let key = v8::Private::for_api(scope, Some(name));
            object.set_private(scope, key, call_sites.into());
        }
        for name in ["name", "message"] {
            let Some(key) = v8::String::new(scope, name) else {
                continue;
            };
            let part = part(scope, object, key).unwrap_or_else(|| v8::undefined(scope).into());
            // An own property: nothing that a guest defined is called.
            shown.create_data_property(scope, key.into(), part);
        }
    }
    deno_core::error::format_stack_trace(scope, shown.into(), call_sites)
}

/// The property as text that is short enough; nothing where it is undefined, or cannot be had.
fn part<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    key: v8::Local<'s, v8::String>,
) -> Option<v8::Local<'s, v8::Value>> {
    let value = object.get(scope, key.into())?;
    if value.is_undefined() {
        return None;
    }
    let text = value.to_string(scope)?;
    if text.length() <= MOST {
        return Some(text.into());
    }
    let mut beginning = vec![0; MOST];
    text.write_v2(scope, 0, &mut beginning, v8::WriteFlags::default());
    beginning.push(0x2026); // …
    Some(v8::String::new_from_two_byte(scope, &beginning, v8::NewStringType::Normal)?.into())
}
