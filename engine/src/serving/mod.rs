//! Programs that answer HTTP requests: the requests on their way to an isolate, and their responses.
//!
//! The entry module exports `default { fetch }`, as for other servers of JavaScript. An [`Instance`] is such a program
//! while it runs. Its requests are events of one queue, which the isolate's event loop reads. Many requests can be in
//! progress at one time.

mod access;
mod calls;
mod instance;
mod ops;
mod requester;
mod response;
mod sockets;
mod upgrade;

use http::Request;
use secure_runtime_http::Body;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

pub(crate) use self::calls::Calls;
pub use self::instance::Instance;
pub(crate) use self::instance::Queue;
pub(crate) use self::ops::scripts;
pub use self::requester::{FetchError, RequestEvents, Requester};
pub(crate) use self::response::Answer;

/// Data of the host about a request, for `context` of the handler. Put it into the extensions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The identity of the request in logs: `context.requestId`.
    pub id: String,
    /// The parts of the URL that a route names: `context.params`.
    pub params: Vec<(String, String)>,
}

/// A request on its way to the isolate.
pub(crate) struct Call {
    pub(crate) number: u32,
    pub(crate) request: Request<Body>,
    pub(crate) context: RequestContext,
    pub(crate) answer: oneshot::Sender<Result<Answer, FetchError>>,
    /// The place among the requests that are in progress, until all work for the request has ended.
    pub(crate) place: OwnedSemaphorePermit,
    /// Becomes true when the handler gets no more requests.
    pub(crate) closed: watch::Receiver<bool>,
}

/// An event for the isolate of an instance.
pub(crate) enum Event {
    Call(Box<Call>),
    /// The client of the request with this number went away.
    Gone(u32),
}
