//! Large blobs are verified on arrival and continued after an interruption: spec/store.md.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secure_runtime_loaders::store::{HttpOptions, ServeOptions, serve};
use secure_runtime_loaders::{ContentHash, HttpStore, LocalStore, Store, StoreError};

use crate::server::{Answer, Asked, Server};

const GROUP: usize = 16 * 1024;
const LIMIT: u64 = 1 << 40;

fn quiet(_: u64, _: Option<u64>) {}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index / 5 % 251) as u8).collect()
}

/// A store with one blob, the blob's bytes and the bytes of its outboard.
struct Source {
    _folder: tempfile::TempDir,
    hash: ContentHash,
    blob: Vec<u8>,
    outboard: Vec<u8>,
}

impl Source {
    fn new(size: usize) -> Self {
        let (folder, store) = store();
        let blob = content(size);
        let (hash, _) = store.add(&mut &blob[..]).unwrap();
        let outboard = std::fs::read(outboard_path(&store, &hash)).unwrap();
        Self {
            _folder: folder,
            hash,
            blob,
            outboard,
        }
    }
}

fn store() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    (folder, store)
}

fn outboard_path(store: &LocalStore, hash: &ContentHash) -> PathBuf {
    let digits = hash.to_hex();
    store.folder().join("outboards").join(&digits[..2]).join(digits)
}

fn partial_path(store: &LocalStore, hash: &ContentHash) -> PathBuf {
    store.path(hash).with_extension("partial")
}

fn client(server: &Server) -> HttpStore {
    let options = HttpOptions {
        timeout: Duration::from_secs(600),
        attempts: 3,
        pause: Duration::from_millis(1),
    };
    HttpStore::with_options(&server.address, options).unwrap()
}

/// Starts a server with ranges for this blob and this outboard.
async fn serving(blob: Vec<u8>, outboard: Option<Vec<u8>>) -> Server {
    Server::start(
        move |asked| match (&outboard, asked.path.contains("/outboards/")) {
            (_, false) => Answer::of(&blob, asked.from),
            (Some(outboard), true) => Answer::of(outboard, asked.from),
            (None, true) => Answer::not_found(),
        },
    )
    .await
}

fn blobs_asked(server: &Server) -> Vec<Option<u64>> {
    let of_blob = |asked: &Asked| asked.path.starts_with("/blobs/").then_some(asked.from);
    server.asked().iter().filter_map(of_blob).collect()
}

/// Checks that the local store has the blob and its outboard, and nothing else.
fn assert_kept(local: &LocalStore, source: &Source) {
    assert_eq!(std::fs::read(local.path(&source.hash)).unwrap(), source.blob);
    assert_eq!(
        std::fs::read(outboard_path(local, &source.hash)).unwrap(),
        source.outboard
    );
    let shard = local.path(&source.hash).parent().unwrap().to_owned();
    assert_eq!(std::fs::read_dir(shard).unwrap().count(), 1);
    assert_eq!(
        std::fs::read_dir(local.folder().join("blobs")).unwrap().count(),
        1
    );
}

/// STORE-13, STORE-14: a blob arrives complete with and without an outboard. The local store then has both.
#[tokio::test]
async fn fetched_blobs_are_stored() {
    let source = Source::new(3_000_000);
    for outboard in [Some(source.outboard.clone()), None] {
        let server = serving(source.blob.clone(), outboard).await;
        let (_folder, local) = store();
        let told = AtomicUsize::new(0);
        let progress = |have: u64, total: Option<u64>| {
            told.store(usize::try_from(have).unwrap(), Ordering::SeqCst);
            assert_eq!(total, Some(3_000_000));
        };
        let size = client(&server)
            .fetch(&source.hash, LIMIT, &local, &progress)
            .await;
        assert_eq!(size, Ok(3_000_000));
        assert_eq!(told.into_inner(), 3_000_000);
        assert_kept(&local, &source);
        // A blob that is fetched into memory is verified on arrival, too.
        let bytes = client(&server).get(&source.hash, 3_000_000).await.unwrap();
        assert_eq!(bytes, source.blob);
        for limit in [2_999_999, 1_000] {
            let error = client(&server).get(&source.hash, limit).await.unwrap_err();
            assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
            let (_folder, local) = store();
            let error = client(&server)
                .fetch(&source.hash, limit, &local, &quiet)
                .await
                .unwrap_err();
            assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
        }
    }
}

