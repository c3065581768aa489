//! The HTTP store's client against hostile servers: spec/store.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secure_runtime_loaders::store::HttpOptions;
use secure_runtime_loaders::{ContentHash, HttpStore, LocalStore, Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: u64 = 100_000;

/// A server that responds to every request with bytes that the test defines.
struct Raw {
    address: String,
    requests: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

/// The data that a [`Raw`] server sends after the request.
#[derive(Clone)]
enum Answer {
    /// These bytes, then it closes the connection.
    Bytes(Vec<u8>),
    /// These bytes, then zeros for ever.
    Endless(Vec<u8>),
    /// These bytes, then nothing, but the connection stays open.
    Silent(Vec<u8>),
    /// These bytes, then one more every few milliseconds, for ever.
    Dripping(Vec<u8>),
}

impl Raw {
    async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((connection, _)) = listener.accept().await else {
                    return;
                };
                let index = counter.fetch_add(1, Ordering::SeqCst);
                let answer = answers[index.min(answers.len() - 1)].clone();
                tokio::spawn(Self::answer(connection, answer));
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    async fn answer(mut connection: TcpStream, answer: Answer) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let Ok(byte) = connection.read_u8().await else {
                return;
            };
            request.push(byte);
        }
        let request = String::from_utf8(request).unwrap().to_lowercase();
        assert!(request.contains("accept-encoding: identity"), "{request}");
        match answer {
            Answer::Bytes(bytes) => {
                let _ = connection.write_all(&bytes).await;
                let _ = connection.shutdown().await;
            }
            Answer::Endless(bytes) => {
                let _ = connection.write_all(&bytes).await;
                while connection.write_all(&[0; 4096]).await.is_ok() {}
            }
            Answer::Silent(bytes) => {
                let _ = connection.write_all(&bytes).await;
                let _ = connection.read_u8().await;
            }
            Answer::Dripping(bytes) => {
                let _ = connection.write_all(&bytes).await;
                while connection.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    fn store(&self) -> HttpStore {
        let options = HttpOptions {
            timeout: Duration::from_secs(600),
            attempts: 3,
            pause: Duration::from_millis(1),
        };
        HttpStore::with_options(&self.address, options).unwrap()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(head: &str, body: &[u8]) -> Answer {
    Answer::Bytes(bytes(head, body))
}

fn bytes(head: &str, body: &[u8]) -> Vec<u8> {
    [head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

async fn get(answers: Vec<Answer>) -> (Result<bytes::Bytes, StoreError>, usize) {
    let raw = Raw::start(answers).await;
    let result = raw.store().get(&ContentHash::of(b"hello"), LIMIT).await;
    (result, raw.requests.load(Ordering::SeqCst))
}

/// STORE-1, STORE-7, attacks 64-66 and A68: every wrong response is rejected with its own error.
#[tokio::test]
async fn wrong_responses() {
    let html = b"<!doctype html><title>Welcome</title>";
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0,
        0, 0,
    ];
    let table: Vec<(&str, Answer, &str)> = vec![
        (
            "other bytes",
            answer("HTTP/1.1 200 OK\nContent-Length: 5", b"hellp"),
            "corrupt",
        ),
        (
            "other bytes, no length",
            answer("HTTP/1.1 200 OK\nConnection: close", b"hellp"),
            "corrupt",
        ),
        (
            "empty",
            answer("HTTP/1.1 200 OK\nContent-Length: 0", b""),
            "corrupt",
        ),
        (
            "shorter, consistently",
            answer("HTTP/1.1 200 OK\nContent-Length: 4", b"hell"),
            "corrupt",
        ),
        (
            "longer, consistently",
            answer("HTTP/1.1 200 OK\nContent-Length: 6", b"hello!"),
            "corrupt",
        ),
        (
            "a page for everything",
            answer("HTTP/1.1 200 OK\nContent-Length: 37", html),
            "corrupt",
        ),
        (
            "cut off",
            answer("HTTP/1.1 200 OK\nContent-Length: 50", b"hello"),
            "unavailable",
        ),
        (
            "a length over the limit",
            answer("HTTP/1.1 200 OK\nContent-Length: 100001", b"hello"),
            "too large",
        ),
        (
            "a huge length",
            answer("HTTP/1.1 200 OK\nContent-Length: 18446744073709551615", b"hello"),
            "any",
        ),
        (
            "two lengths",
            answer("HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6", b"hello"),
            "any",
        ),
        (
            "endless",
            Answer::Endless(bytes("HTTP/1.1 200 OK\nConnection: close", b"")),
            "too large",
        ),
        (
            "endless chunks",
            Answer::Endless(bytes(
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked",
                b"7fffffff\r\n",
            )),
            "too large",
        ),
        (
            "compressed",
            answer(
                "HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 25",
                &gzip,
            ),
            "protocol",
        ),
        (
            "compressed twice",
            answer(
                "HTTP/1.1 200 OK\nContent-Encoding: identity\nContent-Encoding: br\nContent-Length: 5",
                b"hello",
            ),
            "protocol",
        ),
        (
            "compressed and silent about it",
            answer("HTTP/1.1 200 OK\nContent-Length: 25", &gzip),
            "corrupt",
        ),
        (
            "redirect",
            answer(
                "HTTP/1.1 302 Found\nLocation: http://127.0.0.1:1/\nContent-Length: 0",
                b"",
            ),
            "protocol",
        ),
        (
            "redirect to a file",
            answer(
                "HTTP/1.1 301 Moved\nLocation: file:///etc/passwd\nContent-Length: 0",
                b"",
            ),
            "protocol",
        ),
        (
            "redirect to itself",
            answer("HTTP/1.1 307 Again\nLocation: /\nContent-Length: 0", b""),
            "protocol",
        ),
        (
            "partial",
            answer("HTTP/1.1 206 Partial Content\nContent-Length: 5", b"hello"),
            "protocol",
        ),
        (
            "not modified",
            answer("HTTP/1.1 304 Not Modified", b""),
            "protocol",
        ),
        (
            "created",
            answer("HTTP/1.1 201 Created\nContent-Length: 5", b"hello"),
            "protocol",
        ),
        (
            "forbidden",
            answer("HTTP/1.1 403 Forbidden\nContent-Length: 0", b""),
            "refused",
        ),
        (
            "not found",
            answer("HTTP/1.1 404 Not Found\nContent-Length: 5", b"hello"),
            "not found",
        ),
        (
            "gone",
            answer("HTTP/1.1 410 Gone\nContent-Length: 0", b""),
            "not found",
        ),
        (
            "broken",
            answer("HTTP/1.1 500 Oops\nContent-Length: 5", b"hello"),
            "unavailable",
        ),
        (
            "not HTTP",
            Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()),
            "unavailable",
        ),
        ("nothing", Answer::Bytes(Vec::new()), "unavailable"),
    ];
    for (name, answer, expected) in table {
        let error = get(vec![answer]).await.0.expect_err(name);
        let kind = match &error {
            StoreError::Corrupt { .. } => "corrupt",
            StoreError::TooLarge { .. } => "too large",
            StoreError::Protocol { .. } => "protocol",
            StoreError::Refused { .. } => "refused",
            StoreError::NotFound { .. } => "not found",
            StoreError::Unavailable { .. } => "unavailable",
            _ => "other",
        };
        assert!(kind == expected || expected == "any", "{name}: {error:?}");
        assert!(error.to_string().contains("http://127.0.0.1:"), "{name}: {error}");
        if let StoreError::Corrupt { expected, actual, .. } = &error {
            let message = error.to_string();
            assert!(message.contains(&expected.to_string()) && message.contains(&actual.to_string()));
            assert!(error.is_integrity());
        }
    }
}

/// The positive control of the table above.
#[tokio::test]
async fn right_responses() {
    for head in [
        "HTTP/1.1 200 OK\nContent-Length: 5",
        "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Encoding: identity",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 200 OK\nContent-Type: text/html\nConnection: close",
    ] {
        assert_eq!(
            get(vec![answer(head, b"hello")]).await.0.unwrap(),
            "hello",
            "{head}"
        );
    }
    let chunked = answer(
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked",
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    );
    assert_eq!(get(vec![chunked]).await.0.unwrap(), "hello");
}

/// STORE-8: only failures to connect, status 5xx and status 429 are retried.
#[tokio::test]
async fn attempts() {
    let broken = || answer("HTTP/1.1 503 Busy\nContent-Length: 0\nConnection: close", b"");
    let right = || answer("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hello");
    let wrong = || answer("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close", b"hellp");
    let (result, requests) = get(vec![broken(), broken(), right()]).await;
    assert_eq!((result.unwrap(), requests), ("hello".into(), 3));
    let busy = answer("HTTP/1.1 429 Busy\nContent-Length: 0\nConnection: close", b"");
    let (result, requests) = get(vec![busy, right()]).await;
    assert_eq!((result.unwrap(), requests), ("hello".into(), 2));
    let (result, requests) = get(vec![broken(), broken(), broken(), right()]).await;
    assert!(matches!(result, Err(StoreError::Unavailable { .. })));
    assert_eq!(requests, 3);
    let (result, requests) = get(vec![wrong(), right()]).await;
    assert!(matches!(result, Err(StoreError::Corrupt { .. })));
    assert_eq!(requests, 1);
}

/// STORE-7, attack 65: the client drops a server that does not finish its response, even if it keeps sending a little.
#[tokio::test]
async fn slow_responses() {
    // The bodies are also the beginning of an outboard for a blob of 50,000 bytes.
    let started = [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n"[..],
        &50_000_u64.to_le_bytes(),
    ]
    .concat();
    for answer in [
        Answer::Silent(Vec::new()),
        Answer::Silent(b"HTTP/1.1 200".to_vec()),
        Answer::Silent(started.clone()),
        Answer::Dripping(b"HTTP/1.1 200 OK\r\nX: ".to_vec()),
        Answer::Dripping(started.clone()),
    ] {
        let raw = Raw::start(vec![answer]).await;
        let options = HttpOptions {
            timeout: Duration::from_millis(200),
            attempts: 3,
            pause: Duration::from_millis(1),
        };
        let store = HttpStore::with_options(&raw.address, options).unwrap();
        let hash = ContentHash::of(b"hello");
        let folder = tempfile::tempdir().unwrap();
        let local = LocalStore::create(folder.path()).unwrap();
        for error in [
            store.get(&hash, LIMIT).await.unwrap_err(),
            store.fetch(&hash, LIMIT, &local, &|_, _| ()).await.unwrap_err(),
        ] {
            assert!(
                matches!(error, StoreError::Unavailable { .. })
                    && error.to_string().contains("no complete response"),
                "{error:?}"
            );
        }
        assert!(!local.contains(&hash));
    }
}

#[tokio::test]
async fn an_address_without_a_listener_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = HttpOptions {
        timeout: Duration::from_secs(600),
        attempts: 2,
        pause: Duration::from_millis(1),
    };
    let store = HttpStore::with_options(&address, options).unwrap();
    let error = store.get(&ContentHash::of(b"hello"), LIMIT).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Unavailable { .. }) && error.is_absence(),
        "{error:?}"
    );
}

/// STORE-9: the addresses that stores may have.
#[test]
fn addresses() {
    for good in [
        "http://localhost",
        "https://example.com/store",
        "https://example.com:8443/a/b/",
        "http://[::1]:80",
    ] {
        assert!(HttpStore::new(good).unwrap().name().ends_with('/'), "{good}");
    }
    for bad in [
        "",
        "example.com",
        "file:///tmp",
        "ftp://example.com",
        "https://",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com/?a",
        "https://example.com/#a",
        "https://exa mple.com/",
        "data:,x",
        "https://example.com:99999/",
    ] {
        assert!(
            matches!(HttpStore::new(bad), Err(StoreError::NotAStore { .. })),
            "{bad}"
        );
    }
}
