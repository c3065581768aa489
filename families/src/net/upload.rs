//! A body of a request that is sent while the guest produces it (`duplex: "half"` of the Fetch standard).

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use secure_runtime_capabilities::ActionName;
use secure_runtime_engine::extension::{Arguments, Methods, OperationError, Output, Reservation, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::request::Request;
use super::{CONNECTION, Call, Net, requested};

/// Number of pieces that may wait for the server.
const PIECES: usize = 2;

/// A request whose body the guest still produces.
struct Upload {
    /// `None` after the request was sent.
    request: RefCell<Option<Request>>,
    /// `None` after the end of the body.
    pieces: RefCell<Option<mpsc::Sender<Bytes>>>,
    progress: Arc<Progress>,
}

/// The progress of a body.
pub(super) struct Progress(Mutex<State>);

struct State {
    /// True after the last piece. A body that ends before is broken.
    is_complete: bool,
    /// True while the connection waits for the guest.
    is_starved: bool,
    /// The last time at which that changed, or a piece was taken.
    moved: Instant,
}

impl Progress {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the server took nothing, or did not answer, for so long. The time in which the guest produces the
    /// body does not count.
    pub(super) async fn is_late(&self, idle: Duration) {
        loop {
            let end = {
                let state = self.state();
                let from = if state.is_starved {
                    Instant::now()
                } else {
                    state.moved
                };
                from + idle
            };
            tokio::time::sleep_until(end).await;
            let state = self.state();
            if !state.is_starved && state.moved + idle <= Instant::now() {
                return;
            }
        }
    }
}

/// The body, as the connection reads it.
pub(super) struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    progress: Arc<Progress>,
}

impl Pieces {
    pub(super) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        let polled = this.pieces.poll_recv(context);
        let mut state = this.progress.state();
        state.moved = Instant::now();
        state.is_starved = polled.is_pending();
        Poll::Ready(match ready!(polled) {
            Some(piece) => Some(Ok(piece)),
            None if state.is_complete => None,
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}

/// Bytes that count for the isolate until the connection has sent them.
struct Counted(
    Vec<u8>,
    #[expect(dead_code, reason = "released with the bytes")] Reservation,
);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Checks the parts of a request whose body follows.
fn upload(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let request = Request::of(arguments.all())?.reserved(&granted)?;
    let permit = granted.permit_open()?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let progress = Arc::new(Progress(Mutex::new(State {
        is_complete: false,
        is_starved: false,
        moved: Instant::now(),
    })));
    let pieces = Pieces {
        pieces: receiver,
        progress: progress.clone(),
    };
    let upload = Upload {
        request: RefCell::new(Some(request.with_pieces(pieces)?)),
        pieces: RefCell::new(Some(sender)),
        progress,
    };
    Ok(granted.open(&[ActionName::CONNECT], upload, permit, Value::Null))
}

/// Sends the request, and opens the body of its response.
async fn send(granted: Call, upload: Rc<Upload>, _arguments: Arguments) -> Result<Output, OperationError> {
    let request = upload.request.take();
    let request = request.ok_or_else(|| OperationError::type_error("fetch: the request was sent already"))?;
    let permit = granted.permit_open()?;
    let connection = granted.reserve(CONNECTION, "fetch")?;
    requested(granted, request, permit, connection).await
}

/// Adds a piece, and waits until there is room for it. Returns false if nobody takes the rest.
async fn piece(
    granted: Call,
    upload: Rc<Upload>,
    mut arguments: Arguments,
) -> Result<Output, OperationError> {
    let piece = arguments.take_bytes(0)?;
    let held = granted.reserve(piece.len(), "send to")?;
    let sender = upload.pieces.borrow().clone();
    let Some(sender) = sender else {
        return Ok(Value::Bool(false).into());
    };
    let sent = sender.send(Bytes::from_owner(Counted(piece, held))).await;
    Ok(Value::Bool(sent.is_ok()).into())
}

/// Ends the body.
#[expect(clippy::needless_pass_by_value, reason = "the form of a method")]
fn end(_: Call, upload: Rc<Upload>, _: Arguments) -> Result<(), OperationError> {
    upload.progress.state().is_complete = true;
    upload.pieces.take();
    Ok(())
}

/// Declares the methods of bodies that are sent while they are produced.
pub(super) fn methods(methods: &mut Methods<Net>) {
    super::requests(methods).titled("fetch").sync("upload", upload);
    let mut upload = methods.resource::<Upload>();
    upload
        .on(ActionName::CONNECT)
        .titled("fetch")
        .asynchronous("uploadSend", send);
    upload
        .on(ActionName::CONNECT)
        .titled("fetch")
        .asynchronous("uploadPiece", piece);
    upload
        .on(ActionName::CONNECT)
        .titled("fetch")
        .sync("uploadEnd", end);
    upload.close("uploadDrop");
}
