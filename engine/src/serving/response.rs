//! Responses on their way from an isolate to a client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use secure_runtime_http::Body;
use tokio::sync::mpsc;

use super::requester::Watched;
use crate::memory::Reservation;

/// A response of a handler.
pub(crate) type Answer = Response<AnswerBody>;

/// The body of a response.
pub(crate) enum AnswerBody {
    Whole(Bytes),
    Pieces(Receiver),
}

/// The receiver of a body in pieces.
pub(crate) struct Receiver {
    pieces: mpsc::Receiver<Bytes>,
    is_complete: Arc<AtomicBool>,
}

/// The sender of a body in pieces. If it is dropped before [`Sender::finish`], the body is broken.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) pieces: mpsc::Sender<Bytes>,
    is_complete: Arc<AtomicBool>,
}

impl Sender {
    /// Creates the sender and the receiver of a body. At most so many pieces wait for the client.
    pub(super) fn new(most: usize) -> (Sender, Receiver) {
        let (sender, pieces) = mpsc::channel(most);
        let is_complete = Arc::new(AtomicBool::new(false));
        let receiver = Receiver {
            pieces,
            is_complete: is_complete.clone(),
        };
        let sender = Sender {
            pieces: sender,
            is_complete,
        };
        (sender, receiver)
    }

    /// Ends the body.
    pub(super) fn finish(self) {
        self.is_complete.store(true, Ordering::SeqCst);
    }
}

/// The error of a body that its handler did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the function failed while it sent the body of its response; its log has the error")]
pub(crate) struct Broken;

/// Bytes that an isolate sends. They are counted for the isolate until the client has them.
struct Counted(
    Vec<u8>,
    #[expect(dead_code, reason = "released with the bytes")] Reservation,
);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Returns bytes for a client, which stay counted until they are dropped.
pub(super) fn counted(bytes: Vec<u8>, held: Reservation) -> Bytes {
    Bytes::from_owner(Counted(bytes, held))
}

/// Pieces of a body, with the notice to the isolate if the client does not take them all.
struct Pieces {
    receiver: Receiver,
    watched: Watched,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let piece = ready!(this.receiver.pieces.poll_recv(context));
        Poll::Ready(match piece {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None => {
                this.watched.finish();
                // The sender is also dropped if the isolate ends.
                let is_complete = this.receiver.is_complete.load(Ordering::SeqCst);
                (!is_complete).then_some(Err(Broken))
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Returns the response as the client gets it. `watched` tells the isolate if the client goes away.
pub(super) fn delivered(answer: Answer, mut watched: Watched) -> Response<Body> {
    answer.map(|body| match body {
        AnswerBody::Whole(bytes) => {
            watched.finish();
            Body::from(bytes)
        }
        AnswerBody::Pieces(receiver) => Body::new(Pieces { receiver, watched }),
    })
}
