//! Our client with tokens: only their own store receives them, and rejections are reported. spec/store.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secure_runtime_loaders::store::{BearerToken, HttpOptions};
use secure_runtime_loaders::{ContentHash, HttpStore, Layered, LocalStore, MemoryStore, Store, StoreError};

use crate::server::{Answer, Server};
use crate::store_serve::{guard, served_to};

const LIMIT: u64 = 100_000;

fn token(text: &str) -> BearerToken {
    BearerToken::new(text).unwrap()
}

fn store(address: &str) -> HttpStore {
    let options = HttpOptions {
        pause: std::time::Duration::from_millis(1),
        ..HttpOptions::default()
    };
    HttpStore::with_options(address, options).unwrap()
}

fn large() -> Vec<u8> {
    (0..5_000_000_u32).map(|number| (number % 251) as u8).collect()
}

/// STORE-20: each request to the store has the token. It never reaches a server that the store redirects to.
#[tokio::test]
async fn only_its_store_receives_a_token() {
    let other = Server::start(|_| Answer::whole(b"hello")).await;
    let to = other.address.clone();
    let redirecting = Server::start(move |asked| Answer {
        head: format!(
            "HTTP/1.1 307 Moved\r\nLocation: {to}{}\r\nContent-Length: 0",
            asked.path
        ),
        body: Vec::new(),
        breaks_after: None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path()).unwrap();
    let hash = local.put(b"hello").unwrap();

    let asking = store(&redirecting.address).with_token(token("secret")).unwrap();
    let answers = [
        asking.get(&hash, LIMIT).await.map(|_| ()),
        asking.get(&hash, 10_000_000).await.map(|_| ()),
        asking.add(&hash, &local).await,
        asking.signature(&hash, &[1; 32]).await.map(|_| ()),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Protocol { .. })), "{answer:?}");
    }
    let asked = redirecting.asked();
    assert_eq!(asked.len(), 4);
    assert!(
        asked
            .iter()
            .all(|asked| asked.authorization.as_deref() == Some("Bearer secret")),
        "{asked:?}"
    );
    assert_eq!(other.asked(), []);
    // The control: the other server does respond to requests.
    let direct = store(&other.address).get(&hash, LIMIT).await;
    assert_eq!(direct.unwrap().as_ref(), b"hello");
    assert_eq!(other.asked()[0].authorization, None);
}

