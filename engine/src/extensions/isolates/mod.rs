//! Calls between the isolates of a program: messages, and the ops that transfer them.
//!
//! A value is sent as text and bytes, which realm code makes and decodes (`crossing.js`). A capability is sent as its
//! authority. No object and no handle of an engine belongs to two isolates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::{JsBuffer, OpState, op2, v8};

use super::error::OperationError;
use super::handle::{Handle, Source};
use super::host_objects::{has_room_for_text, host_object, object};
use super::monitor::Monitor;
use super::results::{HeldBytes, UNDER_WAY, no_room};
use crate::memory::Memory;
use crate::package_worker::{Call, Contents, Crossing, Description, OnTheWay, PackageWorker};
use crate::quota::{Account, InFlight};
use crate::termination::Termination;

/// A message that realm code holds.
pub(crate) struct Message(RefCell<Contents>);

host_object!(Message);

impl Message {
    pub(crate) fn new(contents: Contents) -> Self {
        Message(RefCell::new(contents))
    }
}

/// The isolate of another package.
pub(crate) struct RemotePackage(pub(crate) Arc<PackageWorker>);

host_object!(RemotePackage);

/// The calls that this isolate is processing, and the description of a module if it was requested.
#[derive(Default)]
pub(crate) struct Requests {
    next: u32,
    calls: HashMap<u32, Call>,
    described: Option<Description>,
    termination: Option<Termination>,
}

impl Requests {
    /// Stores the call. Returns its number for realm code.
    pub(crate) fn begin(&mut self, call: Call) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.calls.insert(self.next, call);
        self.next
    }

    /// Discards responses after this termination handle has terminated the isolate: guests were interrupted, so the
    /// responses are not valid.
    pub(crate) fn until(&mut self, termination: &Termination) {
        self.termination = Some(termination.clone());
    }

    pub(crate) fn take_description(&mut self) -> Option<Description> {
        self.described.take()
    }
}

fn gone() -> OperationError {
    OperationError::type_error("this call was answered already")
}

#[op2]
pub(crate) fn op_sr_message<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[string] text: String,
    #[buffer] bytes: JsBuffer,
    is_thrown: bool,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let message = Message::new(Contents {
        text,
        bytes: bytes.to_vec(),
        is_thrown,
        ..Contents::default()
    });
    object(scope, message)
}

/// Adds a capability to the message.
#[op2(fast)]
pub(crate) fn op_sr_message_put(
    #[cppgc] message: &Message,
    #[cppgc] handle: &Handle,
) -> Result<(), OperationError> {
    let capability = &handle.capability;
    message.0.borrow_mut().capabilities.push(Crossing {
        extension: handle.extension.clone(),
        principal: capability.principal.clone(),
        authority: capability.authority.clone(),
        is_revocable: capability.is_revocable,
        sent: handle.extension.send(&*handle.state)?,
    });
    Ok(())
}

#[op2]
#[string]
pub(crate) fn op_sr_message_text(#[cppgc] message: &Message) -> Result<String, OperationError> {
    let text = std::mem::take(&mut message.0.borrow_mut().text);
    has_room_for_text(text.len(), "receiving from another isolate")?;
    Ok(text)
}

#[op2]
pub(crate) fn op_sr_message_bytes(
    state: &OpState,
    #[cppgc] message: &Message,
) -> Result<HeldBytes, OperationError> {
    let mut contents = message.0.borrow_mut();
    let held = state.borrow::<Memory>().hold_now(contents.bytes.len());
    let held = held.map_err(|why| no_room("receiving", "arguments or results", why))?;
    contents.on_the_way = OnTheWay::default();
    Ok(HeldBytes::new(std::mem::take(&mut contents.bytes), held))
}

#[op2(fast)]
pub(crate) fn op_sr_message_is_thrown(#[cppgc] message: &Message) -> bool {
    message.0.borrow().is_thrown
}

fn lost() -> OperationError {
    OperationError::type_error("the message has no such capability")
}

#[op2]
#[string]
pub(crate) fn op_sr_message_family(
    #[cppgc] message: &Message,
    #[smi] index: u32,
) -> Result<String, OperationError> {
    let contents = message.0.borrow();
    let crossing = contents.capabilities.get(index as usize).ok_or_else(lost)?;
    Ok(crossing.extension.family().name().to_string())
}

