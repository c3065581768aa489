//! WebSockets of requests: `context.upgrade` of a handler. Like the ops of `ops.rs`, these reach nothing but the
//! request whose number they get. Whoever has the context of a request may answer it, so there is nothing to decide.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use deno_core::{CancelFuture, CancelHandle, OpState, op2, v8};
use secure_runtime_http::websocket::{Accepted, Held, Incoming, SOCKET, Socket, SocketLimits, upgraded};

use super::access::{copied, gone, with_call};
use super::response::AnswerBody;
use super::upgrade::Upgrade;
use crate::extensions::{Monitor, OperationError, Output, Value, has_room_for_text, no_room};
use crate::memory::Memory;
use crate::realm;

/// Maximum size of a message of a client, in bytes.
const MAX_MESSAGE: usize = 16 << 20;

/// Returns the open socket.
fn socket(upgrade: &Upgrade) -> Result<&Socket, OperationError> {
    upgrade.socket.get().ok_or_else(|| failed("it is not connected"))
}

fn failed(why: &str) -> OperationError {
    OperationError::system("Error", "ECONNABORTED", format!("WebSocket: {why}"))
}

/// Returns the socket of a request.
fn upgrade_of(state: &OpState, number: u32) -> Result<Rc<Upgrade>, OperationError> {
    with_call(state, number, |call| call.upgrade.clone().ok_or_else(gone))
}

/// Checks that the request of this number is a handshake, and takes the memory of its socket. `protocol` is empty for
/// none. `silence` is the most milliseconds without a byte of the client, and 0 for no limit.
#[op2(fast)]
pub(super) fn op_sr_upgrade(
    state: &OpState,
    #[smi] number: u32,
    #[string] protocol: &str,
    silence: f64,
) -> Result<(), OperationError> {
    let memory = state.borrow::<Memory>().clone();
    with_call(state, number, |call| {
        if call.upgrade.is_some() || call.answer.is_none() {
            return Err(OperationError::type_error(
                "upgrade: the request was answered already",
            ));
        }
        let protocol = (!protocol.is_empty()).then_some(protocol);
        let accepted = Accepted::of(&call.method, &call.headers, protocol);
        let accepted = accepted.map_err(|error| OperationError::type_error(format!("upgrade: {error}")))?;
        let connection = call.connection.take().ok_or_else(|| {
            OperationError::type_error(
                "upgrade: the connection cannot be upgraded; it is one of HTTP/2, or the server does not upgrade",
            )
        })?;
        let held = memory.hold_now(SOCKET);
        let held = held.map_err(|why| no_room("upgrading", "a request", why))?;
        let silence = Duration::try_from_secs_f64(silence / 1000.0).unwrap_or_default();
        call.upgrade = Some(Rc::new(Upgrade {
            accepted: RefCell::new(Some(accepted)),
            connection: RefCell::new(Some(connection)),
            leaving: RefCell::new(call.leaving.take()),
            limits: SocketLimits {
                message: MAX_MESSAGE,
                // The server limits how slowly its clients take bytes.
                patience: None,
                silence: (!silence.is_zero()).then_some(silence),
            },
            socket: OnceCell::new(),
            dropped: CancelHandle::new_rc(),
            _memory: held,
        }));
        Ok(())
    })
}

/// Sends the response that accepts the handshake. Returns false if the client went away.
#[op2(fast)]
pub(super) fn op_sr_respond_upgrade(state: &OpState, #[smi] number: u32) -> Result<bool, OperationError> {
    if realm::is_stopped(state) {
        return Err(gone());
    }
    with_call(state, number, |call| {
        let upgrade = call.upgrade.clone().ok_or_else(gone)?;
        let accepted = upgrade.accepted.borrow_mut().take().ok_or_else(gone)?;
        let answer = call.answer.take().ok_or_else(gone)?;
        let response = accepted
            .response()
            .map(|_| AnswerBody::Whole(bytes::Bytes::new()));
        Ok(answer.send(Ok(response)).is_ok())
    })
}

