//! `WebSocket` of the web: a connection to a granted origin. `ws://host:port` is decided like `http://host:port`, and
//! `wss` like `https`. The handshake is not redirected.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secure_runtime_capabilities::{ActionName, Operation, Origin};
use secure_runtime_engine::extension::{
    Arguments, CountedBytes, Methods, OperationError, Output, Reservation, Value, clipped,
};
use secure_runtime_http::websocket::{
    Connection, Handshake, HandshakeError, Held, Incoming, SOCKET, Socket, SocketLimits, connect,
};
use tokio::net::TcpStream;
use url::Url;

use super::request::MAX_HEAD;
use super::{Call, Net, destination, tls};

/// Maximum size of a received message, in bytes, if the program's limit of responses is not lower.
const MAX_MESSAGE: u64 = 16 << 20;

/// The name of this program in the handshake.
const AGENT: &str = concat!("secure-runtime/", env!("CARGO_PKG_VERSION"));

/// A socket, which does not exist before its handshake is done.
struct Open {
    target: Target,
    protocols: Vec<String>,
    socket: OnceCell<Socket>,
    _memory: Reservation,
}

impl Open {
    fn socket(&self) -> Result<&Socket, OperationError> {
        let socket = self.socket.get();
        socket.ok_or_else(|| failed(self.target.url.as_str(), "it is not connected"))
    }
}

/// A checked URL of a socket.
struct Target {
    /// The URL with the scheme `ws` or `wss`.
    url: Url,
    origin: Origin,
}

impl Target {
    fn of(text: &str) -> Result<Self, OperationError> {
        let wrong = |why: &str| OperationError::type_error(format!("WebSocket {:?}: {why}", clipped(text)));
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        let scheme = match url.scheme() {
            "ws" => "http",
            "wss" => "https",
            _ => return Err(wrong("only ws and wss URLs can be connected to")),
        };
        if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "the URL must not carry a fragment, a user name or a password",
            ));
        }
        let mut http = url.clone();
        http.set_scheme(scheme)
            .map_err(|()| wrong("the URL has no origin"))?;
        let origin = Origin::of_url(&http).map_err(|error| wrong(&error.to_string()))?;
        Ok(Target { url, origin })
    }
}

/// Returns the error of a socket that failed.
fn failed(shown: &str, why: &str) -> OperationError {
    OperationError::system(
        "Error",
        "ECONNABORTED",
        format!("WebSocket {:?}: {why}", clipped(shown)),
    )
}

/// Checks the URL and the protocols, and takes the memory of a socket.
fn open(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let target = Target::of(arguments.text(0)?)?;
    let protocols = arguments.flags(1);
    let names = protocols.iter().map(String::len);
    let head = names.fold(target.url.as_str().len(), usize::saturating_add);
    if head > MAX_HEAD {
        return Err(OperationError::type_error(format!(
            "WebSocket: the URL and the protocols have {head} bytes; the limit is {MAX_HEAD}"
        )));
    }
    let permit = granted.permit_open()?;
    let opened = Open {
        target,
        protocols,
        socket: OnceCell::new(),
        _memory: granted.reserve(SOCKET.saturating_add(head), "connect to")?,
    };
    Ok(granted.open(&[ActionName::CONNECT], opened, permit, Value::Null))
}

/// Connects, and does the handshake. Returns the protocol of the server.
async fn connected(granted: Call, open: Rc<Open>, _arguments: Arguments) -> Result<Output, OperationError> {
    let limits = **granted.isolate()?.program();
    let connecting = handshake(&granted, &open.target, &open.protocols, limits.body, limits.idle);
    let connected = tokio::time::timeout(limits.idle, connecting).await;
    let late = |_| Err(failed(granted.shown(), "the server did not answer in time"));
    let (socket, protocol) = connected.unwrap_or_else(late)?;
    granted.check_again()?;
    let again = |_| failed(granted.shown(), "it is connected already");
    open.socket.set(socket).map_err(again)?;
    Ok(Value::from(protocol).into())
}

