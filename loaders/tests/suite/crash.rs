//! Processes that are killed at any moment, and disks that fail: spec/store.md.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use secure_runtime_loaders::files::FolderLock;
use secure_runtime_loaders::store::{ServeOptions, serve};
use secure_runtime_loaders::{
    ContentHash, FileError, HttpStore, Layered, LocalStore, Store, StoreError, read_lock, write_lock,
};

use crate::fixture::Fixture;

const LIMIT: u64 = 1 << 30;
const FOLDER: &str = "SECURE_RUNTIME_TEST_CRASH_FOLDER";
const ADDRESS: &str = "SECURE_RUNTIME_TEST_CRASH_ADDRESS";
const SEED: &str = "SECURE_RUNTIME_TEST_CRASH_SEED";
/// The environment variable with the number of rounds. Without it there are few rounds.
const ROUNDS: &str = "SECURE_RUNTIME_TEST_CRASH_ROUNDS";

/// All possible blobs: empty, small, of several groups, and some with an outboard.
fn contents() -> Vec<Vec<u8>> {
    let sizes = [
        0, 10, 1_000, 16_384, 16_385, 70_000, 400_000, 1_100_000, 1_500_000, 2_500_000,
    ];
    sizes
        .into_iter()
        .map(|size| (0..size).map(|index| (index / 3 + size) as u8).collect())
        .collect()
}