/// Waits until the connection is upgraded.
#[op2]
pub(super) async fn op_sr_socket_connect(
    state: Rc<RefCell<OpState>>,
    #[smi] number: u32,
) -> Result<(), OperationError> {
    let upgrade = upgrade_of(&state.borrow(), number)?;
    let memory = state.borrow().borrow::<Memory>().clone();
    let connection = upgrade.connection.borrow_mut().take().ok_or_else(gone)?;
    let connection = upgraded(connection).or_cancel(upgrade.dropped.clone()).await;
    let connection = connection
        .ok()
        .flatten()
        .ok_or_else(|| failed("the client went away"))?;
    let reserve = move |bytes| Some(Box::new(memory.hold_now(bytes).ok()?) as Held);
    let socket = Socket::accepted(connection, upgrade.limits, Box::new(reserve)).await;
    upgrade.socket.set(socket).map_err(|_| gone())
}

/// Returns the next message: a text, bytes, the code and the reason of the end, or null if the server ends.
#[op2]
pub(super) async fn op_sr_socket_receive(
    state: Rc<RefCell<OpState>>,
    #[smi] number: u32,
) -> Result<Output, OperationError> {
    let upgrade = upgrade_of(&state.borrow(), number)?;
    let memory = state.borrow().borrow::<Memory>().clone();
    let mut leaving = upgrade.leaving.borrow_mut().take();
    let received = async {
        let leaves = async {
            match &mut leaving {
                Some(leaving) => leaving.begins().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = leaves => None,
            received = async { socket(&upgrade)?.receive().await.map_err(|error| failed(&error.to_string())) } => {
                Some(received)
            }
        }
    };
    let received = received
        .or_cancel(upgrade.dropped.clone())
        .await
        .map_err(|_| gone())?;
    let Some(received) = received else {
        // It is said once.
        return Ok(Output::from(Value::Null));
    };
    *upgrade.leaving.borrow_mut() = leaving;
    let room = async |bytes: usize| {
        let held = memory.room_for(bytes).await;
        held.map_err(|why| no_room("receiving", "a message", why))
    };
    match received? {
        Incoming::Text(text) => {
            has_room_for_text(text.len(), "receiving a message")?;
            let held = room(text.len()).await?;
            Ok(Output::text(text, held))
        }
        Incoming::Binary(bytes) => {
            let held = room(bytes.len()).await?;
            Ok(Output::bytes(bytes, held))
        }
        Incoming::Closed { code, reason } => {
            let code = code.map_or(Value::Null, |code| u32::from(code).into());
            Ok(Output::from(vec![code, reason.into()]))
        }
    }
}

/// Sends a message. It completes when the operating system has it.
#[op2]
pub(super) fn op_sr_socket_send(
    state: Rc<RefCell<OpState>>,
    #[smi] number: u32,
    is_text: bool,
    message: v8::Local<'_, v8::Value>,
) -> Result<impl Future<Output = Result<(), OperationError>> + use<>, OperationError> {
    let upgrade = upgrade_of(&state.borrow(), number)?;
    let message = copied(message, &state.borrow())?;
    let message = message.ok_or_else(|| OperationError::type_error("a message must be a Uint8Array"))?;
    if realm::is_stopped(&state.borrow()) {
        return Err(gone());
    }
    Ok(async move {
        let sent = async {
            let sent = socket(&upgrade)?.send(is_text, message).await;
            sent.map_err(|error| failed(&error.to_string()))
        };
        sent.or_cancel(upgrade.dropped.clone())
            .await
            .map_err(|_| gone())?
    })
}

/// Begins the end of the socket. A negative code is none.
#[op2]
pub(super) async fn op_sr_socket_close(
    state: Rc<RefCell<OpState>>,
    #[smi] number: u32,
    #[smi] code: i32,
    #[string] reason: String,
) -> Result<(), OperationError> {
    let upgrade = upgrade_of(&state.borrow(), number)?;
    let closed = async {
        let closed = socket(&upgrade)?.close(u16::try_from(code).ok(), &reason).await;
        closed.map_err(|error| failed(&error.to_string()))
    };
    closed
        .or_cancel(upgrade.dropped.clone())
        .await
        .map_err(|_| gone())?
}

/// Ends the connection.
#[op2(fast)]
pub(super) fn op_sr_socket_drop(state: &OpState, #[smi] number: u32) {
    let mut calls = state.borrow::<Rc<Monitor>>().calls.borrow_mut();
    let upgrade = calls.get(number).and_then(|call| call.upgrade.take());
    drop(calls);
    if let Some(upgrade) = upgrade {
        upgrade.dropped.cancel();
    }
}
