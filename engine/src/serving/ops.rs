//! The ops with which realm code reads requests and sends responses (`serving.js`). They reach nothing but the request
//! whose number they get, and decide nothing: the host sent it to this program.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::{OpState, op2, v8};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use secure_runtime_http::BodyFault;
use tokio::sync::mpsc::error::TrySendError;

use super::FetchError;
use super::access::{copied, gone, with_call};
use super::response::{Answer, AnswerBody, Sender};
use super::sockets::{
    op_sr_respond_upgrade, op_sr_socket_close, op_sr_socket_connect, op_sr_socket_drop, op_sr_socket_receive,
    op_sr_socket_send, op_sr_upgrade,
};
use crate::extensions::{HeldBytes, Monitor, OperationError, no_room};
use crate::memory::Memory;
use crate::realm;

/// Maximum size of the head of a response, in bytes, and maximum number of its headers.
const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 1024;

/// Number of pieces of a response that may wait for the client.
const PIECES: usize = 4;

deno_core::extension!(
    sr_serving,
    ops = [
        op_sr_request,
        op_sr_request_headers,
        op_sr_request_read,
        op_sr_request_cancel,
        op_sr_request_end,
        op_sr_respond,
        op_sr_respond_failed,
        op_sr_respond_piece,
        op_sr_respond_room,
        op_sr_respond_end,
        op_sr_upgrade,
        op_sr_respond_upgrade,
        op_sr_socket_connect,
        op_sr_socket_receive,
        op_sr_socket_send,
        op_sr_socket_close,
        op_sr_socket_drop,
    ],
);

/// Returns the ops of programs that serve, and their script.
pub(crate) fn scripts() -> deno_core::Extension {
    realm::with_scripts!(sr_serving: "serving.js")
}

fn text<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: &str,
) -> Result<v8::Local<'s, v8::Value>, OperationError> {
    let text = v8::String::new(scope, text);
    Ok(text
        .ok_or_else(|| OperationError::range_error("the text is too long"))?
        .into())
}

/// Returns the method, the URL, whether there is a body, the request's identity, and names and values of parameters.
#[op2]
fn op_sr_request<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[smi] number: u32,
) -> Result<v8::Local<'s, v8::Array>, OperationError> {
    with_call(state, number, |call| {
        let has_body = call
            .body
            .as_ref()
            .is_some_and(|body| !http_body::Body::is_end_stream(body));
        let mut values = vec![
            text(scope, call.method.as_str())?,
            text(scope, &call.uri.to_string())?,
            v8::Boolean::new(scope, has_body).into(),
            text(scope, &call.context.id)?,
        ];
        for (name, value) in &call.context.params {
            values.push(text(scope, name)?);
            values.push(text(scope, value)?);
        }
        Ok(v8::Array::new_with_elements(scope, &values))
    })
}

/// Returns the headers: names and values in turn. Each byte of a value is one character.
#[op2]
fn op_sr_request_headers<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[smi] number: u32,
) -> Result<v8::Local<'s, v8::Array>, OperationError> {
    with_call(state, number, |call| {
        let mut values = Vec::with_capacity(call.headers.len() * 2);
        for (name, value) in &call.headers {
            values.push(text(scope, name.as_str())?);
            let value = v8::String::new_from_one_byte(scope, value.as_bytes(), v8::NewStringType::Normal);
            values.push(
                value
                    .ok_or_else(|| OperationError::range_error("the header is too long"))?
                    .into(),
            );
        }
        Ok(v8::Array::new_with_elements(scope, &values))
    })
}

/// Returns the next bytes of the request's body, which are empty at its end.
#[op2]
async fn op_sr_request_read(
    state: Rc<RefCell<OpState>>,
    #[smi] number: u32,
) -> Result<HeldBytes, OperationError> {
    let body = with_call(&state.borrow(), number, |call| Ok(call.body.take()))?;
    let memory = state.borrow().borrow::<Memory>().clone();
    let mut body =
        body.ok_or_else(|| OperationError::type_error("the body was read already, or is being read"))?;
    let bytes = loop {
        match body.frame().await {
            None => break Bytes::new(),
            Some(Err(error)) => {
                let why = std::error::Error::source(&error)
                    .and_then(|error| error.downcast_ref::<BodyFault>())
                    .map_or_else(|| "the client broke off".to_owned(), ToString::to_string);
                return Err(OperationError::type_error(format!(
                    "the body of the request: {why}"
                )));
            }
            // Trailers are not part of the web's interface.
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => break bytes,
                _ => {}
            },
        }
    };
    if !bytes.is_empty() {
        // The request may have ended meanwhile.
        let _ = with_call(&state.borrow(), number, |call| {
            call.body = Some(body);
            Ok(())
        });
    }
    let held = memory.room_for(bytes.len()).await;
    let held = held.map_err(|why| no_room("reading", "the body of the request", why))?;
    Ok(HeldBytes::new(bytes.into(), held))
}

/// Discards the rest of the request's body.
#[op2(fast)]
fn op_sr_request_cancel(state: &OpState, #[smi] number: u32) {
    let _ = with_call(state, number, |call| {
        call.body = None;
        Ok(())
    });
}

