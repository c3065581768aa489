//! The requests that an isolate is answering.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use secure_runtime_http::{Body, End, OnUpgrade, upgrade};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::response::{Answer, Sender};
use super::upgrade::{Leaving, Upgrade};
use super::{Call, FetchError, RequestContext};
use crate::memory::{Memory, Reservation};

/// Memory of a request in progress besides its head, in bytes: its entry here, its objects in a server, and a piece of
/// its body.
const REQUEST: usize = 4096;

/// The requests that an isolate is answering, by number.
#[derive(Default)]
pub(crate) struct Calls {
    calls: HashMap<u32, InProgress>,
}

/// A request that a handler is answering.
pub(super) struct InProgress {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) context: RequestContext,
    /// `None` while it is being read, and after its end.
    pub(super) body: Option<Body>,
    /// `None` after the head of the response was sent.
    pub(super) answer: Option<oneshot::Sender<Result<Answer, FetchError>>>,
    /// The rest of the response, if its body is sent in pieces.
    pub(super) pieces: Option<Sender>,
    /// A piece for which the channel had no room.
    pub(super) next: Option<Bytes>,
    /// The connection, if it can be upgraded, until the handler upgrades it.
    pub(super) connection: Option<OnUpgrade>,
    pub(super) leaving: Option<Leaving>,
    /// The socket of an upgraded request.
    pub(super) upgrade: Option<Rc<Upgrade>>,
    _place: OwnedSemaphorePermit,
    _memory: Reservation,
}

impl Calls {
    /// Begins a request. Returns its number, or `None` if there is no memory for it.
    pub(crate) fn begin(&mut self, mut call: Call, memory: &Memory) -> Option<u32> {
        let can_upgrade = call.request.extensions().get::<OnUpgrade>().is_some();
        let connection = can_upgrade.then(|| upgrade(&mut call.request));
        let leaving = Leaving {
            closed: call.closed,
            server: call.request.extensions_mut().remove::<End>(),
        };
        let (parts, body) = call.request.into_parts();
        let headers = parts.headers.iter();
        let size: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let Some(memory) = memory.try_hold(size.saturating_add(REQUEST)) else {
            let _ = call.answer.send(Err(FetchError::Memory));
            return None;
        };
        let started = InProgress {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            context: call.context,
            body: Some(body),
            answer: Some(call.answer),
            pieces: None,
            next: None,
            connection,
            leaving: Some(leaving),
            upgrade: None,
            _place: call.place,
            _memory: memory,
        };
        self.calls.insert(call.number, started);
        Some(call.number)
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut InProgress> {
        self.calls.get_mut(&number)
    }

    pub(super) fn end(&mut self, number: u32) -> Option<InProgress> {
        self.calls.remove(&number)
    }
}
