//! The end of a server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use secure_runtime_http::{Body, Response, ServerLimits};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use crate::server::{LONG, connected, echo, rest, server, soon, statuses, with_tls};
use crate::tls;

/// SERVE-33: clients that have sent no request, or only a part of their first bytes, do not delay the end.
#[tokio::test]
async fn idle_clients_do_not_delay_the_end() {
    let limits = ServerLimits {
        head: LONG,
        ending: LONG,
        ..ServerLimits::default()
    };
    for tls in [None, Some(tls::server(&[]))] {
        let has_tls = tls.is_some();
        let server = with_tls(limits.clone(), tls, echo).await;
        let mut open = Vec::new();
        for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "\x16\x03\x01"] {
            open.push(connected(server.address, beginning).await);
        }
        if !has_tls {
            let mut kept = connected(server.address, "GET / HTTP/1.1\r\nHost: s\r\n\r\n").await;
            soon(kept.read_u8()).await.unwrap();
            open.push(kept);
        }
        soon(server.stop()).await.unwrap();
    }
}

/// SERVE-33: open requests finish, and no other request is accepted.
#[tokio::test]
async fn open_requests_finish() {
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
    let address = server.address;
    let two = "GET /1 HTTP/1.1\r\nHost: s\r\n\r\nGET /2 HTTP/1.1\r\nHost: s\r\n\r\n";
    let mut stream = connected(address, two).await;
    soon(begun.acquire()).await.unwrap().forget();
    let ended = server.stop();
    // The listener is closed.
    soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    may_end.add_permits(10);
    let received = rest(&mut stream).await;
    assert_eq!(statuses(&received), [200]);
    assert!(
        received.to_lowercase().contains("connection: close"),
        "{received}"
    );
    soon(ended).await.unwrap();
}

/// SERVE-33: the time for open requests is limited, in the service and in the response.
#[tokio::test]
async fn the_time_for_open_requests_is_limited() {
    let limits = ServerLimits {
        ending: Duration::from_millis(100),
        ..ServerLimits::default()
    };
    let (begun, mut begins) = mpsc::unbounded_channel();
    let server = server(limits, move |request| {
        let begun = begun.clone();
        async move {
            begun.send(()).unwrap();
            if request.uri().path() == "/work" {
                std::future::pending::<()>().await;
            }
            Response::new(Body::from_stream(futures_util::stream::pending::<
                io::Result<Vec<u8>>,
            >()))
        }
    })
    .await;
    let mut open = Vec::new();
    for path in ["/work", "/response"] {
        open.push(connected(server.address, format!("GET {path} HTTP/1.1\r\nHost: s\r\n\r\n")).await);
        soon(begins.recv()).await.unwrap();
    }
    soon(server.stop()).await.unwrap();
    for mut stream in open {
        rest(&mut stream).await;
    }
}