async fn handshake(
    granted: &Call,
    target: &Target,
    protocols: &[String],
    most: u64,
    idle: Duration,
) -> Result<(Socket, String), OperationError> {
    let Target { url, origin } = target;
    let shown = url.as_str();
    let missing = || failed(shown, "the host name cannot be resolved");
    let addresses = destination::resolve(granted, origin, shown, missing).await?;
    let stream = TcpStream::connect(&*addresses).await;
    let stream = stream.map_err(|_| failed(shown, "no connection"))?;
    // Without this, a small message may wait for the answer to the one before.
    let _ = stream.set_nodelay(true);
    let connection: Box<dyn Connection> = if url.scheme() == "wss" {
        let host = granted.extension().0.as_ref();
        let host = host.ok_or_else(|| failed(shown, "the host has no configuration of TLS"))?;
        // The handshake is one of HTTP/1.1.
        let config = Arc::new(tls::of_host(host, vec![b"http/1.1".to_vec()]));
        let stream = tls::begin(config, origin, stream, "WebSocket", shown).await?;
        Box::new(stream)
    } else {
        Box::new(stream)
    };
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let limits = SocketLimits {
        message: usize::try_from(most.min(MAX_MESSAGE)).unwrap_or(usize::MAX),
        patience: Some(idle),
        silence: None,
    };
    let request = Handshake {
        url: shown,
        host: &host,
        protocols,
        agent: AGENT,
    };
    let reserver = granted.reserver();
    let reserve = move |bytes| Some(Box::new(reserver(bytes)?) as Held);
    let connected = connect(connection, request, limits, Box::new(reserve)).await;
    connected.map_err(|error| match error {
        HandshakeError::Status(status) if status.is_redirection() => {
            failed(shown, "the server redirects, and a handshake is not redirected")
        }
        error => failed(shown, &error.to_string()),
    })
}

/// Sends a message: whether it is text, and its bytes.
async fn send(granted: Call, open: Rc<Open>, mut arguments: Arguments) -> Result<(), OperationError> {
    let is_text = matches!(arguments.get(0), Value::Bool(true));
    let message = arguments.take_bytes(1)?;
    let sent = open.socket()?.send(is_text, Bytes::from(message)).await;
    sent.map_err(|error| failed(granted.shown(), &error.to_string()))
}

/// Returns the next message: a text, bytes, or the code and the reason of the end.
async fn receive(granted: Call, open: Rc<Open>, _arguments: Arguments) -> Result<Output, OperationError> {
    let received = open.socket()?.receive().await;
    let received = received.map_err(|error| failed(granted.shown(), &error.to_string()))?;
    // A revoked or expired capability does not get what arrived meanwhile.
    granted.check_again()?;
    match received {
        Incoming::Text(text) => {
            granted.count(CountedBytes::Fetched, text.len())?;
            granted.has_room_for_text(text.len(), "receive from")?;
            let held = granted.reserve_result(text.len(), "receive from").await?;
            Ok(Output::text(text, held))
        }
        Incoming::Binary(bytes) => {
            granted.count(CountedBytes::Fetched, bytes.len())?;
            let held = granted.reserve_result(bytes.len(), "receive from").await?;
            Ok(Output::bytes(bytes, held))
        }
        Incoming::Closed { code, reason } => {
            let code = code.map_or(Value::Null, |code| u32::from(code).into());
            Ok(Output::from(vec![code, reason.into()]))
        }
    }
}

/// Begins the end: the code or null, and the reason.
async fn close(granted: Call, open: Rc<Open>, arguments: Arguments) -> Result<(), OperationError> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and the script has checked the code"
    )]
    let code = match arguments.get(0) {
        Value::Number(code) => Some(*code as u16),
        _ => None,
    };
    let closed = open.socket()?.close(code, arguments.text(1)?).await;
    closed.map_err(|error| failed(granted.shown(), &error.to_string()))
}

/// Declares the methods of sockets.
pub(super) fn methods(methods: &mut Methods<Net>) {
    methods
        .on(ActionName::CONNECT, |asked| {
            let url = asked.text(0)?;
            let target = Target::of(url)?;
            Ok((Operation::net_connect(&target.origin).into_owned(), url.into()))
        })
        .titled("webSocket")
        .sync("socketOpen", open);
    let mut socket = methods.resource::<Open>();
    socket
        .on(ActionName::CONNECT)
        .titled("webSocket")
        .asynchronous("socketConnect", connected);
    socket
        .on(ActionName::CONNECT)
        .titled("webSocket")
        .asynchronous("socketSend", send);
    socket
        .on(ActionName::CONNECT)
        .titled("webSocket")
        .asynchronous("socketReceive", receive);
    socket
        .on(ActionName::CONNECT)
        .titled("webSocket")
        .asynchronous("socketClose", close);
    socket.close("socketDrop");
}
