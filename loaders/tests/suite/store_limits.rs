//! `store serve` against clients that are slow, idle or numerous, or that upload useless bytes: spec/store.md.

use std::time::Duration;

use secure_runtime_loaders::store::{ServeOptions, serve};
use secure_runtime_loaders::{ContentHash, LocalStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::store_serve::{exchange, guard, served_with};

/// Longer than any of these tests takes, on any machine.
const LONG: Duration = Duration::from_secs(600);

fn options() -> ServeOptions {
    ServeOptions {
        guard: Some(guard(false)),
        ..ServeOptions::default()
    }
}

fn path(content: &[u8]) -> String {
    let digits = ContentHash::of(content).to_hex();
    format!("/blobs/{}/{digits}", &digits[..2])
}

/// Returns the status of a request for the blob `hello`.
async fn get(address: &str) -> String {
    let request = format!("GET {} HTTP/1.1\r\nAuthorization: Bearer reader", path(b"hello"));
    status(&exchange(address, &request, b"").await.0)
}

/// Returns the status of uploading `body` under the hash of `name`.
async fn put(address: &str, token: &str, name: &[u8], body: &[u8]) -> String {
    let request = format!(
        "PUT {} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: {}",
        path(name),
        body.len()
    );
    status(&exchange(address, &request, body).await.0)
}

fn status(head: &str) -> String {
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

async fn connected(address: &str, beginning: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(beginning.as_bytes()).await.unwrap();
    connection
}

/// Returns the total size of all files below this folder.
fn written(folder: &std::path::Path) -> u64 {
    let mut total = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // Abandoned files may be removed meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        total += if metadata.is_dir() {
            written(&entry.path())
        } else {
            metadata.len()
        };
    }
    total
}

/// STORE-22, A126: clients that send nothing or half a head, or that fall silent, keep nobody out.
#[tokio::test]
async fn a126_incomplete_requests_do_not_block_other_clients() {
    let (_folder, _store, address, _stop) = served_with(ServeOptions {
        head: LONG,
        ..options()
    })
    .await;
    let whole = format!("GET {} HTTP/1.1\r\nHost: s\r\n\r\n", path(b"hello"));
    for beginning in ["", "GET /blobs/ab/cd", "GET / HTTP/1.1\r\nHost: s\r\n", &whole] {
        let mut open = Vec::new();
        for _ in 0..300 {
            open.push(connected(&address, beginning).await);
        }
        for _ in 0..5 {
            assert_eq!(get(&address).await, "200", "{beginning}");
        }
    }
}

/// STORE-22, A126: the time for a head is limited, also for the next head of a connection.
#[tokio::test]
async fn a126_the_time_for_a_head_is_limited() {
    let (_folder, _store, address, _stop) = served_with(ServeOptions {
        head: Duration::from_secs(2),
        ..options()
    })
    .await;
    let whole = format!("GET {} HTTP/1.1\r\nHost: s\r\n\r\n", path(b"hello"));
    for (beginning, is_answered) in [("", false), ("GET /blobs", false), (&whole, true)] {
        let mut connection = connected(&address, beginning).await;
        let mut answer = Vec::new();
        // The connection ends. Otherwise this test would not end.
        let _ = connection.read_to_end(&mut answer).await;
        assert_eq!(answer.starts_with(b"HTTP/1.1 401 "), is_answered, "{beginning}");
    }
    assert_eq!(get(&address).await, "200");
}

