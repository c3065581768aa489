//! The source of a revocation list.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use secure_runtime_loaders::Cause;
use secure_runtime_loaders::files::{FileError, read_regular};
use secure_runtime_loaders::http::{self, HttpClient, HttpOptions};
use secure_runtime_loaders::secrets;
use url::Url;

use super::{LIMIT, RevocationFeedError, TIMEOUT};

/// A file or an address.
#[derive(Debug)]
pub(super) enum Source {
    /// An absolute path, which stays valid if the process changes its folder.
    File(PathBuf),
    Http(Url),
}

impl Source {
    /// Parses a source: an address if the text contains `://`, else a path.
    pub(super) fn parse(place: &OsStr) -> Result<Source, RevocationFeedError> {
        let refused = |cause: Cause| RevocationFeedError::Place {
            place: secrets::hide(&place.to_string_lossy()).into_owned(),
            cause,
        };
        if let Some(address) = place.to_str().filter(|place| place.contains("://")) {
            let url = http::address(address).map_err(|error| refused(error.into()))?;
            return Ok(Source::Http(url));
        }
        let path = std::path::absolute(place).map_err(|error| refused(error.into()))?;
        Ok(Source::File(path))
    }

    /// Reads the current bytes of the source.
    pub(super) async fn read(&self) -> Result<Bytes, RevocationFeedError> {
        let unavailable = |cause: Cause| RevocationFeedError::Unavailable {
            place: self.to_string(),
            cause,
        };
        match self {
            Source::File(path) => {
                // Links are followed. The operator's choice of the path is trusted, and the signature identifies the
                // list.
                let real = std::fs::canonicalize(path).map_err(FileError::from);
                real.and_then(|path| read_regular(&path, LIMIT))
                    .map_err(|error| unavailable(error.into()))
            }
            Source::Http(url) => {
                // A client is bound to an event loop, and the next look may be on another one.
                let options = HttpOptions {
                    timeout: TIMEOUT,
                    ..HttpOptions::default()
                };
                let client = HttpClient::new(options).map_err(|error| unavailable(error.into()))?;
                let got = client.get(url.as_str(), LIMIT).await;
                got.map_err(|error| unavailable(error.into()))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(formatter),
            Source::Http(url) => secrets::hide(url.as_str()).fmt(formatter),
        }
    }
}
