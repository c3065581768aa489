//! The promises of `KvStore`, tested with both stores of the library.

use std::time::Duration;

use secure_runtime::{
    FileKvStore, KvChange, KvCheck, KvError, KvRange, KvStore, KvValue, KvVersion, MemoryKvStore,
};

use super::{Time, all_keys, key, text};

/// Runs a test with each store and its limit.
fn with_each(test: impl Fn(&dyn KvStore, &Time, u64)) {
    const SMALL: u64 = 500_000;
    let time = Time::new();
    let store = MemoryKvStore::with_clock(time.clock());
    test(&store, &time, MemoryKvStore::MAX_BYTES);
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("entries.kv");
    let store = FileKvStore::open_with_clock(path, SMALL, time.clock()).unwrap();
    test(&store, &time, SMALL);
}

fn set(name: &str, value: KvValue, expire_in: Option<u64>) -> KvChange {
    KvChange::Set {
        key: key(name),
        value,
        expire_in: expire_in.map(Duration::from_millis),
    }
}

fn delete(name: &str) -> KvChange {
    KvChange::Delete { key: key(name) }
}

fn check(name: &str, version: Option<KvVersion>) -> KvCheck {
    KvCheck {
        key: key(name),
        version,
    }
}

fn version(store: &dyn KvStore, name: &str) -> Option<KvVersion> {
    let entries = store.entries(&[key(name)]).unwrap();
    entries[0].as_ref().map(|entry| entry.version)
}

fn bytes(count: u64) -> KvValue {
    KvValue::Bytes(vec![0; count as usize])
}

/// RUN-36
#[test]
fn keys_are_listed_in_both_directions_and_in_pieces() {
    with_each(|store, _, _| {
        for name in ["b/2", "a", "b", "b/", "b/1", "b0", "c"] {
            store.set(&key(name), text(name)).unwrap();
        }
        let list = |mut range: KvRange, reverse, after: Option<&str>, count| {
            range.reverse = reverse;
            if let Some(after) = after {
                range.go_past(after);
            }
            store.keys(&range, count).unwrap()
        };
        let within = || KvRange::prefix("b/");
        assert_eq!(list(within(), false, None, 9), ["b/", "b/1", "b/2"]);
        assert_eq!(list(within(), false, None, 2), ["b/", "b/1"]);
        assert_eq!(list(within(), false, Some("b/1"), 2), ["b/2"]);
        assert_eq!(list(within(), false, Some("a"), 1), ["b/"]);
        assert_eq!(list(within(), true, None, 2), ["b/2", "b/1"]);
        assert_eq!(list(within(), true, Some("b/1"), 2), ["b/"]);
        assert_eq!(list(KvRange::prefix(""), false, Some("b0"), 9), ["c"]);
        assert_eq!(list(KvRange::prefix(""), true, Some("b"), 9), ["a"]);
        assert!(list(KvRange::prefix("d"), false, None, 9).is_empty());
        let mut range = KvRange::prefix("");
        range.start_at("b");
        range.end_before("b/2");
        assert_eq!(list(range.clone(), false, None, 9), ["b", "b/", "b/1"]);
        range.end_before("a");
        assert!(list(range.clone(), false, None, 9).is_empty());
        assert!(list(range, true, None, 9).is_empty());
        assert!(list(KvRange::prefix(""), false, None, 0).is_empty());
    });
}

/// RUN-110
#[test]
fn a_commit_happens_as_a_whole_or_not_at_all() {
    with_each(|store, _, _| {
        assert_eq!(
            store.commit(
                &[check("a", None), check("b", None)],
                vec![set("a", text("1"), None), set("b", text("1"), None)]
            ),
            Ok(true)
        );
        let first = version(store, "a");
        assert!(first.is_some() && first == version(store, "b"));
        // The entry exists, has another version, or was replaced by the same value.
        for wrong in [
            check("a", None),
            check("a", Some(KvVersion(0))),
            check("c", first),
        ] {
            assert_eq!(
                store.commit(
                    &[check("b", first), wrong],
                    vec![set("a", text("2"), None), delete("b")]
                ),
                Ok(false)
            );
        }
        assert_eq!((version(store, "a"), version(store, "b")), (first, first));
        store.set(&key("b"), text("1")).unwrap();
        assert_ne!(version(store, "b"), first);
        assert_eq!(store.commit(&[check("b", first)], vec![delete("a")]), Ok(false));
        // Checks see the state before the changes, and changes happen in order.
        assert_eq!(
            store.commit(
                &[check("a", first), check("c", None)],
                vec![
                    set("c", text("1"), None),
                    delete("a"),
                    delete("c"),
                    set("c", text("2"), None)
                ]
            ),
            Ok(true)
        );
        assert_eq!(all_keys(store), ["b", "c"]);
        assert_eq!(store.get(&key("c")), Ok(Some(text("2"))));
        assert_eq!(store.commit(&[check("a", None)], Vec::new()), Ok(true));
        assert_eq!(store.commit(&[check("a", first)], Vec::new()), Ok(false));
    });
}

