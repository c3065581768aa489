//! The server: connections, and the requests on them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::uri::Scheme;
use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::accept::{End, accept};
use crate::body::{BodyFault, Received, Sent};
use crate::connections::{Admitted, Connections};
use crate::limits::{ServerLimits, possible_connections};
use crate::pace::Pace;
use crate::problem::problem;
use crate::protocol::opening;
use crate::taking::Taking;
use crate::target;
use crate::wire::{Activity, Answering, Wire};

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// The address of the other end of the connection. It may be that of a proxy.
    pub address: SocketAddr,
    /// True if the connection is encrypted.
    pub is_secure: bool,
}

/// A function that answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers a request. Its URI is absolute, and serialised as the URL standard does it.
    ///
    /// The future is dropped if the client goes away before the response, and the response's body if it goes away
    /// later.
    fn answer(&self, request: Request<Body>, client: Client) -> impl Future<Output = Response<Body>> + Send;
}

/// Marks a response that accepts the upgrade of its request. It is put into the extensions of the response. Only such a
/// response can have the status 101.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switching;

/// The number of files that a connection needs: its socket.
const FILES_OF_A_CONNECTION: u64 = 1;

/// The share of HTTP/2 in a connection's memory: buffered bytes of one request, and of all requests of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// The smallest buffer that the parser accepts, in bytes.
const MIN_BUFFER: usize = 8192;

/// Headers that belong to a connection and not to a response. The server sets them.
const OF_CONNECTIONS: &[HeaderName] = &[CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Serves requests on `listener` until `shutdown` completes. Then it finishes the open requests.
///
/// With `tls`, clients must use TLS. For HTTP/2, its ALPN protocols must contain `h2`.
pub async fn serve<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    tls: Option<Arc<ServerConfig>>,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()>,
) {
    let most = possible_connections(limits.connections, FILES_OF_A_CONNECTION);
    let connections = Connections::new(most, limits.connections_per_address);
    let ending = limits.ending;
    let server = Arc::new(Server {
        service,
        tls: tls.map(TlsAcceptor::from),
        limits,
    });
    accept(
        listener,
        connections,
        ending,
        shutdown,
        |stream, admitted, end| server.clone().connection(stream, admitted, end),
    )
    .await;
}

struct Server<S> {
    service: Arc<S>,
    tls: Option<TlsAcceptor>,
    limits: ServerLimits,
}

impl<S: Service> Server<S> {
    /// Serves the requests of a connection. The connection is counted until this ends.
    async fn connection(self: Arc<Self>, stream: TcpStream, admitted: Admitted, mut end: End) {
        let Ok(address) = stream.peer_addr() else { return };
        // Without this, a small response may wait for the client's next packet.
        let _ = stream.set_nodelay(true);
        let client = Client {
            address,
            is_secure: self.tls.is_some(),
        };
        let served = match &self.tls {
            None => self.requests(stream, client, &admitted, end).await,
            Some(tls) => {
                let handshake = tokio::select! {
                    handshake = tokio::time::timeout(self.limits.head, tls.accept(stream)) => handshake,
                    () = end.begins() => return,
                };
                match handshake.map_err(io::Error::from).flatten() {
                    Ok(stream) => self.requests(stream, client, &admitted, end).await,
                    Err(error) => Err(error.into()),
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection broke off");
        }
        drop(admitted);
    }

    async fn requests(
        self: &Arc<Self>,
        mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        client: Client,
        admitted: &Admitted,
        mut end: End,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let limits = &self.limits;
        let opening = tokio::select! {
            opening = tokio::time::timeout(limits.head, opening(&mut stream)) => opening??,
            () = end.begins() => return Ok(()),
        };
        let is_http2 = opening.is_http2;
        let pace = || Pace::new(limits.patience, limits.slowest);
        let (wire, upgraded) = Wire::new(stream, admitted.activity.clone(), pace())
            .after(opening)
            .watched();
        let taking = is_http2.then(|| Arc::new(Taking::new(pace())));
        let (server, activity, slow) = (self.clone(), admitted.activity.clone(), taking.clone());
        let ending = end.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (server, activity, taking) = (server.clone(), activity.clone(), taking.clone());
            request.extensions_mut().insert(ending.clone());
            async move { Ok::<_, Infallible>(server.answer(request, client, &activity, taking).await) }
        });
        let Some(slow) = slow else {
            let connection = self
                .http1()
                .serve_connection(TokioIo::new(wire), service)
                .with_upgrades();
            end.watch(connection, |connection| connection.graceful_shutdown())
                .await?;
            // A connection that was upgraded counts until it is closed.
            upgraded.ends().await;
            return Ok(());
        };
        let connection = self.http2().serve_connection(TokioIo::new(wire), service);
        tokio::select! {
            served = end.watch(connection, |connection| connection.graceful_shutdown()) => Ok(served?),
            () = slow.is_too_slow(limits.patience) => Err("the client takes no bytes".into()),
        }
    }