/// STORE-20: the token must not be readable in transit.
#[tokio::test]
async fn a_token_is_not_sent_unencrypted() {
    for address in [
        "http://example.com",
        "http://localhost:7000",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0:7000",
        "http://169.254.0.1",
        "http://[::]:7000",
        "http://[fe80::1]",
        "http://[::ffff:127.0.0.1]",
        "http://128.0.0.1",
    ] {
        let refused = store(address).with_token(token("secret")).unwrap_err();
        assert!(matches!(refused, StoreError::Unencrypted { .. }), "{refused:?}");
        assert!(refused.to_string().contains("https://"), "{refused}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
    for address in [
        "https://example.com",
        "https://10.0.0.1",
        "http://127.0.0.1",
        "http://127.1.2.3:7000/a",
        "http://[::1]:7000",
        "http://2130706433",
    ] {
        let shown = format!("{:?}", store(address).with_token(token("secret")).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}

/// STORE-20: if a store rejects the request, another store may have the blob. The rejection is reported only if no
/// store has it.
#[tokio::test]
async fn a_store_that_refuses_is_skipped() {
    let (_folder, _, address, _stop) = served_to(Some(guard(false))).await;
    let address = format!("http://{address}");
    let hash = ContentHash::of(b"hello");
    for (asking, said) in [
        (store(&address), "that needs another token"),
        (
            store(&address).with_token(token("nobody")).unwrap(),
            "that needs another token",
        ),
    ] {
        let refused = asking.get(&hash, LIMIT).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Refused { reason, .. } if reason == said),
            "{refused:?}"
        );
        // The same for a missing blob.
        let absent = asking.get(&ContentHash::of(b"absent"), LIMIT).await.unwrap_err();
        assert!(
            matches!(&absent, StoreError::Refused { reason, .. } if reason == said),
            "{absent:?}"
        );
        let layered = Layered::new().with(Arc::new(asking));
        assert_eq!(layered.get(&hash, LIMIT).await, Err(refused.clone()));
        assert_eq!(
            layered
                .signature(&hash, &[1; 32])
                .await
                .map(|_| ())
                .map_err(|error| error.is_absence()),
            Err(true)
        );
        let mut memory = MemoryStore::default();
        memory.put("hello");
        let layered = layered.with(Arc::new(memory));
        assert_eq!(layered.get(&hash, LIMIT).await.unwrap().as_ref(), b"hello");
        assert_eq!(layered.distrusted(), []);
    }
    let reader = store(&address).with_token(token("reader")).unwrap();
    assert_eq!(reader.get(&hash, LIMIT).await.unwrap().as_ref(), b"hello");
}

/// STORE-21: the blob of the local store is uploaded, and a rejection is reported for every blob.
#[tokio::test]
async fn blobs_are_added() {
    let (_folder, theirs, address, _stop) = served_to(Some(guard(false))).await;
    let address = format!("http://{address}");
    let writer = store(&address).with_token(token("writer")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path()).unwrap();
    for content in [large(), b"small".to_vec(), Vec::new()] {
        let hash = local.put(&content).unwrap();
        for asking in [
            store(&address),
            store(&address).with_token(token("reader")).unwrap(),
        ] {
            let refused = asking.add(&hash, &local).await.unwrap_err();
            assert!(
                matches!(&refused, StoreError::Refused { reason, .. } if reason == "that needs another token"),
                "{refused:?}"
            );
        }
        assert!(!theirs.contains(&hash));
        for _ in 0..2 {
            writer.add(&hash, &local).await.unwrap();
            assert_eq!(theirs.check(&hash), Ok(content.len() as u64));
        }
    }
    let absent = ContentHash::of(b"absent");
    let error = writer.add(&absent, &local).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    // A damaged local store sends no wrong bytes.
    let mut content = large();
    content[0] = 9;
    let hash = local.put(&content).unwrap();
    content[3_000_000] ^= 1;
    std::fs::write(local.path(&hash), &content).unwrap();
    let error = writer.add(&hash, &local).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(!theirs.contains(&hash));
}

/// STORE-21: a server that does not keep the blob is reported, and a failing server is tried again.
#[tokio::test]
async fn servers_that_do_not_keep_uploads() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path()).unwrap();
    let hash = local.put(b"hello").unwrap();
    let answer = |head: &str| {
        let head = head.to_owned();
        Server::start(move |_| Answer {
            head: head.clone(),
            body: b"no\x1b[2J".to_vec(),
            breaks_after: None,
        })
    };
    for (status, is_refusal) in [
        ("405 No", false),
        ("422 No", false),
        ("302 No", false),
        ("403 No", true),
        ("401 No", true),
    ] {
        let server = answer(&format!("HTTP/1.1 {status}\r\nContent-Length: 7")).await;
        let error = store(&server.address).add(&hash, &local).await.unwrap_err();
        assert_eq!(
            matches!(error, StoreError::Refused { .. }),
            is_refusal,
            "{error:?}"
        );
        assert!(
            is_refusal || matches!(error, StoreError::Protocol { .. }),
            "{error:?}"
        );
        assert!(
            !error.to_string().contains('\x1b') && error.to_string().contains("no"),
            "{error}"
        );
        assert_eq!(server.asked().len(), 1);
    }
    let endless = answer("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked").await;
    let error = store(&endless.address).add(&hash, &local).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");

    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let weak = Server::start(move |_| Answer {
        head: match count.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => "HTTP/1.1 503 Later\r\nContent-Length: 0".into(),
            _ => "HTTP/1.1 201 Created\r\nContent-Length: 0".into(),
        },
        body: Vec::new(),
        breaks_after: None,
    })
    .await;
    assert_eq!(store(&weak.address).add(&hash, &local).await, Ok(()));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