/// Pseudo-random numbers, which are the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn this_test(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// STORE-4, STORE-17: 20 rounds, or the number in the environment. After each round every blob is right, the lock is
/// one that was written, nobody waits for a dead process, and the next command succeeds.
#[tokio::test]
async fn killed_at_any_moment() {
    let rounds = std::env::var(ROUNDS).map_or(20, |rounds| rounds.parse().unwrap());
    let (folder, origin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let local = LocalStore::create(folder.path().join("store")).unwrap();
    let source = LocalStore::create(origin.path()).unwrap();
    for content in contents() {
        source.put(&content).unwrap();
    }
    for version in 0..3 {
        let fixture = Fixture::new(&[("main.js", &format!("export default {version};"))]);
        let path = folder.path().join(format!("{version}.lock"));
        write_lock(&path, &fixture.lock().unwrap().graph).unwrap();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(
        source,
        listener,
        ServeOptions::default(),
        std::future::pending(),
    ));
    let (mut interrupted, mut healed) = (0, 0);
    let seed = u64::from(std::process::id());
    let mut chance = Chance(seed | 1);
    for round in 0..rounds {
        let mut workers: Vec<Child> = (0..3)
            .map(|worker| {
                this_test("crash::child_works")
                    .env(FOLDER, folder.path())
                    .env(ADDRESS, &address)
                    .env(SEED, (seed + round * 3 + worker + 1).to_string())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let started = |worker: usize| {
            folder
                .path()
                .join(format!("started-{}", seed + round * 3 + worker as u64 + 1))
        };
        while !(0..3).all(|worker| started(worker).exists()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(chance.below(150) as u64)).await;
        for worker in &mut workers {
            // SIGKILL, so the process cannot clean up.
            worker.kill().unwrap();
        }
        for worker in workers {
            let output = worker.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() && !said.contains("panicked"),
                "round {round}: {said}"
            );
            interrupted += 1;
        }
        (0..3).for_each(|worker| fs::remove_file(started(worker)).unwrap());
        healed += look_and_heal(&local, folder.path(), &format!("round {round}"));
    }
    println!("{interrupted} processes killed in {rounds} rounds, {healed} files of theirs collected");
    assert!(rounds < 20 || healed > 0, "nothing was ever interrupted");
}

/// Checks the remaining files against the specification. Returns the number of files of dead processes that were
/// collected.
fn look_and_heal(local: &LocalStore, folder: &Path, round: &str) -> u64 {
    for blob in local.verify_all().unwrap() {
        assert!(blob.result.is_ok(), "{round}: {blob:?}");
    }
    let lock = folder.join("secure.lock");
    match read_lock(&lock) {
        Ok(graph) => {
            let written = (0..3).map(|version| read_lock(&folder.join(format!("{version}.lock"))).unwrap());
            assert!(written.into_iter().any(|written| written == graph), "{round}");
        }
        Err(error) => assert!(!lock.exists(), "{round}: {error}"),
    }
    // No process is alive that could hold the lock, so it is free.
    drop(FolderLock::beside(&lock).unwrap());
    let mut leftovers = Vec::new();
    walk(local.folder(), &mut leftovers);
    leftovers.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(".writing-") || name.ends_with(".partial")
    });
    let count = leftovers.len() as u64;
    // If their number is odd, the old files stay, so that the next processes find them.
    if count.is_multiple_of(2) {
        let later = SystemTime::now() + Duration::from_secs(60);
        let collected = local.collect(None, later).unwrap();
        assert!(
            collected.leftovers >= count,
            "{round}: {collected:?}, {leftovers:?}"
        );
        for content in contents() {
            let hash = local.put(&content).unwrap();
            assert_eq!(local.read(&hash, LIMIT).unwrap(), content, "{round}");
            assert_eq!(local.check(&hash), Ok(content.len() as u64), "{round}");
        }
    }
    let mut all = Vec::new();
    walk(local.folder(), &mut all);
    for path in all {
        let file = fs::File::open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200))
            .unwrap();
    }
    count
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The work of the processes of [`killed_at_any_moment`] until they are killed. Does nothing otherwise.
#[tokio::test]
async fn child_works() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let seed = std::env::var(SEED).unwrap();
    let mut chance = Chance(seed.parse::<u64>().unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let local = LocalStore::open(folder.join("store")).unwrap();
    let remote = HttpStore::new(&std::env::var(ADDRESS).unwrap()).unwrap();
    let contents = contents();
    let hashes: Vec<_> = contents.iter().map(|content| ContentHash::of(content)).collect();
    let graphs: Vec<_> = (0..3)
        .map(|version| read_lock(&folder.join(format!("{version}.lock"))).unwrap())
        .collect();
    fs::write(folder.join(format!("started-{seed}")), "").unwrap();
    loop {
        let chosen = chance.below(contents.len());
        let (content, hash) = (&contents[chosen], &hashes[chosen]);
        match chance.below(7) {
            0 => assert_eq!(local.put(content).unwrap(), *hash),
            1 => assert_eq!(local.add(&mut &content[..]).unwrap().0, *hash),
            2 => {
                let size = remote.fetch(hash, LIMIT, &local, &|_, _| ()).await.unwrap();
                assert_eq!(size, content.len() as u64);
            }
            3 => {
                let keep: HashSet<_> = hashes.iter().skip(chance.below(6)).copied().collect();
                let before = SystemTime::now() - Duration::from_secs(3600);
                local.collect(Some(&keep), before).unwrap();
            }
            4 => {
                let path = folder.join("secure.lock");
                let _lock = FolderLock::beside(&path).unwrap();
                write_lock(&path, &graphs[chance.below(3)]).unwrap();
                assert!(graphs.contains(&read_lock(&path).unwrap()));
            }
            5 => match local.stream(hash, 0) {
                Ok(mut reader) => {
                    let mut read = Vec::new();
                    reader.copy_to(&mut read).unwrap().unwrap();
                    assert_eq!(read, *content);
                }
                Err(error) => assert!(error.is_absence(), "{error:?}"),
            },
            _ => match Layered::new().with_local(local.clone()).get(hash, LIMIT).await {
                Ok(bytes) => assert_eq!(bytes, content),
                Err(error) => assert!(error.is_absence(), "{error:?}"),
            },
        }
    }
}

