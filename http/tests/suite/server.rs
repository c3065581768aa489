//! A server, and clients that write bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use secure_runtime_http::{Body, Client, Request, Response, ServerLimits, Service, StatusCode, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than any of these tests takes, on any machine.
pub(crate) const LONG: Duration = Duration::from_secs(600);

struct Function<F>(F);

impl<F, R> Service for Function<F>
where
    F: Fn(Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send,
{
    fn answer(&self, request: Request<Body>, _: Client) -> impl Future<Output = Response<Body>> + Send {
        (self.0)(request)
    }
}

/// A server that runs until it is told to stop.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    pub(crate) ended: JoinHandle<()>,
}

impl Server {
    /// Tells the server to stop. Returns the task that ends with it.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.ended
    }
}

/// Starts a server that answers with this function.
pub(crate) async fn server<F, R>(limits: ServerLimits, answer: F) -> Server
where
    F: Fn(Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    with_tls(limits, None, answer).await
}

pub(crate) async fn with_tls<F, R>(
    limits: ServerLimits,
    tls: Option<Arc<rustls::ServerConfig>>,
    answer: F,
) -> Server
where
    F: Fn(Request<Body>) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(async move {
        let shutdown = async { drop(stopped.await) };
        serve(listener, Arc::new(Function(answer)), tls, limits, shutdown).await;
    });
    Server { address, stop, ended }
}

/// Answers with the method, the URL and the body, or with status 422 if the body breaks off.
pub(crate) async fn echo(request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Some(bytes) = whole(body).await else {
        return status(422);
    };
    let text = String::from_utf8(bytes).unwrap();
    Response::new(Body::from(format!("{} {} [{text}]\n", parts.method, parts.uri)))
}

/// Returns the bytes of a body, or `None` if it breaks off.
pub(crate) async fn whole(body: Body) -> Option<Vec<u8>> {
    let mut pieces = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.ok()?);
    }
    Some(bytes)
}

pub(crate) fn status(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Waits for an effect that must happen. The time is only a bound for a test that fails.
pub(crate) async fn soon<T>(effect: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), effect)
        .await
        .expect("the effect must happen within a minute")
}

pub(crate) async fn connected(address: SocketAddr, beginning: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(beginning.as_ref()).await.unwrap();
    stream
}

/// Returns everything that the server sends until it closes the connection.
pub(crate) async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset ends the connection too.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends bytes, and returns everything that the server sends until it closes the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let send = async {
        // The server may close the connection early.
        let _ = writing.write_all(bytes.as_ref()).await;
    };
    let (received, ()) = tokio::join!(rest(&mut reading), send);
    received
}

/// Returns the status of each response.
pub(crate) fn statuses(received: &str) -> Vec<u16> {
    let heads = received.match_indices("HTTP/1.");
    heads
        .map(|(at, _)| received[at + 9..at + 12].parse().unwrap())
        .collect()
}

/// Returns the statuses of a plain request on a connection of its own.
pub(crate) async fn get(address: SocketAddr) -> Vec<u16> {
    statuses(
        &exchange(
            address,
            "GET /get HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n",
        )
        .await,
    )
}
