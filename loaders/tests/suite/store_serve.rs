//! `store serve` against hostile clients and with our own client: spec/store.md.

use std::sync::Arc;

use secure_runtime_loaders::store::{Access, Account, Authorize, Guard, Refused, ServeOptions, serve};
use secure_runtime_loaders::{ContentHash, HttpStore, Layered, LocalStore, Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: u64 = 100_000;

/// Serves a store with the blob `hello` until the sender is dropped.
async fn served() -> Served {
    served_to(None).await
}

pub(crate) type Served = (
    tempfile::TempDir,
    LocalStore,
    String,
    tokio::sync::oneshot::Sender<()>,
);

pub(crate) async fn served_to(guard: Option<Guard>) -> Served {
    served_with(ServeOptions {
        guard,
        ..ServeOptions::default()
    })
    .await
}

pub(crate) async fn served_with(options: ServeOptions) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    store.put(b"hello").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(serve(store.clone(), listener, options, async {
        let _ = stopped.await;
    }));
    (folder, store, address, stop)
}

/// Returns the response to `request` as text.
async fn raw(address: &str, request: &str) -> String {
    let (head, body) = exchange(address, request, b"").await;
    head + &String::from_utf8(body).unwrap()
}

/// Returns the head of the response with the empty line, and the part of the body that arrived.
pub(crate) async fn exchange(address: &str, request: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("{request}\r\nHost: store\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    // A server that rejects a request need not read the body.
    let _ = connection.write_all(body).await;
    let mut answer = Vec::new();
    let mut piece = [0; 65_536];
    // A server that breaks off may reset the connection.
    while let Ok(count @ 1..) = connection.read(&mut piece).await {
        answer.extend_from_slice(&piece[..count]);
    }
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(answer.len(), |end| end + 4);
    let body = answer.split_off(end);
    (String::from_utf8(answer).unwrap(), body)
}

/// STORE-12, STORE-16: ranges of small and large blobs, and outboards.
#[tokio::test]
async fn parts() {
    let (_folder, store, address, _stop) = served().await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 3) as u8).collect();
    store.put(&large).unwrap();
    for content in [&b"hello"[..], &large] {
        let size = content.len();
        let digits = ContentHash::of(content).to_hex();
        let get = async |header: String| {
            let request = format!("GET /blobs/{}/{digits} HTTP/1.1{header}", &digits[..2]);
            let (head, body) = exchange(&address, &request, b"").await;
            let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, head.to_lowercase(), body)
        };
        let range = |range: &str| format!("\r\nRange: bytes={range}");
        for (asked, start, end) in [
            ("1-3".to_owned(), 1, 4),
            ("2-".to_owned(), 2, size),
            ("-4".to_owned(), size - 4, size),
            (format!("{}-{}", size / 2, size * 2), size / 2, size),
            ("0-0".to_owned(), 0, 1),
        ] {
            let (status, head, body) = get(range(&asked)).await;
            assert_eq!(
                (status, &body[..]),
                (206, &content[start..end]),
                "{asked} of {size}"
            );
            assert!(
                head.contains(&format!("content-range: bytes {start}-{}/{size}\r\n", end - 1)),
                "{head}"
            );
            assert!(
                head.contains(&format!("content-length: {}\r\n", end - start)),
                "{head}"
            );
            assert!(head.contains(&format!("etag: \"{digits}\"")), "{head}");
        }
        let (status, head, body) = get(String::new()).await;
        assert_eq!((status, &body[..]), (200, content));
        assert!(head.contains("accept-ranges: bytes"), "{head}");
        let (status, head, _) = get(range(&format!("{size}-"))).await;
        assert_eq!(status, 416);
        assert!(
            head.contains(&format!("content-range: bytes */{size}\r\n")),
            "{head}"
        );
        let (status, _, body) = get(range("0-1") + "\r\nIf-Range: \"other\"").await;
        assert_eq!((status, body.len()), (200, size));
        let (status, _, body) = get(format!("\r\nIf-None-Match: \"x\", W/\"{digits}\"")).await;
        assert_eq!((status, body.len()), (304, 0));
    }
    let digits = ContentHash::of(&large).to_hex();
    let path = format!("/outboards/{}/{digits}", &digits[..2]);
    let outboard = std::fs::read(store.folder().join(&path[1..])).unwrap();
    let (head, body) = exchange(&address, &format!("GET {path} HTTP/1.1"), b"").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && body == outboard, "{head}");
    let (head, body) = exchange(&address, &format!("HEAD {path} HTTP/1.1"), b"").await;
    assert!(
        head.to_lowercase()
            .contains(&format!("content-length: {}\r\n", outboard.len()))
    );
    assert_eq!(body, b"");
    let hello = ContentHash::of(b"hello").to_hex();
    let (head, _) = exchange(
        &address,
        &format!("GET /outboards/{}/{hello} HTTP/1.1", &hello[..2]),
        b"",
    )
    .await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