/// STORE-14: a malicious server is cut off at the first wrong group. It could have sent 64 MiB.
#[tokio::test]
async fn a_malicious_server_is_cut_off() {
    let source = Source::new(64 << 20);
    let mut lie = source.blob.clone();
    lie[(1 << 20) + 5] ^= 1;
    let server = serving(lie, Some(source.outboard.clone())).await;
    let (_folder, local) = store();
    let error = client(&server)
        .fetch(&source.hash, LIMIT, &local, &quiet)
        .await
        .unwrap_err();
    let location = format!(
        "{}/blobs/{}/{}",
        server.address,
        &source.hash.to_hex()[..2],
        source.hash.to_hex()
    );
    assert_eq!(
        error,
        StoreError::CorruptAt {
            store: format!("{}/", server.address),
            location,
            hash: source.hash,
            offset: 1 << 20,
        }
    );
    assert!(error.is_integrity());
    // Bytes beyond 1 MiB were in the buffers of the system and of the client.
    assert!(server.sent() < 24 << 20, "{}", server.sent());
    assert!(!local.contains(&source.hash));
    let partial = std::fs::read(partial_path(&local, &source.hash)).unwrap();
    assert_eq!(partial, source.blob[..1 << 20]);
    let error = client(&server).get(&source.hash, 64 << 20).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::CorruptAt {
                offset: 1_048_576,
                ..
            }
        ),
        "{error:?}"
    );
    // An honest server continues at the position where the malicious one was detected.
    let honest = serving(source.blob.clone(), Some(source.outboard.clone())).await;
    client(&honest)
        .fetch(&source.hash, LIMIT, &local, &quiet)
        .await
        .unwrap();
    assert_kept(&local, &source);
    assert_eq!(blobs_asked(&honest), [Some(1 << 20)]);
}

/// STORE-14: if an outboard is wrong in any way, no wrong byte is accepted, and the store that has it is named.
#[tokio::test]
async fn a_wrong_outboard_passes_no_wrong_byte() {
    let source = Source::new(2_000_000);
    let mut other_blob = source.blob.clone();
    other_blob[700_000] ^= 1;
    let (_folder, other_store) = store();
    let other_hash = other_store.put(&other_blob).unwrap();
    let other = std::fs::read(outboard_path(&other_store, &other_hash)).unwrap();
    let flipped = |position: usize| {
        let mut outboard = source.outboard.clone();
        outboard[position] ^= 1;
        outboard
    };
    let table = [
        ("a node", flipped(8 + 64 * 9), source.blob.clone()),
        ("the root", flipped(8), source.blob.clone()),
        (
            "the last byte",
            flipped(source.outboard.len() - 1),
            source.blob.clone(),
        ),
        ("the size", flipped(0), source.blob.clone()),
        ("a huge size", flipped(6), source.blob.clone()),
        ("an impossible size", flipped(7), source.blob.clone()),
        ("cut off", source.outboard[..1000].to_vec(), source.blob.clone()),
        ("empty", Vec::new(), source.blob.clone()),
        ("another blob's", other.clone(), source.blob.clone()),
        ("another blob and its", other, other_blob),
    ];
    for (name, outboard, blob) in table {
        let server = serving(blob, Some(outboard)).await;
        let (_folder, local) = store();
        let error = client(&server)
            .fetch(&source.hash, LIMIT, &local, &quiet)
            .await
            .expect_err(name);
        assert!(error.is_integrity(), "{name}: {error:?}");
        assert!(error.to_string().contains(&server.address), "{name}: {error}");
        assert!(!local.contains(&source.hash), "{name}");
        assert!(!outboard_path(&local, &source.hash).exists(), "{name}");
        if let Ok(partial) = std::fs::read(partial_path(&local, &source.hash)) {
            assert_eq!(partial, source.blob[..partial.len()], "{name}");
        }
        assert!(
            client(&server).get(&source.hash, 2_000_000).await.is_err(),
            "{name}"
        );
    }
}