/// Creates the handle of a received capability, for this isolate.
#[op2]
pub(crate) fn op_sr_message_capability<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[cppgc] message: &Message,
    #[smi] index: u32,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let contents = message.0.borrow();
    let crossing = contents.capabilities.get(index as usize).ok_or_else(lost)?;
    let monitor = state.borrow::<Rc<Monitor>>();
    monitor.external_memory.look(scope)?;
    let (principal, authority) = (&crossing.principal, &crossing.authority);
    let capability = monitor.capability_of(principal, authority.clone(), crossing.is_revocable);
    let source = Source::Received(&crossing.sent);
    object(
        scope,
        Handle::new(Rc::new(capability), crossing.extension.clone(), source)?,
    )
}

/// Calls a function of another isolate. [`op_sr_isolate_answered`] returns the message with its result or exception.
#[op2]
#[smi]
pub(crate) async fn op_sr_isolate_call(
    state: Rc<RefCell<OpState>>,
    #[cppgc] package: &RemotePackage,
    #[smi] function: u32,
    #[cppgc] arguments: &Message,
) -> Result<u32, OperationError> {
    let remote = package.0.clone();
    let mut arguments = arguments.0.take();
    let account = state.borrow().borrow::<Account>().clone();
    let rules = state.borrow().borrow::<Rc<Monitor>>().rules.clone();
    let failed = |(code, message): (&'static str, String)| {
        remote.mark_limit(&message, &rules.marks);
        OperationError::system("IsolateError", code, message)
    };
    let pending = account.begin(InFlight::Pending);
    let _pending =
        pending.map_err(|hit| rules.over(&hit, ("isolate", "call"), &remote.package, "the program"))?;
    let memory = state.borrow().borrow::<Memory>().clone();
    let held = memory.hold_now(UNDER_WAY);
    let _held = held.map_err(|why| no_room("calling package", &remote.package, why))?;
    arguments.on_the_way = remote.send(arguments.size()).map_err(failed)?;
    let answer = remote.call(function, arguments).await.map_err(failed)?;
    let monitor = state.borrow().borrow::<Rc<Monitor>>().clone();
    Ok(monitor.hand_offs.leave(Message::new(answer)))
}

#[op2]
pub(crate) fn op_sr_isolate_answered<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[smi] number: u32,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let monitor = state.borrow::<Rc<Monitor>>();
    monitor.hand_offs.object::<Message>(scope, number)
}

/// Returns the number of the function that is called.
#[op2(fast)]
pub(crate) fn op_sr_isolate_function(state: &OpState, #[smi] call: u32) -> Result<u32, OperationError> {
    let requests = state.borrow::<Requests>();
    let call = requests.calls.get(&call).ok_or_else(gone)?;
    Ok(call.function)
}

#[op2]
pub(crate) fn op_sr_isolate_arguments<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] call: u32,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let requests = state.borrow_mut::<Requests>();
    let call = requests.calls.get_mut(&call).ok_or_else(gone)?;
    object(scope, Message::new(std::mem::take(&mut call.arguments)))
}

/// Completes a call with a message.
///
/// # Errors
/// Too many bytes are in messages already. The call can still be completed with a smaller message.
#[op2(fast)]
pub(crate) fn op_sr_isolate_answer(
    state: &mut OpState,
    #[smi] number: u32,
    #[cppgc] message: &Message,
) -> Result<(), OperationError> {
    let requests = state.borrow_mut::<Requests>();
    let is_stopped = requests
        .termination
        .as_ref()
        .is_some_and(|termination| termination.reason().is_some());
    if is_stopped {
        return Err(gone());
    }
    let call = requests.calls.get(&number).ok_or_else(gone)?;
    let size = message.0.borrow().size();
    let counted = call.remote.send(size);
    let counted = counted.map_err(|(code, message)| OperationError::system("IsolateError", code, message))?;
    let call = requests.calls.remove(&number).ok_or_else(gone)?;
    let mut contents = message.0.take();
    contents.on_the_way = counted;
    // The caller may have ended.
    let _ = call.answer.send(contents);
    Ok(())
}

/// Stores the exports of a module that this isolate was asked to describe.
#[op2]
pub(crate) fn op_sr_isolate_describe(
    state: &mut OpState,
    #[serde] names: Vec<String>,
    #[cppgc] message: &Message,
) {
    state.borrow_mut::<Requests>().described = Some(Description {
        names,
        values: message.0.take(),
    });
}
