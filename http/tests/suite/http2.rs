//! HTTP/2, and clients that abuse it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use secure_runtime_http::{Body, Method, Request, Response, ServerLimits};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use crate::limits::endless;
use crate::server::{LONG, connected, echo, rest, server, soon, status};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Returns a client. The connection ends with the task.
async fn client(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let (client, connection) = soon(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn to(address: SocketAddr) -> SendRequest<Bytes> {
    client(TcpStream::connect(address).await.unwrap()).await
}

/// Sends a request. Returns the status and the body, or the reason of the error.
async fn exchange(
    client: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: &str,
) -> Result<(u16, String), Reason> {
    let of = |error: h2::Error| error.reason().unwrap_or(Reason::CONNECT_ERROR);
    let exchange = async {
        let mut ready = client.clone().ready().await.map_err(of)?;
        let (response, mut sending) = ready.send_request(request, body.is_empty()).map_err(of)?;
        if !body.is_empty() {
            // The server may have refused the request already.
            let _ = sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true);
        }
        let response = response.await.map_err(of)?;
        Ok((
            response.status().as_u16(),
            text(response.into_body()).await.map_err(of)?,
        ))
    };
    soon(exchange).await
}

async fn text(mut body: RecvStream) -> Result<String, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        let _ = body.flow_control().release_capacity(piece.len());
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn request(url: &str) -> Request<()> {
    Request::get(url).body(()).unwrap()
}

/// Returns the body of the response to GET.
pub(crate) async fn get(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, url: &str) -> String {
    exchange(&mut client(stream).await, request(url), "")
        .await
        .unwrap()
        .1
}

/// SERVE-21, SERVE-20: the same rules as for HTTP/1.1.
#[tokio::test]
async fn requests_of_http2_have_one_host_and_one_length() {
    let server = server(ServerLimits::default(), echo).await;
    let mut client = to(server.address).await;
    let of = |url: &str| Request::get(url);
    for (request, body, expected) in [
        (of("http://s/a/../b"), "", Ok((200, "GET http://s/b []\n"))),
        (of("https://S:80/a"), "", Ok((200, "GET http://s/a []\n"))),
        (
            of("http://s/").header("host", "s"),
            "",
            Ok((200, "GET http://s/ []\n")),
        ),
        (of("http://s/").header("host", "t"), "", Ok((400, ""))),
        (
            of("http://s/").header("host", "s").header("host", "s"),
            "",
            Ok((400, "")),
        ),
        (of("http://u@s/"), "", Ok((400, ""))),
        (of("http://s/").method(Method::TRACE), "", Ok((501, ""))),
        (of("s:80").method(Method::CONNECT), "", Ok((501, ""))),
        (
            of("http://s/").header("transfer-encoding", "chunked"),
            "a",
            Err(Reason::PROTOCOL_ERROR),
        ),
        (
            of("http://s/").header("connection", "close"),
            "",
            Err(Reason::PROTOCOL_ERROR),
        ),
        (
            of("http://s/").header("upgrade", "h2c"),
            "",
            Err(Reason::PROTOCOL_ERROR),
        ),
        (
            of("http://s/").header("content-length", "1"),
            "a",
            Ok((200, "GET http://s/ [a]\n")),
        ),
        (
            of("http://s/").header("content-length", "2"),
            "a",
            Err(Reason::PROTOCOL_ERROR),
        ),
        (
            of("http://s/").header("content-length", "1"),
            "aa",
            Err(Reason::PROTOCOL_ERROR),
        ),
        (
            of("http://s/").header("content-length", "1"),
            "",
            Err(Reason::PROTOCOL_ERROR),
        ),
    ] {
        let request = request.body(()).unwrap();
        let shown = format!("{request:?}");
        let received = exchange(&mut client, request, body).await;
        match (received, expected) {
            (Ok((status, text)), Ok((expected, body))) => {
                assert_eq!(status, expected, "{shown}");
                assert!(text == body || status >= 400, "{shown} {text}");
            }
            // An error of the client comes before the server's.
            (Err(_), Err(_)) => client = to(server.address).await,
            (received, expected) => panic!("{shown}\n{received:?}\n{expected:?}"),
        }
    }
}

/// SERVE-25, SERVE-26.
#[tokio::test]
async fn requests_of_http2_have_largest_sizes() {
    let limits = ServerLimits {
        body: 10,
        ..ServerLimits::default()
    };
    let server = server(limits, echo).await;
    let mut client = to(server.address).await;
    let with = |count: usize, length: usize| {
        let mut request = Request::get("http://s/");
        for _ in 0..count {
            request = request.header("x", "x".repeat(length));
        }
        request.body(()).unwrap()
    };
    for (count, length, expected) in [(100, 1, 200), (101, 1, 431), (1, 60_000, 200), (1, 70_000, 431)] {
        let received = exchange(&mut client, with(count, length), "").await;
        assert_eq!(
            received.map(|(status, _)| status),
            Ok(expected),
            "{count} {length}"
        );
    }
    for (body, expected) in [("0123456789", 200), ("0123456789a", 413)] {
        for is_stated in [true, false] {
            let mut request = request("http://s/");
            if is_stated {
                request.headers_mut().insert("content-length", body.len().into());
            }
            let received = exchange(&mut client, request, body).await;
            assert_eq!(received.map(|(status, _)| status), Ok(expected), "{body}");
        }
    }
    let trailers = async {
        let mut ready = client.clone().ready().await.unwrap();
        let (response, mut sending) = ready.send_request(request("http://s/"), false).unwrap();
        let mut many = secure_runtime_http::request::Builder::new();
        for number in 0..3000 {
            many = many.header(format!("x-{number}"), "x".repeat(50));
        }
        let _ = sending.send_trailers(many.body(()).unwrap().headers().clone());
        response.await.map(|response| response.status().as_u16())
    };
    assert_ne!(soon(trailers).await.ok(), Some(200));
    assert_eq!(
        exchange(&mut to(server.address).await, request("http://s/"), "")
            .await
            .unwrap()
            .0,
        200
    );
}

/// SERVE-34: the client learns the limit, and requests beyond it are refused.
#[tokio::test]
async fn the_number_of_requests_at_one_time_is_limited() {
    let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, ends) = (begun.clone(), may_end.clone());
    let limits = ServerLimits {
        streams: 3,
        ..ServerLimits::default()
    };
    let server = server(limits, move |_| {
        let (begins, ends) = (begins.clone(), ends.clone());
        async move {
            begins.add_permits(1);
            ends.acquire().await.unwrap().forget();
            status(200)
        }
    })
    .await;
    // A client that has not read the limit yet.
    let mut stream = connected(server.address, PREFACE).await;
    for number in 0..5_u8 {
        // GET http://s/: three indexed headers, and the authority as a literal.
        let block = [0x82, 0x86, 0x84, 0x01, 1, b's'];
        let head = [0, 0, 6, 1, 5, 0, 0, 0, 2 * number + 1];
        stream.write_all(&[&head[..], &block].concat()).await.unwrap();
    }
    let mut refused = Vec::new();
    let mut most = None;
    while refused.len() < 2 {
        let (kind, number, payload) = soon(frame(&mut stream)).await.unwrap();
        match kind {
            3 => refused.push((number, payload)),
            4 if !payload.is_empty() => {
                most = payload
                    .chunks(6)
                    .find(|setting| setting[..2] == [0, 3])
                    .map(|setting| setting[5]);
            }
            _ => {}
        }
    }
    assert_eq!(most, Some(3));
    assert_eq!(
        refused,
        [(7, vec![0, 0, 0, 7]), (9, vec![0, 0, 0, 7])],
        "REFUSED_STREAM"
    );
    soon(begun.acquire_many(3)).await.unwrap().forget();
    may_end.add_permits(3);
    let mut answered = 0;
    while answered < 3 {
        let (kind, number, _) = soon(frame(&mut stream)).await.unwrap();
        answered += usize::from(kind == 1 && number < 7);
    }
}