/// RUN-110, RUN-37: a commit that does not fit changes nothing, and one can use the space that it frees.
#[test]
fn a_commit_that_does_not_fit_changes_nothing() {
    with_each(|store, _, most| {
        store.set(&key("a"), bytes(most - 1_000)).unwrap();
        store.set(&key("b"), text("1")).unwrap();
        let (a, b) = (version(store, "a"), version(store, "b"));
        let too_much = vec![
            delete("b"),
            set("b", text("2"), Some(9)),
            set("c", bytes(700), None),
        ];
        assert!(matches!(store.commit(&[], too_much), Err(KvError::Full { .. })));
        assert_eq!(
            (version(store, "a"), version(store, "b"), version(store, "c")),
            (a, b, None)
        );
        assert_eq!(all_keys(store), ["a", "b"]);
        assert_eq!(
            store.commit(&[], vec![set("c", bytes(700), None), delete("a")]),
            Ok(true)
        );
        store.set(&key("a"), bytes(most - 4_000)).unwrap();
        // Nothing of the refused commit is left in the count either.
        for name in ["a", "b", "c"] {
            store.delete(&key(name)).unwrap();
        }
        store.set(&key("a"), bytes(most - 257)).unwrap();
        assert!(matches!(
            store.set(&key("a"), bytes(most - 256)),
            Err(KvError::Full { .. })
        ));
    });
}

/// RUN-112
#[test]
fn an_expired_entry_does_not_exist_and_its_bytes_are_free() {
    with_each(|store, time, most| {
        assert_eq!(
            store.commit(
                &[],
                vec![set("a", bytes(most - 1_000), Some(10)), set("b", text("1"), None)]
            ),
            Ok(true)
        );
        let first = version(store, "a");
        let left = store.entries(&[key("a"), key("b")]).unwrap();
        let left = left.into_iter().map(|entry| entry.unwrap().expires_in);
        assert_eq!(left.collect::<Vec<_>>(), [Some(Duration::from_millis(10)), None]);
        time.pass(9);
        assert_eq!((all_keys(store).len(), version(store, "a")), (2, first));
        assert!(matches!(
            store.set(&key("c"), bytes(1_000)),
            Err(KvError::Full { .. })
        ));
        time.pass(1);
        assert_eq!(
            (all_keys(store), version(store, "a")),
            (vec!["b".to_owned()], None)
        );
        assert_eq!(store.commit(&[check("a", first)], Vec::new()), Ok(false));
        assert_eq!(
            store.commit(&[check("a", None)], vec![set("c", bytes(1_000), None)]),
            Ok(true)
        );
        // A new time replaces the former one, and an entry that was replaced without a time does not expire.
        for (name, again) in [("d", Some(100)), ("e", None)] {
            store.commit(&[], vec![set(name, text("1"), Some(5))]).unwrap();
            store.commit(&[], vec![set(name, text("2"), again)]).unwrap();
        }
        store
            .commit(
                &[],
                vec![
                    set("f", text("1"), Some(5)),
                    delete("f"),
                    set("g", text("1"), Some(0)),
                ],
            )
            .unwrap();
        assert_eq!(all_keys(store), ["b", "c", "d", "e", "g"]);
        time.pass(5);
        store.set(&key("h"), text("")).unwrap();
        assert_eq!(all_keys(store), ["b", "c", "d", "e", "h"]);
        store
            .commit(&[], vec![set("i", text("1"), Some(u64::MAX))])
            .unwrap();
        time.pass(1 << 50);
        assert_eq!(all_keys(store), ["b", "c", "e", "h", "i"]);
        assert_eq!(store.get(&key("d")), Ok(None));
    });
}

/// RUN-112: more entries than one commit removes.
#[test]
fn many_expired_entries_do_not_hold_bytes() {
    with_each(|store, time, most| {
        let half = most / 2 / 400 - 300;
        let changes = (0..400).map(|number| set(&format!("{number}"), bytes(half), Some(1)));
        store.commit(&[], changes.collect()).unwrap();
        time.pass(1);
        store.set(&key("a"), bytes(1)).unwrap();
        store.set(&key("b"), bytes(most - 1_000)).unwrap();
        assert_eq!(all_keys(store), ["a", "b"]);
    });
}

/// RUN-110
#[test]
fn a_version_of_another_store_does_not_match() {
    let (one, other) = (MemoryKvStore::default(), MemoryKvStore::default());
    for store in [&one, &other] {
        store.set(&key("a"), text("1")).unwrap();
    }
    let foreign = version(&one, "a");
    assert_eq!(other.commit(&[check("a", foreign)], vec![delete("a")]), Ok(false));
    assert_eq!(one.commit(&[check("a", foreign)], vec![delete("a")]), Ok(true));
}

/// RUN-103, RUN-112
#[test]
fn versions_and_times_are_kept_in_the_file() {
    let (time, folder) = (Time::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("entries.kv");
    let open = || FileKvStore::open_with_clock(&path, 10_000, time.clock()).unwrap();
    let store = open();
    store
        .commit(
            &[],
            vec![set("a", text("1"), None), set("b", text("1"), Some(10))],
        )
        .unwrap();
    let first = version(&store, "a");
    drop(store);
    time.pass(9);
    let store = open();
    assert_eq!((version(&store, "a"), version(&store, "b")), (first, first));
    assert_eq!(
        store.commit(&[check("a", first)], vec![set("a", text("2"), None)]),
        Ok(true)
    );
    drop(store);
    time.pass(1);
    let store = open();
    assert_eq!(all_keys(&store), ["a"]);
    assert_eq!(store.get(&key("a")), Ok(Some(text("2"))));
}
