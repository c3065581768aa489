//! An HTTP client for single files, with limits on time and size and without implicit behaviour.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, RANGE};
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode, redirect};
use secure_runtime_text::Cause;
use url::Url;

pub use self::bearer::{BearerToken, BearerTokenError, MAX_BEARER_TOKEN};
pub(crate) use self::download::Download;
use self::download::{SLOWEST, content_range};
pub use self::error::{AddressProblem, HttpError, NoResponse};
pub(crate) use self::requests::Requests;
use crate::text::printable;

mod bearer;
mod download;
mod error;
mod requests;

/// The time limits and the number of attempts of an [`HttpClient`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOptions {
    /// The time limit for one file. It includes all attempts and the transfer.
    pub timeout: Duration,
    /// The number of attempts if no connection can be made, the server fails (status 5xx) or it is overloaded (429).
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

/// Parses an address: `https://host/path` or `http://host/path`, without credentials and fragment.
///
/// # Errors
/// Returns [`HttpError::Address`].
pub fn address(text: &str) -> Result<Url, HttpError> {
    let url = Url::parse(text).map_err(|error| HttpError::Address(error.into()))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(HttpError::Address(AddressProblem::Scheme));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::Address(AddressProblem::Credentials));
    }
    if url.fragment().is_some() {
        return Err(HttpError::Address(AddressProblem::Fragment));
    }
    Ok(url)
}

/// A client without implicit behaviour: no redirects, no proxy, no cookies, no compression. rustls verifies
/// certificates with `ring` and Mozilla's root certificates, whatever provider the process has installed.
///
/// A client belongs to the event loop that first uses it.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    options: HttpOptions,
    bearer: Option<BearerToken>,
}

impl HttpClient {
    /// Creates a client with these limits.
    ///
    /// # Errors
    /// Returns [`HttpError::Unavailable`] if TLS cannot be set up.
    pub fn new(options: HttpOptions) -> Result<Self, HttpError> {
        let client = client().map_err(NoResponse::Client)?;
        Ok(Self {
            client,
            options,
            bearer: None,
        })
    }

    /// Returns this client with a token that it sends with every request. The caller must use it for one server only,
    /// or another server would receive the token.
    #[must_use]
    pub(crate) fn with_bearer(mut self, bearer: BearerToken) -> Self {
        self.bearer = Some(bearer);
        self
    }

    /// Fetches the file at this address, which must have at most `limit` bytes.
    ///
    /// # Errors
    /// Returns [`HttpError`].
    pub async fn get(&self, url: &str, limit: u64) -> Result<Bytes, HttpError> {
        match tokio::time::timeout(self.options.timeout, self.answer(url, limit)).await {
            Ok(result) => result,
            Err(_) => Err(NoResponse::Timeout {
                limit: self.options.timeout,
            }
            .into()),
        }
    }

    /// Sends the request, with repetitions, and reads the whole response.
    async fn answer(&self, url: &str, limit: u64) -> Result<Bytes, HttpError> {
        let mut answer = self.request(url, 0, &Requests::default()).await?;
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(HttpError::TooLarge { limit });
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(NoResponse::connection)? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(HttpError::TooLarge { limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Requests the file from the byte `from` on, and returns the response once its head shows that it is a file.
    async fn request(&self, url: &str, from: u64, requests: &Requests) -> Result<Response, HttpError> {
        let request = || {
            let request = self.client.get(url).header(ACCEPT_ENCODING, "identity");
            match from {
                0 => request,
                from => request.header(RANGE, format!("bytes={from}-")),
            }
        };
        file(self.send(url, requests, request).await?, from)
    }

    /// Uploads `length` bytes to this address.
    ///
    /// # Errors
    /// Returns [`HttpError`].
    pub(crate) async fn put(&self, url: &str, length: u64, body: impl Fn() -> Body) -> Result<(), HttpError> {
        let allowed = self.options.timeout + Duration::from_secs(length / SLOWEST);
        let put = async {
            let request = || self.client.put(url).header(CONTENT_LENGTH, length).body(body());
            let answer = self.send(url, &Requests::default(), request).await?;
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            let reason = beginning(answer).await;
            Err(HttpError::Protocol {
                reason: format!("it did not store the blob: status {status}: {reason}"),
            })
        };
        match tokio::time::timeout(allowed, put).await {
            Ok(result) => result,
            Err(_) => Err(NoResponse::Upload { limit: allowed }.into()),
        }
    }

    /// Sends a request, and repeats it while the failure may be temporary. All requests go through this function, which
    /// counts them.
    async fn send(
        &self,
        url: &str,
        requests: &Requests,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, HttpError> {
        let mut pause = self.options.pause;
        let mut attempt = 1;
        loop {
            requests.count()?;
            let mut request = request();
            if let Some(bearer) = &self.bearer {
                request = request.header(AUTHORIZATION, bearer.header());
            }
            let failure = match request.send().await {
                Ok(answer) if is_passing(answer.status()) => NoResponse::Status {
                    status: answer.status().as_u16(),
                },
                Ok(answer) => return accepted(answer).await,
                Err(error) if error.is_connect() => NoResponse::connection(error),
                Err(error) => return Err(NoResponse::connection(error).into()),
            };
            if attempt >= self.options.attempts {
                return Err(failure.into());
            }
            tracing::debug!(url = %crate::secrets::hide(url), %failure, attempt, "asking again");
            tokio::time::sleep(jittered(pause)).await;
            pause = pause.saturating_mul(4);
            attempt += 1;
        }
    }
}

/// Returns true if a repeated request may succeed.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Returns the response, unless it says that the client is not authorised.
async fn accepted(answer: Response) -> Result<Response, HttpError> {
    if !matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Ok(answer);
    }
    let (status, said) = (answer.status(), beginning(answer).await);
    Err(HttpError::Refused {
        reason: if said.is_empty() {
            format!("status {status}")
        } else {
            said
        },
    })
}

/// Reads the beginning of an error message from the server and makes it printable.
async fn beginning(mut answer: Response) -> String {
    const LENGTH: usize = 1024;
    let mut said = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        said.extend_from_slice(&piece);
        if said.len() > LENGTH {
            said.truncate(LENGTH);
            break;
        }
    }
    printable(String::from_utf8_lossy(&said).trim())
}

/// Returns the response if it is the file, or the range from the byte `from` on.
fn file(answer: Response, from: u64) -> Result<Response, HttpError> {
    let protocol = |reason: String| HttpError::Protocol { reason };
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::PARTIAL_CONTENT if from > 0 => {
            if content_range(&answer).is_none_or(|(start, _)| start != from) {
                return Err(protocol(
                    "it returned another range than the requested one".to_owned(),
                ));
            }
        }
        StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => return Err(HttpError::NoSuchRange),
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(HttpError::NotFound),
        status if status.is_redirection() => {
            let target = answer
                .headers()
                .get(LOCATION)
                .and_then(|target| target.to_str().ok());
            let target = printable(target.unwrap_or("nowhere"));
            return Err(protocol(format!(
                "it redirects to {target}, which is not followed"
            )));
        }
        status => return Err(protocol(format!("status {status}"))),
    }
    if answer
        .headers()
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|encoding| encoding != "identity")
    {
        return Err(protocol(
            "the response is compressed, although that was not requested".to_owned(),
        ));
    }
    Ok(answer)
}

/// Returns a random pause between half of this length and all of it. Clients that failed together then do not retry
/// together.
fn jittered(pause: Duration) -> Duration {
    let chance = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

fn client() -> Result<Client, Cause> {
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
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("secure-runtime/", env!("CARGO_PKG_VERSION")))
        .build()?)
}
