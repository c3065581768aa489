//! A connection as the HTTP parser sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::head::Head;
use crate::pace::Pace;

/// The state of a connection, shared with the other tasks of the server.
#[derive(Debug)]
pub struct Activity {
    start: Instant,
    /// The time of the last transfer, in milliseconds after `start`.
    moved: AtomicU64,
    /// The number of requests that are being answered. With HTTP/2, there can be more than one.
    requests: AtomicUsize,
    /// True while the server works and does not wait for the client.
    at_work: AtomicBool,
    /// True after a request with a body.
    had_body: AtomicBool,
}

impl Default for Activity {
    fn default() -> Self {
        Activity::new()
    }
}

impl Activity {
    /// Creates the state of a connection that has just been accepted.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            moved: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            at_work: AtomicBool::new(false),
            had_body: AtomicBool::new(false),
        }
    }

    fn mark(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
    }

    /// Returns the time since the last transfer. It is zero while the server works.
    pub fn silence(&self) -> Duration {
        if self.at_work.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(moved)
    }

    /// Returns true if a request is being answered, false if the server waits for one.
    pub fn is_answering(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Returns true if a request of the connection had a body.
    pub fn had_body(&self) -> bool {
        self.had_body.load(Ordering::Relaxed)
    }

    /// Records whether the server works or waits for the client.
    pub fn work(&self, at_work: bool) {
        self.mark();
        self.at_work.store(at_work, Ordering::Relaxed);
    }

    /// Records that a request is being answered, until the returned guard is dropped.
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.work(true);
        Answering(self.clone())
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.work(false);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that filters the heads of requests and limits how slowly the client may read. Slow senders are limited
/// elsewhere: the parser limits the time for heads, and the readers of bodies limit their pace.
#[derive(Debug)]
pub struct Wire<S> {
    connection: S,
    activity: Arc<Activity>,
    head: Head,
    sending: Pace,
}

impl<S> Wire<S> {
    /// Creates the connection of a parser. `sending` limits how slowly the client may read.
    pub fn new(connection: S, activity: Arc<Activity>, sending: Pace) -> Self {
        Self {
            connection,
            activity,
            head: Head::new(),
            sending,
        }
    }

    fn sent(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.sending.poll_pending(context),
            Poll::Ready(written) => {
                self.sending.moved(*written.as_ref().unwrap_or(&0));
                self.activity.mark();
                Poll::Ready(written)
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.connection).poll_read(context, buffer))?;
        this.activity.mark();
        if let Some(came) = buffer.filled_mut().get_mut(before..) {
            this.head.watch(came);
        }
        if this.head.had_body() {
            this.activity.had_body.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.connection).poll_write(context, bytes);
        this.sent(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.connection).poll_write_vectored(context, bytes);
        this.sent(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(context)
    }
}
