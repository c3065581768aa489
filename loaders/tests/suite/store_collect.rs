//! Garbage collection: spec/store.md.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use secure_runtime_loaders::store::Collected;
use secure_runtime_loaders::{ContentHash, LocalStore};

fn age(path: &Path) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(7200))
        .unwrap();
}

/// STORE-17: old files that are not kept are removed. Files that are new, kept, being written or foreign stay.
#[test]
fn only_old_unneeded_files_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let before = SystemTime::now() - Duration::from_secs(3600);
    let kept = store.put(b"kept").unwrap();
    let old = store.put(b"old").unwrap();
    let young = store.put(b"young").unwrap();
    let renewed = store.put(b"renewed").unwrap();
    let large = store.put(&vec![7; 2_000_000]).unwrap();
    let digits = large.to_hex();
    let outboard = folder.path().join("outboards").join(&digits[..2]).join(&digits);
    assert!(outboard.exists());
    let blobs = folder.path().join("blobs");
    let shard = store.path(&old).parent().unwrap().to_owned();
    let partial = |hash: ContentHash| shard.join(format!("{}.partial", hash.to_hex()));
    let orphan = outboard.with_file_name(ContentHash::of(b"orphan").to_hex());
    let (left, busy) = (partial(old), partial(young));
    let leftovers = [
        blobs.join(".writing-a"),
        shard.join(".writing-b"),
        outboard.with_file_name(".writing-c"),
        orphan,
        left,
    ];
    let others = [
        blobs.join("README"),
        shard.join("notes.partial"),
        shard.join(".hidden"),
        folder.path().join(".writing-d"),
    ];
    for path in leftovers.iter().chain(&others).chain([&busy]) {
        fs::write(path, "12345").unwrap();
        age(path);
    }
    let fresh = shard.join(".writing-e");
    fs::write(&fresh, "").unwrap();
    let lock = fs::File::open(&busy).unwrap();
    lock.lock().unwrap();
    for hash in [kept, old, renewed, large] {
        age(&store.path(&hash));
    }
    assert_eq!(store.put(b"renewed").unwrap(), renewed);
    assert_eq!(
        store.collect(None, before).unwrap(),
        Collected {
            blobs: 0,
            leftovers: 5,
            bytes: 25,
        }
    );
    assert!(leftovers.iter().all(|path| !path.exists()));
    assert_eq!(store.list().unwrap().len(), 5);
    let keep = HashSet::from([kept]);
    assert_eq!(
        store.collect(Some(&keep), before).unwrap(),
        Collected {
            blobs: 2,
            leftovers: 0,
            bytes: 2_000_003,
        }
    );
    let mut expected = vec![kept, young, renewed];
    expected.sort_unstable();
    assert_eq!(store.list().unwrap(), expected);
    assert!(!outboard.exists());
    assert!(others.iter().chain([&busy, &fresh]).all(|path| path.exists()));
    drop(lock);
    assert_eq!(store.collect(Some(&keep), before).unwrap().leftovers, 1);
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(store.collect(Some(&keep), later).unwrap().blobs, 2);
    assert_eq!(store.list().unwrap(), [kept]);
}

/// STORE-17: a symbolic link in place of a folder is not followed.
#[test]
fn links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let victim = outside.path().join(".writing-x");
    fs::write(&victim, "").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("blobs/ab")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("outboards")).unwrap();
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(
        store.collect(Some(&HashSet::new()), later).unwrap(),
        Collected::default()
    );
    assert!(victim.exists());
}
