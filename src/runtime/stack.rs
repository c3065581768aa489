//! The text of `error.stack`, of any error that a guest makes.
//!
//! deno_core makes that text of the error's name and message, and panics where the text is longer than a string can be. The panic
//! is within a function that cannot unwind, which ends the process. So it gets an object with a name and a message that fit.
//!
//! To format the text, deno_core calls JavaScript from Rust. If the stack overflows there, V8 checks that the overflow is at most 40 KiB
//! beyond its limit (`IsOnCentralStack`), and ends the process otherwise. So nothing is formatted if the stack is nearly exhausted.

use deno_core::v8;

use super::panics;

/// Most characters (UTF-16 units) of a name or a message that the text repeats.
const MOST: usize = 64 << 10;

/// V8's limit of the stack, in bytes (its flag `--stack-size`, 984 KiB).
const STACK: usize = 984 << 10;
/// Stack that must be left for formatting, in bytes. It is enough for the frames of a build without optimisation.
const ROOM: usize = 256 << 10;
/// The text of an error whose `stack` is read when less is left.
const NO_ROOM: &str = "(no stack trace: the stack was nearly exhausted)";

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
    if panics::stack_in_use().is_some_and(|used| used > STACK - ROOM) {
        return match v8::String::new(scope, NO_ROOM) {
            Some(text) => text.into(),
            None => v8::undefined(scope).into(),
        };
    }
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
