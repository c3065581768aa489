//! Local and layered stores: spec/store.md.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use secure_runtime_loaders::{ContentHash, FileError, Layered, LocalStore, MemoryStore, Store, StoreError};

fn store() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path().join("store")).unwrap();
    (folder, store)
}

const LIMIT: u64 = 1_000_000;

/// STORE-3: the layout on disk is the one that a static file server needs.
#[test]
fn layout() {
    let (_folder, store) = store();
    let hash = store.put(b"hello").unwrap();
    let digits = hash.to_hex();
    let path = store.folder().join("blobs").join(&digits[..2]).join(&digits);
    assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    assert_eq!(store.path(&hash), path);
    assert_eq!(store.read(&hash, LIMIT).unwrap(), "hello");
    assert!(store.contains(&hash));
    assert_eq!(store.list().unwrap(), [hash]);
    assert!(store.remove(&hash).unwrap());
    assert!(!store.remove(&hash).unwrap());
    assert!(!store.contains(&hash));
    assert!(matches!(
        store.read(&hash, LIMIT),
        Err(StoreError::NotFound { .. })
    ));
}

#[test]
fn only_a_store_opens() {
    let (folder, store) = store();
    assert!(LocalStore::open(store.folder()).is_ok());
    assert!(matches!(
        LocalStore::open(folder.path()),
        Err(StoreError::NotAStore { .. })
    ));
    assert!(matches!(
        LocalStore::open(folder.path().join("none")),
        Err(StoreError::NotAStore { .. })
    ));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(LocalStore::create(&file), Err(StoreError::File { .. })));
}

/// STORE-1, attacks 65 and 68: files at a blob's path that are not the blob.
#[test]
fn wrong_blobs_are_refused() {
    let (folder, store) = store();
    let elsewhere = folder.path().join("elsewhere");
    std::fs::write(&elsewhere, "hello").unwrap();
    let check = |name: &str, make: &dyn Fn(&Path), expected: &dyn Fn(&StoreError) -> bool| {
        let hash = store.put(b"hello").unwrap();
        let path = store.path(&hash);
        std::fs::remove_file(&path).unwrap();
        make(&path);
        let error = store.read(&hash, LIMIT).unwrap_err();
        assert!(
            expected(&error) && error.is_integrity() && !error.is_absence(),
            "{name}: {error:?}"
        );
        let message = error.to_string();
        assert!(message.contains(&hash.to_string()), "{name}: {message}");
        assert!(message.contains(&path.display().to_string()), "{name}: {message}");
        if path.is_dir() {
            std::fs::remove_dir(&path).unwrap()
        } else {
            std::fs::remove_file(&path).unwrap()
        }
    };
    let corrupt = |error: &StoreError| matches!(error, StoreError::Corrupt { .. });
    let special = |expected: &'static str| move |error: &StoreError| matches!(error, StoreError::NotRegular { kind, .. } if *kind == expected);
    check(
        "one bit",
        &|path| std::fs::write(path, "hellp").unwrap(),
        &corrupt,
    );
    check(
        "truncated",
        &|path| std::fs::write(path, "hell").unwrap(),
        &corrupt,
    );
    check(
        "longer",
        &|path| std::fs::write(path, "hello!").unwrap(),
        &corrupt,
    );
    check("empty", &|path| std::fs::write(path, "").unwrap(), &corrupt);
    check(
        "a link to the right bytes",
        &|path| symlink(&elsewhere, path).unwrap(),
        &special("symbolic link"),
    );
    check(
        "a dangling link",
        &|path| symlink("/nowhere", path).unwrap(),
        &special("symbolic link"),
    );
    check(
        "a link to a device",
        &|path| symlink("/dev/zero", path).unwrap(),
        &special("symbolic link"),
    );
    check(
        "a folder",
        &|path| std::fs::create_dir(path).unwrap(),
        &special("folder"),
    );
    // A FIFO without a writer: opening it must not block.
    check("a FIFO", &|path| fifo(path), &special("FIFO"));
    check(
        "a socket",
        &|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        &special("socket"),
    );
}

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// STORE-6: bytes beyond the limit are not read.
#[test]
fn the_limit_holds() {
    let (_folder, store) = store();
    let hash = store.put(&[7; 1000]).unwrap();
    assert!(store.read(&hash, 1000).is_ok());
    assert!(matches!(
        store.read(&hash, 999),
        Err(StoreError::TooLarge { limit: 999, .. })
    ));
    let sparse = std::fs::File::create(store.path(&hash)).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(matches!(
        store.read(&hash, LIMIT),
        Err(StoreError::TooLarge { .. })
    ));
    let error = store.put(&vec![0; 64 * 1024 * 1024 + 1]).unwrap_err();
    assert!(matches!(
        error,
        StoreError::File {
            error: FileError::TooLarge { .. },
            ..
        }
    ));
}

