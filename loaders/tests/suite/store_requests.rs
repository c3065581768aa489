//! Hostile stores, and limits on the number of requests that our client makes: spec/store.md.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secure_runtime_loaders::store::HttpOptions;
use secure_runtime_loaders::{ContentHash, HttpStore, LocalStore, Store, StoreError};

use crate::server::{Answer, Server};

const LIMIT: u64 = 1 << 40;

/// Maximum number of requests for one blob: STORE-26.
const MOST: usize = 64;

fn quiet(_: u64, _: Option<u64>) {}

fn client(server: &Server) -> HttpStore {
    let options = HttpOptions {
        timeout: Duration::from_secs(600),
        attempts: 3,
        pause: Duration::from_millis(1),
    };
    HttpStore::with_options(&server.address, options).unwrap()
}

fn local() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    (folder, store)
}

/// Fetches into a folder, into a folder with a wrong partial blob, and into memory. Returns the number of requests of
/// each.
async fn asked(answer: impl Fn(&str, Option<u64>) -> Answer + Send + Sync + Clone + 'static) -> Vec<usize> {
    let hash = ContentHash::of(b"what nobody has");
    let mut counts = Vec::new();
    for way in ["memory", "folder", "begun", "begun with nothing"] {
        let answer = answer.clone();
        let server = Server::start(move |asked| answer(&asked.path, asked.from)).await;
        let (_folder, local) = local();
        let partial = local.path(&hash).with_extension("partial");
        std::fs::create_dir_all(partial.parent().unwrap()).unwrap();
        match way {
            "begun" => std::fs::write(partial, vec![1; 100_000]).unwrap(),
            "begun with nothing" => std::fs::write(partial, "").unwrap(),
            _ => {}
        }
        let store = client(&server);
        let error = match way {
            "memory" => store.get(&hash, LIMIT).await.unwrap_err(),
            _ => store.fetch(&hash, LIMIT, &local, &quiet).await.unwrap_err(),
        };
        assert!(!matches!(error, StoreError::File { .. }), "{way}: {error:?}");
        assert!(!local.contains(&hash), "{way}");
        counts.push(server.asked().len());
    }
    counts
}

/// STORE-26, A125: an outboard for an empty blob made the client send requests without end, one stack frame deeper each
/// time.
#[tokio::test]
async fn a125_an_empty_outboard_is_requested_once() {
    let counts = asked(|path, from| match path.contains("/outboards/") {
        true => Answer::whole(&[0; 8]),
        false => Answer::of(&[0; 20], from),
    });
    for count in counts.await {
        assert!(count <= 2, "{count}");
    }
}

/// STORE-26, A125: responses that break off after each byte, for a file that seems to have no end.
#[tokio::test]
async fn a125_continued_responses_are_limited() {
    for outboard in [true, false] {
        let asked = asked(move |path, from| {
            // An outboard of 1 MiB, and an endless blob.
            let claims = |from: u64, size: u64, byte: u8| Answer {
                head: match from {
                    0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {size}"),
                    from => format!(
                        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{size}",
                        size - from,
                        size - 1
                    ),
                },
                body: vec![byte; 10],
                breaks_after: Some(1),
            };
            let from = from.unwrap_or(0);
            match (path.contains("/outboards/"), outboard) {
                (true, false) => Answer::not_found(),
                (true, true) => claims(from, 1 << 30, if from == 2 { 16 } else { 0 }),
                (false, _) => claims(from, 1 << 38, 0),
            }
        });
        let counts = asked.await;
        assert!(counts.iter().all(|count| *count <= MOST), "{counts:?}");
        assert!(counts.contains(&MOST), "{counts:?}");
    }
}

/// STORE-26: other responses, in turn.
#[tokio::test]
async fn a125_requests_are_limited_whatever_the_response() {
    static HEADS: [&str; 9] = [
        "HTTP/1.1 503 Later\r\nContent-Length: 0",
        "HTTP/1.1 429 Later\r\nContent-Length: 0\r\nRetry-After: 0",
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /blobs",
        "HTTP/1.1 416 No\r\nContent-Length: 0",
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/1",
        "HTTP/1.1 200 OK\r\nContent-Length: 10",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 204 None",
    ];
    for (number, first) in HEADS.iter().enumerate() {
        let turn = std::sync::Arc::new(AtomicUsize::new(0));
        for body in [&b""[..], b"1", b"1\r\na\r\n", &[0; 8], &[255; 8]] {
            let (turn, body) = (turn.clone(), body.to_vec());
            let counts = asked(move |_, _| {
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                let head = if turn % 2 == 0 {
                    first
                } else {
                    HEADS[(number + turn / 2) % HEADS.len()]
                };
                Answer {
                    head: head.to_owned(),
                    body: body.clone(),
                    breaks_after: None,
                }
            });
            for count in counts.await {
                assert!(count <= MOST, "{first}: {count}");
            }
        }
    }
}