/// STORE-15: an interrupted download continues at its position, even if the server does not support ranges.
#[tokio::test]
async fn broken_connections() {
    let source = Arc::new(Source::new(2_000_000));
    for has_ranges in [true, false] {
        let served = source.clone();
        let server = Server::start(move |asked| {
            let bytes = match asked.path.contains("/outboards/") {
                true => &served.outboard,
                false => &served.blob,
            };
            match has_ranges {
                true => Answer::of(bytes, asked.from).breaking_after(300_000),
                // Each response is a little longer. Otherwise the download would never finish.
                false => Answer::whole(bytes).breaking_after(match asked.from {
                    None => 900_000,
                    Some(from) => usize::try_from(from).unwrap() + 700_000,
                }),
            }
        })
        .await;
        let (_folder, local) = store();
        let fetched = client(&server).fetch(&source.hash, LIMIT, &local, &quiet).await;
        assert_eq!(fetched, Ok(2_000_000), "{has_ranges}");
        assert_kept(&local, &source);
        let asked = blobs_asked(&server);
        assert_eq!(asked.len(), if has_ranges { 7 } else { 3 }, "{asked:?}");
        assert_eq!(asked[0], None);
        assert!(asked[1..].iter().all(Option::is_some), "{asked:?}");
    }
}

/// STORE-15: the client reports a file that changes during the download as an error of the server.
#[tokio::test]
async fn a_file_that_changes_during_a_download_is_refused() {
    let source = Arc::new(Source::new(2_000_000));
    for (second, reason) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 50000",
            "the size of the file changes",
        ),
        ("HTTP/1.1 200 OK", "the file is shorter than the last time"),
    ] {
        let served = source.clone();
        let server = Server::start(
            move |asked| match (asked.path.contains("/outboards/"), asked.from) {
                (true, _) => Answer::not_found(),
                (false, None) => Answer::whole(&served.blob).breaking_after(100_000),
                (false, Some(_)) => Answer {
                    head: second.to_owned(),
                    body: served.blob[..50_000].to_vec(),
                    breaks_after: None,
                },
            },
        )
        .await;
        let (_folder, local) = store();
        let fetched = client(&server).fetch(&source.hash, LIMIT, &local, &quiet).await;
        let error = fetched.unwrap_err();
        assert!(
            matches!(&error, StoreError::Protocol { .. }) && error.to_string().contains(reason),
            "{error:?}"
        );
    }
}

