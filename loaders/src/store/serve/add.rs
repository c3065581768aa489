//! Uploads of blobs.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, RETRY_AFTER};
use axum::response::Response;
use futures_util::StreamExt;
use secure_runtime_http::{Answering, Pace};

use super::super::incoming::Incoming;
use super::super::{StoreError, blocking};
use super::quota::{Account, Busy};
use super::{Refusal, Server, failure, insert, refusal, text};
use crate::ContentHash;
use crate::files::FileError;

impl Server {
    /// Receives the bytes of an upload. Until the hash is verified, three limits bound the bytes on disk: the request's
    /// Content-Length, the largest accepted blob, and the account's quota.
    pub(super) async fn add(
        &self,
        hash: &ContentHash,
        account: Account,
        request: Request,
        answering: &Answering,
    ) -> Result<Response, Refusal> {
        self.acceptable(request.headers())?;
        let mut adding = self.quotas.begin(account).map_err(busy)?;
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
                format!("these bytes have the hash {actual}, not {hash}; nothing was stored\n"),
            ),
            error => failure(&hash, &error),
        };
        let store = self.store.clone();
        let mut incoming = blocking(move || Incoming::new(&store)).await.map_err(fault)?;
        let mut pieces = request.into_body().into_data_stream();
        let mut pace = Pace::new(self.options.patience, self.options.slowest);
        answering.work(false);
        loop {
            let piece = pace.wait(pieces.next(), |piece| match piece {
                Some(Ok(piece)) => piece.len(),
                _ => 0,
            });
            match piece.await {
                Ok(Some(Ok(piece))) => {
                    adding.write(piece.len()).map_err(busy)?;
                    incoming.append(&piece).map_err(fault)?;
                }
                Ok(None) => break,
                Ok(Some(Err(_))) | Err(_) => {
                    return Err(refusal(
                        StatusCode::REQUEST_TIMEOUT,
                        "the blob was incomplete, or too slow\n",
                    ));
                }
            }
        }
        answering.work(true);
        blocking(move || incoming.finish(Some(&hash)))
            .await
            .map_err(fault)?;
        adding.prove();
        Ok(text(StatusCode::CREATED, format!("{hash}\n")))
    }

    /// Rejects requests that are not a complete blob or are too large, before their body is read.
    fn acceptable(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a blob is added as it is, without Content-Encoding\n",
            ));
        }
        if headers.contains_key(CONTENT_RANGE) {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "a blob is added whole, without Content-Range\n",
            ));
        }
        // hyper removes this header from a request with a chunked body.
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        let Some(length) = length.and_then(|length| length.parse::<u64>().ok()) else {
            return Err(refusal(
                StatusCode::LENGTH_REQUIRED,
                "send the size of the blob as Content-Length\n",
            ));
        };
        let limit = self.options.blob;
        if length > limit {
            return Err(refusal(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("this store accepts blobs of at most {limit} bytes\n"),
            ));
        }
        Ok(())
    }
}

fn busy(busy: Busy) -> Refusal {
    let (status, seconds) = match busy {
        Busy::Server(_) => (StatusCode::SERVICE_UNAVAILABLE, "1"),
        Busy::Account(_) => (StatusCode::TOO_MANY_REQUESTS, "1"),
        Busy::Unproven(_) => (StatusCode::TOO_MANY_REQUESTS, "600"),
    };
    let mut answer = text(status, format!("{busy}\n"));
    insert(&mut answer, RETRY_AFTER, seconds);
    answer.into()
}
