//! Responses on their way from an isolate to a client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use secure_runtime_http::Body;
use tokio::sync::mpsc;

use super::instance::Watched;
use crate::memory::Reservation;

/// A response of a handler.
pub(crate) type Answer = Response<AnswerBody>;

/// The body of a response.
pub(crate) enum AnswerBody {
    Whole(Bytes),
    Pieces(mpsc::Receiver<Result<Bytes, Broken>>),
}

/// The error of a body that its handler did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the function failed while it sent the body of its response; its log has the error")]
pub(crate) struct Broken;

/// Bytes that an isolate sends. They are counted for the isolate until the client has them.
struct Counted(Vec<u8>, #[expect(dead_code, reason = "released with the bytes")] Reservation);

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
    pieces: mpsc::Receiver<Result<Bytes, Broken>>,
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
        let polled = this.pieces.poll_recv(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.watched.finish();
        }
        polled.map_ok(Frame::data)
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
        AnswerBody::Pieces(pieces) => Body::new(Pieces { pieces, watched }),
    })
}