/// CLI-43: a source that is larger than it was said to be is not stored.
#[test]
fn a_source_is_read_up_to_its_limit() {
    let (_folder, store) = store();
    let bytes = vec![7; 300_000];
    let hash = ContentHash::of(&bytes);
    let added = store.add_at_most(&mut bytes.as_slice(), 299_999);
    assert!(
        matches!(
            added,
            Err(StoreError::File {
                error: FileError::TooLarge { limit: 299_999 },
                ..
            })
        ),
        "{added:?}"
    );
    assert!(!store.contains(&hash));
    let added = store.add_at_most(&mut bytes.as_slice(), 300_000);
    assert_eq!(added.unwrap(), (hash, 300_000));
}

/// STORE-5: writing the right bytes repairs a blob.
#[test]
fn put_replaces_a_wrong_blob() {
    let (_folder, store) = store();
    let hash = store.put(b"hello").unwrap();
    std::fs::write(store.path(&hash), "other").unwrap();
    assert!(store.read(&hash, LIMIT).is_err());
    store.put(b"hello").unwrap();
    assert!(store.read(&hash, LIMIT).is_ok());
}

#[test]
fn verify_all_names_every_wrong_blob() {
    let (_folder, store) = store();
    let good = store.put(b"good").unwrap();
    let bad = store.put(b"bad").unwrap();
    std::fs::write(store.path(&bad), "evil").unwrap();
    let shard = store.path(&good).parent().unwrap().to_owned();
    std::fs::write(shard.join(".writing-x"), "half").unwrap();
    std::fs::write(shard.join("README"), "").unwrap();
    std::fs::write(store.folder().join("blobs/stray"), "").unwrap();
    let found: Vec<_> = store.verify_all().unwrap().collect();
    assert_eq!(found.len(), 2);
    for blob in found {
        if blob.hash == good {
            assert_eq!(blob.result, Ok(4));
        } else {
            let actual = ContentHash::of(b"evil");
            assert!(
                matches!(blob.result, Err(StoreError::Corrupt { expected, actual: found, .. })
                    if expected == bad && found == actual)
            );
        }
    }
}

