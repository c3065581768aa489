//! A connection as the HTTP parser sees it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::head::Head;
use crate::pace::Pace;
use crate::protocol::Opening;

/// The state of a connection, shared with the other tasks of the server.
#[derive(Debug)]
pub struct Activity {
    start: Instant,
    /// The time of the last transfer, in milliseconds after `start`.
    moved: AtomicU64,
    /// The number of requests that are being answered. With HTTP/2, there can be more than one.
    requests: AtomicUsize,
    /// The number of those for which the server works and does not wait for the client.
    working: AtomicUsize,
    /// True after a request with a body.
    had_body: AtomicBool,
    /// True after the connection was upgraded to another protocol.
    is_upgraded: AtomicBool,
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
            working: AtomicUsize::new(0),
            had_body: AtomicBool::new(false),
            is_upgraded: AtomicBool::new(false),
        }
    }

    /// Records that the bytes after the current request belong to another protocol.
    pub(crate) fn upgrade(&self) {
        self.is_upgraded.store(true, Ordering::SeqCst);
    }

    fn mark(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
    }

    /// Returns the time since the last transfer. It is zero while the server works.
    pub fn silence(&self) -> Duration {
        if self.working.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(moved)
    }

    /// Returns true if a request is being answered, false if the server waits for one. An upgraded connection never
    /// waits for a request.
    pub fn is_answering(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0 || self.is_upgraded.load(Ordering::SeqCst)
    }

    /// Returns true if a request of the connection had a body.
    pub fn had_body(&self) -> bool {
        self.had_body.load(Ordering::Relaxed)
    }

    /// Records that a request is being answered, until the returned guard is dropped. Initially, the server works.
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answering = Answering {
            activity: self.clone(),
            at_work: AtomicBool::new(false),
        };
        answering.work(true);
        answering
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Answering {
    activity: Arc<Activity>,
    at_work: AtomicBool,
}

