//! Limits on requests and on slow clients, with HTTP/1.1.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use secure_runtime_http::{Body, Response, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};

use crate::server::{LONG, connected, echo, exchange, get, rest, server, soon, status, statuses, whole};

/// SERVE-25.
#[tokio::test]
async fn heads_have_a_largest_size() {
    for limit in [500, 20_000] {
        let server = server(
            ServerLimits {
                head_bytes: limit,
                ..ServerLimits::default()
            },
            echo,
        )
        .await;
        let head = |length: usize| {
            let head = "GET /a HTTP/1.1\r\nHost: s\r\nConnection: close\r\nX: \r\n\r\n";
            head.replace("X: ", &format!("X: {}", "x".repeat(length - head.len())))
        };
        assert_eq!(statuses(&exchange(server.address, head(limit)).await), [200]);
        for larger in [limit + 1, 2 * limit, 3 << 20] {
            assert_eq!(
                statuses(&exchange(server.address, head(larger)).await),
                [431],
                "{limit} {larger}"
            );
        }
        let target = format!("GET /{} HTTP/1.1\r\nHost: s\r\n\r\n", "a".repeat(70_000));
        let refused = statuses(&exchange(server.address, target).await);
        assert_eq!(refused, [431]);
    }
}

/// SERVE-25.
#[tokio::test]
async fn heads_have_a_largest_number_of_headers() {
    let server = server(ServerLimits::default(), echo).await;
    for (count, expected) in [(98, 200), (99, 431), (5000, 431)] {
        let headers = "A: b\r\n".repeat(count);
        let request = format!("GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n{headers}\r\n");
        assert_eq!(
            statuses(&exchange(server.address, request).await),
            [expected],
            "{count}"
        );
    }
}

/// SERVE-26: also if the service ignores that the body broke off, and if the client sends all of its body first.
#[tokio::test]
async fn bodies_have_a_largest_size() {
    let limits = ServerLimits {
        body: 10,
        ..ServerLimits::default()
    };
    let ignoring = server(limits.clone(), async |request| {
        whole(request.into_body()).await;
        status(200)
    })
    .await;
    for server in [server(limits, echo).await, ignoring] {
        for length in [0, 10, 11, 8 << 20] {
            let text = "x".repeat(length);
            let known = format!("Content-Length: {length}\r\n\r\n{text}");
            let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{text}\r\n0\r\n\r\n");
            let chunks = chunks.replace("\r\n0\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n");
            let chunks = if length == 0 {
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into()
            } else {
                chunks
            };
            for body in [known, chunks] {
                let request = format!("PUT / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n{body}");
                let received = exchange(server.address, request).await;
                let expected = if length > 10 { 413 } else { 200 };
                assert_eq!(statuses(&received), [expected], "{length}");
                assert_eq!(
                    received.contains("a request body has at most 10 bytes"),
                    length > 10
                );
            }
        }
        // No byte of a refused body is a request.
        let inner = "GET /next HTTP/1.1\r\nHost: s\r\n\r\n";
        let request = format!("PUT / HTTP/1.1\r\nHost: s\r\nContent-Length: 1000\r\n\r\n{inner}");
        assert_eq!(statuses(&exchange(server.address, request).await), [413]);
    }
}

/// SERVE-27: the first head, a later one, and bytes that could be HTTP/2.
#[tokio::test]
async fn heads_have_a_longest_time() {
    let limits = ServerLimits {
        head: Duration::from_millis(300),
        ..ServerLimits::default()
    };
    let server = server(limits, echo).await;
    for beginning in [
        "",
        "G",
        "P",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "GET / HTTP/1.1\r\nHost: s\r\n",
        "\r\n\r\n",
    ] {
        let mut stream = connected(server.address, beginning).await;
        assert_eq!(rest(&mut stream).await, "", "{beginning:?}");
    }
    // Bytes do not extend the time.
    let (mut reading, mut writing) = connected(server.address, "GET / HTTP/1.1\r\n").await.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(rest(&mut reading).await, "");
    trickle.abort();
    let mut answered = 0;
    while answered == 0 {
        // A busy machine may need more time than this server gives to a head.
        let mut stream = connected(server.address, "GET / HTTP/1.1\r\nHost: s\r\n\r\nGET").await;
        answered = statuses(&rest(&mut stream).await).len();
    }
    assert_eq!(answered, 1);
}

