//! A store behind HTTP.

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use super::signatures::{self, FoundSignature};
use super::{Store, StoreError, blob_path, verified};
use crate::ContentHash;
use crate::http::{self, HttpClient, HttpError, HttpOptions};
use crate::text::printable;

/// A store that is asked over HTTP: `GET <address>/blobs/<first two digits>/<64 digits>`.
///
/// The server is trusted with nothing: its bytes are hashed, their number and the time are limited,
/// and redirects and compressed answers are refused. No proxy is taken from the environment.
#[derive(Debug, Clone)]
pub struct HttpStore {
    address: Url,
    client: HttpClient,
}

impl HttpStore {
    /// The store at `address`: `https://host/path` or `http://host/path`.
    ///
    /// Without TLS others can see what is asked for, but not change what is answered.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`] when `address` is not such an address.
    pub fn new(address: &str) -> Result<Self, StoreError> {
        Self::with_options(address, HttpOptions::default())
    }

    /// As [`new`](Self::new), with other limits.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_options(address: &str, options: HttpOptions) -> Result<Self, StoreError> {
        let refused = |reason: String| StoreError::NotAStore {
            location: printable(address),
            reason,
        };
        let mut url = http::address(address).map_err(|error| refused(error.to_string()))?;
        if url.query().is_some() {
            return Err(refused("its address has a `?` part".to_owned()));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let client = HttpClient::new(options).map_err(|error| refused(error.to_string()))?;
        Ok(Self { address: url, client })
    }
}

#[async_trait]
impl Store for HttpStore {
    fn name(&self) -> String {
        self.address.to_string()
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        let (bytes, url) = self.fetch(&blob_path(hash), hash, limit).await?;
        verified(bytes, hash, || self.name(), || url)
    }

    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        let path = signatures::signature_path(subject, key);
        let (bytes, location) = self.fetch(&path, subject, signatures::MAX_SIGNATURE_SIZE).await?;
        Ok(FoundSignature { bytes, location })
    }
}

impl HttpStore {
    /// What is at this path, which is about `hash`, and its address.
    async fn fetch(&self, path: &str, hash: &ContentHash, limit: u64) -> Result<(Bytes, String), StoreError> {
        // Digits and slashes alone: there is nothing to escape.
        let url = format!("{}{path}", self.address);
        let store = self.name();
        match self.client.get(&url, limit).await {
            Ok(bytes) => Ok((bytes, url)),
            Err(HttpError::NotFound) => Err(StoreError::NotFound { store, hash: *hash }),
            Err(HttpError::TooLarge { limit }) => Err(StoreError::TooLarge {
                store,
                location: url,
                hash: *hash,
                limit,
            }),
            Err(HttpError::Unavailable { reason }) => Err(StoreError::Unavailable {
                store,
                location: url,
                reason,
            }),
            Err(HttpError::Protocol { reason } | HttpError::Address { reason }) => {
                Err(StoreError::Protocol {
                    store,
                    location: url,
                    reason,
                })
            }
        }
    }
}
