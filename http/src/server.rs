//! The server: connections, and the requests on them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::uri::Scheme;
use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::accept::accept;
use crate::body::{BodyFault, Received, Sent};
use crate::connections::{Admitted, Connections};
use crate::limits::{ServerLimits, possible_connections};
use crate::pace::Pace;
use crate::problem::problem;
use crate::target;
use crate::wire::{Activity, Wire};

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

/// The number of files that a connection needs: its socket.
const FILES_OF_A_CONNECTION: u64 = 1;

/// The share of HTTP/2 in a connection's memory: buffered bytes of one request, and of all requests of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

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
    async fn connection(self: Arc<Self>, stream: TcpStream, admitted: Admitted, end: Watcher) {
        let Ok(address) = stream.peer_addr() else { return };
        // Without this, a small response may wait for the client's next packet.
        let _ = stream.set_nodelay(true);
        let client = Client {
            address,
            is_secure: self.tls.is_some(),
        };
        match &self.tls {
            None => self.requests(stream, client, &admitted, end).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(self.limits.head, tls.accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => self.requests(stream, client, &admitted, end).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            }
        }
        drop(admitted);
    }

    async fn requests(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        client: Client,
        admitted: &Admitted,
        end: Watcher,
    ) {
        let limits = &self.limits;
        let pace = Pace::new(limits.patience, limits.slowest);
        let wire = Wire::new(stream, admitted.activity.clone(), pace);
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(limits.head_bytes.max(8192))
            .max_headers(limits.headers);
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits.streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(STREAM_WINDOW as usize)
            .keep_alive_interval(limits.head)
            .keep_alive_timeout(limits.head);
        let (server, activity) = (self.clone(), admitted.activity.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (server, activity) = (server.clone(), activity.clone());
            async move { Ok::<_, Infallible>(server.answer(request, client, &activity).await) }
        });
        let served = end.watch(http.serve_connection(TokioIo::new(wire), service).into_owned());
        if let Err(error) = served.await {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        client: Client,
        activity: &Arc<Activity>,
    ) -> Response<Body> {
        let answering = activity.answering();
        let is_head = *request.method() == Method::HEAD;
        let mut response = self.route(request, client).await;
        activity.work(false);
        let length = framed(&mut response, is_head);
        response.map(|body| Body::new(Sent::new(body, length, answering)))
    }

    async fn route(&self, request: Request<Incoming>, client: Client) -> Response<Body> {
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
        let limit = limits.body;
        if body.size_hint().lower() > limit {
            return problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                &BodyFault::TooLarge { limit }.to_string(),
            );
        }
        let pace = Pace::new(limits.patience, limits.slowest);
        let (body, fault) = Received::new(body, limit, pace);
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

/// Removes the headers of a response that the server sets. Returns the length that the body must have, if its own length
/// is not known and a header states it.
fn framed(response: &mut Response<Body>, is_head: bool) -> Option<u64> {
    let exact = response.body().size_hint().exact();
    let status = response.status();
    let has_no_body = is_head || matches!(status.as_u16(), 204 | 205 | 304) || status.is_informational();
    let headers = response.headers_mut();
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    let stated = length(headers);
    headers.remove(CONTENT_LENGTH);
    if has_no_body {
        // Of a response to HEAD, it is the length that GET would have.
        if let Some(length) = stated.or(exact.filter(|length| is_head && *length > 0)) {
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
