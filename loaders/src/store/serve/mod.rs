//! An HTTP server for a local store.

mod add;
mod options;
mod quota;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use secure_runtime_http::{Activity, Admitted, Answering, Connections, End, Pace, Wire, accept};
use tokio::net::{TcpListener, TcpStream};

use self::quota::Quotas;
use super::outboard_reader::OutboardReader;
use super::pieces::on_a_thread;
use super::range::{self, Wanted};
use super::{LocalStore, StoreError, blocking, signatures};
use crate::ContentHash;
use crate::http::MAX_BEARER_TOKEN;

pub use self::options::ServeOptions;
pub use self::quota::Account;

/// The kind of access to a blob over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading the blob, its outboard, or a signature about it.
    Read,
    /// Uploading the blob.
    Add,
}

/// A denial. The client receives the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// The reason.
    pub reason: String,
}

/// A function that decides about an access to a blob and returns the account that the access counts for. The last
/// argument is the token of the request (`Authorization: Bearer …`).
pub type Authorize =
    Arc<dyn Fn(Access, &ContentHash, Option<&str>) -> Result<Account, Refused> + Send + Sync>;

/// The access control of a store that requires tokens.
#[derive(Clone)]
pub struct Guard {
    /// The decision function. It is called once for each request, before the store is read.
    pub authorize: Authorize,
    /// True if everyone may read. Only uploads are then decided.
    pub public_read: bool,
}

/// Maximum length of the `Authorization` header, in bytes.
const MAX_AUTHORIZATION: usize = MAX_BEARER_TOKEN + 64;

/// Maximum length of a request's head, in bytes: a token and the other headers that clients and proxies send.
const MAX_HEAD: usize = 64 * 1024;

/// Maximum number of headers of a request.
const MAX_HEADERS: usize = 100;

/// Serves the blobs of `store` on `listener` until `shutdown` completes, then finishes the open requests.
///
/// Without a guard, everyone may read and nobody may upload. Blobs cannot be listed or changed. Each byte is verified
/// before it is sent. If the store is damaged, the server responds with status 500 or breaks off, and never sends wrong
/// bytes. The options limit clients that are slow, idle or numerous.
///
/// # Errors
/// Currently none. Errors of the listener concern single connections or are temporary.
pub async fn serve(
    store: LocalStore,
    listener: TcpListener,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let connections = Connections::new(options.connections(), options.connections_per_address);
    let server = Arc::new(Server {
        store,
        quotas: Quotas::new(&options),
        options,
    });
    let ending = server.options.ending;
    accept(
        listener,
        connections,
        ending,
        shutdown,
        |connection, admitted, end| server.clone().connection(connection, admitted, end),
    )
    .await;
    Ok(())
}

struct Server {
    store: LocalStore,
    quotas: Arc<Quotas>,
    options: ServeOptions,
}

impl Server {
    /// Serves the requests of a connection. The connection is counted until this ends.
    async fn connection(self: Arc<Self>, connection: TcpStream, admitted: Admitted, end: End) {
        let pace = Pace::new(self.options.patience, self.options.slowest);
        let wire = Wire::new(connection, admitted.activity.clone(), pace);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.options.head)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        let service = service_fn(|request: Request<Incoming>| {
            let (server, activity) = (self.clone(), admitted.activity.clone());
            async move { Ok::<_, Infallible>(server.answer(request.map(Body::new), &activity).await) }
        });
        let served = end.watch(http.serve_connection(TokioIo::new(wire), service), |connection| {
            connection.graceful_shutdown();
        });
        if let Err(error) = served.await {
            tracing::debug!(%error, "a connection broke off");
        }
        drop(admitted);
    }

    async fn answer(&self, request: Request, activity: &Arc<Activity>) -> Response {
        let answering = activity.answering();
        let framing = [CONTENT_LENGTH, TRANSFER_ENCODING];
        let has_body = framing.iter().any(|name| request.headers().contains_key(name));
        let answer = self.route(request, &answering).await;
        let mut answer = answer.unwrap_or_else(|refusal| *refusal);
        if has_body || activity.had_body() {
            insert(&mut answer, CONNECTION, "close");
        }
        answering.work(false);
        answer.map(|body| {
            Body::new(Answer {
                body,
                _answering: answering,
            })
        })
    }

    async fn route(&self, request: Request, answering: &Answering) -> Result<Response, Refusal> {
        let path = address(request.uri())?.to_owned();
        let mut words = path.split('/').skip(1);
        let words = [(); 5].map(|()| words.next());
        match words {
            [Some("blobs"), Some(shard), Some(digits), None, None] => {
                self.blob(shard, digits, request, answering).await
            }
            [Some("outboards"), Some(shard), Some(digits), None, None] => {
                self.outboard(shard, digits, request.method(), request.headers())
                    .await
            }
            [Some("signatures"), Some(shard), Some(digits), Some(key), None] => {
                let subject = hash(shard, digits)?;
                self.authorize(Access::Read, &subject, request.headers())?;
                Ok(signatures::answer(self.store.clone(), subject, key, request.method()).await)
            }
            _ => Err(refusal(
                StatusCode::NOT_FOUND,
                "blobs are at /blobs/ab/<64 digits>\n",
            )),
        }
    }
}

