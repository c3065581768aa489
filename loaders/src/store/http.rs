//! A store behind HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, LOCATION};
use reqwest::{Client, Response, StatusCode, redirect};
use url::Url;

use super::{Store, StoreError, blob_path, verified};
use crate::ContentHash;
use crate::text::printable;

/// A store that is asked over HTTP: `GET <address>/blobs/<first two digits>/<64 digits>`.
///
/// The server is trusted with nothing: its bytes are hashed, their number and the time are limited,
/// and redirects and compressed answers are refused. No proxy is taken from the environment.
#[derive(Debug, Clone)]
pub struct HttpStore {
    address: Url,
    client: Client,
    options: HttpOptions,
}

/// How long and how often an [`HttpStore`] tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOptions {
    /// The time for one blob, all attempts and all of its bytes included.
    pub timeout: Duration,
    /// How often a request is made where no connection is had or the server fails (status 5xx).
    pub attempts: u32,
    /// The pause after the first attempt; each further pause is four times as long.
    pub pause: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            attempts: 3,
            pause: Duration::from_millis(200),
        }
    }
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
            reason: printable(&reason),
        };
        let mut url = Url::parse(address).map_err(|error| refused(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err(refused("its address begins with https:// or http://".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // It would be printed in errors and kept in shells' histories.
            return Err(refused("its address has a user name or password".to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("its address has a `?` or `#` part".to_owned()));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let client = client().map_err(|error| refused(chain(&*error)))?;
        Ok(Self {
            address: url,
            client,
            options,
        })
    }

    /// Asks until there is an answer that is worth reporting.
    async fn answer(&self, url: &str, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        let mut pause = self.options.pause;
        let mut attempt = 1;
        loop {
            let failure = match self
                .client
                .get(url)
                .header(ACCEPT_ENCODING, "identity")
                .send()
                .await
            {
                Ok(answer) if answer.status().is_server_error() => format!("status {}", answer.status()),
                Ok(answer) => return self.body(answer, url, hash, limit).await,
                Err(error) if error.is_connect() => chain(&error.without_url()),
                Err(error) => return Err(self.unavailable(url, chain(&error.without_url()))),
            };
            if attempt >= self.options.attempts {
                return Err(self.unavailable(url, failure));
            }
            tracing::debug!(url, failure, attempt, "asking the store again");
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(4);
            attempt += 1;
        }
    }

    /// The verified body of `answer`.
    async fn body(
        &self,
        mut answer: Response,
        url: &str,
        hash: &ContentHash,
        limit: u64,
    ) -> Result<Bytes, StoreError> {
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(StoreError::NotFound {
                    store: self.name(),
                    hash: *hash,
                });
            }
            status if status.is_redirection() => {
                let target = answer
                    .headers()
                    .get(LOCATION)
                    .and_then(|target| target.to_str().ok());
                let target = printable(target.unwrap_or("nowhere"));
                return Err(self.protocol(url, format!("it redirects to {target}, which is not followed")));
            }
            status => return Err(self.protocol(url, format!("status {status}"))),
        }
        if answer
            .headers()
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|encoding| encoding != "identity")
        {
            return Err(self.protocol(
                url,
                "the answer is compressed though that was not asked for".to_owned(),
            ));
        }
        let too_large = || StoreError::TooLarge {
            store: self.name(),
            location: url.to_owned(),
            hash: *hash,
            limit,
        };
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| self.unavailable(url, chain(&error.without_url())))?
        {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        verified(bytes.freeze(), hash, || self.name(), || url.to_owned())
    }

    fn unavailable(&self, url: &str, reason: String) -> StoreError {
        StoreError::Unavailable {
            store: self.name(),
            location: url.to_owned(),
            reason: printable(&reason),
        }
    }

    fn protocol(&self, url: &str, reason: String) -> StoreError {
        StoreError::Protocol {
            store: self.name(),
            location: url.to_owned(),
            reason,
        }
    }
}

#[async_trait]
impl Store for HttpStore {
    fn name(&self) -> String {
        self.address.to_string()
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        // Digits and slashes alone: there is nothing to escape.
        let url = format!("{}{}", self.address, blob_path(hash));
        match tokio::time::timeout(self.options.timeout, self.answer(&url, hash, limit)).await {
            Ok(result) => result,
            Err(_) => {
                let reason = format!("no whole answer within {:?}", self.options.timeout);
                Err(self.unavailable(&url, reason))
            }
        }
    }
}

/// A client that does only what is asked: no redirects, no proxy, no cookies, and certificates that
/// are checked by rustls with `ring` and Mozilla's authorities, whatever the process has installed.
fn client() -> Result<Client, Box<dyn std::error::Error>> {
    let authorities = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("secure-runtime/", env!("CARGO_PKG_VERSION")))
        .build()?)
}

/// An error with its causes: reqwest's own text leaves out what went wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