/// STORE-12: no wrong byte of a damaged blob is sent.
#[tokio::test]
async fn damaged_large_blobs_and_outboards() {
    let (_folder, store, address, _stop) = served().await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 3) as u8).collect();
    let hash = store.put(&large).unwrap();
    let digits = hash.to_hex();
    let request = |kind: &str| format!("GET /{kind}/{}/{digits} HTTP/1.1", &digits[..2]);
    let mut damaged = large.clone();
    damaged[2_000_000] ^= 1;
    std::fs::write(store.path(&hash), &damaged).unwrap();
    let (head, body) = exchange(&address, &request("blobs"), b"").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("3000000"),
        "{head}"
    );
    assert!(
        body.len() <= 2_000_000 && body == large[..body.len()],
        "{}",
        body.len()
    );
    damaged[0] ^= 1;
    std::fs::write(store.path(&hash), &damaged).unwrap();
    let (head, _) = exchange(&address, &request("blobs"), b"").await;
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    let path = store.folder().join("outboards").join(&digits[..2]).join(&digits);
    let right = std::fs::read(&path).unwrap();
    for position in [0, 8, right.len() - 1] {
        let mut wrong = right.clone();
        wrong[position] ^= 1;
        std::fs::write(&path, &wrong).unwrap();
        let (head, body) = exchange(&address, &request("outboards"), b"").await;
        assert!(
            head.starts_with("HTTP/1.1 500 ") || body.len() < right.len() && body == right[..body.len()],
            "{position}: {} {head}",
            body.len()
        );
    }
}

/// `reader` may read, and `writer` may also upload.
pub(crate) fn guard(public_read: bool) -> Guard {
    let authorize: Authorize = Arc::new(|access, _, token| match (access, token) {
        (Access::Read, Some("reader" | "writer")) => Ok(Account::new(b"reader")),
        (Access::Add, Some(writer @ ("writer" | "another writer"))) => Ok(Account::new(writer.as_bytes())),
        _ => Err(Refused {
            reason: "that needs another token".into(),
        }),
    });
    Guard {
        authorize,
        public_read,
    }
}

/// STORE-18: access control for reading and uploading, and verification of uploads.
#[tokio::test]
async fn tokens() {
    let (_folder, store, address, _stop) = served_to(Some(guard(false))).await;
    let digits = |content: &[u8]| ContentHash::of(content).to_hex();
    let path = |content: &[u8]| format!("/blobs/{}/{}", &digits(content)[..2], digits(content));
    let large: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 3) as u8).collect();
    let get = |content: &[u8]| format!("GET {} HTTP/1.1", path(content));
    let put = |name: &[u8], size: usize| format!("PUT {} HTTP/1.1\r\nContent-Length: {size}", path(name));
    let table: Vec<(String, &str, &[u8], u16)> = vec![
        (get(b"hello"), "", b"", 401),
        (get(b"hello"), "Basic reader", b"", 401),
        (get(b"hello"), "Bearer nobody", b"", 403),
        (get(b"hello"), "bearer reader", b"", 200),
        // A client without read access does not learn if a blob exists.
        (get(b"absent"), "", b"", 401),
        (get(b"absent"), "Bearer nobody", b"", 403),
        (get(b"absent"), "Bearer reader", b"", 404),
        (
            get(b"hello").replace("/blobs/", "/outboards/"),
            "Bearer nobody",
            b"",
            403,
        ),
        (put(b"new", 3), "", b"new", 401),
        (put(b"new", 3), "Bearer reader", b"new", 403),
        (put(b"new", 3), "Bearer writer", b"evl", 422),
        (put(b"new", 3), "Bearer writer", b"new", 201),
        (put(b"new", 3), "Bearer writer", b"new", 201),
        (put(&large, large.len()), "Bearer writer", &large, 201),
        (
            put(b"new", 3).replace("/blobs/", "/outboards/"),
            "Bearer writer",
            b"new",
            405,
        ),
        (get(b"new").replace("GET", "DELETE"), "Bearer writer", b"", 405),
    ];
    for (request, token, body, status) in table {
        let request = format!("{request}\r\nAuthorization: {token}");
        let (head, _) = exchange(&address, &request, body).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {head}"
        );
        let head = head.to_lowercase();
        assert_eq!(head.contains("www-authenticate: bearer"), status == 401, "{head}");
        assert!(!head.contains("public"), "{head}");
    }
    // An upload that breaks off leaves nothing.
    let (mut connection, half) = (TcpStream::connect(&address).await.unwrap(), put(b"half", 4));
    let request = format!("{half}\r\nHost: s\r\nAuthorization: Bearer writer\r\n\r\nha");
    connection.write_all(request.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer).await;
    let mut expected = vec![
        ContentHash::of(b"hello"),
        ContentHash::of(b"new"),
        ContentHash::of(&large),
    ];
    expected.sort_unstable();
    assert_eq!(store.list().unwrap(), expected);
    assert_eq!(store.check(&ContentHash::of(&large)), Ok(3_000_000));
    let outboard = store
        .folder()
        .join(path(&large)[1..].replace("blobs", "outboards"));
    assert!(outboard.exists());
}

