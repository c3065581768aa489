//! One HTTP request. Every redirect is decided, and every address is checked and pinned. The environment has no
//! influence.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use percent_encoding::percent_decode_str;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use secure_runtime_capabilities::{Operation, Origin};
use secure_runtime_engine::extension::{OperationError, Reservation, Value, clipped};
use url::{Host, Url};

use super::connections::{MOST_IDLE, client};
use super::decode::{self, Decoded};
use super::upload::Pieces;
use super::{CONNECTION, Call, destination};
use crate::secrets::{Secret, Substituted, hide, substituted};

/// Maximum number of redirects of one fetch, by the Fetch standard.
const MAX_REDIRECTS: usize = 20;

/// Maximum size of a request's method, URL and headers together, in bytes.
pub(super) const MAX_HEAD: usize = 1 << 20;
/// Maximum number of headers of a request, where each value counts. The header map panics at 24,576 names, and most
/// servers accept a hundred.
const MAX_HEADERS: usize = 1024;

/// The limits of one program.
#[derive(Clone, Copy, Default)]
pub(crate) struct NetLimits {
    /// Maximum size of one response body, in bytes.
    pub(super) body: u64,
    /// Maximum time from the request to the response's head, and between two chunks of its body.
    pub(super) idle: Duration,
}

/// A request with checked parts.
pub(super) struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Content,
    redirect: Redirect,
}

