//! Uncaught errors: their consequence for the isolate, and their description.

use std::sync::Arc;

use deno_core::error::{CoreError, CoreErrorKind, JsError};

use super::leased::Isolate;
use super::shared::Shared;
use crate::extensions::{Made, Mark, Uncaught, mark, mark_of_message};
use crate::js_engine;
use crate::limits::{Limit, LimitHit, LimitScope};
use crate::modules::GraphLoader;
use crate::outcome::{DenialReport, Exit, RelatedError, UncaughtError};

/// The consequence of an uncaught error for its isolate.
pub(super) enum Ending {
    Limit(LimitHit),
    Denied(Arc<DenialReport>, UncaughtError),
    Error(UncaughtError),
}

/// Determines the consequence of an uncaught error. The text of the error does not count, because guests can write it:
/// see `extensions/marks.rs`.
pub(super) fn ending(error: CoreError, isolate: &Isolate, heap: u64, unit: LimitScope) -> Ending {
    let error = match error.into_kind() {
        CoreErrorKind::Js(error) => error,
        // A module of the program caused this error while it was loaded, for example by an import that is not in the
        // lock, or because the isolate of a package has ended. It is not an object, so no guest wrote its text.
        other => {
            let message = other.to_string();
            return match mark_of_message(&message, &isolate.monitor.rules) {
                Some(Mark::Limit(hit)) => Ending::Limit(hit),
                _ => Ending::Error(UncaughtError::of(isolate.loader.shown(&message))),
            };
        }
    };
    let shown = describe_error(&error, &isolate.loader);
    match said(&error).made {
        Made::Memory if js_engine::was_refused() => Ending::Limit(LimitHit {
            unit,
            limit: Limit::Heap(heap),
        }),
        Made::Marked(text) => match mark(&text, &isolate.monitor.rules) {
            Some(Mark::Limit(hit)) => Ending::Limit(hit),
            Some(Mark::Denied(report)) => Ending::Denied(report, shown),
            None => Ending::Error(shown),
        },
        _ => Ending::Error(shown),
    }
}

/// Returns the text of a thrown value that is not an error, without the prefix that the engine adds.
fn thrown(message: &str) -> &str {
    let message = message.strip_prefix("Uncaught ").unwrap_or(message);
    message.strip_prefix("(in promise) ").unwrap_or(message)
}

pub(super) fn uncaught(error: CoreError, isolate: &Isolate, shared: &Shared) -> Exit {
    match ending(error, isolate, shared.limits.heap, LimitScope::Program) {
        Ending::Limit(hit) => Exit::Limit(hit),
        Ending::Denied(report, error) => Exit::Denied(Box::new(report.as_ref().clone()), error),
        Ending::Error(error) => Exit::Uncaught(error),
    }
}

/// Returns the realm's description of a thrown value. Such a text begins with random bits that no guest knows, so
/// guests cannot forge it.
fn said(error: &JsError) -> Uncaught {
    Uncaught::of(&error.exception_message)
}

fn describe_error(error: &JsError, loader: &GraphLoader) -> UncaughtError {
    let is_framed = said(error).is_framed || js_engine::FRAMES_ARE_SAFE;
    let message = match (&error.name, &error.message) {
        (Some(name), Some(message)) => format!("{name}: {message}"),
        (None, Some(message)) => message.clone(),
        (Some(name), None) => name.clone(),
        // To read them, the engine calls a function of the guest, and this function threw.
        (None, None) if Uncaught::is_in(&error.exception_message) => {
            "an error whose name and message cannot be read".to_owned()
        }
        (None, None) => thrown(&error.exception_message).to_owned(),
    };
    let message = loader.shown(&message);
    let mut stack = String::new();
    // An object that is not of the engine's error class has no frames that the engine wrote.
    for frame in error.frames.iter().filter(|_| is_framed) {
        let file = frame.file_name.as_deref().unwrap_or("<anonymous>");
        if file.starts_with("ext:") || file.starts_with("cap:") {
            continue;
        }
        let name = loader.name_of(file).unwrap_or(file);
        let place = format!(
            "{name}:{}:{}",
            frame.line_number.unwrap_or(0),
            frame.column_number.unwrap_or(0)
        );
        if !stack.is_empty() {
            stack.push('\n');
        }
        match &frame.function_name {
            // A function name with a line break would look like two frames.
            Some(function) => {
                let function =
                    function.replace(|it: char| it.is_control() || "\u{2028}\u{2029}".contains(it), "?");
                stack.push_str(&format!("    at {function} ({place})"));
            }
            None => stack.push_str(&format!("    at {place}")),
        }
    }
    let cause = error.cause.iter().map(|cause| (None, &**cause));
    let errors = (1..)
        .zip(error.aggregated.iter().flatten())
        .map(|(number, error)| (Some(number), error));
    let related = cause.chain(errors).map(|(number, error)| RelatedError {
        number,
        error: describe_error(error, loader),
    });
    let related = related.collect();
    UncaughtError {
        message,
        stack,
        related,
    }
}