/// STORE-4, attack 71: many writers of one blob and concurrent readers. The blob is absent or complete.
#[test]
fn concurrent_writers() {
    let (_folder, store) = store();
    let content = vec![42; 200_000];
    let hash = ContentHash::of(&content);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    store.put(&content).unwrap();
                    store.remove(&hash).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    match store.read(&hash, LIMIT) {
                        Ok(bytes) => assert_eq!(bytes, content),
                        Err(error) => assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}"),
                    }
                }
            });
        }
    });
    store.put(&content).unwrap();
    let shard = store.path(&hash).parent().unwrap().to_owned();
    assert_eq!(
        std::fs::read_dir(shard).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

/// A store with a fixed response.
struct Fixed(Result<Bytes, StoreError>);

#[async_trait]
impl Store for Fixed {
    fn name(&self) -> String {
        "fixed".to_owned()
    }

    async fn get(&self, _: &ContentHash, _: u64) -> Result<Bytes, StoreError> {
        self.0.clone()
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable {
        store: "fixed".into(),
        location: "x".into(),
        cause: std::io::Error::other("down").into(),
    }
}

/// STORE-10: the local store comes first, then the others in order. The local store keeps what they return.
#[tokio::test]
async fn layers() {
    let (_folder, local) = store();
    let memory: MemoryStore = ["hello"].into_iter().collect();
    let hash = ContentHash::of(b"hello");
    let layered = Layered::new()
        .with_local(local.clone())
        .with(Arc::new(MemoryStore::default()))
        .with(Arc::new(Fixed(Err(unavailable()))))
        .with(Arc::new(memory));
    assert_eq!(layered.get(&hash, LIMIT).await.unwrap(), "hello");
    assert_eq!(local.read(&hash, LIMIT).unwrap(), "hello");
    let only_local = Layered::new().with_local(local.clone());
    assert_eq!(only_local.get(&hash, LIMIT).await.unwrap(), "hello");
    let absent = ContentHash::of(b"absent");
    assert!(matches!(
        only_local.get(&absent, LIMIT).await,
        Err(StoreError::NotFound { .. })
    ));
    // "Not found" is not certain while a store cannot be reached.
    assert_eq!(layered.get(&absent, LIMIT).await, Err(unavailable()));
    assert!(matches!(
        Layered::new().get(&hash, LIMIT).await,
        Err(StoreError::NotFound { .. })
    ));
}

/// A store that counts requests and returns wrong bytes.
struct Liar(AtomicUsize);

#[async_trait]
impl Store for Liar {
    fn name(&self) -> String {
        "liar".to_owned()
    }

    async fn get(&self, hash: &ContentHash, _: u64) -> Result<Bytes, StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(lie(hash))
    }
}

fn lie(hash: &ContentHash) -> StoreError {
    StoreError::Corrupt {
        store: "liar".into(),
        location: "x".into(),
        expected: *hash,
        actual: ContentHash::of(b"lie"),
    }
}

/// STORE-11: a store that returned wrong bytes is reported, skipped, and never used again. Other stores provide the
/// right bytes.
#[tokio::test]
async fn a_wrong_store_is_reported_and_never_used_again() {
    let (_folder, local) = store();
    let liar = Arc::new(Liar(AtomicUsize::new(0)));
    let memory: MemoryStore = ["hello", "world"].into_iter().collect();
    let (hello, world) = (ContentHash::of(b"hello"), ContentHash::of(b"world"));
    let layered = Layered::new()
        .with_local(local.clone())
        .with(liar.clone())
        .with(Arc::new(memory));
    assert_eq!(layered.distrusted(), []);
    assert_eq!(layered.get(&hello, LIMIT).await.unwrap(), "hello");
    assert_eq!(layered.clone().get(&world, LIMIT).await.unwrap(), "world");
    assert_eq!(layered.distrusted(), [lie(&hello)]);
    assert_eq!(local.read(&hello, LIMIT).unwrap(), "hello");
    // No other store has it: the error of the wrong store is returned, whenever it occurred.
    let absent = ContentHash::of(b"absent");
    let error = layered.get(&absent, LIMIT).await.unwrap_err();
    assert_eq!(
        error,
        StoreError::Distrusted {
            hash: absent,
            error: Box::new(lie(&hello)),
        }
    );
    assert!(error.is_integrity() && error.is_absence());
    assert_eq!(liar.0.load(Ordering::SeqCst), 1);
    // A wrong response takes precedence over a missing one.
    let layered = Layered::new()
        .with(Arc::new(Fixed(Err(unavailable()))))
        .with(liar.clone());
    assert!(layered.get(&hello, LIMIT).await.unwrap_err().is_integrity());
}

/// STORE-11: wrong bytes in the local store end the search.
#[tokio::test]
async fn wrong_local_bytes_end_the_search() {
    let (_folder, local) = store();
    let hash = local.put(b"hello").unwrap();
    std::fs::write(local.path(&hash), "evil").unwrap();
    let memory: MemoryStore = ["hello"].into_iter().collect();
    let layered = Layered::new().with_local(local.clone()).with(Arc::new(memory));
    let error = layered.get(&hash, LIMIT).await.unwrap_err();
    assert!(error.is_integrity() && !error.is_absence(), "{error:?}");
    assert_eq!(std::fs::read(local.path(&hash)).unwrap(), b"evil");
}

/// STORE-3: fetched blobs are written to the given folder, and an error of writing names that folder.
#[tokio::test]
async fn fetching_between_folders() {
    let (_folder, from) = store();
    let (_other, to) = store();
    let content: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 9) as u8).collect();
    let hash = from.put(&content).unwrap();
    let layered = Layered::new().with_local(from.clone());
    assert_eq!(
        layered.fetch(&hash, LIMIT * 10, &to, &|_, _| ()).await,
        Ok(3_000_000)
    );
    assert_eq!(to.read(&hash, LIMIT * 10).unwrap(), content);
    let memory: MemoryStore = [content.clone()].into_iter().collect();
    let layered = Layered::new().with(Arc::new(from)).with(Arc::new(memory));
    std::fs::remove_dir_all(to.folder()).unwrap();
    let error = layered
        .fetch(&hash, LIMIT * 10, &to, &|_, _| ())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
    assert_eq!(layered.distrusted(), []);
}
