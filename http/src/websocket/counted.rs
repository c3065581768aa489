//! A connection whose received bytes are reserved before they are read.

use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, READ};

/// Memory that stays reserved until this is dropped.
pub type Held = Box<dyn Any>;
/// Reserves so many bytes, or returns `None` if there are not so many.
pub type Reserve = Box<dyn Fn(usize) -> Option<Held>>;

/// Number of received bytes for which memory is reserved at once.
const BLOCK: usize = 64 << 10;
/// Memory of a received byte. A buffer that grows has up to as much again in reserve.
const EACH: usize = 2;

/// The error of a read for which there is no memory.
#[derive(Debug, thiserror::Error)]
#[error("there is no memory for the message")]
pub(super) struct NoRoom;

/// The error of a read after too many bytes without a whole message.
#[derive(Debug, thiserror::Error)]
#[error("the frames of a message have too many bytes")]
pub(super) struct TooMuch;

/// A connection, with the memory of the message that is being received.
///
/// The first [`READ`] bytes are part of the socket's own memory. They can be the beginning of the next message.
pub(super) struct Counted {
    connection: Box<dyn Connection>,
    reserve: Reserve,
    /// The number of bytes of the current message, with the heads of its frames.
    taken: usize,
    reserved: usize,
    held: Vec<Held>,
    /// Maximum of `taken`. A message of very small frames has more bytes of heads than of content.
    most: usize,
}

impl fmt::Debug for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Counted")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

impl Counted {
    pub(super) fn new(connection: Box<dyn Connection>, message: usize, reserve: Reserve) -> Self {
        Counted {
            connection,
            reserve,
            taken: 0,
            reserved: 0,
            held: Vec::new(),
            most: message.saturating_mul(2).saturating_add(BLOCK),
        }
    }

    /// Releases the memory of a whole message.
    pub(super) fn delivered(&mut self) {
        self.taken = 0;
        self.reserved = 0;
        self.held.clear();
    }

    /// Discards what the peer sends, until it closes the connection. If a socket is closed while it has unread bytes,
    /// the system resets the connection, and the peer may lose the last frame.
    pub(super) fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut discarded = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut *self.connection).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Stops counting a control frame, whose content has so many bytes.
    pub(super) fn control(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes + 2);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken > this.most {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        let wanted = buffer.remaining();
        if this.taken.saturating_add(wanted) > READ.saturating_add(this.reserved) {
            let block = BLOCK.max(wanted);
            let Some(held) = (this.reserve)(block * EACH) else {
                return Poll::Ready(Err(io::Error::other(NoRoom)));
            };
            this.held.push(held);
            this.reserved += block;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut *this.connection).poll_read(context, buffer);
        this.taken += buffer.filled().len() - before;
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().connection).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().connection).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().connection).poll_shutdown(context)
    }
}