/// Returns the path of a request. Each blob has only one spelling of its address, so that caches and rules of
/// intermediate servers apply to it. The path starts at the root and has no escapes and no query.
fn address(uri: &Uri) -> Result<&str, Refusal> {
    let is_plain = uri.scheme().is_none() && uri.authority().is_none() && uri.query().is_none();
    if is_plain && !uri.path().contains('%') {
        return Ok(uri.path());
    }
    Err(refusal(
        StatusCode::BAD_REQUEST,
        "an address is a path of letters, digits and slashes\n",
    ))
}

/// The body of a response. The request counts as active until the body was sent.
struct Answer {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response that ends the request early.
type Refusal = Box<Response>;

impl Server {
    async fn blob(
        &self,
        shard: &str,
        digits: &str,
        request: Request,
        answering: &Answering,
    ) -> Result<Response, Refusal> {
        let access = self.access(request.method(), true)?;
        let hash = hash(shard, digits)?;
        let account = self.authorize(access, &hash, request.headers())?;
        if access == Access::Add {
            return self.add(&hash, account, request, answering).await;
        }
        let (parts, _) = request.into_parts();
        let headers = parts.headers;
        let tag = format!("\"{digits}\"");
        let size = self.store.size(&hash).map_err(|error| failure(&hash, &error))?;
        let (status, range) = match range::wanted(&headers, &tag, size) {
            Wanted::Whole => (StatusCode::OK, 0..size),
            Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            Wanted::Nowhere => {
                let mut answer = text(StatusCode::RANGE_NOT_SATISFIABLE, "there are no such bytes\n");
                insert(&mut answer, CONTENT_RANGE, &format!("bytes */{size}"));
                return Err(answer.into());
            }
        };
        // Verify the first group before the head of the response is sent, so that the status can report an error.
        let (store, start) = (self.store.clone(), range.start);
        let (first, reader) = blocking(move || {
            let mut reader = store.stream(&hash, start)?;
            Ok((reader.next_group()?, reader))
        })
        .await
        .map_err(|error| failure(&hash, &error))?;
        if range::is_known(&headers, &tag) {
            return Ok(self.described(StatusCode::NOT_MODIFIED.into_response(), &tag));
        }
        let length = range.end - range.start;
        let body = if parts.method == Method::HEAD {
            Body::empty()
        } else {
            let mut reader =
                Some(reader).filter(|_| first.as_ref().is_some_and(|first| (first.len() as u64) < length));
            let rest = std::iter::from_fn(move || {
                let next = reader.as_mut()?.next_group().transpose();
                if !matches!(next, Some(Ok(_))) {
                    reader = None;
                }
                next.map(|next| next.map_err(io::Error::other))
            });
            Body::from_stream(on_a_thread(first.into_iter().map(Ok).chain(rest), length))
        };
        let mut answer = self.described((status, body).into_response(), &tag);
        insert(&mut answer, CONTENT_LENGTH, &length.to_string());
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
            insert(&mut answer, CONTENT_RANGE, &range);
        }
        Ok(answer)
    }