/// STORE-18: if everyone may read, uploading still requires a token, and shared caches may keep responses.
#[tokio::test]
async fn public_read_access() {
    let (_folder, _store, address, _stop) = served_to(Some(guard(true))).await;
    let path = |content: &[u8]| {
        let digits = ContentHash::of(content).to_hex();
        format!("/blobs/{}/{digits}", &digits[..2])
    };
    let put = format!("PUT {} HTTP/1.1\r\nContent-Length: 3", path(b"new"));
    for (request, token, status) in [
        (format!("GET {} HTTP/1.1", path(b"hello")), "nobody", 200),
        (format!("GET {} HTTP/1.1", path(b"absent")), "nobody", 404),
        (put.clone(), "reader", 403),
        (put.clone(), "writer", 201),
    ] {
        let request = format!("{request}\r\nAuthorization: Bearer {token}");
        let (head, _) = exchange(&address, &request, b"new").await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {head}"
        );
        assert_eq!(
            head.to_lowercase().contains("cache-control: public"),
            status == 200,
            "{head}"
        );
    }
    let (head, _) = exchange(&address, &put, b"new").await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
}

/// STORE-18: text that cannot be a token is rejected before it is evaluated. No cache keeps a rejection.
#[tokio::test]
async fn invalid_tokens_are_rejected() {
    let (_folder, _store, address, _stop) = served_to(Some(guard(false))).await;
    let digits = ContentHash::of(b"hello").to_hex();
    let path = format!("/blobs/{}/{digits}", &digits[..2]);
    let ask = |headers: &str| {
        let request = format!("GET {path} HTTP/1.1\r\n{headers}");
        let address = address.clone();
        async move { exchange(&address, &request, b"").await }
    };
    let long = format!("Authorization: Bearer {}", "x".repeat(33_000));
    for (headers, status) in [
        ("Authorization: Bearer reader", 200),
        (
            "Authorization: Bearer nobody\r\nAuthorization: Bearer reader",
            400,
        ),
        (
            "Authorization: Bearer reader\r\nAuthorization: Bearer reader",
            400,
        ),
        (&long, 431),
        ("Authorization: Bearer \x01", 400),
        ("Authorization: Bearer", 401),
        ("Authorization: reader", 401),
    ] {
        let (head, body) = ask(headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{headers}: {head}"
        );
        assert_eq!(body == b"hello", status == 200, "{headers}");
        if matches!(status, 401 | 403) {
            assert!(head.to_lowercase().contains("cache-control: no-store"), "{head}");
        }
    }
}

/// STORE-12: the responses of `store serve`, and attack 72: no path leaves the store.
#[tokio::test]
async fn responses_of_the_server() {
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
        (format!("GET {path}? HTTP/1.1"), 400),
        (format!("GET {path}?a=b HTTP/1.1"), 400),
        (format!("GET {path}#a HTTP/1.1"), 400),
        (format!("GET http://store{path} HTTP/1.1"), 400),
        (format!("GET /{path} HTTP/1.1"), 404),
        (format!("GET {} HTTP/1.1", path.replace("blobs", "%62lobs")), 400),
        (format!("GET {} HTTP/1.1", path.replace('e', "%65")), 400),
        (format!("GET {path}\nA: b\r\n HTTP/1.1"), 400),
        (format!("GET {path} HTTP/1.1\nA: b"), 400),
        (format!("GET {path} HTTP/1.1\r\nA: b\nC: d"), 400),
        (format!("\nGET {path} HTTP/1.1"), 400),
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

    // Attack 67: a damaged blob is not served, even if it was served before.
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

/// Client and server together. The local store keeps the blob.
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
    // Attack 67: a poisoned local copy is detected, even if it came from a verified response.
    std::fs::write(local.path(&hash), "evil!").unwrap();
    assert!(layered.get(&hash, LIMIT).await.unwrap_err().is_integrity());
    assert_eq!(served_store.list().unwrap(), [hash]);
}

#[tokio::test]
async fn shutdown_ends_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(store, listener, ServeOptions::default(), async {})
        .await
        .unwrap();
}