/// The body of a request.
enum Content {
    None,
    Whole(Bytes),
    /// A body that the guest still produces. It can be sent once.
    Pieces(Option<Pieces>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Redirect {
    Follow,
    Error,
    Manual,
}

/// A response whose body has not been received yet.
pub(super) struct Received {
    /// Status, reason, URL, whether there were redirects, and the headers, in the form that net.js reads.
    pub(super) head: Value,
    pub(super) body: Body,
    /// The origin that sent it.
    pub(super) origin: Origin,
}

/// A response body that is being received, with the number of decoded bytes that it may still contain.
pub(super) struct Body {
    source: Source,
    /// The memory of decoders.
    _decoders: Vec<Reservation>,
    /// The secrets that the request had. The server may repeat them.
    secrets: Vec<Secret>,
    /// The origin, for error messages.
    shown: String,
    left: u64,
    limit: u64,
    idle: Duration,
}

enum Source {
    Plain(Box<reqwest::Response>),
    Decoded(Decoded),
}

impl Request {
    /// Checks the parts of a request: URL, method, headers, redirect mode, and body.
    ///
    /// # Errors
    /// One of them is not valid.
    pub(super) fn of(parts: &[Value]) -> Result<Self, OperationError> {
        let malformed = || OperationError::type_error("fetch: the request is malformed");
        let [
            Value::Text(url),
            Value::Text(method),
            Value::List(headers),
            Value::Text(redirect),
            body,
        ] = parts
        else {
            return Err(malformed());
        };
        let headers: Option<Vec<(&str, &str)>> = headers
            .iter()
            .map(|pair| match pair {
                Value::List(pair) => match &**pair {
                    [Value::Text(name), Value::Text(value)] => Some((name.as_str(), value.as_str())),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let headers = headers.ok_or_else(malformed)?;
        let head = headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .fold(method.len() + url.len() + redirect.len(), usize::saturating_add);
        if head > MAX_HEAD {
            return Err(OperationError::type_error(format!(
                "fetch: method, URL and headers have {head} bytes; the limit is {MAX_HEAD}"
            )));
        }
        if headers.len() > MAX_HEADERS {
            return Err(OperationError::type_error(format!(
                "fetch: there are {} headers; the limit is {MAX_HEADERS}",
                headers.len()
            )));
        }
        let parsed = Url::parse(url)
            .map_err(|error| OperationError::type_error(format!("fetch: {url:?}: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(OperationError::type_error(format!(
                "fetch: {url:?}: only http and https URLs can be fetched"
            )));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(OperationError::type_error(
                "fetch: a URL must not carry a user name or password; use a header",
            ));
        }
        let method = match method.to_ascii_uppercase().as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH") => {
                Method::from_bytes(known.as_bytes())
            }
            "CONNECT" | "TRACE" | "TRACK" => {
                return Err(OperationError::type_error(format!(
                    "fetch: method {method} is not allowed"
                )));
            }
            _ => Method::from_bytes(method.as_bytes()),
        }
        .map_err(|_| OperationError::type_error(format!("fetch: {method:?} is not an HTTP method")))?;
        let body = match body {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        };
        if body.is_some() && matches!(method, Method::GET | Method::HEAD) {
            return Err(OperationError::type_error(
                "fetch: a GET or HEAD request has no body",
            ));
        }
        let redirect = match redirect.as_str() {
            "follow" => Redirect::Follow,
            "error" => Redirect::Error,
            "manual" => Redirect::Manual,
            other => {
                return Err(OperationError::type_error(format!(
                    "fetch: redirect is follow, error or manual, not {other:?}"
                )));
            }
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let checked = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| OperationError::type_error(format!("fetch: {name:?} is not a header name")))?;
            if is_forbidden(&checked) {
                return Err(OperationError::type_error(format!(
                    "fetch: header {name:?} is set by the runtime"
                )));
            }
            let value = header_value(value).ok_or_else(|| {
                OperationError::type_error(format!(
                    "fetch: the value of header {name:?} has characters that are not allowed: control characters, or \
                     characters beyond U+00FF"
                ))
            })?;
            map.try_append(checked, value)
                .map_err(|_| OperationError::type_error("fetch: there are too many headers"))?;
        }
        Ok(Request {
            method,
            url: parsed,
            headers: map,
            // The bytes are copied when the request is sent.
            body: Content::None,
            redirect,
        })
    }

    /// Adds the body.
    pub(super) fn with_body(self, body: Value) -> Self {
        let body = match body {
            Value::Bytes(bytes) => Content::Whole(Bytes::from(bytes)),
            _ => Content::None,
        };
        Request { body, ..self }
    }

    /// Adds a body that the guest still produces.
    ///
    /// # Errors
    /// The request has a method without a body.
    pub(super) fn with_pieces(self, pieces: Pieces) -> Result<Self, OperationError> {
        if matches!(self.method, Method::GET | Method::HEAD) {
            return Err(OperationError::type_error(
                "fetch: a GET or HEAD request has no body",
            ));
        }
        let body = Content::Pieces(Some(pieces));
        Ok(Request { body, ..self })
    }

    /// Returns the origin of the URL.
    ///
    /// # Errors
    /// The URL has none.
    pub(super) fn origin(&self, shown: &str) -> Result<Origin, OperationError> {
        Origin::of_url(&self.url)
            .map_err(|error| OperationError::type_error(format!("fetch: {shown:?}: {error}")))
    }
}

/// Returns the bytes of a header's value. Each character up to U+00FF is one byte, by the Fetch standard.
fn header_value(text: &str) -> Option<HeaderValue> {
    let text = text.trim_matches(['\t', '\n', '\r', ' ']);
    let bytes: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(character).ok())
        .collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// Returns the text of a header's value, as [`header_value`] reads it.
fn header_text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// Returns true for headers that state the destination of a request or the framing of its body. They are derived from
/// the decided request, so guests cannot set them.
fn is_forbidden(name: &HeaderName) -> bool {
    let text = name.as_str();
    matches!(
        text,
        "host"
            | "connection"
            | "content-length"
            | "transfer-encoding"
            | "upgrade"
            | "te"
            | "trailer"
            | "expect"
            | "keep-alive"
            | "via"
            | "accept-encoding"
            | "http2-settings"
    ) || text.starts_with("proxy-")
        || text.starts_with("sec-")
}

/// Sends the request and follows redirects. Each redirect is a new decision.
pub(super) async fn follow(
    granted: &Call,
    mut request: Request,
    limits: NetLimits,
) -> Result<Received, OperationError> {
    let mut redirected = false;
    for _ in 0..=MAX_REDIRECTS {
        // The error shows the serialised URL, which is exactly what is sent.
        let shown = request.url.to_string();
        let origin = request.origin(&shown)?;
        // The first URL was decided before this function was called.
        if redirected {
            granted.check(&Operation::net_connect(&origin), &shown)?;
        }
        let addresses = resolve(granted, &origin, &shown).await?;
        let Substituted { headers, secrets, .. } = substituted(granted, &request.headers, &origin)?;
        let response = send(granted, &mut request, &headers, &origin, addresses, limits).await?;
        let status = response.status();
        let target = response
            .headers()
            .get(header::LOCATION)
            .cloned()
            .filter(|_| is_redirect(status));
        let Some(location) = target.filter(|_| request.redirect != Redirect::Manual) else {
            return received(granted, response, origin, &request, (redirected, secrets), limits).await;
        };
        if request.redirect == Redirect::Error {
            return Err(network_error(
                &shown,
                "the server redirects, and redirect is \"error\"",
            ));
        }
        // The body is gone. The standard allows only a redirect that needs none.
        if matches!(request.body, Content::Pieces(_)) && status != StatusCode::SEE_OTHER {
            return Err(network_error(
                &shown,
                "the server redirects, and a body that is a stream cannot be sent again",
            ));
        }
        // Servers send other characters than ASCII as UTF-8, or as Latin-1.
        let location = match std::str::from_utf8(location.as_bytes()) {
            Ok(location) => location.to_owned(),
            Err(_) => header_text(&location),
        };
        // The guest can read the URL of a response.
        let decoded = percent_decode_str(&location).collect::<Vec<u8>>();
        if hide(&mut location.as_bytes().to_vec(), &secrets) || hide(&mut decoded.clone(), &secrets) {
            return Err(network_error(
                &shown,
                "the server redirects to a URL with a secret in it",
            ));
        }
        let next =
            request.url.join(&location).ok().ok_or_else(|| {
                network_error(&shown, "the server redirects to something that is not a URL")
            })?;
        if !matches!(next.scheme(), "http" | "https") {
            return Err(network_error(
                &shown,
                "the server redirects to a scheme that is not http or https",
            ));
        }
        if !next.username().is_empty() || next.password().is_some() {
            return Err(network_error(
                &shown,
                "the server redirects to a URL with a user name or password",
            ));
        }
        request = request.redirected_to(next, status);
        redirected = true;
    }
    Err(network_error(
        request.url.as_str(),
        "the server redirects more than 20 times",
    ))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

impl Request {
    /// Returns the request that follows a redirect, by the rules of the Fetch standard. At another origin, only the
    /// guest's headers that describe the content are sent.
    fn redirected_to(mut self, next: Url, status: StatusCode) -> Self {
        let to_get = (status == StatusCode::SEE_OTHER && !matches!(self.method, Method::GET | Method::HEAD))
            || (matches!(status.as_u16(), 301 | 302) && self.method == Method::POST);
        if to_get {
            self.method = Method::GET;
            self.body = Content::None;
            for name in [
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
                header::CONTENT_LANGUAGE,
                header::CONTENT_LOCATION,
            ] {
                self.headers.remove(name);
            }
        }
        if next.origin() != self.url.origin() {
            let kept = [
                header::ACCEPT,
                header::ACCEPT_LANGUAGE,
                header::CONTENT_TYPE,
                header::CONTENT_LANGUAGE,
            ];
            let all = std::mem::take(&mut self.headers);
            for name in kept {
                for value in all.get_all(&name) {
                    self.headers.append(name.clone(), value.clone());
                }
            }
        }
        self.url = next;
        self
    }
}

/// Returns the addresses of the origin's host.
///
/// A name is refused if any of its addresses is not public, unless the authority grants that address.
pub(super) async fn resolve(
    granted: &Call,
    origin: &Origin,
    shown: &str,
) -> Result<Vec<SocketAddr>, OperationError> {
    let port = origin.port();
    let name = match origin.host() {
        // The grant names the address, so the decision on the origin includes the address.
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Domain(name) => name,
    };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), port))
        .await
        .map_err(|_| network_error(shown, "the host name cannot be resolved"))?
        .collect();
    if addresses.is_empty() {
        return Err(network_error(shown, "the host name has no address"));
    }
    destination::check(granted, origin, &addresses, shown)?;
    Ok(addresses)
}

