//! Bodies with limits.

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::pace::Pace;
use crate::taking::Taking;
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
///
/// Only the time between the reader's question and the arrival of bytes counts. The reader may pause.
pub(crate) struct Received<B> {
    body: B,
    limit: u64,
    left: u64,
    pace: Pace,
    arrival: Arc<Arrival>,
    /// The request, until its response begins.
    answering: Weak<Answering>,
    fault: Arc<OnceLock<BodyFault>>,
}

impl<B> Received<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// Limits a body. The result also shows the fault that ended the body, if there is one.
    pub(crate) fn limited(
        body: B,
        limit: u64,
        pace: Pace,
        answering: &Arc<Answering>,
    ) -> (Body, Arc<OnceLock<BodyFault>>) {
        let fault = Arc::new(OnceLock::new());
        let received = Received {
            body,
            limit,
            left: limit,
            pace,
            arrival: Arc::new(Arrival::new(Waker::noop())),
            answering: Arc::downgrade(answering),
            fault: fault.clone(),
        };
        (Body::new(received), fault)
    }

    /// Records whether the server waits for the client.
    fn waits(&self, waits: bool) {
        if let Some(answering) = self.answering.upgrade() {
            answering.work(!waits);
        }
    }

    fn fails(&self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let _ = self.fault.set(fault);
        Poll::Ready(Some(Err(fault.into())))
    }
}

/// A waker that records when it was first called.
struct Arrival {
    waker: Waker,
    at: OnceLock<Instant>,
}

impl Arrival {
    fn new(waker: &Waker) -> Self {
        Arrival {
            waker: waker.clone(),
            at: OnceLock::new(),
        }
    }
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.at.get_or_init(Instant::now);
        self.waker.wake_by_ref();
    }
}

