//! A store on an HTTP server.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Body;
use url::{Host, Url};

use super::incoming::Incoming;
use super::outboard::{self, Mismatch, PAIR, PREFIX, Step, Verifier};
use super::pieces::on_a_thread;
use super::signatures::{self, FoundSignature};
use super::{
    BlobReader, LocalStore, MAX_BLOB_SIZE, MAX_STREAM_SIZE, OUTBOARD_ABOVE, Progress, Store, StoreError,
    StorePlaceProblem, blob_path, blocking, outboard_path, verified,
};
use crate::ContentHash;
use crate::http::{self, BearerToken, Download, HttpClient, HttpError, HttpOptions, NoResponse, Requests};
use crate::text::printable;

/// A store on an HTTP server: `GET <address>/blobs/<first two digits>/<64 digits>`.
///
/// The server is not trusted. The client hashes its bytes, limits their number and the time, and rejects redirects and
/// compressed responses. It ignores proxy settings in the environment.
#[derive(Debug, Clone)]
pub struct HttpStore {
    address: Url,
    client: HttpClient,
}

impl HttpStore {
    /// Creates a client for the store at `address`: `https://host/path` or `http://host/path`.
    ///
    /// Without TLS, others on the network can see which blobs are requested. They cannot change the blobs undetected.
    ///
    /// # Errors
    /// Returns [`StoreError::NotAStore`] if `address` is not such an address.
    pub fn new(address: &str) -> Result<Self, StoreError> {
        Self::with_options(address, HttpOptions::default())
    }

    /// Creates a client like [`new`](Self::new), with other limits.
    ///
    /// # Errors
    /// Fails like [`new`](Self::new).
    pub fn with_options(address: &str, options: HttpOptions) -> Result<Self, StoreError> {
        let refused = |problem| StoreError::NotAStore {
            location: printable(address),
            problem,
        };
        let unusable = |error: HttpError| refused(StorePlaceProblem::Address(error.into()));
        let mut url = http::address(address).map_err(unusable)?;
        if url.query().is_some() {
            return Err(refused(StorePlaceProblem::Query));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let client = HttpClient::new(options).map_err(unusable)?;
        Ok(Self { address: url, client })
    }

    /// Returns this store with a token that it sends with each request. Only this address receives the token, because
    /// redirects are not followed.
    ///
    /// # Errors
    /// Returns [`StoreError::Unencrypted`] if others could read the token in transit. The address must use `https://`,
    /// or `http://` with a loopback IP address. A host name, even `localhost`, may resolve to another machine.
    pub fn with_token(mut self, token: BearerToken) -> Result<Self, StoreError> {
        let is_here = match self.address.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        if self.address.scheme() != "https" && !is_here {
            return Err(StoreError::Unencrypted {
                location: printable(self.address.as_str()),
            });
        }
        self.client = self.client.with_bearer(token);
        Ok(self)
    }

    /// Uploads the blob `hash` of `local` to this store. This needs a token that allows it.
    ///
    /// # Errors
    /// Returns [`StoreError::Refused`] without such a token, an error of the local store, [`StoreError::Unavailable`]
    /// or [`StoreError::Protocol`].
    pub async fn add(&self, hash: &ContentHash, local: &LocalStore) -> Result<(), StoreError> {
        let url = self.url(&blob_path(hash));
        let fault = |error| self.fault(hash, url.clone(), error);
        let size = local.size(hash)?;
        let body = || {
            let (name, store) = (*hash, local.clone());
            let mut reader = None;
            let pieces = std::iter::from_fn(move || {
                let next = match &mut reader {
                    Some(reader) => BlobReader::next_group(reader),
                    None => store
                        .stream(&name, 0)
                        .and_then(|opened| reader.insert(opened).next_group()),
                };
                next.map_err(io::Error::other).transpose()
            });
            Body::wrap_stream(on_a_thread(pieces, size))
        };
        match self.client.put(&url, size, body).await {
            // A server that rejects the request may close the connection without reading the bytes, and its response
            // can then be lost. A second request without bytes gets the response.
            Err(HttpError::Unavailable(lost)) if size > 0 => {
                match self.client.put(&url, 0, Body::default).await {
                    Err(refused @ HttpError::Refused { .. }) => Err(fault(refused)),
                    _ => {
                        let lost = Box::new(lost);
                        Err(fault(NoResponse::UploadLost { size, lost }.into()))
                    }
                }
            }
            result => result.map_err(fault),
        }
    }
}

#[async_trait]
impl Store for HttpStore {
    fn name(&self) -> String {
        self.address.to_string()
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        let mut memory = Vec::new();
        let limit = limit.min(MAX_BLOB_SIZE);
        let requests = Requests::default();
        if limit > OUTBOARD_ABOVE
            && self
                .verified(hash, limit, &mut memory, &|_, _| (), &requests)
                .await?
        {
            return Ok(memory.into());
        }
        // The path has only digits and slashes, so nothing needs to be escaped.
        let url = self.url(&blob_path(hash));
        match self.client.get(&url, limit).await {
            Ok(bytes) => verified(bytes, hash, || self.name(), || url),
            Err(error) => Err(self.fault(hash, url, error)),
        }
    }