/// A file system of 2 MiB, which is unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Returns `None` and prints the reason if this process may not mount.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                println!("skipped: no file system can be mounted here: {other:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn message(error: &StoreError) -> String {
    assert!(
        matches!(
            error,
            StoreError::File {
                error: FileError::System { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.is_integrity() && !error.is_absence());
    error.to_string()
}

/// STORE-4: a full disk and a read-only disk are reported as such, and existing blobs stay.
#[test]
fn full_and_read_only_disks() {
    let Some(disk) = SmallDisk::new() else { return };
    let local = LocalStore::create(disk.0.path().join("store")).unwrap();
    let small = local.put(b"small").unwrap();
    for large in [1_900_000, 3_000_000] {
        let content: Vec<u8> = (0..large).map(|index| (index / 3) as u8).collect();
        let mut filling = Vec::new();
        while let Ok(hash) = local.put(&[&content[..100_000], &(filling.len() as u64).to_le_bytes()].concat())
        {
            filling.push(hash);
        }
        assert!(filling.len() > 10);
        for error in [
            local.put(&content).unwrap_err(),
            local.add(&mut &content[..]).unwrap_err(),
        ] {
            assert!(message(&error).contains("No space left"), "{error}");
        }
        let path = disk.0.path().join("file");
        assert!(secure_runtime_loaders::files::write_atomic(&path, &content).is_err() && !path.exists());
        for blob in local.verify_all().unwrap() {
            assert!(blob.result.is_ok(), "{blob:?}");
        }
        let mut left = Vec::new();
        walk(disk.0.path(), &mut left);
        assert_eq!(left.len(), filling.len() + 1, "nothing half-written is left");
        for hash in filling {
            assert!(local.remove(&hash).unwrap());
        }
        local.put(&content[..1_500_000]).unwrap();
        local.remove(&ContentHash::of(&content[..1_500_000])).unwrap();
    }
    let large = local.put(&vec![7; 1_200_000]).unwrap();
    let outboard = local.folder().join("outboards");
    fs::remove_dir_all(outboard).unwrap();
    let remounted = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(disk.0.path())
        .status()
        .unwrap();
    assert!(remounted.success());
    assert!(message(&local.put(b"new").unwrap_err()).contains("Read-only file system"));
    assert!(message(&local.remove(&small).unwrap_err()).contains("Read-only file system"));
    assert_eq!(
        local.put(b"small").unwrap(),
        small,
        "what is there need not be written"
    );
    assert_eq!(local.read(&small, LIMIT).unwrap(), "small");
    assert_eq!(
        local.check(&large),
        Ok(1_200_000),
        "though its outboard cannot be made anew"
    );
    assert!(local.stream(&large, 1_000_000).is_ok());
}

/// STORE-4: a folder that may no longer be read or written.
#[test]
fn lost_permissions() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    let local = LocalStore::create(folder.path()).unwrap();
    let hash = local.put(b"hello").unwrap();
    let shard = local.path(&hash).parent().unwrap().to_owned();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o755);
    mode(&shard, 0o000);
    let mut child = this_test("crash::child_without_permission");
    child.env(FOLDER, folder.path());
    let is_root = fs::metadata("/proc/self").is_ok_and(|of_this| {
        use std::os::unix::fs::MetadataExt;
        of_this.uid() == 0
    });
    if is_root {
        // root ignores permissions.
        child.uid(65_534).gid(65_534);
    }
    match child.output() {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: the test cannot be run as another user: {error}"),
    }
    mode(&shard, 0o755);
    assert_eq!(local.read(&hash, LIMIT).unwrap(), "hello");
}

/// The part of [`lost_permissions`] that runs as a user with few permissions. Does nothing otherwise.
#[test]
fn child_without_permission() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    if std::env::var_os(SEED).is_some() {
        return;
    }
    let local = LocalStore::open(folder).unwrap();
    let hash = ContentHash::of(b"hello");
    assert!(message(&local.read(&hash, LIMIT).unwrap_err()).contains("Permission denied"));
    assert!(message(&local.stream(&hash, 0).unwrap_err()).contains("Permission denied"));
    assert!(message(&local.put(b"hello").unwrap_err()).contains("Permission denied"));
    assert!(message(&local.list().unwrap_err()).contains("Permission denied"));
    assert!(message(&local.collect(None, SystemTime::now()).unwrap_err()).contains("Permission denied"));
}