    fn http1(&self) -> http1::Builder {
        let limits = &self.limits;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(MIN_BUFFER))
            .max_headers(limits.headers);
        http
    }

    fn http2(&self) -> http2::Builder<TokioExecutor> {
        let limits = &self.limits;
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits.streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(STREAM_WINDOW as usize)
            .keep_alive_interval(limits.head)
            .keep_alive_timeout(limits.head);
        http
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        client: Client,
        activity: &Arc<Activity>,
        taking: Option<Arc<Taking>>,
    ) -> Response<Body> {
        let answering = Arc::new(activity.answering());
        let is_head = *request.method() == Method::HEAD;
        let mut response = self.route(request, client, &answering).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && response.extensions().get::<Switching>().is_some()
        {
            activity.upgrade();
            return response.map(|_| Body::empty());
        }
        if response.status().is_informational() {
            response = problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the program returned a status below 200; return a final status",
            );
        }
        let length = framed(&mut response, is_head);
        // From here on, a body of the request that the service still reads does not change the state.
        let sending = activity.answering();
        sending.work(false);
        drop(answering);
        response.map(|body| Body::new(Sent::new(body, length, taking, sending)))
    }

    async fn route(
        &self,
        request: Request<Incoming>,
        client: Client,
        answering: &Arc<Answering>,
    ) -> Response<Body> {
        let limits = &self.limits;
        let (mut parts, body) = request.into_parts();
        let scheme = if client.is_secure {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        if let Err(error) = target::complete(&mut parts, &scheme) {
            let status = match error {
                target::TargetError::Method => StatusCode::NOT_IMPLEMENTED,
                _ => StatusCode::BAD_REQUEST,
            };
            return problem(status, &error.to_string());
        }
        // The parser of HTTP/1.1 has checked this already.
        if parts.headers.len() > limits.headers {
            let detail = format!("a request has at most {} headers; send fewer", limits.headers);
            return problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &detail);
        }
        let limit = limits.body;
        if body.size_hint().lower() > limit {
            return problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                &BodyFault::TooLarge { limit }.to_string(),
            );
        }
        let pace = Pace::new(limits.patience, limits.slowest);
        let (body, fault) = Received::limited(body, limit, pace, answering);
        let response = self
            .service
            .answer(Request::from_parts(parts, body), client)
            .await;
        // The service saw only that the body broke off.
        match fault.get() {
            Some(fault @ BodyFault::TooLarge { .. }) => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, &fault.to_string())
            }
            Some(fault @ BodyFault::TooSlow) => problem(StatusCode::REQUEST_TIMEOUT, &fault.to_string()),
            _ => response,
        }
    }
}

/// Removes the headers of a response that the server sets. Returns the length that the body must have, if its own
/// length is not known and a header states it.
fn framed(response: &mut Response<Body>, is_head: bool) -> Option<u64> {
    let exact = response.body().size_hint().exact();
    let status = response.status();
    let is_bodiless = matches!(status.as_u16(), 204 | 205 | 304);
    let headers = response.headers_mut();
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    let stated = length(headers);
    headers.remove(CONTENT_LENGTH);
    if is_head || is_bodiless {
        // In a response to HEAD, it is the length that GET would have. With the others, a client could wait for a body
        // of this length (RFC 9110, section 8.6).
        let length = stated.or(exact.filter(|length| *length > 0));
        if let Some(length) = length.filter(|_| !is_bodiless) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = Body::empty();
        return None;
    }
    match (exact, stated) {
        (None, Some(length)) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            Some(length)
        }
        _ => None,
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}
