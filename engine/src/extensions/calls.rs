//! The ops of all families. They call the methods that extensions declare.

use std::future::Future;
use std::rc::Rc;

use deno_core::{CancelFuture, CancelHandle, OpState, cppgc, op2, v8};

use super::delegation::Chain;
use super::error::OperationError;
use super::handle::{Handle, Run, Source, Started, no_method};
use super::host_objects::{host_object, object};
use super::monitor::Monitor;
use super::results::{Filled, UNDER_WAY, no_room};
use super::value::{Output, arguments};
use crate::quota::InFlight;

/// The object that cancels one call.
pub(crate) struct Cancel(Rc<CancelHandle>);

host_object!(Cancel);

/// Creates the capability of a module for the family with this index.
#[op2]
pub(crate) fn op_sr_capability<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] chain: &Chain,
    #[smi] family: u32,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let extension = chain.0.monitor.rules.extensions.get(family as usize);
    let extension = extension.ok_or_else(|| OperationError::type_error("there is no such family"))?;
    object(
        scope,
        Handle::new(chain.0.clone(), extension.clone(), Source::Module)?,
    )
}

/// Calls a method that returns a number.
#[op2(fast)]
pub(crate) fn op_sr_number(#[cppgc] handle: &Handle, #[smi] method: u32) -> Result<f64, OperationError> {
    match &handle.method(method)?.run {
        Run::Number(run) => run(handle),
        _ => Err(no_method()),
    }
}

/// Calls a method with one text argument that returns a text.
#[op2]
#[string]
pub(crate) fn op_sr_text(
    #[cppgc] handle: &Handle,
    #[smi] method: u32,
    #[string] text: &str,
) -> Result<Option<String>, OperationError> {
    match &handle.method(method)?.run {
        Run::Text(run) => run(handle, text),
        _ => Err(no_method()),
    }
}

/// Calls a method that returns at once.
#[op2]
pub(crate) fn op_sr_call(
    scope: &mut v8::PinScope<'_, '_>,
    #[cppgc] handle: &Handle,
    #[smi] method: u32,
    list: v8::Local<'_, v8::Array>,
) -> Result<Output, OperationError> {
    let method = handle.method(method)?;
    let Run::Sync(run) = &method.run else {
        return Err(no_method());
    };
    let memory = &handle.monitor().memory;
    let given = arguments(scope, list, memory, method.name)?;
    run(handle, given)?.counted(memory, method.name)
}

/// Calls a method that returns a promise. It counts as pending until it has a result or was cancelled.
#[op2]
pub(crate) fn op_sr_start(
    scope: &mut v8::PinScope<'_, '_>,
    handle: v8::Local<'_, v8::Value>,
    #[smi] method: u32,
    list: v8::Local<'_, v8::Array>,
    cancel: v8::Local<'_, v8::Value>,
) -> Result<impl Future<Output = Result<Output, OperationError>> + use<>, OperationError> {
    // An op with `#[cppgc]` arguments could not fail before it has a future.
    let handle = cppgc::try_unwrap_cppgc_object::<Handle>(scope, handle).ok_or_else(no_method)?;
    let handle: &Handle = &handle;
    let cancel = cppgc::try_unwrap_cppgc_object::<Cancel>(scope, cancel).map(|cancel| cancel.0.clone());
    let declared = handle.method(method)?;
    let Run::Async(run) = &declared.run else {
        return Err(no_method());
    };
    let name = declared.name;
    let capability = handle.capability.clone();
    let given = arguments(scope, list, &capability.monitor.memory, name)?;
    let future = pending(handle, name, run(handle, given)?)?;
    Ok(async move {
        let output = match cancel {
            Some(cancel) => future.or_cancel(cancel).await.unwrap_or_else(|_| {
                Err(OperationError::system(
                    "Error",
                    "ECANCELED",
                    "the operation was aborted",
                ))
            }),
            None => future.await,
        };
        output?.counted(&capability.monitor.memory, name)
    })
}

/// Calls a method that fills a buffer of the guest. The promise has the number of bytes.
#[op2]
pub(crate) fn op_sr_fill(
    scope: &mut v8::PinScope<'_, '_>,
    handle: v8::Local<'_, v8::Value>,
    #[smi] method: u32,
    buffer: v8::Local<'_, v8::Value>,
) -> Result<impl Future<Output = Result<Filled, OperationError>> + use<>, OperationError> {
    let handle = cppgc::try_unwrap_cppgc_object::<Handle>(scope, handle).ok_or_else(no_method)?;
    let handle: &Handle = &handle;
    let declared = handle.method(method)?;
    let Run::Fill(run) = &declared.run else {
        return Err(no_method());
    };
    let buffer = v8::Local::<v8::Uint8Array>::try_from(buffer);
    let buffer = buffer.map_err(|_| OperationError::type_error("the buffer must be a Uint8Array"))?;
    let future = pending(handle, declared.name, run(handle, buffer.byte_length())?)?;
    let into = v8::Global::new(scope, buffer);
    Ok(async move { Ok(Filled::new(future.await?, into)) })
}

/// Counts a method as pending until it has a result or is dropped.
fn pending<T>(
    handle: &Handle,
    name: &'static str,
    started: Started<T>,
) -> Result<impl Future<Output = Result<T, OperationError>> + use<T>, OperationError> {
    let Started {
        future,
        action,
        shown,
    } = started;
    let capability = &handle.capability;
    let pending = capability.account.begin(InFlight::Pending);
    let over = |hit| capability.over(&hit, (handle.family().as_str(), action.as_str()), &shown);
    let pending = pending.map_err(over)?;
    let held = capability.monitor.memory.hold_now(UNDER_WAY);
    let held = held.map_err(|why| no_room(name, &shown, why))?;
    Ok(async move {
        let _counted = (pending, held);
        future.await
    })
}

/// Creates the object of a resource that a method has opened.
#[op2]
pub(crate) fn op_sr_opened<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[smi] number: u32,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let monitor = state.borrow::<Rc<Monitor>>();
    monitor.hand_offs.object::<Handle>(scope, number)
}

/// Closes an open resource.
#[op2(fast)]
pub(crate) fn op_sr_close(#[cppgc] handle: &Handle, #[smi] method: u32) -> Result<(), OperationError> {
    match (&handle.method(method)?.run, &handle.opened) {
        (Run::Close, Some(opened)) => {
            opened.resource.close();
            Ok(())
        }
        _ => Err(no_method()),
    }
}

/// Creates the object that can cancel one call.
#[op2]
pub(crate) fn op_sr_cancel_handle<'s>(
    scope: &mut v8::PinScope<'s, '_>,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    object(scope, Cancel(CancelHandle::new_rc()))
}

/// Cancels the call.
#[op2(fast)]
pub(crate) fn op_sr_cancel(#[cppgc] cancel: &Cancel) {
    cancel.0.cancel();
}
