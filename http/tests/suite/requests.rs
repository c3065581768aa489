//! Requests that other servers could read differently.

use secure_runtime_http::ServerLimits;

use crate::server::{Server, echo, exchange, get, rest, server, soon, statuses};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The last request of each connection. If the server answers it, it has found the end of the request before.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n";

async fn started() -> Server {
    server(ServerLimits::default(), echo).await
}

/// Sends a request with these headers and this body, and then another one.
async fn posted(server: &Server, headers: &str, body: &str) -> String {
    let request = format!("POST /a HTTP/1.1\r\nHost: s\r\n{headers}\r\n{body}{NEXT}");
    exchange(server.address, request).await
}

/// SERVE-20.
#[tokio::test]
async fn heads_with_two_lengths_are_refused() {
    let server = started().await;
    for headers in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\t: 5\r\n",
        " Content-Length: 5\r\n",
        "Content-Length:\r\n 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "X: a\r\n Transfer-Encoding: chunked\r\n",
    ] {
        let received = posted(&server, headers, "0\r\n\r\n").await;
        assert_eq!(statuses(&received), [400], "{headers:?}");
        assert!(!received.contains("/next"), "{headers:?}");
    }
    for (headers, body, expected) in [
        ("", "", ""),
        ("Content-Length: 5\r\n", "\r\n#\r\n", "\r\n#\r\n"),
        ("content-LENGTH:\t5 \r\n", "abcde", "abcde"),
        ("Content-Length: 0\r\n", "", ""),
        (
            "Transfer-Encoding: chunked\r\n",
            "5\r\nabcde\r\n0\r\n\r\n",
            "abcde",
        ),
        (
            "transfer-encoding:Chunked\r\n",
            "1;a=b\r\na\r\n01 \r\nb\r\n0\r\nX: y\r\n\r\n",
            "ab",
        ),
    ] {
        let received = posted(&server, headers, body).await;
        assert_eq!(statuses(&received), [200, 200], "{headers:?} {received}");
        assert!(
            received.contains(&format!("POST http://s/a [{expected}]\n")),
            "{received}"
        );
        assert!(received.ends_with("GET http://s/next []\n"), "{received}");
    }
}

/// SERVE-22.
#[tokio::test]
async fn heads_with_other_ambiguities_are_refused() {
    let server = started().await;
    for head in [
        "GET /a HTTP/1.1\nHost: s\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: s\n\r\n",
        "GET /a HTTP/1.1\r\nHost: s\r\n\n",
        "GET /a HTTP/1.1\r\nHost: s\r\nA: b\rC: d\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: s\r\nA: b\r\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: s\r\nA: \0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: s\r\n\0A: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: s\r\nA: b\r\n c\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: s\r\nA\r\n\r\n",
        "GET /a HTTP/1.1\r\n Host: s\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost : s\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: s\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: s\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: s\r\n\r\n",
        "GET /a\tHTTP/1.1\r\nHost: s\r\n\r\n",
        "GET /a\r\nHost: s\r\n\r\n",
        "GET /a HTTP/1.2\r\nHost: s\r\n\r\n",
        "GET /a HTTP/3.0\r\nHost: s\r\n\r\n",
        "GET /a HTTP/1.1 \r\nHost: s\r\n\r\n",
        "G(T /a HTTP/1.1\r\nHost: s\r\n\r\n",
        "POST /a HTTP/1.0\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let received = exchange(server.address, format!("{head}{NEXT}")).await;
        assert_eq!(statuses(&received), [400], "{head:?}");
        assert!(!received.contains("/next"), "{head:?}");
    }
    for (head, expected) in [
        (
            "\r\n\r\nGET /a HTTP/1.1\r\nHost: s\r\nA: #\r\n\r\n",
            &[200, 200][..],
        ),
        (
            "GET /%23b?c HTTP/1.1\r\nHost: s\r\nX-Content-Length: 5\r\n\r\n",
            &[200, 200],
        ),
        ("GET /a HTTP/1.0\r\nHost: s\r\n\r\n", &[200]),
    ] {
        let received = exchange(server.address, format!("{head}{NEXT}")).await;
        assert_eq!(statuses(&received), expected, "{head:?}");
    }
}

/// SERVE-22: after invalid chunks, no byte of the connection is a request.
#[tokio::test]
async fn invalid_chunks_end_the_connection() {
    let server = started().await;
    let extensions = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(20_000));
    let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(200));
    let trailer = format!("0\r\nA: {}\r\n\r\n", "b".repeat(70_000));
    let digits = format!("{}1\r\na\r\n0\r\n\r\n", "0".repeat(70));
    for body in [
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\nab0\r\n\r\n",
        "1\r\na\r\n0\n\r\n",
        "1\r\na\r\n0\r\n\n",
        "1\r\na\r\n0\r\nA: b\n\r\n",
        "1;\n\r\na\r\n0\r\n\r\n",
        "1;\r0\r\na\r\n0\r\n\r\n",
        "1\r\r\na\r\n0\r\n\r\n",
        "1\0\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "1 1\r\na\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "10000000000000000\r\na\r\n0\r\n\r\n",
        "fffffffffffffffff\r\na\r\n0\r\n\r\n",
        &digits,
        &extensions,
        &trailers,
        &trailer,
    ] {
        let received = posted(&server, "Transfer-Encoding: chunked\r\n", body).await;
        let shown = body.get(..20).unwrap_or(body);
        assert!(
            [&[422][..], &[413], &[]].contains(&&*statuses(&received)),
            "{shown:?} {received}"
        );
        assert!(!received.contains("/next"), "{shown:?}");
    }
    let few = format!("1\r\na\r\n0\r\n{}\r\n", "A: b\r\n".repeat(20));
    assert_eq!(
        statuses(&posted(&server, "Transfer-Encoding: chunked\r\n", &few).await),
        [200, 200]
    );
}

