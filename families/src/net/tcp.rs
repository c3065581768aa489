//! TCP connections, with or without TLS. Each read and write is decided again, also after it waited.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use secure_runtime_capabilities::{ActionName, Operation, Origin};
use secure_runtime_engine::extension::{
    Arguments, CountedBytes, Methods, OpenPermit, OperationError, Output, Reservation, Value,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::client::TlsStream;

use super::destination::{self, again, failed};
use super::{Call, Net, tls};
use crate::closing::{Closing, Used};

/// Size of the buffer for received bytes, and of the pieces that are sent.
const BUFFER: usize = 32 << 10;
/// Memory of a connection, in bytes: its buffer, its socket, and the addresses that its name led to.
const PLAIN: usize = 64 << 10;
/// Memory of a connection with TLS: also the keys, and what rustls has encrypted or not yet decrypted.
const SECURE: usize = 256 << 10;

/// A connection in the table of resources.
pub(super) type Connection = Closing<Socket>;

/// A connection. Only one call reads at a time, and one writes.
pub(super) struct Socket {
    /// Borrowed while it is polled, and never while a call waits.
    stream: RefCell<Stream>,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<()>,
    _memory: Reservation,
}

/// Received bytes that no call has read yet.
struct Incoming {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Secure(stream) => stream.get_ref().0,
        }
    }

    fn protocol(&self) -> Option<String> {
        match self {
            Stream::Plain(_) => None,
            Stream::Secure(stream) => {
                let protocol = stream.get_ref().1.alpn_protocol();
                protocol.map(|name| String::from_utf8_lossy(name).into_owned())
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Secure(stream) => Pin::new(stream).poll_read(context, into),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, data),
            Stream::Secure(stream) => Pin::new(stream).poll_write(context, data),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Reserves the memory of a connection without TLS.
pub(super) fn reserve(granted: &Call, doing: &str) -> Result<Reservation, OperationError> {
    granted.reserve(PLAIN, doing)
}

/// Returns a connection as a resource for this action, with its addresses.
pub(super) fn opened(
    granted: &Call,
    stream: TcpStream,
    memory: Reservation,
    permit: OpenPermit,
    actions: &'static [ActionName],
) -> Result<Output, OperationError> {
    open(granted, Stream::Plain(stream), memory, permit, actions)
}

fn open(
    granted: &Call,
    stream: Stream,
    memory: Reservation,
    permit: OpenPermit,
    actions: &'static [ActionName],
) -> Result<Output, OperationError> {
    let socket = stream.socket();
    let both = socket
        .local_addr()
        .and_then(|local| Ok((local, socket.peer_addr()?)));
    let (local, remote) = both.map_err(|error| failed(&error, "connect", granted.shown()))?;
    let protocol = stream.protocol().map_or(Value::Null, Value::from);
    let data = Value::List(vec![address(local), address(remote), protocol]);
    let socket = Socket {
        stream: RefCell::new(stream),
        incoming: Mutex::new(Incoming {
            bytes: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
        }),
        outgoing: Mutex::new(()),
        _memory: memory,
    };
    Ok(granted.open(actions, Closing::new(socket), permit, data))
}

/// Returns host and port of an address, in the form that sockets.js reads.
pub(super) fn address(address: SocketAddr) -> Value {
    let host = address.ip().to_canonical().to_string();
    Value::List(vec![host.into(), u32::from(address.port()).into()])
}

/// Opens a connection to the decided origin. Exactly the addresses that were checked are tried, in their order.
async fn connect(granted: Call, _: Arguments) -> Result<Output, OperationError> {
    let permit = granted.permit_open()?;
    let memory = reserve(&granted, "connect")?;
    let (origin, _) = decided(&granted)?;
    let stream = within_limit(&granted, "connect", connected(&granted, &origin, "connect")).await?;
    again(&granted)?;
    opened(&granted, stream, memory, permit, &[ActionName::CONNECT])
}

/// Like [`connect`], with TLS.
async fn connect_tls(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let (config, size) = {
        let host = granted.extension().0.as_ref();
        let host = host
            .ok_or_else(|| OperationError::type_error("connectTls: the host has no configuration of TLS"))?;
        tls::configuration(host, arguments.get(1), arguments.get(2))?
    };
    drop(arguments);
    let permit = granted.permit_open()?;
    let memory = granted.reserve(SECURE + size, "connectTls")?;
    let (origin, shown) = decided(&granted)?;
    let secured = async {
        let stream = connected(&granted, &origin, "connectTls").await?;
        again(&granted)?;
        tls::begin(config, &origin, stream, "connectTls", &shown).await
    };
    let stream = within_limit(&granted, "connectTls", secured).await?;
    again(&granted)?;
    let stream = Stream::Secure(Box::new(stream));
    open(&granted, stream, memory, permit, &[ActionName::CONNECT])
}

fn decided(granted: &Call) -> Result<(Origin, String), OperationError> {
    let origin = Origin::parse(granted.resource());
    let origin = origin.map_err(|error| OperationError::type_error(error.to_string()))?;
    Ok((origin, granted.shown().to_owned()))
}

/// Runs a connection attempt within the limit `idle` of the program.
async fn within_limit<T>(
    granted: &Call,
    doing: &str,
    attempt: impl Future<Output = Result<T, OperationError>>,
) -> Result<T, OperationError> {
    let idle = granted.isolate()?.program().idle;
    let done = tokio::time::timeout(idle, attempt).await;
    done.map_err(|_| destination::timed_out(doing, granted.shown()))?
}

async fn connected(granted: &Call, origin: &Origin, doing: &str) -> Result<TcpStream, OperationError> {
    let shown = granted.shown();
    let missing = || destination::unknown(doing, shown);
    let addresses = destination::resolve(granted, origin, shown, missing).await?;
    let mut last = None;
    for address in addresses {
        again(granted)?;
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let error = last.unwrap_or_else(|| std::io::ErrorKind::NotFound.into());
    Err(failed(&error, doing, granted.shown()))
}

impl Used<Socket> {
    /// Waits until there are bytes in the buffer, or the other side has ended.
    async fn fill(&self, incoming: &mut Incoming) -> std::io::Result<()> {
        if incoming.start < incoming.end {
            return Ok(());
        }
        (incoming.start, incoming.end) = (0, 0);
        let Incoming { bytes, end, .. } = incoming;
        poll_fn(|context| {
            let mut into = ReadBuf::new(bytes);
            let read = self.stream.borrow_mut().poll_read(context, &mut into);
            *end = into.filled().len();
            read
        })
        .await
    }
}

/// Reads at most so many bytes, and waits for the first. There are none after the other side has ended.
async fn read(
    granted: Call,
    connection: Rc<Connection>,
    size: usize,
) -> Result<(Vec<u8>, Reservation), OperationError> {
    let socket = connection.used();
    drop(connection);
    let shown = granted.shown();
    let mut incoming = socket.wait(shown, socket.incoming.lock()).await?;
    if size > 0 {
        let filled = socket.wait(shown, socket.fill(&mut incoming)).await?;
        filled.map_err(|error| failed(&error, "reading", shown))?;
    }
    let (start, end) = (
        incoming.start,
        incoming.end.min(incoming.start.saturating_add(size)),
    );
    let held = granted
        .reserve_result(end.saturating_sub(start), "reading")
        .await?;
    again(&granted)?;
    let bytes = incoming.bytes.get(start..end).unwrap_or_default().to_vec();
    granted.count(CountedBytes::Fetched, bytes.len())?;
    incoming.start = end;
    Ok((bytes, held))
}

/// Writes all bytes. Waits while the other side does not receive them.
async fn write(
    granted: Call,
    connection: Rc<Connection>,
    mut arguments: Arguments,
) -> Result<Output, OperationError> {
    let data = arguments.take_bytes(0)?;
    let socket = connection.used();
    drop(connection);
    let shown = granted.shown();
    let _turn = socket.wait(shown, socket.outgoing.lock()).await?;
    for piece in data.chunks(BUFFER) {
        let mut piece = piece;
        while !piece.is_empty() {
            again(&granted)?;
            let written = poll_fn(|context| socket.stream.borrow_mut().poll_write(context, piece));
            let written = match socket.wait(shown, written).await? {
                Ok(0) => Err(std::io::ErrorKind::WriteZero.into()),
                other => other,
            };
            let written = written.map_err(|error| failed(&error, "writing", shown))?;
            piece = piece.get(written..).unwrap_or_default();
        }
    }
    let flushed = poll_fn(|context| socket.stream.borrow_mut().poll_flush(context));
    let flushed = socket.wait(shown, flushed).await?;
    flushed.map_err(|error| failed(&error, "writing", shown))?;
    Ok(Value::Number(data.len() as f64).into())
}

/// Tells the other side that nothing more is written. Reading continues.
async fn end(granted: Call, connection: Rc<Connection>, _: Arguments) -> Result<(), OperationError> {
    let socket = connection.used();
    drop(connection);
    let shown = granted.shown();
    let _turn = socket.wait(shown, socket.outgoing.lock()).await?;
    again(&granted)?;
    let ended = poll_fn(|context| socket.stream.borrow_mut().poll_shutdown(context));
    let ended = socket.wait(shown, ended).await?;
    ended.map_err(|error| failed(&error, "ending", shown))
}

/// Sends small pieces at once (true), or together with later ones (false).
fn set_no_delay(
    granted: Call,
    connection: Rc<Connection>,
    arguments: Arguments,
) -> Result<(), OperationError> {
    let socket = connection.used();
    let set = socket
        .stream
        .borrow()
        .socket()
        .set_nodelay(arguments.has_flag(0, "on"));
    set.map_err(|error| failed(&error, "setNoDelay", granted.shown()))
}

/// The names of the methods of a connection, for one action.
struct Names {
    action: ActionName,
    /// The method that opens such connections.
    title: &'static str,
    read: &'static str,
    write: &'static str,
    end: &'static str,
    no_delay: &'static str,
}

const NAMES: [Names; 2] = [
    Names {
        action: ActionName::CONNECT,
        title: "connect",
        read: "connectedRead",
        write: "connectedWrite",
        end: "connectedEnd",
        no_delay: "connectedNoDelay",
    },
    Names {
        action: ActionName::LISTEN,
        title: "listen",
        read: "acceptedRead",
        write: "acceptedWrite",
        end: "acceptedEnd",
        no_delay: "acceptedNoDelay",
    },
];

/// Declares the methods that open connections, and those of connections.
pub(super) fn declare(methods: &mut Methods<Net>) {
    methods
        .on(ActionName::CONNECT, |asked| {
            let (origin, shown) = destination::parse("tcp", asked.text(0)?, "connect")?;
            Ok((Operation::net_connect(&origin).into_owned(), shown.into()))
        })
        .asynchronous("connect", connect);
    methods
        .on(ActionName::CONNECT, |asked| {
            let (origin, shown) = destination::parse("tls", asked.text(0)?, "connectTls")?;
            Ok((Operation::net_connect(&origin).into_owned(), shown.into()))
        })
        .asynchronous("connectTls", connect_tls);
    let mut connection = methods.resource::<Connection>();
    for names in NAMES {
        let (action, title) = (names.action, names.title);
        connection.on(action).titled(title).filling(names.read, read);
        connection
            .on(action)
            .titled(title)
            .asynchronous(names.write, write);
        connection.on(action).titled(title).asynchronous(names.end, end);
        connection
            .on(action)
            .titled(title)
            .sync(names.no_delay, set_no_delay);
    }
    connection.close("connectionClose");
}
