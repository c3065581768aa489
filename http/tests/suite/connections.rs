//! Limits on the number of connections.

use std::sync::Arc;

use secure_runtime_http::ServerLimits;
use tokio::sync::Semaphore;

use crate::server::{Server, connected, get, rest, server, soon, status, statuses};

/// Starts a server whose answer to `/work` waits for a permit of the second semaphore, and adds one to the first.
async fn working(limits: ServerLimits) -> (Server, Arc<Semaphore>, Arc<Semaphore>) {
    let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, ends) = (begun.clone(), may_end.clone());
    let server = server(limits, move |request| {
        let (begins, ends) = (begins.clone(), ends.clone());
        async move {
            if request.uri().path() == "/work" {
                begins.add_permits(1);
                ends.acquire().await.unwrap().forget();
            }
            status(200)
        }
    })
    .await;
    (server, begun, may_end)
}

const WORK: &str = "GET /work HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n";

/// SERVE-31: connections that wait for a request make room. Connections at work do not.
#[tokio::test]
async fn idle_connections_make_room_and_busy_ones_do_not() {
    for limits in [
        ServerLimits {
            connections: 3,
            ..ServerLimits::default()
        },
        ServerLimits {
            connections_per_address: 3,
            ..ServerLimits::default()
        },
    ] {
        let (server, begun, may_end) = working(limits).await;
        let mut idle = Vec::new();
        for beginning in [
            "",
            "GET / HT",
            "PRI * HTTP/2.0\r\n",
            "",
            "",
            "GET / HTTP/1.1\r\nHost: s\r\n\r\n",
        ] {
            idle.push(connected(server.address, beginning).await);
        }
        for _ in 0..5 {
            assert_eq!(get(server.address).await, [200]);
        }
        let mut busy = Vec::new();
        for _ in 0..3 {
            busy.push(connected(server.address, WORK).await);
            soon(begun.acquire()).await.unwrap().forget();
        }
        // The others are closed, and a new one is not accepted.
        for mut stream in idle {
            rest(&mut stream).await;
        }
        assert_eq!(get(server.address).await, [0_u16; 0]);
        may_end.add_permits(3);
        for mut stream in busy {
            assert_eq!(statuses(&rest(&mut stream).await), [200]);
        }
        soon(async { while get(server.address).await != [200] {} }).await;
    }
}
