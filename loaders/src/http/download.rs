//! A file behind HTTP, taken piece by piece.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};

use super::{HttpClient, HttpError, Requests, chain, unavailable};
use crate::secrets;

/// A file that is taken piece by piece. Where the connection breaks off, it is asked for from there on.
///
/// Only the time is counted in which the server is waited for: it may be as long as for one small file, and a second
/// more for each [`SLOWEST`] bytes that came for the first time: who gives the same bytes again and again gains no time.
#[derive(Debug)]
pub(crate) struct Download {
    client: HttpClient,
    url: String,
    /// What may still be asked. Each byte that comes allows new attempts, so that attempts alone bound nothing.
    requests: Requests,
    /// What came and was not yet taken.
    ready: BytesMut,
    /// The next byte of the file that was not yet given.
    position: u64,
    /// How many bytes will come again that were given before, and are passed over.
    known: u64,
    /// How many bytes came that had not come before.
    received: u64,
    /// How many bytes the file has, where the server says it.
    total: Option<u64>,
    answer: Option<Response>,
    /// How often it broke off since the last byte came.
    failures: u32,
    waited: Duration,
}

/// How many bytes a second a server must give at least, once its first time is used up.
pub(super) const SLOWEST: u64 = 64 * 1024;

impl Download {
    /// The bytes of the file at this address after the byte `from`, one piece after the other.
    ///
    /// # Errors
    /// [`HttpError`].
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

    /// How many bytes the whole file has, where the server said it.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next `count` bytes; fewer only where the file ends.
    ///
    /// # Errors
    /// [`HttpError`].
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

    /// Whatever comes next; `None` at the end.
    ///
    /// # Errors
    /// [`HttpError`].
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
                Ok(Err(error)) => chain(&error.without_url()),
                Err(_) => return Err(self.too_slow()),
            };
            self.failures += 1;
            if self.failures >= self.client.options.attempts {
                return Err(unavailable(&failure));
            }
            tracing::debug!(url = %secrets::hide(&self.url), failure, position = self.position, "continuing");
            self.answer = None;
        }
    }

    /// Asks for what follows the position.
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
            // The server has no ranges and begins anew.
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

    /// How long may still be waited.
    fn patience(&self) -> Result<Duration, HttpError> {
        let allowed = self.client.options.timeout + Duration::from_secs(self.received / SLOWEST);
        match allowed.checked_sub(self.waited) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> HttpError {
        unavailable(&format!(
            "no whole answer within {:?}, and less than {SLOWEST} bytes a second",
            self.client.options.timeout
        ))
    }
}

/// Where the range of a partial answer begins, and how long the whole file is: `bytes 5-9/10`.
pub(super) fn content_range(answer: &Response) -> Option<(u64, u64)> {
    let text = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end, total): (u64, u64, u64) = (start.parse().ok()?, end.parse().ok()?, total.parse().ok()?);
    (end < total && end.checked_add(1)? == total && start <= end).then_some((start, total))
}