impl<B> HttpBody for Received<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
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
        let arrived = this.arrival.at.get().copied();
        if arrived.is_some() || !this.arrival.waker.will_wake(context.waker()) {
            this.arrival = Arc::new(Arrival::new(context.waker()));
        }
        let waker = Waker::from(this.arrival.clone());
        match Pin::new(&mut this.body).poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => match this.pace.poll_pending::<()>(context) {
                Poll::Pending => {
                    this.waits(true);
                    Poll::Pending
                }
                Poll::Ready(_) => {
                    this.waits(false);
                    this.fails(BodyFault::TooSlow)
                }
            },
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.waits(false);
                this.pace.moved_at(bytes, arrived.unwrap_or_else(Instant::now));
                match this.left.checked_sub(bytes as u64) {
                    Some(left) => this.left = left,
                    None => return this.fails(BodyFault::TooLarge { limit: this.limit }),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => {
                this.waits(false);
                Poll::Ready(other.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.fault.get().is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The maximum size of a piece of a response. HTTP/2 takes a piece as a whole, even if the client takes only a byte.
const PIECE: usize = 16 << 10;

/// The body of a response. The request counts as active until it was sent.
pub(crate) struct Sent {
    body: Body,
    /// The rest of a frame of the body.
    rest: Bytes,
    /// The number of bytes that are left, if a header states the length.
    left: Option<u64>,
    /// The pace of the client, with HTTP/2.
    taking: Option<Arc<Taking>>,
    /// The size of the piece that waits for the client.
    offered: Option<usize>,
    _answering: Answering,
}

impl Sent {
    /// Creates the body. With a `length`, it must have exactly this length.
    pub(crate) fn new(
        body: Body,
        length: Option<u64>,
        taking: Option<Arc<Taking>>,
        answering: Answering,
    ) -> Self {
        Sent {
            body,
            rest: Bytes::new(),
            left: length,
            taking,
            offered: None,
            _answering: answering,
        }
    }

    /// Records that the previous piece was taken.
    fn taken(&mut self) {
        if let (Some(taking), Some(bytes)) = (&self.taking, self.offered.take()) {
            taking.take(bytes);
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        if let Some(taking) = &self.taking {
            taking.offer();
            self.offered = Some(piece.len());
        }
        Frame::data(piece)
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.taken();
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
        this.taken();
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(this.piece())));
        }
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None if this.left.is_some_and(|left| left > 0) => {
                return Poll::Ready(Some(Err(BodyFault::Length.into())));
            }
            None => return Poll::Ready(None),
        };
        match frame.into_data() {
            Ok(bytes) => {
                if let Some(left) = &mut this.left {
                    match left.checked_sub(bytes.len() as u64) {
                        Some(less) => *left = less,
                        None => return Poll::Ready(Some(Err(BodyFault::Length.into()))),
                    }
                }
                this.rest = bytes;
                Poll::Ready(Some(Ok(this.piece())))
            }
            // Trailers end a body. Its length must be complete.
            Err(_) if this.left.is_some_and(|left| left > 0) => {
                Poll::Ready(Some(Err(BodyFault::Length.into())))
            }
            Err(frame) => Poll::Ready(Some(Ok(frame))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.left.unwrap_or(0) == 0 && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        if let Some(left) = self.left {
            return SizeHint::with_exact(left.saturating_add(rest));
        }
        let hint = self.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper().and_then(|upper| upper.checked_add(rest)) {
            whole.set_upper(upper);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::BodyDataStream;
    use futures_util::{Stream, stream};
    use tokio::sync::mpsc;

    use super::*;
    use crate::wire::Activity;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns a body whose client has 10 seconds, a sender of its bytes, and the connection.
    fn received() -> (
        BodyDataStream,
        mpsc::UnboundedSender<Bytes>,
        Arc<Activity>,
        Arc<Answering>,
    ) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let bytes = stream::poll_fn(move |context| {
            receiver
                .poll_recv(context)
                .map(|bytes| bytes.map(Ok::<_, BoxError>))
        });
        let activity = Arc::new(Activity::new());
        let answering = Arc::new(activity.answering());
        let pace = Pace::new(10 * SECOND, 1);
        let (body, _) = Received::limited(Body::from_stream(bytes), 1000, pace, &answering);
        (body.into_data_stream(), sender, activity, answering)
    }

    /// Asks for the next bytes once.
    async fn asked(body: &mut BodyDataStream) -> Poll<Option<Result<Bytes, String>>> {
        let polled =
            std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_next(context))).await;
        polled.map(|next| next.map(|bytes| bytes.map_err(|error| error.to_string())))
    }

    /// SERVE-28: a service that asked for bytes and then did something else made its client look slow.
    #[tokio::test(start_paused = true)]
    async fn time_without_reading_is_not_the_clients() {
        let (mut body, sender, _, _answering) = received();
        for _ in 0..5 {
            assert_eq!(asked(&mut body).await, Poll::Pending);
            tokio::time::advance(SECOND).await;
            sender.send(Bytes::from_static(b"a")).unwrap();
            // The service is busy while the bytes are there.
            tokio::time::advance(60 * SECOND).await;
            assert_eq!(
                asked(&mut body).await,
                Poll::Ready(Some(Ok(Bytes::from_static(b"a"))))
            );
            tokio::time::advance(60 * SECOND).await;
        }
        assert_eq!(asked(&mut body).await, Poll::Pending);
        tokio::time::advance(9 * SECOND).await;
        assert_eq!(asked(&mut body).await, Poll::Pending);
        tokio::time::advance(2 * SECOND).await;
        let slow = Poll::Ready(Some(Err(BodyFault::TooSlow.to_string())));
        assert_eq!(asked(&mut body).await, slow);
        assert_eq!(asked(&mut body).await, slow);
    }

    /// SERVE-31: a connection is not at work while it waits for the client's bytes. After the response has begun, the
    /// body of the request changes nothing.
    #[tokio::test(start_paused = true)]
    async fn waiting_for_bytes_is_silence() {
        let (mut body, sender, activity, answering) = received();
        tokio::time::advance(60 * SECOND).await;
        assert_eq!(activity.silence(), Duration::ZERO, "the service works");
        assert_eq!(asked(&mut body).await, Poll::Pending);
        tokio::time::advance(6 * SECOND).await;
        assert_eq!(activity.silence(), 6 * SECOND);
        sender.send(Bytes::from_static(b"a")).unwrap();
        assert!(asked(&mut body).await.is_ready());
        assert_eq!(activity.silence(), Duration::ZERO);
        drop(answering);
        assert!(!activity.is_answering());
        sender.send(Bytes::from_static(b"a")).unwrap();
        assert!(asked(&mut body).await.is_ready());
        tokio::time::advance(6 * SECOND).await;
        assert_eq!(activity.silence(), 6 * SECOND);
    }

    /// A body comes in small pieces and has the same bytes.
    #[tokio::test]
    async fn large_frames_are_sent_in_pieces() {
        let activity = Arc::new(Activity::new());
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let taking = Arc::new(Taking::new(Pace::new(SECOND, 1)));
        for length in [None, Some(100_000)] {
            let body = Body::from(bytes.clone());
            let mut sent = Sent::new(body, length, Some(taking.clone()), activity.answering());
            let mut collected = Vec::new();
            while !sent.is_end_stream() {
                assert_eq!(
                    sent.size_hint().exact(),
                    Some((bytes.len() - collected.len()) as u64)
                );
                let frame = std::future::poll_fn(|context| Pin::new(&mut sent).poll_frame(context)).await;
                let piece = frame.unwrap().unwrap().into_data().unwrap();
                assert!(piece.len() <= PIECE);
                collected.extend_from_slice(&piece);
            }
            assert_eq!(collected, bytes);
        }
    }
}