/// STORE-23, A126: an upload that stalls or is too slow is dropped, and no part of it is kept.
#[tokio::test]
async fn a126_a_slow_upload_is_dropped() {
    let (folder, store, address, _stop) = served_with(ServeOptions {
        patience: Duration::from_secs(1),
        slowest: 1_000_000,
        ..options()
    })
    .await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer writer\r\nContent-Length: 1000000\r\n\r\n",
        path(b"new")
    );
    for pause in [LONG, Duration::from_millis(20)] {
        let connection = connected(&address, &head).await;
        let (mut reading, mut writing) = connection.into_split();
        let trickle = tokio::spawn(async move {
            while writing.write_all(b"x").await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let mut answer = Vec::new();
        let _ = reading.read_to_end(&mut answer).await;
        trickle.abort();
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
            "{answer}"
        );
    }
    while written(folder.path()) > 5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.list().unwrap(), [ContentHash::of(b"hello")]);
    assert_eq!(put(&address, "writer", b"new", b"new").await, "201");
}

/// STORE-23, A126: a client that does not read is dropped.
#[tokio::test]
async fn a126_a_slow_reader_is_dropped() {
    let (_folder, store, address, _stop) = served_with(ServeOptions {
        patience: Duration::from_millis(300),
        ..options()
    })
    .await;
    let large = vec![5; 30_000_000];
    store.put(&large).unwrap();
    let request = format!("GET {} HTTP/1.1\r\nAuthorization: Bearer reader", path(&large));
    let head = format!("{request}\r\nHost: s\r\nConnection: close\r\n\r\n");
    let mut came = Vec::new();
    for seconds in [1, 2, 4, 8, 16, 32, 64] {
        let mut connection = connected(&address, &head).await;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        came.clear();
        let _ = connection.read_to_end(&mut came).await;
        if came.len() < large.len() {
            break;
        }
    }
    assert!(came.len() < large.len(), "it waited for more than a minute");
    // A client that reads gets the whole blob.
    let (_folder, store, address, _stop) = served_with(options()).await;
    store.put(&large).unwrap();
    let (_, body) = exchange(&address, &request, b"").await;
    assert_eq!(body.len(), large.len());
}

/// STORE-23, A126: slow readers do not occupy threads, of which there are few.
#[test]
fn a126_slow_readers_hold_no_threads() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_folder, store, address, _stop) = served_with(ServeOptions {
            patience: LONG,
            ..options()
        })
        .await;
        let large = vec![5; 30_000_000];
        store.put(&large).unwrap();
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer reader\r\n\r\n",
            path(&large)
        );
        let mut readers = Vec::new();
        for _ in 0..5 {
            let mut connection = connected(&address, &head).await;
            // The response has begun.
            connection.read_u8().await.unwrap();
            readers.push(connection);
        }
        assert_eq!(get(&address).await, "200");
        assert_eq!(put(&address, "writer", b"new", b"new").await, "201");
    });
}

/// STORE-22: the server ends even if clients are silent.
#[tokio::test]
async fn a126_a_silent_client_does_not_keep_the_server_from_ending() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = ServeOptions {
        head: LONG,
        patience: LONG,
        ending: Duration::from_millis(200),
        ..options()
    };
    let server = tokio::spawn(serve(store, listener, options, async {
        let _ = stopped.await;
    }));
    let _silent = connected(&address, "").await;
    let _half = connected(&address, "GET /").await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer writer\r\nContent-Length: 10\r\n\r\nx",
        path(b"new")
    );
    let _slow = connected(&address, &head).await;
    // They were accepted, because this one came after them.
    assert_eq!(put(&address, "writer", b"new", b"new").await, "201");
    drop(stop);
    server.await.unwrap().unwrap();
}