/// Ends the work for a request. Another request can take its place.
#[op2(fast)]
fn op_sr_request_end(state: &OpState, #[smi] number: u32) {
    let ended = state.borrow::<Rc<Monitor>>().calls.borrow_mut().end(number);
    drop(ended);
}

/// Sends the response: the whole one, or its head if `in_pieces`. Returns false if the client went away.
#[op2(nofast)]
fn op_sr_respond(
    scope: &mut v8::PinScope<'_, '_>,
    state: &OpState,
    #[smi] number: u32,
    #[smi] status: u32,
    headers: v8::Local<'_, v8::Array>,
    body: v8::Local<'_, v8::Value>,
    in_pieces: bool,
) -> Result<bool, OperationError> {
    // Guests were interrupted, so their responses are not valid.
    if realm::is_stopped(state) {
        return Err(gone());
    }
    let (body, pieces) = if in_pieces {
        let (sender, receiver) = Sender::new(PIECES);
        (AnswerBody::Pieces(receiver), Some(sender))
    } else {
        (AnswerBody::Whole(copied(body, state)?.unwrap_or_default()), None)
    };
    let mut answer: Answer = Response::new(body);
    let status = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok());
    *answer.status_mut() =
        status.ok_or_else(|| OperationError::range_error("the status is not from 100 to 999"))?;
    let mut size = 0;
    let mut at = 0;
    while at < headers.length() {
        let part = |scope: &mut v8::PinScope<'_, '_>, at| -> Result<Vec<u8>, OperationError> {
            let part = headers
                .get_index(scope, at)
                .map(|part| part.to_rust_string_lossy(scope));
            let part = part.unwrap_or_default();
            let bytes: Option<Vec<u8>> = part
                .chars()
                .map(|character| u8::try_from(character).ok())
                .collect();
            bytes.ok_or_else(|| OperationError::type_error("a header has characters beyond U+00FF"))
        };
        let (name, value) = (part(scope, at)?, part(scope, at + 1)?);
        at += 2;
        size += name.len() + value.len();
        if size > MAX_HEAD || answer.headers().len() >= MAX_HEADERS {
            return Err(OperationError::range_error(format!(
                "the headers of the response have more than {MAX_HEAD} bytes, or are more than {MAX_HEADERS}"
            )));
        }
        let malformed = || {
            let name = String::from_utf8_lossy(&name).into_owned();
            OperationError::type_error(format!("the header {name:?} of the response is not valid"))
        };
        let checked = HeaderName::from_bytes(&name).map_err(|_| malformed())?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| malformed())?;
        answer
            .headers_mut()
            .try_append(checked, value)
            .map_err(|_| malformed())?;
    }
    with_call(state, number, |call| {
        let sender = call.answer.take().ok_or_else(gone)?;
        call.pieces = pieces;
        Ok(sender.send(Ok(answer)).is_ok())
    })
}

/// Reports that the handler failed. It has no effect after the head of the response was sent.
#[op2(fast)]
fn op_sr_respond_failed(state: &OpState, #[smi] number: u32) {
    let answer = with_call(state, number, |call| Ok(call.answer.take()));
    if let Ok(Some(answer)) = answer {
        let _ = answer.send(Err(FetchError::Failed));
    }
}

/// Sends a piece of the response's body. Returns 1 if it was sent, 0 if [`op_sr_respond_room`] must be awaited, and -1
/// if the client went away.
#[op2(nofast)]
fn op_sr_respond_piece(
    state: &OpState,
    #[smi] number: u32,
    piece: v8::Local<'_, v8::Value>,
) -> Result<i32, OperationError> {
    let piece = copied(piece, state)?;
    let piece =
        piece.ok_or_else(|| OperationError::type_error("a piece of a response must be a Uint8Array"))?;
    if realm::is_stopped(state) {
        return Err(gone());
    }
    with_call(state, number, |call| {
        if call.next.is_some() {
            return Err(OperationError::type_error("the piece before is still being sent"));
        }
        let pieces = call.pieces.as_ref().ok_or_else(gone)?;
        Ok(match pieces.pieces.try_send(piece) {
            Ok(()) => 1,
            Err(TrySendError::Full(piece)) => {
                call.next = Some(piece);
                0
            }
            Err(TrySendError::Closed(_)) => -1,
        })
    })
}

/// Waits until the last piece has room. Returns false if the client went away.
#[op2]
async fn op_sr_respond_room(state: Rc<RefCell<OpState>>, #[smi] number: u32) -> Result<bool, OperationError> {
    let pieces = with_call(&state.borrow(), number, |call| {
        call.pieces.clone().ok_or_else(gone)
    })?;
    let Ok(room) = pieces.pieces.reserve().await else {
        return Ok(false);
    };
    with_call(&state.borrow(), number, |call| {
        if let Some(piece) = call.next.take() {
            room.send(piece);
        }
        Ok(true)
    })
}

/// Ends the body of the response. If it is broken, the client learns that bytes are missing.
#[op2(fast)]
fn op_sr_respond_end(state: &OpState, #[smi] number: u32, is_broken: bool) {
    let pieces = with_call(state, number, |call| Ok(call.pieces.take()));
    if let Ok(Some(pieces)) = pieces
        && !is_broken
        && !realm::is_stopped(state)
    {
        pieces.finish();
    }
}
