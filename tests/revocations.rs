//! [`RevocationFeed`] from the view of an embedder. TOK-42.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime::{RevocationFeed, RevocationFeedError, RevocationsLoaded};
use secure_runtime_capabilities::{KeyPair, RevocationError, RevocationId, RevocationList, Revocations};

use crate::support::{Scene, Server};

/// An issuer of lists, a server with the newest list, and a folder to keep lists in.
struct Issuer {
    key: KeyPair,
    server: Server,
    folder: tempfile::TempDir,
}

const PATH: &str = "/revoked.list";

impl Issuer {
    fn new() -> Self {
        Issuer {
            key: KeyPair::generate().unwrap(),
            server: Server::start(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Serves a list with this number and one block. It is current for `seconds`, or became stale that long ago if the
    /// number is negative.
    fn publish(&self, sequence: u64, seconds: i64) -> Vec<u8> {
        let bytes = list(&self.key, sequence, seconds);
        self.server.put(PATH, Some(bytes.clone()));
        bytes
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("cache").join("kept")
    }

    /// Returns a new feed, like a process that just started.
    fn feed(&self) -> RevocationFeed {
        let address = format!("{}{PATH}", self.server.origin());
        let feed = RevocationFeed::new(&address, self.key.public()).unwrap();
        feed.kept_in(&self.kept())
    }

    /// Returns the path of the only kept file.
    fn file(&self) -> PathBuf {
        let files: Vec<_> = std::fs::read_dir(self.kept()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].as_ref().unwrap().path()
    }
}

fn list(key: &KeyPair, sequence: u64, seconds: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let until = now.checked_add_signed(seconds).unwrap();
    let id = RevocationId::from_bytes([sequence as u8; 64]);
    let list = RevocationList::new(sequence, until.min(now) - 1, until, [id]);
    list.unwrap().sign(key).unwrap()
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    reactor.block_on(future)
}

fn load(feed: &RevocationFeed) -> Result<RevocationsLoaded, RevocationFeedError> {
    wait_for(feed.load())
}

fn sequence(feed: &RevocationFeed) -> Option<u64> {
    feed.revocations().list().map(|list| list.sequence)
}

#[test]
fn the_newest_list_comes_from_the_source_and_is_kept() {
    let issuer = Issuer::new();
    let bytes = issuer.publish(4, 600);
    let feed = issuer.feed();
    assert_eq!(sequence(&feed), None);
    assert_eq!(load(&feed), Ok(RevocationsLoaded::Fresh));
    assert_eq!(sequence(&feed), Some(4));
    assert_eq!(std::fs::read(issuer.file()).unwrap(), bytes);
    assert_eq!(wait_for(feed.refresh()), Ok(false));

    let newer = issuer.publish(5, 600);
    let handle = feed.revocations();
    assert_eq!(wait_for(feed.refresh()), Ok(true));
    assert_eq!(handle.list().unwrap().sequence, 5, "handles follow the feed");
    assert_eq!(std::fs::read(issuer.file()).unwrap(), newer);
    // If the kept file is lost, it is written again.
    std::fs::remove_file(issuer.file()).unwrap();
    assert_eq!(wait_for(feed.refresh()), Ok(false));
    assert_eq!(std::fs::read(issuer.file()).unwrap(), newer);
}

#[test]
fn a_current_kept_list_replaces_an_unavailable_source() {
    let issuer = Issuer::new();
    issuer.server.put(PATH, None);
    let unavailable =
        |problem: &RevocationFeedError| matches!(problem, RevocationFeedError::Unavailable { .. });
    let problem = load(&issuer.feed()).unwrap_err();
    assert!(unavailable(&problem) && !problem.is_integrity(), "{problem}");
    assert!(problem.to_string().contains("there is no such file"), "{problem}");

    issuer.publish(1, 600);
    assert_eq!(load(&issuer.feed()), Ok(RevocationsLoaded::Fresh));
    issuer.server.put(PATH, None);
    let feed = issuer.feed();
    let Ok(RevocationsLoaded::Kept(problem)) = load(&feed) else {
        panic!("the kept list is current");
    };
    assert!(unavailable(&problem), "{problem}");
    assert_eq!(sequence(&feed), Some(1));

    // A kept list that is stale does not help.
    std::fs::write(issuer.file(), list(&issuer.key, 2, -1)).unwrap();
    assert!(unavailable(&load(&issuer.feed()).unwrap_err()));
}

#[test]
fn a_stale_list_of_the_source_is_an_error() {
    let issuer = Issuer::new();
    issuer.publish(3, -5);
    let problem = load(&issuer.feed()).unwrap_err();
    assert!(
        matches!(problem, RevocationFeedError::Stale { sequence: 3, .. }) && !problem.is_integrity(),
        "{problem}"
    );
    assert!(
        problem.to_string().contains("number 3, is stale since 20"),
        "{problem}"
    );
    issuer.publish(4, 600);
    assert_eq!(load(&issuer.feed()), Ok(RevocationsLoaded::Fresh));
}

#[test]
fn older_and_forged_lists_are_refused_across_restarts_and_the_newest_stays() {
    let issuer = Issuer::new();
    issuer.publish(7, 600);
    let running = issuer.feed();
    assert_eq!(load(&running), Ok(RevocationsLoaded::Fresh));
    let kept = std::fs::read(issuer.file()).unwrap();

    let old = list(&issuer.key, 6, 600);
    let forked = {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let list = RevocationList::new(7, now, now + 900, []).unwrap();
        list.sign(&issuer.key).unwrap()
    };
    let mut changed = kept.clone();
    let last = changed.last_mut().unwrap();
    *last ^= 1;
    let other = KeyPair::generate().unwrap();
    let key = issuer.key.public();
    for (bytes, expected) in [
        (old, RevocationError::RolledBack { sequence: 6, seen: 7 }),
        (forked, RevocationError::Forked { sequence: 7 }),
        (changed, RevocationError::Signature { key }),
        (list(&other, 8, 600), RevocationError::Signature { key }),
    ] {
        issuer.server.put(PATH, Some(bytes));
        let refused = |problem: &RevocationFeedError| {
            let is_expected =
                matches!(problem, RevocationFeedError::Refused { error, .. } if *error == expected);
            is_expected && problem.is_integrity()
        };
        // The refusal happens in the process that saw the newest list, and in one that starts later.
        let problem = wait_for(running.refresh()).unwrap_err();
        assert!(refused(&problem), "{problem:?}, not {expected:?}");
        let started = issuer.feed();
        let loaded = load(&started);
        assert!(
            matches!(&loaded, Ok(RevocationsLoaded::Kept(problem)) if refused(problem)),
            "{loaded:?}"
        );
        assert_eq!((sequence(&running), sequence(&started)), (Some(7), Some(7)));
        assert_eq!(std::fs::read(issuer.file()).unwrap(), kept);
    }
    // Without a kept list, the forged list is an error. The next genuine list is accepted.
    std::fs::remove_dir_all(issuer.kept()).unwrap();
    let problem = load(&issuer.feed()).unwrap_err();
    assert!(problem.is_integrity(), "{problem}");
    issuer.publish(8, 600);
    assert_eq!(load(&issuer.feed()), Ok(RevocationsLoaded::Fresh));
    assert_eq!(wait_for(running.refresh()), Ok(true));
}

#[test]
fn an_older_list_does_not_replace_the_list_of_another_process() {
    let issuer = Issuer::new();
    issuer.publish(1, 600);
    let (one, two) = (issuer.feed(), issuer.feed());
    assert_eq!(load(&one), Ok(RevocationsLoaded::Fresh));
    assert_eq!(load(&two), Ok(RevocationsLoaded::Fresh));
    let third = issuer.publish(3, 600);
    assert_eq!(wait_for(two.refresh()), Ok(true));
    issuer.publish(2, 600);
    let problem = wait_for(one.refresh()).unwrap_err();
    assert!(problem.is_integrity(), "{problem}");
    assert_eq!(
        sequence(&one),
        Some(3),
        "what the other one kept is known here too"
    );
    assert_eq!(std::fs::read(issuer.file()).unwrap(), third);
}

#[test]
fn a_damaged_or_unwritable_kept_list_is_reported() {
    let issuer = Issuer::new();
    issuer.publish(1, 600);
    let feed = issuer.feed();
    assert_eq!(load(&feed), Ok(RevocationsLoaded::Fresh));
    std::fs::write(issuer.file(), "x").unwrap();
    let problem = load(&issuer.feed()).unwrap_err();
    assert!(
        matches!(problem, RevocationFeedError::Damaged { .. }) && problem.is_integrity(),
        "{problem}"
    );
    // A process that knows the newest list continues with it, and accepts newer ones.
    issuer.publish(2, 600);
    assert!(wait_for(feed.refresh()).is_err());
    assert_eq!(sequence(&feed), Some(2));

    std::fs::remove_dir_all(issuer.kept()).unwrap();
    std::fs::write(issuer.kept(), "a file where the folder should be").unwrap();
    let problem = load(&issuer.feed()).unwrap_err();
    assert!(matches!(problem, RevocationFeedError::Keep { .. }), "{problem}");
}

#[test]
fn redirects_are_refused_and_lists_have_a_size_limit() {
    let issuer = Issuer::new();
    issuer.publish(1, 600);
    let feed = |path: &str| {
        let address = format!("{}{path}", issuer.server.origin());
        load(&RevocationFeed::new(&address, issuer.key.public()).unwrap())
    };
    assert_eq!(feed(PATH), Ok(RevocationsLoaded::Fresh));
    let problem = feed(&format!("/redirect/302/{PATH}")).unwrap_err().to_string();
    assert!(problem.contains("redirects to"), "{problem}");
    let problem = feed("/endless").unwrap_err().to_string();
    assert!(problem.contains("larger than 4194304 bytes"), "{problem}");
    for wrong in [
        "ftp://example.com/a",
        "https://user@example.com/a",
        "https://example.com/a#b",
        "https://",
        "",
    ] {
        let problem = RevocationFeed::new(wrong, issuer.key.public());
        assert!(
            matches!(problem, Err(RevocationFeedError::Place { .. })),
            "{wrong}"
        );
    }
}

#[test]
fn each_key_has_its_own_kept_list_for_all_sources() {
    let issuer = Issuer::new();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let other = KeyPair::generate().unwrap();
    for (name, key, sequence) in [("a", &issuer.key, 4), ("b", &issuer.key, 5), ("a", &other, 3)] {
        std::fs::write(place(name), list(key, sequence, 600)).unwrap();
        let feed = RevocationFeed::new(place(name), key.public()).unwrap();
        let feed = feed.kept_in(&issuer.kept());
        assert_eq!(load(&feed), Ok(RevocationsLoaded::Fresh));
    }
    assert_eq!(std::fs::read_dir(issuer.kept()).unwrap().count(), 2);
    // TOK-42. An older list is refused even at a place that was never used before.
    std::fs::write(place("c"), list(&issuer.key, 4, 600)).unwrap();
    let feed = RevocationFeed::new(place("c"), issuer.key.public()).unwrap();
    let problem = load(&feed.kept_in(&issuer.kept()));
    assert!(
        matches!(
            &problem,
            Ok(RevocationsLoaded::Kept(RevocationFeedError::Refused { .. }))
        ),
        "{problem:?}"
    );
}

#[test]
fn a_file_is_refreshed_until_the_refresher_is_dropped() {
    let issuer = Issuer::new();
    let file = issuer.folder.path().join("revoked.list");
    std::fs::write(&file, list(&issuer.key, 1, 600)).unwrap();
    let feed = RevocationFeed::new(file.to_str().unwrap(), issuer.key.public()).unwrap();
    assert_eq!(load(&feed), Ok(RevocationsLoaded::Fresh));
    let revocations = feed.revocations();
    let (tell, told) = std::sync::mpsc::channel();
    let refresher = feed.keep_fresh(move |problem| tell.send(problem.to_string()).unwrap());
    let refresher = refresher.unwrap();
    // The file is replaced in one step, because half a list would be reported as a problem.
    let next = issuer.folder.path().join("next.list");
    std::fs::write(&next, list(&issuer.key, 2, 600)).unwrap();
    std::fs::rename(&next, &file).unwrap();
    while revocations.list().unwrap().sequence != 2 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::fs::remove_file(&file).unwrap();
    let problem = told.recv().unwrap();
    assert!(problem.contains("there is no such file"), "{problem}");
    drop(refresher);
    assert!(told.recv().is_err(), "its thread has ended");
    assert_eq!(revocations.list().unwrap().sequence, 2);
}

/// CLI-23, TOK-43. A missing or stale list is not treated like a list that revokes nothing.
#[test]
fn without_a_current_list_a_program_may_do_nothing() {
    let key = KeyPair::generate().unwrap();
    let revocations = Revocations::new(key.public());
    let source = "import { fs } from 'cap:self';
        try {
          console.log(await fs.readTextFile('data/x'));
        } catch (error) {
          console.log(`${error.code}: ${error.message}`);
        }";
    let scene = Scene::of_main(&["fs.read=./data/**"], source)
        .file("data/x", "allowed")
        .revocations(revocations.clone());
    let denied = |out: &str| out.starts_with("revoked: ") && out.contains("the revocation list is stale");
    let out = scene.run(&[]).completed().out;
    assert!(denied(&out), "{out}");
    revocations.update(&list(&key, 1, -1)).unwrap();
    let out = scene.run(&[]).completed().out;
    assert!(denied(&out), "{out}");
    revocations.update(&list(&key, 2, 600)).unwrap();
    assert_eq!(scene.run(&[]).completed().out, "allowed\n");
}