/// Reads a frame: its type, its stream and its payload.
async fn frame(stream: &mut TcpStream) -> std::io::Result<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut payload).await?;
    Ok((
        head[3],
        u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
        payload,
    ))
}

/// SERVE-34: requests that are reset at once (CVE-2023-44487) leave no work behind.
#[tokio::test]
async fn requests_that_are_reset_leave_nothing() {
    let working = Arc::new(AtomicUsize::new(0));
    let (counted, most) = (working.clone(), Arc::new(AtomicUsize::new(0)));
    let peak = most.clone();
    let limits = ServerLimits {
        streams: 10,
        ..ServerLimits::default()
    };
    let server = server(limits, move |request| {
        let (counted, peak) = (counted.clone(), peak.clone());
        async move {
            struct Guard(Arc<AtomicUsize>);
            impl Drop for Guard {
                fn drop(&mut self) {
                    self.0.fetch_sub(1, Ordering::SeqCst);
                }
            }
            let now = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let _guard = Guard(counted);
            peak.fetch_max(now, Ordering::SeqCst);
            if request.uri().path() == "/reset" {
                std::future::pending::<()>().await;
            }
            status(200)
        }
    })
    .await;
    let stream = connected(server.address, PREFACE).await;
    let (mut reading, mut writing) = stream.into_split();
    let flood = async {
        for number in 0..20_000_u32 {
            let id = (2 * number + 1).to_be_bytes();
            let block = [
                0x82, 0x86, 0x04, 6, b'/', b'r', b'e', b's', b'e', b't', 0x01, 1, b's',
            ];
            let frames = [
                &[0, 0, 13, 1, 5][..],
                &id,
                &block,
                &[0, 0, 4, 3, 0],
                &id,
                &[0, 0, 0, 8],
            ];
            if writing.write_all(&frames.concat()).await.is_err() {
                break;
            }
        }
    };
    // The server ends the connection (ENHANCE_YOUR_CALM), or has answered nothing when the flood is over.
    tokio::select! {
        () = soon(flood) => {}
        _ = rest(&mut reading) => {}
    }
    drop((reading, writing));
    soon(async {
        while working.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(most.load(Ordering::SeqCst) <= 20, "{most:?} requests at one time");
    assert_eq!(
        exchange(&mut to(server.address).await, request("http://s/"), "")
            .await
            .unwrap()
            .0,
        200
    );
}

/// SERVE-34: a head in frames without end (CVE-2024-27316).
#[tokio::test]
async fn heads_of_http2_end() {
    let server = server(ServerLimits::default(), echo).await;
    for block in [&[0; 0][..], &[0x82; 1000], b"\0\x01a\x01b"] {
        let (mut reading, mut writing) = connected(server.address, PREFACE).await.into_split();
        let flood = async {
            writing.write_all(&[0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82]).await?;
            let length = u16::try_from(block.len()).unwrap().to_be_bytes();
            loop {
                let frame = [&[0][..], &length, &[9, 0, 0, 0, 0, 1], block].concat();
                writing.write_all(&frame).await?;
            }
        };
        let broken: std::io::Result<()> = tokio::select! {
            broken = soon(flood) => broken,
            _ = rest(&mut reading) => Ok(()),
        };
        drop(broken);
    }
    assert_eq!(
        exchange(&mut to(server.address).await, request("http://s/"), "")
            .await
            .unwrap()
            .0,
        200
    );
}

/// SERVE-27: a head of HTTP/2 that never ends, and a client that does not answer pings.
#[tokio::test]
async fn silent_clients_of_http2_are_disconnected() {
    let limits = ServerLimits {
        head: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    let server = server(limits, echo).await;
    let open = [PREFACE, &[0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82]].concat();
    for beginning in [PREFACE, &open] {
        let mut stream = connected(server.address, beginning).await;
        rest(&mut stream).await;
    }
}

/// SERVE-29: a client that grants no bytes to its responses is disconnected, although it answers pings.
#[tokio::test]
async fn responses_of_http2_have_a_slowest_pace() {
    let limits = ServerLimits {
        patience: Duration::from_millis(300),
        slowest: 1_000_000,
        ..ServerLimits::default()
    };
    for whole in [true, false] {
        let (dropped, mut drops) = mpsc::unbounded_channel();
        let server = server(limits.clone(), move |_| {
            let dropped = dropped.clone();
            async move {
                match whole {
                    true => Response::new(Body::from(vec![0; 1 << 20])),
                    false => Response::new(endless(dropped)),
                }
            }
        })
        .await;
        for window in [0, 1, 10_000] {
            let stream = TcpStream::connect(server.address).await.unwrap();
            let client = h2::client::Builder::new()
                .initial_window_size(window)
                .handshake::<_, Bytes>(stream);
            let (client, connection) = soon(client).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut ready = client.ready().await.unwrap();
            let (response, _) = ready.send_request(request("http://s/"), true).unwrap();
            let response = soon(response).await.unwrap();
            // The connection ends, although the client does not close it.
            let _ = soon(connection).await.unwrap();
            if !whole {
                soon(drops.recv()).await.unwrap();
            }
            drop((response, ready));
        }
        let received = soon(async {
            let mut client = to(server.address).await;
            let mut ready = client.clone().ready().await.unwrap();
            let (response, _) = ready.send_request(request("http://s/"), true).unwrap();
            let mut body = response.await.unwrap().into_body();
            let mut received = 0;
            while received < 1 << 20 {
                let Some(Ok(piece)) = body.data().await else { break };
                let _ = body.flow_control().release_capacity(piece.len());
                received += piece.len();
            }
            let _ = &mut client;
            received
        })
        .await;
        assert!(received >= 1 << 20, "{received}");
    }
}

/// SERVE-28.
#[tokio::test]
async fn bodies_of_http2_have_a_slowest_pace() {
    let limits = ServerLimits {
        patience: Duration::from_millis(300),
        ..ServerLimits::default()
    };
    let server = server(limits, echo).await;
    let client = to(server.address).await;
    let mut ready = client.ready().await.unwrap();
    let (response, mut sending) = ready.send_request(request("http://s/"), false).unwrap();
    sending.send_data(Bytes::from_static(b"a"), false).unwrap();
    assert_eq!(soon(response).await.unwrap().status(), 408);
}

/// SERVE-33: open requests of HTTP/2 finish, and idle clients do not delay the end.
#[tokio::test]
async fn open_requests_of_http2_finish() {
    let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, ends) = (begun.clone(), may_end.clone());
    let limits = ServerLimits {
        ending: LONG,
        ..ServerLimits::default()
    };
    let server = server(limits, move |request| {
        let (begins, ends) = (begins.clone(), ends.clone());
        async move {
            begins.add_permits(1);
            ends.acquire().await.unwrap().forget();
            echo(request).await
        }
    })
    .await;
    let idle = to(server.address).await;
    let mut client = to(server.address).await;
    let open = tokio::spawn(async move { exchange(&mut client, request("http://s/"), "").await });
    soon(begun.acquire()).await.unwrap().forget();
    let ended = server.stop();
    tokio::task::yield_now().await;
    may_end.add_permits(1);
    assert_eq!(soon(open).await.unwrap().unwrap().0, 200);
    soon(ended).await.unwrap();
    drop(idle);
}
