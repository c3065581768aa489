//! A local store offered over HTTP.

use std::io;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;

use super::{LocalStore, MAX_BLOB_SIZE, StoreError, signatures};
use crate::ContentHash;

/// Serves the blobs of `store` on `listener` until `shutdown` is ready, then ends the requests that
/// have begun.
///
/// There is nothing to write and nothing to list. Each blob is verified before it is sent, so that a
/// damaged store answers 500 and not wrong bytes.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    store: LocalStore,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/blobs/{shard}/{digits}", any(blob))
        .route("/signatures/{shard}/{digits}/{key}", any(signatures::answer))
        .fallback(|| async { text(StatusCode::NOT_FOUND, "blobs are at /blobs/ab/<64 digits>\n") })
        .with_state(store);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn blob(
    State(store): State<LocalStore>,
    Path((shard, digits)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "blobs can only be read\n");
        answer
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let hash = match ContentHash::from_hex(&digits) {
        Ok(hash) if digits.starts_with(&shard) && shard.len() == 2 => hash,
        Ok(_) => {
            return text(
                StatusCode::BAD_REQUEST,
                "the folder is the first two digits of the hash\n",
            );
        }
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    let read = tokio::task::spawn_blocking(move || store.read(&hash, MAX_BLOB_SIZE)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(StoreError::NotFound { .. })) => {
            return text(StatusCode::NOT_FOUND, format!("this store has no {hash}\n"));
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a blob cannot be served");
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("this store cannot give {hash}\n"),
            );
        }
        Err(error) => {
            tracing::error!(%error, "a blob cannot be served");
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("this store cannot give {hash}\n"),
            );
        }
    };
    let tag = format!("\"{digits}\"");
    let is_known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        bytes.into_response()
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    answer
}

fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut answer = (status, text.into()).into_response();
    answer
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
