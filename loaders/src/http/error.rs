//! Errors of HTTP requests.

use std::time::Duration;

use reqwest::StatusCode;
use secure_runtime_text::Cause;

use super::download::SLOWEST;
use super::requests::MAX_REQUESTS;
use crate::text::printable;

/// An error of an HTTP request for a file. The containing error adds the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The text is not the address of a file.
    #[error("{0}")]
    Address(#[source] AddressProblem),
    /// The server reports that the file does not exist.
    #[error("there is no such file")]
    NotFound,
    /// The file ends before the start of the requested range.
    #[error("it ends before the requested range")]
    NoSuchRange,
    /// The file is larger than the limit.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The server requires a token, or rejects this one.
    #[error("it refuses: {reason}")]
    Refused {
        /// The server's message.
        reason: String,
    },
    /// There was no complete response. A later request may succeed.
    #[error("{0}")]
    Unavailable(#[source] NoResponse),
    /// The response is not a file.
    #[error("{reason}")]
    Protocol {
        /// The difference from HTTP as this client uses it, in words. A part of it can be the server's.
        reason: String,
    },
}

/// The reason why a text is not the address of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressProblem {
    /// The text is not a URL.
    #[error("{0}")]
    Url(#[from] url::ParseError),
    /// The scheme is neither `https` nor `http`.
    #[error("its address begins with https:// or http://")]
    Scheme,
    /// The address contains credentials, which would appear in error messages and in shell histories.
    #[error("its address has a user name or password")]
    Credentials,
    /// The address has a fragment.
    #[error("its address has a `#` part")]
    Fragment,
}

/// The reason why there was no complete response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoResponse {
    /// The TLS configuration or the client could not be created.
    #[error("{}", chain(.0))]
    Client(
        /// The [`rustls::Error`] or [`reqwest::Error`].
        #[source]
        Cause,
    ),
    /// There was no connection, or it broke off.
    #[error("{}", printable(&chain(.0)))]
    Connection(
        /// The [`reqwest::Error`], without the address, which may contain a secret.
        #[source]
        Cause,
    ),
    /// The server reported a failure that may be temporary.
    #[error("status {}", described(*status))]
    Status {
        /// The status code.
        status: u16,
    },
    /// The whole file did not arrive in time.
    #[error("no complete response within {limit:?}")]
    Timeout {
        /// The time limit.
        limit: Duration,
    },
    /// The file arrived too slowly.
    #[error("no complete response within {limit:?}, and less than {SLOWEST} bytes a second")]
    Slow {
        /// The time limit.
        limit: Duration,
    },
    /// The server did not accept all bytes in time.
    #[error("the upload did not end within {limit:?}")]
    Upload {
        /// The time limit.
        limit: Duration,
    },
    /// The connection broke off during an upload, perhaps because the server does not accept so many bytes.
    #[error("{lost}; perhaps it does not accept a blob of {size} bytes")]
    UploadLost {
        /// The size of the blob in bytes.
        size: u64,
        /// The reason why there was no response.
        #[source]
        lost: Box<NoResponse>,
    },
    /// Every request for the file got an incomplete response.
    #[error("{MAX_REQUESTS} requests for one file got incomplete responses; try again later")]
    Requests,
}

impl NoResponse {
    /// Returns the error of a request or of its response.
    pub(super) fn connection(error: reqwest::Error) -> Self {
        Self::Connection(error.without_url().into())
    }
}

impl From<NoResponse> for HttpError {
    fn from(error: NoResponse) -> Self {
        Self::Unavailable(error)
    }
}

/// Returns the number of a status and its name.
fn described(status: u16) -> String {
    StatusCode::from_u16(status).map_or_else(|_| status.to_string(), |status| status.to_string())
}

/// Formats an error with its causes. reqwest's own text omits the cause.
fn chain(error: &Cause) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
