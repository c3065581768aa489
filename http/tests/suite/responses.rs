//! Responses whose headers contradict their bodies.

use std::io;

use secure_runtime_http::{Body, Request, Response, ServerLimits};

use crate::server::{echo, exchange, server, statuses};

/// Answers with the status and the headers that the path names. A body comes in pieces, or at once.
async fn named(request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut words = path.trim_start_matches('/').split('/');
    let mut response = Response::builder().status(words.next().unwrap());
    let body = match words.next().unwrap() {
        "whole" => Body::from("hello"),
        "none" => Body::empty(),
        _ => Body::from_stream(futures_util::stream::iter(["he", "llo"].map(Ok::<_, io::Error>))),
    };
    for header in words {
        let (name, value) = header.split_once('=').unwrap();
        response = response.header(name, value);
    }
    response.body(body).unwrap()
}

/// Sends two requests for the path. Returns what the server sent.
async fn asked(method: &str, path: &str) -> String {
    let server = server(ServerLimits::default(), named).await;
    let first = format!("{method} {path} HTTP/1.1\r\nHost: s\r\n\r\n");
    let second = "GET /201/whole HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n";
    exchange(server.address, format!("{first}{second}"))
        .await
        .to_lowercase()
}

/// SERVE-24: the next response begins where the client expects it.
#[tokio::test]
async fn responses_have_the_length_that_they_state() {
    let chunks = "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    for (method, path, length, body) in [
        ("GET", "/200/whole", Some("5"), "hello"),
        ("GET", "/200/whole/content-length=3", Some("5"), "hello"),
        ("GET", "/200/whole/content-length=9", Some("5"), "hello"),
        ("GET", "/200/pieces", None, chunks),
        ("GET", "/200/pieces/content-length=5", Some("5"), "hello"),
        ("GET", "/200/pieces/content-length=0", Some("0"), ""),
        ("GET", "/200/pieces/content-length=x", None, chunks),
        ("GET", "/200/pieces/content-length=+5", None, chunks),
        ("GET", "/200/whole/transfer-encoding=gzip", Some("5"), "hello"),
        ("GET", "/200/pieces/transfer-encoding=gzip", None, chunks),
        (
            "GET",
            "/200/pieces/transfer-encoding=chunked/content-length=5",
            Some("5"),
            "hello",
        ),
        ("GET", "/200/whole/connection=close", Some("5"), "hello"),
        (
            "GET",
            "/200/whole/connection=upgrade/upgrade=h2c/keep-alive=x/trailer=x/te=x",
            Some("5"),
            "hello",
        ),
        ("GET", "/200/none", Some("0"), ""),
        ("GET", "/200/none/content-length=5", Some("0"), ""),
        ("HEAD", "/200/whole", Some("5"), ""),
        ("HEAD", "/200/pieces", None, ""),
        ("HEAD", "/200/pieces/content-length=5", Some("5"), ""),
        ("HEAD", "/204/whole/content-length=5", None, ""),
        ("GET", "/204/whole", None, ""),
        ("GET", "/204/pieces", None, ""),
        ("GET", "/204/whole/content-length=5", None, ""),
        ("GET", "/204/whole/transfer-encoding=chunked", None, ""),
        ("GET", "/304/whole", None, ""),
        ("GET", "/304/pieces/content-length=5", None, ""),
        ("GET", "/304/none/transfer-encoding=chunked", None, ""),
    ] {
        let received = asked(method, path).await;
        let (head, rest) = received.split_once("\r\n\r\n").unwrap();
        let status: u16 = path[1..4].parse().unwrap();
        assert_eq!(
            statuses(&received.to_uppercase()),
            [status, 201],
            "{path}\n{received}"
        );
        let stated = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(stated, length, "{method} {path}\n{received}");
        assert!(
            rest.starts_with(&format!("{body}http/1.1 201")),
            "{method} {path}\n{received}"
        );
        for header in [
            "gzip",
            "connection:",
            "upgrade:",
            "keep-alive:",
            "trailer:",
            "te:",
        ] {
            let line = format!("\r\n{header}");
            assert!(
                !head.contains(&line) && !head.contains("gzip"),
                "{path}\n{received}"
            );
        }
    }
    let received = asked("GET", "/205/whole/content-length=5").await;
    assert!(
        received.contains("\r\n\r\nhttp/1.1 201") && !received.contains("content-length: 5\r\n\r\nhttp"),
        "{received}"
    );
}

/// SERVE-24: a body that is shorter or longer than stated breaks the connection off.
#[tokio::test]
async fn bodies_of_another_length_break_off() {
    for (path, body) in [
        ("/200/pieces/content-length=3", "he"),
        ("/200/pieces/content-length=9", "hello"),
    ] {
        let received = asked("GET", path).await;
        assert!(!received.contains(" 201"), "{path}\n{received}");
        let sent = received.split_once("\r\n\r\n").map_or("", |(_, sent)| sent);
        assert!(body.starts_with(sent), "{path}\n{received}");
    }
}

/// SERVE-24: a status below 200 is not the end of a response.
#[tokio::test]
async fn informational_responses_become_errors() {
    for path in ["/101/whole", "/100/none", "/103/pieces/upgrade=h2c"] {
        assert_eq!(
            statuses(&asked("GET", path).await.to_uppercase()),
            [500, 201],
            "{path}"
        );
    }
}

#[tokio::test]
async fn heads_of_responses_name_no_software() {
    let server = server(ServerLimits::default(), echo).await;
    let received = exchange(
        server.address,
        "GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(!received.to_lowercase().contains("\r\nserver:"), "{received}");
}