/// Sends one request on a connection of this capability.
///
/// A server may close an idle connection at the time when it is used again. An idempotent request is then sent once
/// more, on a new connection (RFC 9112, section 9.3.1).
async fn send(
    granted: &Call,
    request: &mut Request,
    headers: &HeaderMap,
    origin: &Origin,
    addresses: Vec<SocketAddr>,
    limits: NetLimits,
) -> Result<reqwest::Response, OperationError> {
    let shown = request.url.to_string();
    let shown = shown.as_str();
    let tls = granted.extension().0.as_ref();
    let tls = tls.ok_or_else(|| network_error(shown, "the host has no configuration of TLS"))?;
    let connections = granted.state().get()?;
    let end = tokio::time::Instant::now() + limits.idle;
    loop {
        let client = connections.client(
            origin,
            addresses.clone(),
            |addresses| client(tls, origin, addresses, limits.idle),
            || granted.reserve(CONNECTION * MOST_IDLE, "fetch").ok(),
        );
        let (client, is_known) = client
            .map_err(|error| network_error(shown, &format!("the HTTP client cannot be made: {error}")))?;
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .header(header::ACCEPT_ENCODING, decode::ACCEPTED)
            .headers(headers.clone());
        let mut progress = None;
        match &mut request.body {
            Content::None => {}
            Content::Whole(body) => builder = builder.body(body.clone()),
            Content::Pieces(pieces) => {
                let sent = || network_error(shown, "a body that is a stream cannot be sent again");
                let pieces = pieces.take().ok_or_else(sent)?;
                progress = Some(pieces.progress());
                builder = builder.body(reqwest::Body::wrap_stream(pieces));
            }
        }
        let can_repeat = is_known && progress.is_none() && request.method.is_idempotent();
        let sent = async {
            match progress {
                None => tokio::time::timeout_at(end, builder.send()).await.map_err(drop),
                Some(progress) => tokio::select! {
                    sent = builder.send() => Ok(sent),
                    () = progress.is_late(limits.idle) => Err(()),
                },
            }
        };
        match sent.await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) if error.is_timeout() => return Err(timed_out(shown)),
            Ok(Err(error)) if can_repeat && !error.is_connect() => {
                connections.forget(origin);
            }
            Ok(Err(error)) => return Err(unsent(shown, &error)),
            Err(()) => return Err(timed_out(shown)),
        }
    }
}

