//! The event loop: calls into an isolate, and waiting for their results.
//!
//! To wait for a promise, deno_core gives the engine a function that owns a part of the runtime. The engine returns it
//! when the promise is settled. If the isolate is stopped before, this part leaks: 13 KiB for a module that was being
//! evaluated. So this module gives the engine nothing. It checks the promise after each turn of the event loop.

use std::future::poll_fn;
use std::task::{Context, Poll};

use deno_core::error::{CoreError, CoreErrorKind, JsError};
use deno_core::{JsRuntime, PollEventLoopOptions, v8};

use crate::modules::BegunImports;
use crate::termination::Turns;

/// The realm's function that makes the texts of an uncaught error short (realm/report.js). It returns the error that is
/// reported.
pub(super) struct Reportable(pub(super) v8::Global<v8::Function>);

/// Returns the realm's function, or `None` before the realm is locked.
fn reportable(js: &mut JsRuntime) -> Option<v8::Global<v8::Function>> {
    let state = js.op_state();
    let state = state.borrow();
    state
        .try_borrow::<Reportable>()
        .map(|Reportable(function)| function.clone())
}

/// Describes a thrown value. deno_core copies all texts of an error, so the realm makes them short before.
fn error_of(
    scope: &mut v8::PinScope<'_, '_>,
    reportable: Option<&v8::Global<v8::Function>>,
    thrown: v8::Local<'_, v8::Value>,
) -> CoreError {
    let receiver: v8::Local<v8::Value> = v8::undefined(scope).into();
    let shown = match reportable {
        None => v8::Global::new(scope, thrown),
        Some(function) => {
            v8::tc_scope!(let scope, scope);
            let function = v8::Local::new(scope, function);
            let thrown = v8::Local::new(scope, thrown);
            // Without a result, the isolate was terminated or its stack is exhausted.
            let shown = function.call(scope, receiver, &[thrown]).unwrap_or(receiver);
            v8::Global::new(scope, shown)
        }
    };
    let shown = v8::Local::new(scope, shown);
    CoreErrorKind::Js(JsError::from_v8_exception(scope, shown)).into_box()
}

/// Calls a function and returns its result.
///
/// # Errors
/// The function threw an exception, or was terminated.
pub(crate) fn call(
    js: &mut JsRuntime,
    function: &v8::Global<v8::Function>,
    argument: &v8::Global<v8::Value>,
) -> Result<v8::Global<v8::Value>, CoreError> {
    let reportable = reportable(js);
    deno_core::scope!(scope, js);
    v8::tc_scope!(scope, scope);
    let (function, argument) = (v8::Local::new(scope, function), v8::Local::new(scope, argument));
    let receiver = v8::undefined(scope).into();
    if let Some(result) = function.call(scope, receiver, &[argument]) {
        return Ok(v8::Global::new(scope, result));
    }
    match scope.exception() {
        Some(exception) => {
            scope.reset();
            Err(error_of(scope, reportable.as_ref(), exception))
        }
        None => Err(CoreErrorKind::ExecutionTerminated.into_box()),
    }
}

/// Runs the event loop until this value is settled, if it is a promise. Returns the value that it was fulfilled with.
///
/// # Errors
/// The promise was rejected, or another error was not caught meanwhile. It is also an error if the event loop is empty
/// while the promise is pending.
pub(crate) async fn settled(
    js: &mut JsRuntime,
    value: v8::Global<v8::Value>,
) -> Result<v8::Global<v8::Value>, CoreError> {
    if let Some(settled) = state(js, &value) {
        return settled;
    }
    poll_fn(|context| {
        let ended = poll(js, context)?;
        match (state(js, &value), ended) {
            (Some(settled), _) => Poll::Ready(settled),
            (None, Poll::Pending) => Poll::Pending,
            (None, Poll::Ready(())) => Poll::Ready(Err(CoreErrorKind::PendingPromiseResolution.into_box())),
        }
    })
    .await
}

/// Runs the event loop until it is empty.
///
/// # Errors
/// An error that the guest did not catch.
pub(super) async fn run(js: &mut JsRuntime) -> Result<(), CoreError> {
    poll_fn(|context| match poll(js, context)? {
        Poll::Ready(()) => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Runs the event loop until it is empty, and counts its turns.
///
/// # Errors
/// An error that the guest did not catch.
pub(super) async fn run_in_turns(js: &mut JsRuntime, turns: &Turns) -> Result<(), CoreError> {
    poll_fn(|context| {
        turns.next();
        match poll(js, context)? {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Runs the event loop once.
pub(crate) fn poll(js: &mut JsRuntime, context: &mut Context<'_>) -> Result<Poll<()>, CoreError> {
    let polled = js.poll_event_loop(context, PollEventLoopOptions::default());
    if let Some(imports) = js.op_state().borrow().try_borrow::<BegunImports>() {
        imports.clear();
    }
    match polled {
        Poll::Ready(Ok(())) => Ok(Poll::Ready(())),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Pending => Ok(Poll::Pending),
    }
}

/// Returns the result of a settled value, or `None` while it is pending.
fn state(
    js: &mut JsRuntime,
    value: &v8::Global<v8::Value>,
) -> Option<Result<v8::Global<v8::Value>, CoreError>> {
    let reportable = reportable(js);
    deno_core::scope!(scope, js);
    let Ok(promise) = v8::Local::<v8::Promise>::try_from(v8::Local::new(scope, value)) else {
        return Some(Ok(value.clone()));
    };
    match promise.state() {
        v8::PromiseState::Pending => {
            // This code handles the rejection, so the engine must not report it as unhandled.
            promise.mark_as_handled();
            None
        }
        v8::PromiseState::Fulfilled => {
            let result = promise.result(scope);
            Some(Ok(v8::Global::new(scope, result)))
        }
        v8::PromiseState::Rejected => {
            let error = promise.result(scope);
            Some(Err(error_of(scope, reportable.as_ref(), error)))
        }
    }
}