/// The name of the case, the bytes that an earlier process left, and the expected start positions of requests.
type Begun = (&'static str, Vec<u8>, Vec<Option<u64>>);

/// STORE-15: the bytes that an earlier process left are verified, and only the rest is requested.
#[tokio::test]
async fn partial_blobs_are_continued() {
    let source = Source::new(2_000_000);
    let whole = source.blob.clone();
    let mut damaged = whole[..1_000_000].to_vec();
    damaged[500_000] ^= 1;
    let mut longer = whole.clone();
    longer.extend_from_slice(b"more");
    let table: Vec<Begun> = vec![
        ("nothing", Vec::new(), vec![None]),
        ("a part of a group", whole[..100].to_vec(), vec![None]),
        (
            "a part",
            whole[..1_000_000].to_vec(),
            vec![Some((1_000_000 / GROUP * GROUP) as u64)],
        ),
        (
            "a damaged part",
            damaged,
            vec![Some((500_000 / GROUP * GROUP) as u64)],
        ),
        ("other bytes", b"other".repeat(20_000), vec![None]),
        ("all", whole.clone(), vec![]),
        ("more than all", longer, vec![]),
    ];
    for (name, left, expected) in table {
        let server = serving(whole.clone(), Some(source.outboard.clone())).await;
        let (_folder, local) = store();
        std::fs::create_dir_all(local.path(&source.hash).parent().unwrap()).unwrap();
        std::fs::write(partial_path(&local, &source.hash), &left).unwrap();
        client(&server)
            .fetch(&source.hash, LIMIT, &local, &quiet)
            .await
            .unwrap();
        assert_kept(&local, &source);
        assert_eq!(blobs_asked(&server), expected, "{name}");
    }
}

/// STORE-15: without an outboard, the whole blob is verified at the end. Bytes of another server are not held against
/// this one.
#[tokio::test]
async fn partial_blobs_are_continued_without_an_outboard() {
    let source = Source::new(2_000_000);
    let mut damaged = source.blob[..1_000_000].to_vec();
    damaged[5] ^= 1;
    let table: Vec<Begun> = vec![
        ("a part", source.blob[..1_000_000].to_vec(), vec![Some(1_000_000)]),
        ("all", source.blob.clone(), vec![Some(2_000_000)]),
        ("a damaged part", damaged, vec![Some(1_000_000), None]),
        ("more than all", vec![7; 3_000_000], vec![Some(3_000_000), None]),
    ];
    for (name, left, expected) in table {
        let server = serving(source.blob.clone(), None).await;
        let (_folder, local) = store();
        std::fs::create_dir_all(local.path(&source.hash).parent().unwrap()).unwrap();
        std::fs::write(partial_path(&local, &source.hash), &left).unwrap();
        client(&server)
            .fetch(&source.hash, LIMIT, &local, &quiet)
            .await
            .unwrap();
        assert_kept(&local, &source);
        assert_eq!(blobs_asked(&server), expected, "{name}");
    }
    let server = serving(b"wrong".repeat(400_000), None).await;
    let (_folder, local) = store();
    let error = client(&server)
        .fetch(&source.hash, LIMIT, &local, &quiet)
        .await
        .unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { location, .. } if location.starts_with(&server.address)));
    assert!(!partial_path(&local, &source.hash).exists() && !local.contains(&source.hash));
}

/// STORE-15: a server whose ranges are wrong.
#[tokio::test]
async fn wrong_ranges() {
    let source = Arc::new(Source::new(2_000_000));
    let heads = [
        "Content-Range: bytes 0-999/2000000",
        "Content-Range: bytes 1000000-1999999/*",
        "Content-Range: bytes 1000000-1999999/3000000",
        "Content-Range: bytes 1000000-99999999999999999999/2000000",
        "Content-Range: nonsense",
        "X: y",
    ];
    for head in heads {
        let served = source.clone();
        let server = Server::start(
            move |asked| match (asked.path.contains("/outboards/"), asked.from) {
                (true, _) => Answer::whole(&served.outboard),
                (false, None) => Answer::whole(&served.blob).breaking_after(1_000_000),
                (false, Some(_)) => Answer {
                    head: format!("HTTP/1.1 206 Partial Content\r\n{head}\r\nContent-Length: 1000000"),
                    body: vec![0; 1_000_000],
                    breaks_after: None,
                },
            },
        )
        .await;
        let (_folder, local) = store();
        let error = client(&server)
            .fetch(&source.hash, LIMIT, &local, &quiet)
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::Protocol { .. }), "{head}: {error:?}");
    }
}