/// Returns the error of a request that got no response.
fn unsent(shown: &str, error: &reqwest::Error) -> OperationError {
    if let Some(why) = certificate(error) {
        return failed(
            shown,
            "CERT_INVALID",
            &format!("the server's certificate is not accepted: {why}"),
        );
    }
    if error.is_connect() {
        return failed(shown, "ECONNREFUSED", "no connection");
    }
    network_error(shown, "the connection failed")
}

/// Returns why a certificate was refused, if that is the reason of the error.
fn certificate(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let within = within.map(|error| error as &(dyn Error + 'static));
        let tls = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| within?.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) = tls {
            return Some(why.to_string());
        }
        cause = within.or_else(|| error.source());
    }
    None
}

async fn received(
    granted: &Call,
    response: reqwest::Response,
    origin: Origin,
    request: &Request,
    (redirected, secrets): (bool, Vec<Secret>),
    limits: NetLimits,
) -> Result<Received, OperationError> {
    let status = response.status();
    let headers = response
        .headers()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "set-cookie" | "set-cookie2"))
        .map(|(name, value)| {
            let text = |bytes: &[u8]| -> String {
                let mut bytes = bytes.to_vec();
                hide(&mut bytes, &secrets);
                bytes.into_iter().map(char::from).collect()
            };
            Value::List(vec![text(name.as_ref()).into(), text(value.as_bytes()).into()])
        })
        .collect();
    let reason = match response.extensions().get::<ReasonPhrase>() {
        Some(reason) => {
            let mut reason = reason.as_bytes().to_vec();
            hide(&mut reason, &secrets);
            reason.into_iter().map(char::from).collect()
        }
        // HTTP/2 has none. The text of a server that sends the standard's is not kept.
        None if response.version() >= reqwest::Version::HTTP_2 => String::new(),
        None => status.canonical_reason().unwrap_or_default().to_owned(),
    };
    let mut url = request.url.clone();
    url.set_fragment(None);
    let head = Value::List(vec![
        u32::from(status.as_u16()).into(),
        reason.into(),
        url.as_str().into(),
        redirected.into(),
        Value::List(headers),
    ]);
    let shown = origin.as_str().to_owned();
    let has_body = request.method != Method::HEAD && !matches!(status.as_u16(), 101 | 204 | 205 | 304);
    let codings = decode::codings(response.headers());
    let mut decoders = Vec::new();
    let source = if has_body && !codings.is_empty() {
        let begin = decode::decoded(response, &codings, |bytes| {
            decoders.push(granted.reserve(bytes, "decode the body of")?);
            Ok::<_, Unstarted>(())
        });
        match tokio::time::timeout(limits.idle, begin).await {
            Ok(Ok(decoded)) => Source::Decoded(decoded),
            Ok(Err(Unstarted::Broken(error))) => return Err(broken(&shown, &error)),
            Ok(Err(Unstarted::NoRoom(error))) => return Err(error),
            Err(_) => return Err(timed_out(&shown)),
        }
    } else {
        Source::Plain(Box::new(response))
    };
    Ok(Received {
        head,
        body: Body {
            source,
            _decoders: decoders,
            secrets,
            shown,
            left: limits.body,
            limit: limits.body,
            idle: limits.idle,
        },
        origin,
    })
}

