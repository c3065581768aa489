//! The text of `error.stack`, for every error that a guest creates.
//!
//! deno_core builds this text from the error's name and message, and panics if it exceeds the maximum length of a
//! string. The panic is in a function that cannot unwind, so it would end the process. Therefore deno_core gets an
//! object whose name and message are short enough.
//!
//! To format the text, deno_core calls JavaScript from Rust. If the stack overflows there, V8 checks that the overflow
//! is at most 40 KiB beyond its limit (`IsOnCentralStack`), and ends the process otherwise. So nothing is formatted if
//! the stack is nearly exhausted.

use deno_core::v8;

use crate::isolate::panics;

/// Maximum number of characters (UTF-16 units) of a name or a message in the text.
const MOST: usize = 64 << 10;

/// V8's stack limit, in bytes (its flag `--stack-size`, 984 KiB).
const STACK: usize = 984 << 10;
/// Minimum stack for formatting, in bytes. It is enough for the frames of a build without optimisation.
const ROOM: usize = 256 << 10;
/// Text of `error.stack` if less stack is left.
const NO_ROOM: &str = "(no stack trace: the stack was nearly exhausted)";

/// Name of the private property in which deno_core looks up the call sites of an uncaught error.
const CALL_SITES: &str = "deno_core::call_site_evals";

/// Sets the function that formats the text.
pub(super) fn prepare(isolate: &mut v8::Isolate) {
    isolate.set_prepare_stack_trace_callback(prepared);
}

fn prepared<'s, 'i>(
    scope: &mut v8::PinScope<'s, 'i>,
    error: v8::Local<'s, v8::Value>,
    call_sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    if stack_in_use().is_some_and(|used| used > STACK - ROOM) {
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
            // Defining an own property calls no function of the guest.
            shown.create_data_property(scope, key.into(), part);
        }
    }
    deno_core::error::format_stack_trace(scope, shown.into(), call_sites)
}

/// Returns how many bytes of this thread's stack are in use, if it is the thread of an isolate.
fn stack_in_use() -> Option<usize> {
    let frame = 0_u8;
    let catcher = panics::catcher();
    (catcher != usize::MAX).then(|| catcher.saturating_sub(&raw const frame as usize))
}

/// Returns the property as text, shortened if necessary, or `None` if it is undefined or cannot be read.
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
