//! `store serve` against hostile clients, and with our own: spec/store.md.

use std::sync::Arc;

use secure_runtime_loaders::store::serve;
use secure_runtime_loaders::{ContentHash, HttpStore, Layered, LocalStore, Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: u64 = 100_000;

/// A store with the blob `hello`, served until the sender is dropped.
async fn served() -> (
    tempfile::TempDir,
    LocalStore,
    String,
    tokio::sync::oneshot::Sender<()>,
) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    store.put(b"hello").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(serve(store.clone(), listener, async {
        let _ = stopped.await;
    }));
    (folder, store, address, stop)
}

/// What `request` is answered, as text.
async fn raw(address: &str, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("{request}\r\nHost: store\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// STORE-12: what `store serve` answers, and attack 72: no path leaves the store.
#[tokio::test]
async fn our_server() {
    let (folder, store, address, _stop) = served().await;
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    let hash = ContentHash::of(b"hello");
    let digits = hash.to_hex();
    let path = format!("/blobs/{}/{digits}", &digits[..2]);

    let answer = raw(&address, &format!("GET {path} HTTP/1.1"))
        .await
        .to_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    assert!(answer.contains(&format!("etag: \"{digits}\"")));
    assert!(answer.contains("cache-control: public, max-age=31536000, immutable"));
    assert!(answer.contains("content-type: application/octet-stream"));
    assert!(answer.contains("content-length: 5\r\n"));
    assert!(answer.ends_with("\r\n\r\nhello"));

    let answer = raw(&address, &format!("HEAD {path} HTTP/1.1"))
        .await
        .to_lowercase();
    assert!(
        answer.starts_with("http/1.1 200 ok\r\n") && answer.contains("content-length: 5\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"));
    let answer = raw(
        &address,
        &format!("GET {path} HTTP/1.1\r\nIf-None-Match: \"{digits}\""),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 304 ") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );

    let absent = ContentHash::of(b"absent").to_hex();
    let upper = digits.to_uppercase();
    let table = [
        (format!("GET /blobs/{}/{absent} HTTP/1.1", &absent[..2]), 404),
        (format!("GET /blobs/00/{digits} HTTP/1.1"), 400),
        (format!("GET /blobs/{}/{digits} HTTP/1.1", &digits[..3]), 400),
        (format!("GET /blobs/{}/{upper} HTTP/1.1", &upper[..2]), 400),
        (
            format!("GET /blobs/{}/{} HTTP/1.1", &digits[..2], &digits[..63]),
            400,
        ),
        (format!("GET /blobs/{}/{digits}0 HTTP/1.1", &digits[..2]), 400),
        (format!("GET /blobs/{}/{digits}/ HTTP/1.1", &digits[..2]), 404),
        (format!("GET /{digits} HTTP/1.1"), 404),
        ("GET / HTTP/1.1".into(), 404),
        ("GET /secret HTTP/1.1".into(), 404),
        ("GET /blobs/../secret HTTP/1.1".into(), 400),
        ("GET /blobs/../../../../../../etc/passwd HTTP/1.1".into(), 404),
        ("GET /blobs/..%2fsecret/x HTTP/1.1".into(), 400),
        ("GET /blobs/%2e%2e/secret HTTP/1.1".into(), 400),
        ("GET /blobs/ab/..%2f..%2fsecret HTTP/1.1".into(), 400),
        ("GET /blobs/ab/%00 HTTP/1.1".into(), 400),
        ("GET /blobs/ab/%ff HTTP/1.1".into(), 400),
        (format!("POST {path} HTTP/1.1\r\nContent-Length: 0"), 405),
        (format!("PUT {path} HTTP/1.1\r\nContent-Length: 0"), 405),
        (format!("DELETE {path} HTTP/1.1"), 405),
        ("nonsense".into(), 400),
    ];
    for (request, status) in table {
        let answer = raw(&address, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
        assert!(
            !answer.contains("secret\0") && !answer.ends_with("\r\n\r\nsecret"),
            "{request}"
        );
    }

    // Attack 67: a blob that is damaged is not served, however often it was served before.
    std::fs::write(store.path(&hash), "hellp").unwrap();
    let answer = raw(
        &address,
        &format!("GET {path} HTTP/1.1\r\nIf-None-Match: \"{digits}\""),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && !answer.contains("hellp"),
        "{answer}"
    );
}

/// Client and server together, and the blob is kept.
#[tokio::test]
async fn from_server_to_local_store() {
    let (_folder, served_store, address, _stop) = served().await;
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path()).unwrap();
    let remote = Arc::new(HttpStore::new(&format!("http://{address}")).unwrap());
    let layered = Layered::new().with_local(local.clone()).with(remote.clone());
    let hash = ContentHash::of(b"hello");
    assert_eq!(layered.get(&hash, LIMIT).await.unwrap(), "hello");
    assert_eq!(local.read(&hash, LIMIT).unwrap(), "hello");
    assert!(matches!(
        remote.get(&hash, 4).await,
        Err(StoreError::TooLarge { .. })
    ));
    let absent = ContentHash::of(b"absent");
    assert!(matches!(
        layered.get(&absent, LIMIT).await,
        Err(StoreError::NotFound { .. })
    ));
    // Attack 67: a poisoned local copy is noticed though it came from a verified answer.
    std::fs::write(local.path(&hash), "evil!").unwrap();
    assert!(layered.get(&hash, LIMIT).await.unwrap_err().is_integrity());
    assert_eq!(served_store.list().unwrap(), [hash]);
}

#[tokio::test]
async fn shutdown_ends_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(store, listener, async {}).await.unwrap();
}