/// STORE-24, A127: unverified bytes on disk are limited, for one blob and for one account.
#[tokio::test]
async fn a127_unverified_bytes_are_limited() {
    let (folder, store, address, _stop) = served_with(ServeOptions {
        blob: 60_000,
        unproven: 100_000,
        ..options()
    })
    .await;
    // An upload that is too large is rejected before any byte is written.
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer writer\r\nContent-Length: 167772160\r\n\r\n",
        path(b"7 bytes")
    );
    let mut connection = connected(&address, &head).await;
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(written(folder.path()), 5);

    let vain = vec![1; 60_000];
    let right: Vec<Vec<u8>> = (0..10).map(|number| vec![number; 50_000]).collect();
    for content in &right {
        assert_eq!(
            put(&address, "writer", content, content).await,
            "201",
            "the honest have no quota"
        );
    }
    assert_eq!(put(&address, "writer", b"7 bytes", &vain).await, "422");
    assert_eq!(put(&address, "writer", b"7 bytes", &vain).await, "429");
    assert_eq!(put(&address, "writer", b"7 bytes", b"7 bytes").await, "429");
    assert_eq!(
        put(&address, "another writer", b"7 bytes", b"7 bytes").await,
        "201"
    );
    assert_eq!(store.list().unwrap().len(), 12);
}

/// STORE-24, A127: the number of concurrent uploads of one account is limited.
#[tokio::test]
async fn a127_blobs_at_one_time_are_bounded() {
    let (_folder, _store, address, _stop) = served_with(ServeOptions {
        adds_per_account: 2,
        adds: 3,
        patience: LONG,
        ..options()
    })
    .await;
    let begin = |token: &'static str| {
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer {token}\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
            path(b"new")
        );
        let address = address.clone();
        async move {
            let mut connection = connected(&address, &head).await;
            let mut answer = [0; 12];
            connection.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 100");
            connection
        }
    };
    let _first = begin("writer").await;
    let second = begin("writer").await;
    assert_eq!(put(&address, "writer", b"a", b"a").await, "429");
    assert_eq!(put(&address, "another writer", b"a", b"a").await, "201");
    let _third = begin("another writer").await;
    assert_eq!(put(&address, "another writer", b"b", b"b").await, "503");
    assert_eq!(get(&address).await, "200");
    drop(second);
    while put(&address, "another writer", b"b", b"b").await == "503" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// STORE-25, A128: requests that an intermediate server could interpret differently are rejected. A request with a body
/// is the last of its connection.
#[tokio::test]
async fn a128_ambiguous_requests_are_rejected() {
    let (_folder, store, address, _stop) = served_with(options()).await;
    let table = [
        ("Content-Length: 3", "201"),
        ("Content-Length: 3\r\nContent-Encoding: gzip", "415"),
        ("Content-Length: 3\r\nContent-Encoding: identity", "415"),
        ("Content-Length: 3\r\nContent-Range: bytes 0-2/3", "400"),
        ("Content-Length: 3\r\nContent-Length: 4", "400"),
        ("Content-Length: +3", "400"),
        ("Transfer-Encoding: chunked", "411"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", "400"),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", "400"),
        ("Transfer-Encoding: gzip, chunked", "400"),
        ("A: b", "411"),
        ("Content-Length: 3\nA: b", "400"),
        ("A: b\nContent-Length: 3", "400"),
    ];
    for (headers, expected) in table {
        store.remove(&ContentHash::of(b"new")).unwrap();
        let request = format!(
            "PUT {} HTTP/1.1\r\nAuthorization: Bearer writer\r\n{headers}",
            path(b"new")
        );
        let body: &[u8] = if headers.contains("chunked") {
            b"3\r\nnew\r\n0\r\n\r\n"
        } else {
            b"new"
        };
        let (head, _) = exchange(&address, &request, body).await;
        assert_eq!(status(&head), expected, "{headers}: {head}");
        assert_eq!(
            store.contains(&ContentHash::of(b"new")),
            expected == "201",
            "{headers}"
        );
    }
    for (length, expected) in [
        ("", 2),
        ("Content-Length: 0\r\n", 1),
        ("Content-Length: 3\r\n", 1),
    ] {
        let one = format!(
            "GET {} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer reader\r\n{length}\r\n",
            path(b"hello")
        );
        let last = one.replace("Host: s", "Connection: close");
        let mut connection = connected(&address, &format!("{one}{last}")).await;
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(
            answer.matches("HTTP/1.1 200 ").count(),
            expected,
            "{length}: {answer}"
        );
    }
}
