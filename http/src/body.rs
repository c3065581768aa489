//! Bodies with limits.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::pace::Pace;
use crate::wire::Answering;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The reason why a body ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// The body of a request is larger than allowed.
    #[error("a request body has at most {limit} bytes; send less")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The client sends too slowly.
    #[error("the request body arrived too slowly; send it faster")]
    TooSlow,
    /// A response has another length than its header `content-length` says.
    #[error(
        "the body of the response has another length than its header content-length says; correct the header, or leave it out"
    )]
    Length,
}

/// The body of a request, with a limit on its size and on the time that it may take.
pub(crate) struct Received {
    body: hyper::body::Incoming,
    limit: u64,
    left: u64,
    pace: Pace,
    fault: Arc<OnceLock<BodyFault>>,
}

impl Received {
    /// Limits a body. The result also shows the fault that ended the body, if there is one.
    pub(crate) fn new(
        body: hyper::body::Incoming,
        limit: u64,
        pace: Pace,
    ) -> (Body, Arc<OnceLock<BodyFault>>) {
        let fault = Arc::new(OnceLock::new());
        let received = Received {
            body,
            limit,
            left: limit,
            pace,
            fault: fault.clone(),
        };
        (Body::new(received), fault)
    }

    fn fails(&self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let _ = self.fault.set(fault);
        Poll::Ready(Some(Err(fault.into())))
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(fault) = this.fault.get() {
            return Poll::Ready(Some(Err((*fault).into())));
        }
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Pending => match this.pace.poll_pending::<()>(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(_) => this.fails(BodyFault::TooSlow),
            },
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.pace.moved(bytes);
                match this.left.checked_sub(bytes as u64) {
                    Some(left) => this.left = left,
                    None => return this.fails(BodyFault::TooLarge { limit: this.limit }),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.fault.get().is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response. The request counts as active until it was sent.
pub(crate) struct Sent {
    body: Body,
    /// The number of bytes that are left, if a header states the length.
    left: Option<u64>,
    _answering: Answering,
}

impl Sent {
    /// Creates the body. With a `length`, it must have exactly this length.
    pub(crate) fn new(body: Body, length: Option<u64>, answering: Answering) -> Self {
        Sent {
            body,
            left: length,
            _answering: answering,
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        let Some(left) = &mut this.left else {
            return polled.map_err(Into::into);
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                match left.checked_sub(bytes) {
                    Some(less) => *left = less,
                    None => return Poll::Ready(Some(Err(BodyFault::Length.into()))),
                }
            }
            Poll::Ready(None) if *left > 0 => return Poll::Ready(Some(Err(BodyFault::Length.into()))),
            _ => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.left.unwrap_or(0) == 0 && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(|| self.body.size_hint(), SizeHint::with_exact)
    }
}