/// The reason why the decoding of a body could not begin.
enum Unstarted {
    Broken(io::Error),
    NoRoom(OperationError),
}

impl From<io::Error> for Unstarted {
    fn from(error: io::Error) -> Self {
        Unstarted::Broken(error)
    }
}

impl From<OperationError> for Unstarted {
    fn from(error: OperationError) -> Self {
        Unstarted::NoRoom(error)
    }
}

impl Body {
    /// Returns the next chunk, which is empty at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, OperationError> {
        let shown = self.shown.as_str();
        let next = async {
            match &mut self.source {
                Source::Plain(response) => plain(response, shown).await,
                Source::Decoded(decoded) => {
                    let piece = decode::next(decoded).await;
                    piece.map_err(|error| broken(shown, &error))
                }
            }
        };
        let piece = tokio::time::timeout(self.idle, next).await;
        let mut piece = piece.map_err(|_| timed_out(shown))??;
        hide(&mut piece, &self.secrets);
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or_else(|| {
            network_error(
                shown,
                &format!("the response is larger than {} bytes", self.limit),
            )
        })?;
        Ok(piece)
    }
}

async fn plain(response: &mut reqwest::Response, shown: &str) -> Result<Vec<u8>, OperationError> {
    loop {
        let piece = response.chunk().await;
        match piece.map_err(|_| network_error(shown, "the connection broke off"))? {
            None => return Ok(Vec::new()),
            Some(piece) if piece.is_empty() => {}
            Some(piece) => return Ok(piece.to_vec()),
        }
    }
}

/// Returns the error of a body that could not be received or decoded.
fn broken(shown: &str, error: &io::Error) -> OperationError {
    if error.get_ref().is_some_and(|cause| cause.is::<reqwest::Error>()) {
        network_error(shown, "the connection broke off")
    } else {
        network_error(
            shown,
            "the body is not encoded as its header Content-Encoding says",
        )
    }
}

/// Returns the error of a failed request: a `TypeError`, by the Fetch standard.
pub(super) fn network_error(shown: &str, what: &str) -> OperationError {
    OperationError::type_error(format!("fetch {:?}: {what}", clipped(shown)))
}

/// Like [`network_error`], with a code.
fn failed(shown: &str, code: &'static str, what: &str) -> OperationError {
    OperationError::system("TypeError", code, format!("fetch {:?}: {what}", clipped(shown)))
}

fn timed_out(shown: &str) -> OperationError {
    failed(shown, "ETIMEDOUT", "the server did not answer in time")
}
