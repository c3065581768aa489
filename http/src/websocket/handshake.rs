//! The handshakes of clients and servers (RFC 6455, section 4).

use axum::body::Body;
use axum::http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use axum::http::{Method, Request, Response, StatusCode};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::counted::{Counted, Reserve};
use super::{Connection, Socket, SocketLimits, config};
use crate::server::Switching;

/// The request of a client.
#[derive(Clone, Debug)]
pub struct Handshake<'a> {
    /// The URL, with the scheme `ws` or `wss`, without a fragment.
    pub url: &'a str,
    /// The host, and the port if it is not the scheme's own.
    pub host: &'a str,
    /// The names of subprotocols, in order of preference. Each must be a token.
    pub protocols: &'a [String],
    /// The value of the header `User-Agent`.
    pub agent: &'static str,
}

/// The reason why a handshake failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The URL or a protocol cannot be sent.
    #[error("the request has characters that cannot be sent")]
    Request,
    /// The server answered with another status. It is not followed if it is a redirect.
    #[error("the server answered with the status {}, and not with 101", .0.as_u16())]
    Status(StatusCode),
    /// The response is not the answer to this handshake.
    #[error("the server's answer is not valid: {0}")]
    Response(String),
    /// The connection broke off.
    #[error("the connection broke off")]
    Broken,
}

/// Sends the handshake of a client, and checks the answer. Returns the socket, and the subprotocol of the server. The
/// caller has reserved [`SOCKET`](super::SOCKET) bytes.
///
/// # Errors
/// The server did not accept it, or its answer is not valid.
pub async fn connect(
    connection: Box<dyn Connection>,
    handshake: Handshake<'_>,
    limits: SocketLimits,
    reserve: Reserve,
) -> Result<(Socket, String), HandshakeError> {
    let mut request = Request::builder()
        .method(Method::GET)
        .uri(handshake.url)
        .header(HOST, handshake.host)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, generate_key())
        .header(USER_AGENT, handshake.agent);
    if !handshake.protocols.is_empty() {
        request = request.header(SEC_WEBSOCKET_PROTOCOL, handshake.protocols.join(", "));
    }
    let request = request.body(()).map_err(|_| HandshakeError::Request)?;
    let counted = Counted::new(connection, limits.message, reserve);
    let connected = tokio_tungstenite::client_async_with_config(request, counted, Some(config(limits))).await;
    let (mut stream, response) = connected.map_err(|error| match error {
        Error::Http(response) => HandshakeError::Status(response.status()),
        Error::Io(_) => HandshakeError::Broken,
        Error::Protocol(why) => HandshakeError::Response(why.to_string()),
        other => HandshakeError::Response(other.to_string()),
    })?;
    let wrong = |why: &str| HandshakeError::Response(why.to_owned());
    let headers = response.headers();
    // These are checked here, because the library does not.
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(wrong("it names an extension, and none was offered"));
    }
    for name in [SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE] {
        if headers.get_all(&name).iter().count() > 1 {
            return Err(wrong("it has a header twice"));
        }
    }
    let protocol = headers.get(SEC_WEBSOCKET_PROTOCOL);
    let protocol = protocol
        .and_then(|protocol| protocol.to_str().ok())
        .unwrap_or_default();
    let protocol = protocol.to_owned();
    stream.get_mut().delivered();
    Ok((Socket::new(stream, limits), protocol))
}

/// The reason why a request cannot be upgraded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The request is no handshake.
    #[error("the request is no handshake of WebSocket: {0}")]
    Request(&'static str),
    /// The client did not offer the subprotocol.
    #[error("the client did not offer the protocol {0:?}; choose one of its header sec-websocket-protocol")]
    Protocol(String),
}

/// A handshake that the server accepts.
#[derive(Clone, Debug)]
pub struct Accepted {
    key: HeaderValue,
    protocol: Option<HeaderValue>,
}

impl Accepted {
    /// Checks the handshake of a client. `protocol` is the subprotocol that the server chooses.
    ///
    /// # Errors
    /// The request is no handshake, or the client did not offer the protocol.
    pub fn of(method: &Method, headers: &HeaderMap, protocol: Option<&str>) -> Result<Self, UpgradeError> {
        let wrong = |what| Err(UpgradeError::Request(what));
        if *method != Method::GET {
            return wrong("its method is not GET");
        }
        if !has_token(headers, &CONNECTION, "upgrade") {
            return wrong("its header connection has no `Upgrade`");
        }
        if !has_token(headers, &UPGRADE, "websocket") {
            return wrong("its header upgrade has no `websocket`");
        }
        if single(headers, &SEC_WEBSOCKET_VERSION) != Some("13") {
            return wrong("its header sec-websocket-version is not 13");
        }
        let key = single(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        let Some(key) = key else {
            return wrong("its header sec-websocket-key is not 16 bytes in base64");
        };
        let key = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
        let Ok(key) = key else {
            return wrong("its header sec-websocket-key cannot be answered");
        };
        let protocol = protocol.map(|protocol| {
            let other = || UpgradeError::Protocol(protocol.to_owned());
            let is_offered = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == protocol);
            let value = HeaderValue::from_str(protocol).map_err(|_| other())?;
            if is_offered { Ok(value) } else { Err(other()) }
        });
        Ok(Accepted {
            key,
            protocol: protocol.transpose()?,
        })
    }

    /// Returns the response that accepts the handshake.
    pub fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.extensions_mut().insert(Switching);
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.key);
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

/// Returns true for the base64 of 16 bytes: 22 characters that end with one of four, and two `=`.
fn is_key(key: &str) -> bool {
    let Some(text) = key.strip_suffix("==") else {
        return false;
    };
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len() == 22 && text.bytes().all(is_digit) && text.ends_with(['A', 'Q', 'g', 'w'])
}

/// Returns the value of a header that occurs once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

/// Returns the parts of a header between its commas.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(changes: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let all = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "chat, news"),
        ];
        for (name, value) in all.iter().chain(changes) {
            headers.insert(*name, HeaderValue::from_static(value));
            if value.is_empty() {
                headers.remove(*name);
            }
        }
        headers
    }

    /// SERVE-35: the example of RFC 6455, section 1.3.
    #[test]
    fn a_handshake_is_accepted() {
        let accepted = Accepted::of(&Method::GET, &headers(&[]), Some("news")).unwrap();
        let response = accepted.response();
        let headers = response.headers();
        assert_eq!(headers[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "news");
        assert_eq!(response.status(), 101);
    }

    /// SERVE-35.
    #[test]
    fn other_requests_are_refused() {
        for change in [
            ("connection", "keep-alive"),
            ("connection", ""),
            ("upgrade", "h2c"),
            ("upgrade", ""),
            ("sec-websocket-version", "8"),
            ("sec-websocket-version", ""),
            ("sec-websocket-key", ""),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ="),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR=="),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j Q=="),
        ] {
            let refused = Accepted::of(&Method::GET, &headers(&[change]), None);
            assert!(matches!(refused, Err(UpgradeError::Request(_))), "{change:?}");
        }
        let post = Accepted::of(&Method::POST, &headers(&[]), None);
        assert!(matches!(post, Err(UpgradeError::Request(_))));
        for protocol in ["other", "chat, news", "chat\r\nset-cookie: a", ""] {
            let refused = Accepted::of(&Method::GET, &headers(&[]), Some(protocol));
            assert_eq!(refused.unwrap_err(), UpgradeError::Protocol(protocol.to_owned()));
        }
        let mut twice = headers(&[]);
        twice.append(
            "sec-websocket-key",
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        assert!(Accepted::of(&Method::GET, &twice, None).is_err());
    }
}
