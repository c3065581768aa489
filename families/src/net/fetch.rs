//! One HTTP request. Every redirect is decided, and every address is checked and pinned. The environment has no
//! influence.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::ext::ReasonPhrase;
use percent_encoding::percent_decode_str;
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, StatusCode};
use secure_runtime_capabilities::{Operation, Origin};
use secure_runtime_engine::extension::{OperationError, Reservation, Value, clipped};

use super::connections::{MOST_IDLE, client};
use super::decode::{self, Decoded};
use super::request::{Content, Redirect, Request, header_text};
use super::{CONNECTION, Call, destination};
use crate::secrets::{Secret, Substituted, hide, substituted};

/// Maximum number of redirects of one fetch, by the Fetch standard.
const MAX_REDIRECTS: usize = 20;

/// The limits of one program.
#[derive(Clone, Copy, Default)]
pub(crate) struct NetLimits {
    /// Maximum size of one response body, in bytes.
    pub(super) body: u64,
    /// Maximum time from the request to the response's head, and between two chunks of its body.
    pub(super) idle: Duration,
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
        let missing = || network_error(&shown, "the host name cannot be resolved");
        let addresses = destination::resolve(granted, &origin, &shown, missing).await?;
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
        let next =
            request.url.join(&location).ok().ok_or_else(|| {
                network_error(&shown, "the server redirects to something that is not a URL")
            })?;
        // The guest can read the URL of a response.
        let texts = [
            next.as_str().as_bytes().to_vec(),
            percent_decode_str(next.as_str()).collect(),
        ];
        if texts.into_iter().any(|mut text| hide(&mut text, &secrets)) {
            return Err(network_error(
                &shown,
                "the server redirects to a URL with a secret in it",
            ));
        }
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