    async fn outboard(
        &self,
        shard: &str,
        digits: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Refusal> {
        let access = self.access(method, false)?;
        let hash = hash(shard, digits)?;
        self.authorize(access, &hash, headers)?;
        let store = self.store.clone();
        let reader = blocking(move || OutboardReader::open(&store, &hash)).await;
        let reader = reader.map_err(|error| failure(&hash, &error))?;
        let length = reader.length();
        let body = if method == Method::HEAD {
            Body::empty()
        } else {
            Body::from_stream(on_a_thread(reader.pieces(), length))
        };
        // The outboard has its own tag, because its content differs from the blob's.
        let mut answer = self.described(body.into_response(), &format!("\"outboard-{digits}\""));
        insert(&mut answer, CONTENT_LENGTH, &length.to_string());
        insert(&mut answer, ACCEPT_RANGES, "none");
        Ok(answer)
    }

    /// Returns the kind of access for a method.
    fn access(&self, method: &Method, can_be_added: bool) -> Result<Access, Refusal> {
        let can_be_added = can_be_added && self.options.guard.is_some();
        if method == Method::GET || method == Method::HEAD {
            return Ok(Access::Read);
        }
        if method == Method::PUT && can_be_added {
            return Ok(Access::Add);
        }
        let mut answer = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "this method is not supported here\n",
        );
        let methods = if can_be_added {
            "GET, HEAD, PUT"
        } else {
            "GET, HEAD"
        };
        insert(&mut answer, ALLOW, methods);
        Err(answer.into())
    }

    /// Decides before the store is read. A client without read access does not even learn which blobs exist.
    fn authorize(&self, access: Access, hash: &ContentHash, headers: &HeaderMap) -> Result<Account, Refusal> {
        let everybody = Account::new(b"");
        let Some(guard) = &self.options.guard else {
            return Ok(everybody);
        };
        if guard.public_read && access == Access::Read {
            return Ok(everybody);
        }
        let token = bearer(headers)?;
        (guard.authorize)(access, hash, token).map_err(|refused| {
            let status = match token {
                Some(_) => StatusCode::FORBIDDEN,
                None => StatusCode::UNAUTHORIZED,
            };
            let mut answer = text(status, format!("{refused}\n"));
            if token.is_none() {
                insert(&mut answer, WWW_AUTHENTICATE, "Bearer");
            }
            // The decision depends on the token, so no cache may keep it.
            insert(&mut answer, CACHE_CONTROL, "no-store");
            answer.into()
        })
    }

    fn described(&self, mut answer: Response, tag: &str) -> Response {
        // If access is restricted, shared caches must not keep the response.
        let is_public = self.options.guard.as_ref().is_none_or(|guard| guard.public_read);
        let cache = if is_public {
            "public, max-age=31536000, immutable"
        } else {
            "private, max-age=31536000, immutable"
        };
        insert(&mut answer, CACHE_CONTROL, cache);
        insert(&mut answer, CONTENT_TYPE, "application/octet-stream");
        insert(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
        insert(&mut answer, ACCEPT_RANGES, "bytes");
        insert(&mut answer, ETAG, tag);
        answer
    }
}

/// Returns the bearer token of a request. Two tokens are rejected, because an intermediate server may have checked the
/// other one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            "there is more than one Authorization header\n",
        ));
    }
    if value.len() > MAX_AUTHORIZATION {
        return Err(refusal(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("a token has at most {MAX_BEARER_TOKEN} bytes\n"),
        ));
    }
    let words = value.to_str().ok().and_then(|value| value.split_once(' '));
    Ok(words
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim()))
}

fn hash(shard: &str, digits: &str) -> Result<ContentHash, Refusal> {
    match ContentHash::from_hex(digits) {
        Ok(hash) if digits.starts_with(shard) && shard.len() == 2 => Ok(hash),
        Ok(_) => Err(refusal(
            StatusCode::BAD_REQUEST,
            "the folder is the first two digits of the hash\n",
        )),
        Err(error) => Err(refusal(StatusCode::BAD_REQUEST, format!("{error}\n"))),
    }
}

/// Returns the response for an error of the store. Only the log has the details.
fn failure(hash: &ContentHash, error: &StoreError) -> Refusal {
    if let StoreError::NotFound { .. } = error {
        return refusal(StatusCode::NOT_FOUND, format!("this store has no {hash}\n"));
    }
    tracing::error!(%error, "a request cannot be answered");
    refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("this store cannot read {hash}\n"),
    )
}

fn refusal(status: StatusCode, reason: impl Into<String>) -> Refusal {
    Box::new(text(status, reason))
}

fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut answer = (status, text.into()).into_response();
    insert(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}

fn insert(answer: &mut Response, name: HeaderName, value: &str) {
    // All inserted values consist of digits and letters, so this does not fail.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