/// SERVE-28.
#[tokio::test]
async fn bodies_have_a_slowest_pace() {
    let limits = ServerLimits {
        patience: Duration::from_millis(500),
        slowest: 1_000_000,
        ..ServerLimits::default()
    };
    let server = server(limits, echo).await;
    let length = "PUT / HTTP/1.1\r\nHost: s\r\nContent-Length: 1000000\r\n\r\n";
    let chunked = "PUT / HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (head, piece, pause) in [
        (length, "x", LONG),
        (length, "x", Duration::from_millis(20)),
        (chunked, "1\r\nx\r\n", LONG),
        (chunked, "1\r\nx\r\n", Duration::from_millis(20)),
        (chunked, "1;x=y", LONG),
    ] {
        let (mut reading, mut writing) = connected(server.address, head).await.into_split();
        let trickle = tokio::spawn(async move {
            while writing.write_all(piece.as_bytes()).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let received = rest(&mut reading).await;
        trickle.abort();
        assert_eq!(statuses(&received), [408], "{head:?} {pause:?}");
        assert!(
            received.contains("the request body arrived too slowly"),
            "{received}"
        );
    }
}

/// A body without end. It reports when it is dropped.
pub(crate) fn endless(dropped: mpsc::UnboundedSender<()>) -> Body {
    struct Guard(mpsc::UnboundedSender<()>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let guard = Guard(dropped);
    Body::from_stream(futures_util::stream::repeat_with(move || {
        let _ = &guard;
        Ok::<_, Infallible>(vec![0; 100_000])
    }))
}

/// SERVE-29.
#[tokio::test]
async fn responses_have_a_slowest_pace() {
    let limits = ServerLimits {
        patience: Duration::from_millis(300),
        slowest: 1_000_000,
        ..ServerLimits::default()
    };
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let server = server(limits, move |_| {
        let dropped = dropped.clone();
        async move { Response::new(endless(dropped)) }
    })
    .await;
    let silent = connected(server.address, "GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
    soon(drops.recv()).await.unwrap();
    drop(silent);
    let mut slow = connected(server.address, "GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
    let reading = async {
        while slow.read_u8().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        dropped = soon(drops.recv()) => dropped.unwrap(),
        () = reading => {}
    }
    // A client that reads gets more than all buffers hold.
    let mut fast = connected(server.address, "GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
    let mut bytes = vec![0; 32 << 20];
    soon(fast.read_exact(&mut bytes)).await.unwrap();
}

/// SERVE-30: a client that goes away ends the work on its request, and its response.
#[tokio::test]
async fn the_work_ends_with_the_client() {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let started = Arc::new(Semaphore::new(0));
    let begins = started.clone();
    let server = server(ServerLimits::default(), move |request| {
        let (dropped, begins) = (dropped.clone(), begins.clone());
        async move {
            if request.uri().path() == "/get" {
                return status(200);
            }
            let body = endless(dropped);
            begins.add_permits(1);
            if request.uri().path() == "/work" {
                std::future::pending::<()>().await;
            }
            Response::new(body)
        }
    })
    .await;
    for path in ["/work", "/response"] {
        let stream = connected(server.address, format!("GET {path} HTTP/1.1\r\nHost: s\r\n\r\n")).await;
        soon(started.acquire()).await.unwrap().forget();
        assert!(drops.try_recv().is_err());
        drop(stream);
        soon(drops.recv()).await.unwrap();
    }
    assert_eq!(get(server.address).await, [200]);
}
