//! A request of a guest, with checked parts.

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use secure_runtime_capabilities::Origin;
use secure_runtime_engine::extension::{OperationError, Reservation, Value};
use url::Url;

use super::Call;
use super::upload::Pieces;

/// Maximum size of a request's method, URL and headers together, in bytes.
pub(super) const MAX_HEAD: usize = 1 << 20;
/// Maximum number of headers of a request, where each value counts. The header map panics at 24,576 names, and most
/// servers accept a hundred.
const MAX_HEADERS: usize = 1024;

/// Number of copies of a head while the request is sent. They are its parts, and the buffer of the HTTP client, which
/// may have twice the size.
const COPIES: usize = 3;

/// A request with checked parts.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Content,
    pub(super) redirect: Redirect,
    /// The size of the method, the URL and the headers, in bytes.
    head: usize,
    /// The memory of the head while the request is sent.
    _memory: Option<Reservation>,
}

/// The body of a request.
pub(super) enum Content {
    None,
    Whole(Bytes),
    /// A body that the guest still produces. It can be sent once.
    Pieces(Option<Pieces>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirect {
    Follow,
    Error,
    Manual,
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
            head,
            _memory: None,
        })
    }

    /// Reserves the memory of the head until the response begins.
    ///
    /// # Errors
    /// The isolate's limit is exceeded.
    pub(super) fn reserved(self, granted: &Call) -> Result<Self, OperationError> {
        let memory = granted.reserve(self.head * COPIES, "fetch")?;
        Ok(Request {
            _memory: Some(memory),
            ..self
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
pub(super) fn header_text(value: &HeaderValue) -> String {
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

impl Request {
    /// Returns the request that follows a redirect, by the rules of the Fetch standard. At another origin, only the
    /// guest's headers that describe the content are sent.
    pub(super) fn redirected_to(mut self, next: Url, status: StatusCode) -> Self {
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
