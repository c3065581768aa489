//! A file that is downloaded in pieces over HTTP.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};

use super::{HttpClient, HttpError, NoResponse, Requests};
use crate::secrets;

/// A file that is downloaded in pieces. If the connection breaks off, the download continues at the position that it
/// reached.
///
/// Only the time spent waiting for the server counts. It is limited to the time for one small file, plus one second for
/// each [`SLOWEST`] bytes that arrive for the first time. A server that sends the same bytes repeatedly does not gain
/// time.
#[derive(Debug)]
pub(crate) struct Download {
    client: HttpClient,
    url: String,
    /// The remaining number of requests. Every new byte resets the number of attempts, so attempts alone do not bound
    /// the requests.
    requests: Requests,
    /// The bytes that arrived but were not yet taken.
    ready: BytesMut,
    /// The position of the next byte that was not yet returned.
    position: u64,
    /// The number of bytes to skip because they were already returned.
    known: u64,
    /// The number of bytes that arrived for the first time.
    received: u64,
    /// The size of the file in bytes, if the server reported it.
    total: Option<u64>,
    answer: Option<Response>,
    /// The number of times the connection broke off since the last new byte.
    failures: u32,
    waited: Duration,
}

/// The least number of bytes a second that a server must send after the initial time is used up.
pub(super) const SLOWEST: u64 = 64 * 1024;

impl Download {
    /// Opens the file at this address, from the byte `from` on.
    ///
    /// # Errors
    /// Returns [`HttpError`].
    pub(crate) async fn open(
        client: &HttpClient,
        url: &str,
        from: u64,
        requests: &Requests,
    ) -> Result<Self, HttpError> {
        let mut download = Self {
            client: client.clone(),
            url: url.to_owned(),
            requests: requests.clone(),
            ready: BytesMut::new(),
            position: from,
            known: 0,
            received: 0,
            total: None,
            answer: None,
            failures: 0,
            waited: Duration::ZERO,
        };
        download.ask().await?;
        Ok(download)
    }

    /// Returns the size of the whole file in bytes, if the server reported it.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Returns the next `count` bytes, or fewer at the end of the file.
    ///
    /// # Errors
    /// Returns [`HttpError`].
    pub(crate) async fn take(&mut self, count: usize) -> Result<Bytes, HttpError> {
        while self.ready.len() < count {
            match self.piece().await? {
                Some(piece) => self.ready.extend_from_slice(&piece),
                None => break,
            }
        }
        let count = count.min(self.ready.len());
        Ok(self.ready.split_to(count).freeze())
    }

    /// Returns the bytes that arrive next, or `None` at the end.
    ///
    /// # Errors
    /// Returns [`HttpError`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        if self.ready.is_empty() {
            return self.piece().await;
        }
        Ok(Some(self.ready.split().freeze()))
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let patience = self.patience()?;
            let Some(answer) = &mut self.answer else {
                self.ask().await?;
                continue;
            };
            let start = Instant::now();
            let chunk = tokio::time::timeout(patience, answer.chunk()).await;
            self.waited += start.elapsed();
            let failure = match chunk {
                Ok(Ok(Some(mut piece))) => {
                    let known =
                        usize::try_from(self.known).map_or(piece.len(), |known| known.min(piece.len()));
                    piece.advance(known);
                    self.known -= known as u64;
                    self.position += piece.len() as u64;
                    self.received += piece.len() as u64;
                    if piece.is_empty() {
                        continue;
                    }
                    self.failures = 0;
                    return Ok(Some(piece));
                }
                Ok(Ok(None)) if self.known > 0 => {
                    return Err(HttpError::Protocol {
                        reason: "the file is shorter than the last time".to_owned(),
                    });
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => NoResponse::connection(error),
                Err(_) => return Err(self.too_slow()),
            };
            self.failures += 1;
            if self.failures >= self.client.options.attempts {
                return Err(failure.into());
            }
            tracing::debug!(url = %secrets::hide(&self.url), %failure, position = self.position, "continuing");
            self.answer = None;
        }
    }

    /// Requests the file from the current position on.
    async fn ask(&mut self) -> Result<(), HttpError> {
        let (start, patience) = (Instant::now(), self.patience()?);
        let request = tokio::time::timeout(
            patience,
            self.client.request(&self.url, self.position, &self.requests),
        )
        .await;
        self.waited += start.elapsed();
        let answer = request.map_err(|_| self.too_slow())??;
        let total = if answer.status() == StatusCode::PARTIAL_CONTENT {
            self.known = 0;
            content_range(&answer).map(|(_, total)| total)
        } else {
            // The server does not support ranges and sends the file from the start.
            self.known = self.position;
            answer.content_length()
        };
        if self.total.is_some() && total.is_some() && self.total != total {
            return Err(HttpError::Protocol {
                reason: "the size of the file changes while it is read".to_owned(),
            });
        }
        self.total = total.or(self.total);
        self.answer = Some(answer);
        Ok(())
    }

    /// Returns the time that may still be spent waiting.
    fn patience(&self) -> Result<Duration, HttpError> {
        let allowed = self.client.options.timeout + Duration::from_secs(self.received / SLOWEST);
        match allowed.checked_sub(self.waited) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> HttpError {
        let limit = self.client.options.timeout;
        NoResponse::Slow { limit }.into()
    }
}

/// Returns the start of a partial response's range and the size of the whole file, from a header like `bytes 5-9/10`.
pub(super) fn content_range(answer: &Response) -> Option<(u64, u64)> {
    let text = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, total): (u64, u64, u64) = (start.parse().ok()?, end.parse().ok()?, total.parse().ok()?);
    (end < total && end.checked_add(1)? == total && start <= end).then_some((start, total))
}