    async fn fetch(
        &self,
        hash: &ContentHash,
        limit: u64,
        local: &LocalStore,
        progress: Progress<'_>,
    ) -> Result<u64, StoreError> {
        let limit = limit.min(MAX_STREAM_SIZE);
        let requests = Requests::default();
        let (name, store) = (*hash, local.clone());
        let begun = blocking(move || Incoming::resume(&store, &name)).await?;
        let was_begun = begun.length() > 0;
        match self.take(hash, limit, begun, progress, &requests).await {
            // The existing part may come from another server. Start again without it, even if it could not be removed.
            Err(StoreError::Corrupt { .. }) if was_begun => {
                let store = local.clone();
                let fresh = blocking(move || Incoming::new(&store)).await?;
                self.take(hash, limit, fresh, progress, &requests).await
            }
            taken => taken,
        }
    }

    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        let location = self.url(&signatures::signature_path(subject, key));
        match self.client.get(&location, signatures::MAX_SIGNATURE_SIZE).await {
            Ok(bytes) => Ok(FoundSignature { bytes, location }),
            Err(error) => Err(self.fault(subject, location, error)),
        }
    }
}

impl HttpStore {
    /// Downloads the rest of the blob and moves it to its final path.
    async fn take(
        &self,
        hash: &ContentHash,
        limit: u64,
        mut incoming: Incoming,
        progress: Progress<'_>,
        requests: &Requests,
    ) -> Result<u64, StoreError> {
        if !self
            .verified(hash, limit, &mut incoming, progress, requests)
            .await?
        {
            self.unverified(hash, limit, &mut incoming, progress, requests)
                .await?;
        }
        let hash = *hash;
        match blocking(move || incoming.finish(Some(&hash))).await {
            Ok((_, size)) => Ok(size),
            // The server sent wrong bytes. Report it instead of the local folder that the bytes were written to.
            Err(StoreError::Corrupt { expected, actual, .. }) => Err(StoreError::Corrupt {
                store: self.name(),
                location: self.url(&blob_path(&hash)),
                expected,
                actual,
            }),
            Err(error) => Err(error),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Downloads the blob together with its outboard. No unverified byte reaches `target`, and nothing is read beyond
    /// the first group with a wrong byte. Returns false without any effect if the server has no outboard.
    ///
    /// At most two downloads are opened, whatever the server responds.
    async fn verified(
        &self,
        hash: &ContentHash,
        limit: u64,
        target: &mut impl Target,
        progress: Progress<'_>,
        requests: &Requests,
    ) -> Result<bool, StoreError> {
        let outboard_url = self.url(&outboard_path(hash));
        let mut nodes = match Download::open(&self.client, &outboard_url, 0, requests).await {
            Ok(nodes) => nodes,
            Err(HttpError::NotFound) => return Ok(false),
            Err(error) => return Err(self.fault(hash, outboard_url, error)),
        };
        let of_nodes = |error| self.fault(hash, outboard_url.clone(), error);
        let prefix = nodes.take(PREFIX).await.map_err(of_nodes)?;
        let size = prefix
            .first_chunk()
            .map(|size| u64::from_le_bytes(*size))
            .ok_or_else(|| self.wrong(hash, &outboard_url, 0))?;
        let url = self.url(&blob_path(hash));
        if size > limit {
            return Err(self.fault(hash, outboard_url.clone(), HttpError::TooLarge { limit }));
        }
        let of_blob = |error| self.fault(hash, url.clone(), error);
        let mut verifier =
            Verifier::new(hash, size).map_err(|Mismatch| self.wrong(hash, &outboard_url, 0))?;
        let mut blob = None;
        while let Some(step) = verifier.next() {
            match step {
                Step::Pair(pair) => {
                    let node = nodes.take(PAIR).await.map_err(of_nodes)?;
                    let node = node.first_chunk().filter(|node| verifier.pair(node).is_ok());
                    let node =
                        node.ok_or_else(|| self.wrong(hash, &outboard_url, outboard::position(pair)))?;
                    target.pair(pair, node)?;
                }
                Step::Group { start, size: length } => {
                    if blob.is_none() {
                        // The part that an earlier attempt left is verified like new bytes.
                        let present = target.present(start, length)?;
                        if present.is_some_and(|group| verifier.group(&group).is_ok()) {
                            progress(start + length as u64, Some(size));
                            continue;
                        }
                        target.cut(start)?;
                        blob = Some(self.blob(hash, &url, start, size, requests).await?);
                    }
                    let Some(blob) = &mut blob else { continue };
                    let group = blob.take(length).await.map_err(of_blob)?;
                    verifier
                        .group(&group)
                        .map_err(|Mismatch| self.wrong(hash, &url, start))?;
                    target.append(&group)?;
                    progress(start + length as u64, Some(size));
                }
            }
        }
        target.cut(size)?;
        Ok(true)
    }

    /// Requests the blob from the byte `start` on, and checks that its total size is `size`.
    async fn blob(
        &self,
        hash: &ContentHash,
        url: &str,
        start: u64,
        size: u64,
        requests: &Requests,
    ) -> Result<Download, StoreError> {
        let blob = Download::open(&self.client, url, start, requests).await;
        let blob = blob.map_err(|error| self.fault(hash, url.to_owned(), error))?;
        if blob.total().is_some_and(|total| total != size) {
            return Err(self.wrong(hash, url, start));
        }
        Ok(blob)
    }

    /// Downloads a blob without an outboard. It is verified after all of it has arrived.
    async fn unverified(
        &self,
        hash: &ContentHash,
        limit: u64,
        incoming: &mut Incoming,
        progress: Progress<'_>,
        requests: &Requests,
    ) -> Result<(), StoreError> {
        let url = self.url(&blob_path(hash));
        let fault = |error| self.fault(hash, url.clone(), error);
        let mut blob = match Download::open(&self.client, &url, incoming.length(), requests).await {
            Err(HttpError::NoSuchRange) => {
                // The existing part is at least as large as the blob. The final hash shows if it is right.
                return Ok(());
            }
            blob => blob.map_err(fault)?,
        };
        while let Some(piece) = blob.next().await.map_err(fault)? {
            if incoming.length() + piece.len() as u64 > limit {
                return Err(fault(HttpError::TooLarge { limit }));
            }
            incoming.append(&piece)?;
            progress(incoming.length(), blob.total());
        }
        Ok(())
    }

    fn wrong(&self, hash: &ContentHash, location: &str, offset: u64) -> StoreError {
        StoreError::CorruptAt {
            store: self.name(),
            location: location.to_owned(),
            hash: *hash,
            offset,
        }
    }

    fn fault(&self, hash: &ContentHash, location: String, error: HttpError) -> StoreError {
        let store = self.name();
        match error {
            HttpError::NotFound => StoreError::NotFound { store, hash: *hash },
            HttpError::TooLarge { limit } => StoreError::TooLarge {
                store,
                location,
                hash: *hash,
                limit,
            },
            HttpError::Refused { reason } => StoreError::Refused {
                store,
                location,
                reason,
            },
            error @ HttpError::Unavailable(_) => StoreError::Unavailable {
                store,
                location,
                cause: error.into(),
            },
            error => StoreError::Protocol {
                store,
                location,
                cause: error.into(),
            },
        }
    }
}

/// A destination for verified bytes.
trait Target: Send {
    /// Returns the `length` bytes at `start` that an earlier attempt left, if there are that many.
    fn present(&self, start: u64, length: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// Truncates to `length` bytes.
    fn cut(&mut self, length: u64) -> Result<(), StoreError>;

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    fn pair(&mut self, pair: u64, node: &[u8; PAIR]) -> Result<(), StoreError>;
}

impl Target for Vec<u8> {
    fn present(&self, _: u64, _: usize) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn cut(&mut self, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn pair(&mut self, _: u64, _: &[u8; PAIR]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The writes are short and go to the page cache, so they run on the event loop's thread.
impl Target for Incoming {
    fn present(&self, start: u64, length: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let mut bytes = vec![0; length];
        Ok(self.read_at(start, &mut bytes)?.then_some(bytes))
    }

    fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        Incoming::cut(self, length)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        Incoming::append(self, bytes)
    }

    fn pair(&mut self, pair: u64, node: &[u8; PAIR]) -> Result<(), StoreError> {
        Incoming::pair(self, pair, node)
    }
}
