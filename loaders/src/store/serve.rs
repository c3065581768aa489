//! A local store offered over HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::StreamExt;
use tokio::net::TcpListener;

use super::incoming::Incoming;
use super::outboard_reader::OutboardReader;
use super::pieces::on_a_thread;
use super::range::{self, Wanted};
use super::{LocalStore, StoreError, blocking, signatures};
use crate::ContentHash;
use crate::files::FileError;
use crate::http::MAX_BEARER_TOKEN;

/// What somebody wants to do with a blob over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read it, its outboard, or a signature about it.
    Read,
    /// To add it.
    Add,
}

/// Somebody may not do that. They are told why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// Why not.
    pub reason: String,
}

/// Decides who may do what with which blob: the last argument is the token of the request (`Authorization: Bearer …`).
pub type Authorize = Arc<dyn Fn(Access, &ContentHash, Option<&str>) -> Result<(), Refused> + Send + Sync>;

/// Who may do what with a store that asks for tokens.
#[derive(Clone)]
pub struct Guard {
    /// Decides. It is asked once for each request, before anything is looked up.
    pub authorize: Authorize,
    /// Whether everybody may read; then only adding is decided.
    pub public_read: bool,
}

/// Longest `Authorization` of a request that is looked at, in bytes.
const MAX_AUTHORIZATION: usize = MAX_BEARER_TOKEN + 64;

/// How long a client may pause in what it adds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the blobs of `store` on `listener` until `shutdown` is ready, then ends the requests that have begun.
///
/// Without a guard everybody may read and nobody may add. There is nothing to list and nothing to change. Each
/// byte is verified before it is sent: a damaged store answers 500, or breaks off, and never sends wrong bytes.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    store: LocalStore,
    listener: TcpListener,
    guard: Option<Guard>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let server = Server { store, guard };
    let router = Router::new()
        .route("/blobs/{shard}/{digits}", any(blob))
        .route("/outboards/{shard}/{digits}", any(outboard))
        .route("/signatures/{shard}/{digits}/{key}", any(signature))
        .fallback(|| async { text(StatusCode::NOT_FOUND, "blobs are at /blobs/ab/<64 digits>\n") })
        .with_state(server);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn signature(
    State(server): State<Server>,
    Path((shard, digits, key)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let subject = hash(&shard, &digits);
    let may = subject.and_then(|subject| server.authorize(Access::Read, &subject, &parts.headers));
    match may {
        Ok(()) => signatures::answer(State(server.store), Path((shard, digits, key)), parts.method).await,
        Err(refusal) => *refusal,
    }
}

#[derive(Clone)]
struct Server {
    store: LocalStore,
    guard: Option<Guard>,
}

async fn blob(
    State(server): State<Server>,
    Path((shard, digits)): Path<(String, String)>,
    request: Request,
) -> Response {
    server
        .blob(&shard, &digits, request)
        .await
        .unwrap_or_else(|refusal| *refusal)
}

async fn outboard(
    State(server): State<Server>,
    Path((shard, digits)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    server
        .outboard(&shard, &digits, &parts.method, &parts.headers)
        .await
        .unwrap_or_else(|refusal| *refusal)
}

/// An answer that ends the work early.
type Refusal = Box<Response>;

impl Server {
    async fn blob(&self, shard: &str, digits: &str, request: Request) -> Result<Response, Refusal> {
        let access = self.access(request.method(), true)?;
        let hash = hash(shard, digits)?;
        self.authorize(access, &hash, request.headers())?;
        if access == Access::Add {
            return self.add(&hash, request.into_body()).await;
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
        // The first group is verified before the head of the answer is sent.
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
        // Not the blob's tag: an outboard is another thing.
        let mut answer = self.described(body.into_response(), &format!("\"outboard-{digits}\""));
        insert(&mut answer, CONTENT_LENGTH, &length.to_string());
        insert(&mut answer, ACCEPT_RANGES, "none");
        Ok(answer)
    }

    /// What a request with this method wants to do.
    fn access(&self, method: &Method, can_be_added: bool) -> Result<Access, Refusal> {
        let can_be_added = can_be_added && self.guard.is_some();
        if method == Method::GET || method == Method::HEAD {
            return Ok(Access::Read);
        }
        if method == Method::PUT && can_be_added {
            return Ok(Access::Add);
        }
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "that cannot be done here\n");
        let methods = if can_be_added {
            "GET, HEAD, PUT"
        } else {
            "GET, HEAD"
        };
        insert(&mut answer, ALLOW, methods);
        Err(answer.into())
    }

    /// Decides before anything is looked up: who may not read learns not even what is there.
    fn authorize(&self, access: Access, hash: &ContentHash, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(guard) = &self.guard else {
            return Ok(());
        };
        if guard.public_read && access == Access::Read {
            return Ok(());
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
            // Another token may be given what this one is not.
            insert(&mut answer, CACHE_CONTROL, "no-store");
            answer.into()
        })
    }

    fn described(&self, mut answer: Response, tag: &str) -> Response {
        // What not everybody may read, no cache that others share may keep.
        let is_public = self.guard.as_ref().is_none_or(|guard| guard.public_read);
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

    async fn add(&self, hash: &ContentHash, body: Body) -> Result<Response, Refusal> {
        let hash = *hash;
        let fault = |error: StoreError| match error {
            StoreError::File {
                error: FileError::TooLarge { limit },
                ..
            } => refusal(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("a blob has at most {limit} bytes\n"),
            ),
            StoreError::Corrupt { actual, .. } => refusal(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("these bytes are {actual}, not {hash}; nothing was kept\n"),
            ),
            error => failure(&hash, &error),
        };
        let store = self.store.clone();
        let mut incoming = blocking(move || Incoming::new(&store)).await.map_err(fault)?;
        let mut pieces = body.into_data_stream();
        loop {
            match tokio::time::timeout(PATIENCE, pieces.next()).await {
                Ok(Some(Ok(piece))) => incoming.append(&piece).map_err(fault)?,
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => {
                    return Err(refusal(
                        StatusCode::REQUEST_TIMEOUT,
                        "the blob did not come whole\n",
                    ));
                }
            }
        }
        blocking(move || incoming.finish(Some(&hash)))
            .await
            .map_err(fault)?;
        Ok(text(StatusCode::CREATED, format!("{hash}\n")))
    }
}

/// The token of a request. Of two, another server on the way may have looked at the other one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            "there is more than one Authorization\n",
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

/// Why the blob cannot be given or kept; the details are the operator's.
fn failure(hash: &ContentHash, error: &StoreError) -> Refusal {
    if let StoreError::NotFound { .. } = error {
        return refusal(StatusCode::NOT_FOUND, format!("this store has no {hash}\n"));
    }
    tracing::error!(%error, "a request cannot be answered");
    refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("this store has a problem with {hash}\n"),
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
    // What is inserted is made here, of digits and letters.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
