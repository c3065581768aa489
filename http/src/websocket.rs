//! The protocol of WebSocket (RFC 6455) on a connection, for clients and servers, with limits.
//!
//! The frames are those of `tungstenite`. This module adds the limits. Memory is reserved before a message is held,
//! messages are sent in pieces, and each wait for the peer has an end.

mod counted;
mod handshake;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, error::CapacityError};

use self::counted::{Counted, NoRoom, TooMuch};
pub use self::counted::{Held, Reserve};
pub use self::handshake::{Accepted, Handshake, HandshakeError, UpgradeError, connect};

/// Memory of a socket besides the message that it receives, in bytes: its buffers, and those of TLS.
pub const SOCKET: usize = 160 << 10;
/// Size of the buffer into which bytes are received.
const READ: usize = 16 << 10;
/// Maximum size of one frame that is sent. A longer message is sent as several frames.
const FRAME: usize = 32 << 10;
/// Maximum size of the frames that wait for the peer: one of a message, and the answers to pings.
const UNSENT: usize = 64 << 10;
/// The time for a peer to take the last frame, and to answer it.
const FAREWELL: Duration = Duration::from_secs(15);
/// Maximum size of a close frame's reason, in bytes.
const MAX_REASON: usize = 123;

/// A connection of bytes.
pub trait Connection: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection for T {}

/// Waits until a connection was upgraded. Returns `None` if it broke off.
pub async fn upgraded(connection: OnUpgrade) -> Option<Box<dyn Connection>> {
    let connection = TokioIo::new(connection.await.ok()?);
    Some(Box::new(connection))
}

/// The limits of one socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Maximum size of a received message, in bytes.
    pub message: usize,
    /// Maximum time for the peer to take one frame. `None` means that the connection itself has a limit.
    pub patience: Option<Duration>,
    /// Maximum time without a byte of the peer. A ping is sent after half of it. `None` means no limit.
    pub silence: Option<Duration>,
}

/// A message, or the end of the messages.
#[derive(Debug)]
pub enum Incoming {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// The peer closed the socket.
    Closed {
        /// The code, if the peer sent one.
        code: Option<u16>,
        /// The reason, or an empty text.
        reason: String,
    },
}

/// The reason why a socket failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// A message exceeds the limit of its size.
    #[error("the message is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// There is no memory for a message.
    #[error("there is no memory for the message; read fewer messages at once, or raise the limit `heap`")]
    Memory,
    /// A message of text is not UTF-8.
    #[error("a message of text is not UTF-8")]
    Text,
    /// The peer violated the protocol.
    #[error("the other side violated the protocol: {0}")]
    Protocol(String),
    /// The peer sent or took nothing for too long.
    #[error("the other side sent or took nothing for too long")]
    Silent,
    /// The connection broke off.
    #[error("the connection broke off")]
    Broken,
}

impl SocketError {
    /// Returns the code with which the peer is told, if it is told.
    fn code(&self) -> Option<CloseCode> {
        match self {
            SocketError::TooLarge { .. } | SocketError::Memory => Some(CloseCode::Size),
            SocketError::Text => Some(CloseCode::Invalid),
            SocketError::Protocol(_) => Some(CloseCode::Protocol),
            SocketError::Silent | SocketError::Broken => None,
        }
    }

    fn of(error: Error, limit: usize) -> Self {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => SocketError::TooLarge { limit },
            Error::Utf8(_) => SocketError::Text,
            Error::Io(error) => match error.get_ref() {
                Some(why) if why.is::<NoRoom>() => SocketError::Memory,
                Some(why) if why.is::<TooMuch>() => SocketError::TooLarge { limit },
                _ if error.kind() == std::io::ErrorKind::TimedOut => SocketError::Silent,
                _ => SocketError::Broken,
            },
            Error::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => SocketError::Broken,
            Error::Protocol(error) => SocketError::Protocol(error.to_string()),
            Error::WriteBufferFull(_) => SocketError::Silent,
            _ => SocketError::Broken,
        }
    }
}

/// One end of a WebSocket after the handshake. It belongs to one thread. One message can be received while another one
/// is sent.
pub struct Socket {
    stream: RefCell<WebSocketStream<Counted>>,
    /// Messages are sent one after another.
    sending: Mutex<()>,
    limits: SocketLimits,
    /// The time of the last frame of the peer.
    heard: Cell<Instant>,
    has_pinged: Cell<bool>,
    /// True if the caller has got a message whose memory is still reserved.
    has_delivered: Cell<bool>,
    /// The time at which the peer must have answered the close frame.
    closing: Cell<Option<Instant>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Socket")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn config(limits: SocketLimits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(UNSENT)
        .max_message_size(Some(limits.message))
        .max_frame_size(Some(limits.message))
}

impl Socket {
    /// Creates the server's end on a connection whose upgrade was accepted. The caller has reserved [`SOCKET`] bytes.
    pub async fn accepted(connection: Box<dyn Connection>, limits: SocketLimits, reserve: Reserve) -> Self {
        let counted = Counted::new(connection, limits.message, reserve);
        let stream = WebSocketStream::from_raw_socket(counted, Role::Server, Some(config(limits))).await;
        Socket::new(stream, limits)
    }

    fn new(stream: WebSocketStream<Counted>, limits: SocketLimits) -> Self {
        Socket {
            stream: RefCell::new(stream),
            sending: Mutex::new(()),
            limits,
            heard: Cell::new(Instant::now()),
            has_pinged: Cell::new(false),
            has_delivered: Cell::new(false),
            closing: Cell::new(None),
        }
    }