/// STORE-13: a blob in a folder is streamed from any byte, each group is verified, and a wrong outboard is made again.
#[test]
fn streams_of_a_folder() {
    let (_folder, local) = store();
    for size in [0, 1, GROUP, GROUP + 1, 100_000, 1_048_576, 1_048_577, 3_000_000] {
        let blob = content(size);
        let (hash, added) = local.add(&mut &blob[..]).unwrap();
        assert_eq!((hash, added), (ContentHash::of(&blob), size as u64));
        assert_eq!(outboard_path(&local, &hash).exists(), size > 1 << 20, "{size}");
        for from in [0, 1, GROUP, 50_000, size.saturating_sub(1), size, size + 1] {
            let mut read = Vec::new();
            let copied = local
                .stream(&hash, from as u64)
                .unwrap()
                .copy_to(&mut read)
                .unwrap();
            assert_eq!(read, blob[from.min(size)..], "{size} from {from}");
            assert_eq!(copied, Ok(read.len() as u64));
        }
    }
    let blob = content(3_000_000);
    let hash = ContentHash::of(&blob);
    let path = outboard_path(&local, &hash);
    let right = std::fs::read(&path).unwrap();
    for wrong in [Vec::new(), right[..500].to_vec(), {
        let mut wrong = right.clone();
        wrong[3000] ^= 1;
        wrong
    }] {
        std::fs::write(&path, wrong).unwrap();
        let mut read = Vec::new();
        local
            .stream(&hash, 2_000_000)
            .unwrap()
            .copy_to(&mut read)
            .unwrap()
            .unwrap();
        assert_eq!(read, blob[2_000_000..]);
        assert_eq!(local.check(&hash), Ok(3_000_000));
        assert_eq!(std::fs::read(&path).unwrap(), right, "`check` has made it anew");
    }
    // A damaged blob: with an outboard, everything before the damage is returned. Without one, nothing is.
    let mut damaged = blob.clone();
    damaged[2_000_000] ^= 1;
    std::fs::write(local.path(&hash), &damaged).unwrap();
    let mut read = Vec::new();
    let error = local
        .stream(&hash, 0)
        .unwrap()
        .copy_to(&mut read)
        .unwrap()
        .unwrap_err();
    let start = 2_000_000 / GROUP * GROUP;
    assert!(
        matches!(error, StoreError::CorruptAt { offset, .. } if offset == start as u64),
        "{error:?}"
    );
    assert_eq!(read, blob[..start]);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(local.stream(&hash, 0), Err(StoreError::Corrupt { .. })));
    std::fs::write(local.path(&hash), &blob[..2_999_999]).unwrap();
    std::fs::write(&path, &right).unwrap();
    assert!(local.stream(&hash, 0).is_err());
    assert!(local.check(&hash).is_err());
}

/// An endless stream of bytes that uses no memory, and in which no two groups are equal.
struct Generated {
    position: u64,
    size: u64,
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer
            .len()
            .min(usize::try_from(self.size - self.position).unwrap());
        for (index, byte) in buffer[..count].iter_mut().enumerate() {
            let position = self.position + index as u64;
            *byte = ((position >> 14).wrapping_mul(0x9e37_79b9) >> (position & 7)) as u8;
        }
        self.position += count as u64;
        Ok(count)
    }
}

const FLAT: &str = "SECURE_RUNTIME_TEST_STREAM_MIB";

/// STORE-13: memory use does not grow with the size of a blob. A separate process adds, serves, fetches and reads one.
/// The system reports its peak memory.
#[test]
fn memory_stays_flat() {
    // Another size can be tested by hand: SECURE_RUNTIME_TEST_STREAM_MIB=10240.
    let mebibytes = std::env::var(FLAT).unwrap_or_else(|_| "200".to_owned());
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store_stream::child_streams",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FLAT, &mebibytes)
        .env("SECURE_RUNTIME_TEST_CHILD", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let peak: u64 = text
        .lines()
        .find_map(|line| line.split_once("peak KiB: ")?.1.trim().parse().ok())
        .unwrap();
    println!("{mebibytes} MiB streamed through add, serve, fetch and read: {peak} KiB of memory at most");
    assert!(peak < 64 * 1024, "{peak} KiB");
}

/// The part of [`memory_stays_flat`] that runs in a separate process. Does nothing otherwise.
#[tokio::test]
async fn child_streams() {
    if std::env::var_os("SECURE_RUNTIME_TEST_CHILD").is_none() {
        return;
    }
    let size = std::env::var(FLAT).unwrap().parse::<u64>().unwrap() << 20;
    let (_folder, source) = store();
    let (hash, added) = source.add(&mut Generated { position: 0, size }).unwrap();
    assert_eq!(added, size);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(
        source,
        listener,
        ServeOptions::default(),
        std::future::pending(),
    ));
    let (_folder, local) = store();
    let client = HttpStore::new(&address).unwrap();
    assert_eq!(client.fetch(&hash, LIMIT, &local, &quiet).await, Ok(size));
    let copied = local.stream(&hash, 0).unwrap().copy_to(&mut std::io::sink());
    assert_eq!(copied.unwrap(), Ok(size));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    println!("peak KiB: {}", peak.trim().trim_end_matches(" kB"));
}