/// SERVE-21: one host, and a URL that says the same everywhere.
#[tokio::test]
async fn requests_name_one_host() {
    let server = started().await;
    for (target, hosts, expected) in [
        ("/a", "", Err(400)),
        ("/a", "Host: s\r\nHost: s\r\n", Err(400)),
        ("/a", "Host: s\r\nHost: t\r\n", Err(400)),
        ("/a", "Host: \r\n", Err(400)),
        ("/a", "Host: s/b\r\n", Err(400)),
        ("/a", "Host: s, t\r\n", Err(400)),
        ("/a", "Host: u@s\r\n", Err(400)),
        ("/a", "Host: s:99999\r\n", Err(400)),
        ("http://t/a", "Host: s\r\n", Err(400)),
        ("http://s@t/a", "Host: t\r\n", Err(400)),
        ("ftp://s/a", "Host: s\r\n", Ok("http://s/a")),
        ("http://s/a", "Host: s\r\n", Ok("http://s/a")),
        ("https://s/a", "Host: s\r\n", Ok("http://s/a")),
        ("/a/../b/%2e%2e/c", "Host: S:80\r\n", Ok("http://s/c")),
        ("//t/a", "Host: s\r\n", Ok("http://s//t/a")),
        ("/\\t/a", "Host: s\r\n", Ok("http://s//t/a")),
        ("s:80", "Host: s:80\r\n", Err(400)),
        ("*", "Host: s\r\n", Err(400)),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let received = exchange(server.address, request).await;
        match expected {
            Ok(url) => assert!(
                received.ends_with(&format!("\r\n\r\nGET {url} []\n")),
                "{target} {received}"
            ),
            Err(status) => {
                assert_eq!(statuses(&received), [status], "{target} {hosts:?} {received}");
                assert!(received.contains("application/problem+json"), "{received}");
            }
        }
    }
    for (method, target, expected) in [
        ("CONNECT", "s:80", 501),
        ("CONNECT", "/", 501),
        ("TRACE", "/", 501),
        ("OPTIONS", "*", 400),
        ("OPTIONS", "/", 200),
        ("PROPFIND", "/", 200),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n");
        assert_eq!(
            statuses(&exchange(server.address, request).await),
            [expected],
            "{method} {target}"
        );
    }
}

/// SERVE-23: a connection serves several requests, with and without bodies, and in their order.
#[tokio::test]
async fn requests_share_a_connection() {
    let server = started().await;
    let mut all = String::new();
    for number in 0..20 {
        let text = "x".repeat(number * 1000);
        all += &match number % 3 {
            0 => format!(
                "PUT /{number} HTTP/1.1\r\nHost: s\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            ),
            1 => format!(
                "PUT /{number} HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
                text.len()
            ),
            _ => format!("GET /{number} HTTP/1.1\r\nHost: s\r\n\r\n"),
        };
    }
    let received = exchange(server.address, format!("{all}{NEXT}{NEXT}")).await;
    assert_eq!(
        statuses(&received),
        [200; 21],
        "a request after `Connection: close` is not answered"
    );
    let places = (0..20).map(|number| received.find(&format!("http://s/{number} [")).unwrap());
    assert!(places.is_sorted());
}

/// SERVE-23: `Expect: 100-continue`.
#[tokio::test]
async fn clients_may_wait_for_the_server_to_read() {
    let server = server(
        ServerLimits {
            body: 10,
            ..ServerLimits::default()
        },
        echo,
    )
    .await;
    let head = |length| {
        format!(
            "PUT /a HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head(3).as_bytes()).await.unwrap();
    let mut first = [0; 25];
    soon(stream.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(rest(&mut stream).await.ends_with("PUT http://s/a [abc]\n"));
    // The client gets the refusal without sending the body. What it sends instead is no request.
    let received = exchange(server.address, format!("{}{NEXT}", head(11))).await;
    assert_eq!(statuses(&received), [413]);
}

/// SERVE-22: HTTP/2 begins with the first byte of a connection or not at all.
#[tokio::test]
async fn a_connection_does_not_change_its_protocol() {
    let server = started().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for (before, expected) in [
        ("GET /a HTTP/1.1\r\nHost: s\r\n\r\n", &[200][..]),
        ("PUT /a HTTP/1.1\r\nHost: s\r\nContent-Length: 1\r\n\r\na", &[200]),
        ("\r\n", &[400]),
    ] {
        let received = exchange(server.address, format!("{before}{preface}{NEXT}")).await;
        assert_eq!(statuses(&received), expected, "{before:?}");
        assert!(!received.contains("/next"));
    }
    let upgrade = "GET /a HTTP/1.1\r\nHost: s\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(
        statuses(&exchange(server.address, format!("{upgrade}{NEXT}")).await),
        [200, 200]
    );
    // The beginning of a preface that is none is HTTP/1.1, and is filtered.
    let received = exchange(server.address, "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n\0\0\0\x04\0").await;
    assert!(!received.contains(" 200"), "{received}");
    assert_eq!(get(server.address).await, [200]);
}