    /// Sends a message. It completes when the operating system has all of it. A message of text must be UTF-8.
    ///
    /// # Errors
    /// The peer takes it too slowly, or the connection broke off.
    pub async fn send(&self, is_text: bool, message: Bytes) -> Result<(), SocketError> {
        let _alone = self.sending.lock().await;
        let mut rest = message;
        let mut kind = if is_text { Data::Text } else { Data::Binary };
        loop {
            let piece = rest.split_to(rest.len().min(FRAME));
            let is_last = rest.is_empty();
            self.frame(Message::Frame(Frame::message(piece, OpCode::Data(kind), is_last)))
                .await?;
            if is_last {
                return Ok(());
            }
            kind = Data::Continue;
        }
    }

    /// Sends a close frame after the messages before it. [`Socket::receive`] waits for the peer's answer.
    ///
    /// # Errors
    /// The connection broke off.
    pub async fn close(&self, code: Option<u16>, reason: &str) -> Result<(), SocketError> {
        let _alone = self.sending.lock().await;
        self.closing.set(Some(Instant::now() + FAREWELL));
        self.frame(closing(code, reason)).await
    }

    /// Returns the next message. If the future is dropped, no message is lost.
    ///
    /// The memory of the message stays reserved until the next call, so that the caller can reserve its own copy.
    ///
    /// # Errors
    /// The socket failed. The peer was told why.
    pub async fn receive(&self) -> Result<Incoming, SocketError> {
        if self.has_delivered.take() {
            self.stream.borrow_mut().get_mut().delivered();
        }
        loop {
            let next = match self.next().await {
                Ok(next) => next,
                Err(error) => {
                    self.fail(&error).await;
                    return Err(error);
                }
            };
            self.heard.set(Instant::now());
            self.has_pinged.set(false);
            match next {
                Message::Text(text) => {
                    self.has_delivered.set(true);
                    return Ok(Incoming::Text(text.as_str().to_owned()));
                }
                Message::Binary(bytes) => {
                    self.has_delivered.set(true);
                    return Ok(Incoming::Binary(bytes.into()));
                }
                Message::Ping(bytes) | Message::Pong(bytes) => {
                    self.stream.borrow_mut().get_mut().control(bytes.len());
                }
                Message::Close(frame) => {
                    self.end().await;
                    let (code, reason) = match frame {
                        Some(CloseFrame { code, reason }) => (Some(code.into()), reason.as_str().to_owned()),
                        None => (None, String::new()),
                    };
                    return Ok(Incoming::Closed { code, reason });
                }
                Message::Frame(_) => {}
            }
        }
    }

    /// Waits for the next frame, at most so long as the peer may be silent.
    async fn next(&self) -> Result<Message, SocketError> {
        loop {
            let silence = self.limits.silence.map(|silence| {
                let part = if self.has_pinged.get() {
                    silence
                } else {
                    silence / 2
                };
                self.heard.get() + part
            });
            let end = match (silence, self.closing.get()) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            let next =
                std::future::poll_fn(|context| Pin::new(&mut *self.stream.borrow_mut()).poll_next(context));
            let next = match end {
                None => next.await,
                Some(end) => match tokio::time::timeout_at(end, next).await {
                    Ok(next) => next,
                    Err(_) if self.closing.get().is_some() || self.has_pinged.get() => {
                        return Err(SocketError::Silent);
                    }
                    Err(_) => {
                        self.has_pinged.set(true);
                        self.put(Message::Ping(Bytes::new()))?;
                        continue;
                    }
                },
            };
            return match next {
                None => Err(SocketError::Broken),
                Some(message) => message.map_err(|error| SocketError::of(error, self.limits.message)),
            };
        }
    }

    /// Puts a frame into the buffer, and sends what the peer takes at once.
    fn put(&self, frame: Message) -> Result<(), SocketError> {
        let put = Pin::new(&mut *self.stream.borrow_mut()).start_send(frame);
        put.map_err(|error| SocketError::of(error, self.limits.message))
    }

    /// Sends one frame, and waits until the peer has taken it.
    async fn frame(&self, frame: Message) -> Result<(), SocketError> {
        let sent = async {
            // The answers to pings leave the buffer first, so that the frame fits.
            self.flush().await?;
            self.put(frame)?;
            self.flush().await
        };
        match self.limits.patience {
            None => sent.await,
            Some(patience) => timeout(patience, sent).await.unwrap_or(Err(SocketError::Silent)),
        }
    }

    async fn flush(&self) -> Result<(), SocketError> {
        let flushed =
            std::future::poll_fn(|context| Pin::new(&mut *self.stream.borrow_mut()).poll_flush(context));
        flushed
            .await
            .map_err(|error| SocketError::of(error, self.limits.message))
    }

    /// Tells the peer why the socket failed, and ends the connection.
    async fn fail(&self, error: &SocketError) {
        if let Some(code) = error.code() {
            let _ = self.put(closing(Some(code.into()), ""));
        }
        self.end().await;
    }

    /// Sends what is left, and ends the connection. A peer that takes nothing cannot delay it for long.
    async fn end(&self) {
        let end = async {
            let _ = self.flush().await;
            std::future::poll_fn(|context| -> Poll<()> {
                let mut stream = self.stream.borrow_mut();
                Pin::new(stream.get_mut()).poll_shutdown(context).map(|_| ())
            })
            .await;
            std::future::poll_fn(|context| self.stream.borrow_mut().get_mut().poll_discard(context)).await;
        };
        let _ = timeout(FAREWELL, end).await;
    }
}

/// Returns a close frame. A frame has at most [`MAX_REASON`] bytes of a reason.
fn closing(code: Option<u16>, reason: &str) -> Message {
    let reason = if reason.len() <= MAX_REASON { reason } else { "" };
    Message::Close(code.map(|code| CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }))
}