impl Answering {
    /// Records whether the server works on this request or waits for the client.
    pub fn work(&self, at_work: bool) {
        self.activity.mark();
        if self.at_work.swap(at_work, Ordering::Relaxed) == at_work {
            return;
        }
        let working = &self.activity.working;
        if at_work {
            working.fetch_add(1, Ordering::Relaxed);
        } else {
            working.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.work(false);
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The time to read and discard bytes of a client that sends the rest of a refused request.
const LINGERING: Duration = Duration::from_secs(5);

/// A connection that filters the heads of requests and limits how slowly the client may read. Slow senders are limited
/// elsewhere: the parser limits the time for heads, and the readers of bodies limit their pace.
#[derive(Debug)]
pub struct Wire<S> {
    connection: S,
    activity: Arc<Activity>,
    /// The first bytes, which were read before.
    first: Vec<u8>,
    /// The filter, for HTTP/1.1.
    head: Option<Head>,
    sending: Pace,
    /// The end of the time after the last response. It is set when the sending half is closed.
    lingering: Option<Pin<Box<Sleep>>>,
    /// Fails when the server closes the connection.
    cut: Option<oneshot::Receiver<Infallible>>,
    /// Tells the server that the connection was dropped.
    _dropped: Option<oneshot::Sender<Infallible>>,
}

/// The server's side of a connection that may be upgraded. If it is dropped, the connection fails.
pub(crate) struct Upgraded {
    _cut: oneshot::Sender<Infallible>,
    dropped: oneshot::Receiver<Infallible>,
}

impl Upgraded {
    /// Completes when the connection was dropped.
    pub(crate) async fn ends(self) {
        let _ = self.dropped.await;
    }
}

impl<S> Wire<S> {
    /// Creates the connection of a parser. `sending` limits how slowly the client may read.
    pub fn new(connection: S, activity: Arc<Activity>, sending: Pace) -> Self {
        Self {
            connection,
            activity,
            first: Vec::new(),
            head: Some(Head::new()),
            sending,
            lingering: None,
            cut: None,
            _dropped: None,
        }
    }

    /// Lets the server end the connection, even if the parser has passed it on.
    pub(crate) fn watched(self) -> (Self, Upgraded) {
        let (cut_sender, cut) = oneshot::channel();
        let (dropped_sender, dropped) = oneshot::channel();
        let wire = Wire {
            cut: Some(cut),
            _dropped: Some(dropped_sender),
            ..self
        };
        let upgraded = Upgraded {
            _cut: cut_sender,
            dropped,
        };
        (wire, upgraded)
    }

    /// Sets the bytes that were read before, and the protocol.
    pub(crate) fn after(self, opening: Opening) -> Self {
        Wire {
            head: self.head.filter(|_| !opening.is_http2),
            first: opening.bytes,
            ..self
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
                let bytes = *written.as_ref().unwrap_or(&0);
                self.sending.moved(bytes);
                // Flushing transfers nothing.
                if bytes > 0 {
                    self.activity.mark();
                }
                Poll::Ready(written)
            }
        }
    }

    fn received(&mut self, bytes: &mut [u8]) {
        self.activity.mark();
        if self.head.is_some() && self.activity.is_upgraded.load(Ordering::SeqCst) {
            self.head = None;
        }
        if let Some(head) = &mut self.head {
            head.watch(bytes);
            if head.had_body() {
                self.activity.had_body.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Returns true if the client may still send the rest of a request, which nobody reads any more.
    fn has_unread(&self) -> bool {
        let is_upgraded = self.activity.is_upgraded.load(Ordering::SeqCst);
        !is_upgraded && self.head.as_ref().is_some_and(|head| !head.is_between_requests())
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Discards what the client sends, until it closes the connection or the time is over.
    ///
    /// If a socket is closed while it has unread bytes, the system resets the connection. Then the client may lose the
    /// response that says why its request is refused (RFC 9112, section 9.6).
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = self
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGERING)));
        let mut discarded = [0; 4096];
        // If bytes arrive fast enough, reading never has to wait. So the time is checked as well.
        while Instant::now() < end.deadline() {
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut self.connection).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(end.as_mut().poll(context));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(cut) = &mut this.cut
            && Pin::new(cut).poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        if this.first.is_empty() {
            ready!(Pin::new(&mut this.connection).poll_read(context, buffer))?;
        } else {
            let length = this.first.len().min(buffer.remaining());
            buffer.put_slice(&this.first.drain(..length).collect::<Vec<_>>());
        }
        if let Some(came) = buffer.filled_mut().get_mut(before..) {
            this.received(came);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
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
        let this = self.get_mut();
        // TLS has a buffer of its own, so that only flushing may have to wait for the client.
        let flushed = Pin::new(&mut this.connection).poll_flush(context);
        this.sent(context, flushed.map_ok(|()| 0)).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            let shut = Pin::new(&mut this.connection).poll_shutdown(context);
            ready!(this.sent(context, shut.map_ok(|()| 0)))?;
            if !this.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_discard(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn wire<S>(connection: S) -> Wire<S> {
        Wire::new(connection, Arc::default(), Pace::new(10 * SECOND, 1))
    }

    /// SERVE-31: one request of an HTTP/2 connection that ended made the others look idle.
    #[tokio::test(start_paused = true)]
    async fn a_connection_is_at_work_until_its_last_request_is_not() {
        let activity = Arc::new(Activity::new());
        let (one, other) = (activity.answering(), activity.answering());
        one.work(false);
        drop(one);
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(activity.silence(), Duration::ZERO);
        other.work(false);
        other.work(false);
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(activity.silence(), 10 * SECOND);
        other.work(true);
        assert_eq!(activity.silence(), Duration::ZERO);
        drop(other);
        tokio::time::advance(SECOND).await;
        assert_eq!((activity.silence(), activity.is_answering()), (SECOND, false));
    }

    /// SERVE-29.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_too_slow() {
        let (connection, mut client) = duplex(10);
        let mut wire = wire(connection);
        wire.write_all(b"0123456789").await.unwrap();
        let start = Instant::now();
        let error = wire.write_all(b"a").await.unwrap_err();
        assert_eq!(
            (error.kind(), start.elapsed().as_secs()),
            (io::ErrorKind::TimedOut, 10)
        );
        client.read_exact(&mut [0; 10]).await.unwrap();
    }

    /// SERVE-26: if a request is not complete, the rest of it is discarded, but not for ever.
    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_request_is_discarded() {
        let start = "POST / HTTP/1.1\r\nContent-Length: 50\r\n\r\n";
        for (request, is_discarded) in [("GET / HTTP/1.1\r\n\r\n", false), (start, true), ("GET /#", true)] {
            let (connection, mut client) = duplex(1000);
            let mut wire = wire(connection);
            client.write_all(request.as_bytes()).await.unwrap();
            wire.read_exact(&mut vec![0; request.len()]).await.unwrap();
            let begun = Instant::now();
            let endless = async {
                while client.write_all(&[0; 100]).await.is_ok() {
                    tokio::time::sleep(SECOND / 10).await;
                }
            };
            tokio::select! {
                shut = wire.shutdown() => shut.unwrap(),
                () = endless => {}
            }
            let time = if is_discarded { LINGERING } else { Duration::ZERO };
            assert!(
                begun.elapsed().saturating_sub(time) <= SECOND / 10,
                "{request} {:?}",
                begun.elapsed()
            );
            assert!(begun.elapsed() >= time, "{request}");
        }
    }
}
