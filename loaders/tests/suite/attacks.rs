//! Attacks on loaders that no other file here covers. `spec/loader-attacks.md` lists all attacks with their tests.

use std::io::Write;
use std::path::Path;

use secure_runtime_loaders::resolve::LockError;
use secure_runtime_loaders::{
    ContentHash, FileError, Graph, Layered, LoadError, LocalStore, LockFileError, Module, StoreError,
    load_modules, read_lock,
};

use crate::fixture::{Fixture, names, shape};
use crate::resolve_refused::{kind, problem};

const LIMIT: u64 = 1_000_000;

fn store() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path().join("store")).unwrap();
    (folder, store)
}

/// Attacks 53 and 59: a specifier is decoded once and then compared byte by byte. So several spellings of one file are
/// one module. A specifier that only looks alike is another file, or none.
#[test]
fn a_file_is_one_module_however_it_is_spelled() {
    let (composed, decomposed) = ("./\u{e9}.js", "./e\u{301}.js");
    let fixture = Fixture::new(&[
        ("a b.js", "export default 1"),
        ("a%20b.js", "export default 'never'"),
        ("lib/x.js", "export default 2"),
        (composed, "export default 'composed'"),
    ]);
    let spellings = [
        "./a b.js",
        "./a%20b.js",
        "./%61%20b.js",
        "./lib/../a b.js",
        "././a b.js",
    ];
    let main: String = spellings
        .iter()
        .map(|spelling| format!("import '{spelling}';"))
        .collect();
    fixture.write("main.js", &main);
    let locked = fixture.lock().unwrap();
    assert_eq!(names(&locked), ["app:/a b.js", "app:/main.js"]);
    for spelling in spellings {
        assert_eq!(shape(&locked)["app:/main.js"][spelling], "app:/a b.js");
    }
    for (specifier, expected) in [
        ("./A b.js", "NotFound"),
        ("./a%2520b.js", "Encoding"),
        ("./a%2fb.js", "Encoding"),
        ("./a%00b.js", "Encoding"),
        ("./a%zz.js", "Encoding"),
        (decomposed, "NotFound"),
    ] {
        fixture.write("main.js", &format!("import '{specifier}';"));
        assert_eq!(kind(&problem(&fixture)), expected, "{specifier}");
    }
    // Two files whose names look the same are two modules, each with its own bytes.
    fixture.write(decomposed, "export default 'decomposed'");
    fixture.write("main.js", &format!("import '{composed}'; import '{decomposed}';"));
    let locked = fixture.lock().unwrap();
    assert_eq!(
        names(&locked),
        ["app:/e\u{301}.js", "app:/main.js", "app:/\u{e9}.js"]
    );
    // A name with characters that could mislead a reader is rejected, even if the file exists.
    for name in ["a\u{202e}sj.js", "a\u{200b}.js", "a\u{1b}[2J.js"] {
        fixture.write(name, "export default 1");
        fixture.write("main.js", &format!("import './{name}';"));
        let error = fixture.lock().unwrap_err();
        assert!(matches!(error, LockError::Import { .. }), "{error:?}");
        assert!(
            !error.to_string().contains(['\u{202e}', '\u{200b}', '\u{1b}']),
            "{error}"
        );
    }
}

/// Attack 61: a module that nobody imports is verified like every other, and imports may be cyclic.
#[tokio::test]
async fn a_module_that_nobody_imports_is_verified() {
    let fixture = Fixture::new(&[("main.js", "import './a.js'"), ("a.js", "import './main.js'")]);
    let locked = fixture.lock().unwrap();
    let unused = b"export default 'unused'";
    fixture.write("unused.js", "export default 'unused'");
    let mut modules = locked.graph.modules().to_vec();
    modules.push(Module {
        name: "app:/unused.js".to_owned(),
        hash: ContentHash::of(unused),
        size: unused.len() as u64,
        imports: [("./unused.js".to_owned(), 2)].into(),
        ..modules[0].clone()
    });
    let graph = Graph::new(locked.graph.entry(), locked.graph.packages().to_vec(), modules).unwrap();
    let load = async || load_modules(&graph, &Layered::new(), Some(&fixture.project()), &|_| ()).await;
    assert_eq!(load().await.unwrap()[2][..], unused[..]);
    fixture.write("unused.js", "export default 'Unused'");
    let error = load().await.unwrap_err();
    assert!(
        matches!(&error, LoadError::Changed { module, .. } if module == "app:/unused.js"),
        "{error:?}"
    );
}

/// Attack 68: a hard link to a blob does not bypass the hash, and a device is not read.
#[test]
fn hard_links_and_devices_in_a_store() {
    let (folder, store) = store();
    let hash = store.put(b"hello").unwrap();
    let other = folder.path().join("other");
    std::fs::hard_link(store.path(&hash), &other).unwrap();
    assert_eq!(store.read(&hash, LIMIT).unwrap(), "hello");
    std::fs::write(&other, "hellp").unwrap();
    assert!(matches!(
        store.read(&hash, LIMIT),
        Err(StoreError::Corrupt { .. })
    ));
    // Repairing a blob replaces its name in the store, and leaves the other file unchanged.
    store.put(b"hello").unwrap();
    assert_eq!(store.read(&hash, LIMIT).unwrap(), "hello");
    assert_eq!(std::fs::read(&other).unwrap(), b"hellp");
    for device in ["/dev/zero", "/dev/null"] {
        let error = read_lock(Path::new(device)).unwrap_err();
        assert!(
            matches!(
                error,
                LockFileError::Read {
                    error: FileError::NotRegular { kind: "device" },
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

/// Attacks 69 and A78: the bytes that were hashed are the bytes that run, even if the files change later.
#[tokio::test]
async fn a_file_change_after_hashing_does_not_change_the_program() {
    let fixture = Fixture::new(&[("main.js", "import './a.js'"), ("a.js", "export default 1")]);
    let locked = fixture.lock().unwrap();
    let (_folder, store) = store();
    for bytes in &locked.bytes {
        store.put(bytes).unwrap();
    }
    let layered = Layered::new().with_local(store.clone());
    let from_store = load_modules(&locked.graph, &layered, None, &|_| ())
        .await
        .unwrap();
    let from_files = load_modules(&locked.graph, &Layered::new(), Some(&fixture.project()), &|_| ())
        .await
        .unwrap();
    for (module, bytes) in locked.graph.modules().iter().zip(&locked.bytes) {
        // A change in place: a process that had mapped the file would see it.
        let evil = "x".repeat(bytes.len());
        std::fs::write(store.path(&module.hash), &evil).unwrap();
        fixture.write(module.name.strip_prefix("app:/").unwrap(), &evil);
    }
    assert_eq!((&from_store, &from_files), (&locked.bytes, &locked.bytes));
    // The control: a later reader detects the change.
    let error = load_modules(&locked.graph, &layered, None, &|_| ()).await;
    assert!(error.unwrap_err().is_integrity());
    let error = load_modules(&locked.graph, &Layered::new(), Some(&fixture.project()), &|_| ()).await;
    assert!(error.unwrap_err().is_integrity());
}

/// Attacks 69 and A78: while a blob is swapped repeatedly, readers get the right bytes or an error.
#[test]
fn a_blob_that_is_swapped_while_it_is_read() {
    let (folder, store) = store();
    let right = vec![1; 50_000];
    let hash = store.put(&right).unwrap();
    let path = store.path(&hash);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let (mut read, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = folder.path().join("next");
            for round in 0_u8.. {
                if is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                std::fs::write(
                    &next,
                    if round % 2 == 0 {
                        vec![2; 50_000]
                    } else {
                        right.clone()
                    },
                )
                .unwrap();
                std::fs::rename(&next, &path).unwrap();
            }
        });
        // Continue until both outcomes occurred often, which proves that swaps happened between reads.
        while (read < 20 || refused < 20) && read + refused < 1_000_000 {
            match store.read(&hash, LIMIT) {
                Ok(bytes) => {
                    assert_eq!(bytes, right);
                    read += 1;
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
                    refused += 1;
                }
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(read >= 20 && refused >= 20, "{read} {refused}");
}

/// A writer that runs an action when the first bytes of a stream arrive.
struct OnFirst<Action: FnMut()> {
    bytes: Vec<u8>,
    action: Action,
}

impl<Action: FnMut()> Write for OnFirst<Action> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        if self.bytes.is_empty() {
            (self.action)();
        }
        self.bytes.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Attacks 69 and A78: a blob that is too large for memory is hashed while it is returned. Replacing the file changes
/// nothing, and no byte that is written into it later is returned.
#[test]
fn a_large_blob_that_changes_while_it_is_streamed() {
    for has_outboard in [true, false] {
        for is_in_place in [true, false] {
            let (folder, store) = store();
            let blob: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 7) as u8).collect();
            let (hash, _) = store.add(&mut &blob[..]).unwrap();
            let digits = hash.to_hex();
            let outboard = store.folder().join("outboards").join(&digits[..2]).join(&digits);
            if !has_outboard {
                std::fs::remove_file(&outboard).unwrap();
            }
            let path = store.path(&hash);
            let mut reader = store.stream(&hash, 0).unwrap();
            let mut given = OnFirst {
                bytes: Vec::new(),
                action: || {
                    let evil = vec![0xee; blob.len()];
                    if is_in_place {
                        std::fs::write(&path, evil).unwrap();
                    } else {
                        let other = folder.path().join("other");
                        std::fs::write(&other, evil).unwrap();
                        std::fs::rename(other, &path).unwrap();
                    }
                },
            };
            let ended = reader.copy_to(&mut given).unwrap();
            let case = format!("outboard: {has_outboard}, in place: {is_in_place}");
            assert!(!given.bytes.is_empty(), "{case}");
            assert!(blob.starts_with(&given.bytes), "{case}");
            if is_in_place {
                let error = ended.unwrap_err();
                assert!(error.is_integrity(), "{case}: {error:?}");
                assert!(given.bytes.len() < blob.len(), "{case}");
            } else {
                assert_eq!(ended, Ok(3_000_000), "{case}");
                assert_eq!(given.bytes.len(), blob.len(), "{case}");
            }
            assert!(store.check(&hash).unwrap_err().is_integrity(), "{case}");
        }
    }
}

/// Attack 67: a store does not remember that a blob was missing, and verifies what it receives later.
#[cfg(feature = "http")]
#[tokio::test]
async fn a_missing_blob_is_requested_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::server::{Answer, Server};
    use secure_runtime_loaders::{HttpStore, Store};

    for (later, is_right) in [("hello", true), ("hellp", false)] {
        let count = AtomicUsize::new(0);
        let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::not_found(),
            _ => Answer::whole(later.as_bytes()),
        })
        .await;
        let (_folder, local) = store();
        let layered = Layered::new()
            .with_local(local.clone())
            .with(std::sync::Arc::new(HttpStore::new(&server.address).unwrap()));
        let hash = ContentHash::of(b"hello");
        assert!(matches!(
            layered.get(&hash, LIMIT).await,
            Err(StoreError::NotFound { .. })
        ));
        let second = layered.get(&hash, LIMIT).await;
        assert_eq!(second.is_ok(), is_right, "{second:?}");
        assert_eq!(local.contains(&hash), is_right);
        if let Err(error) = second {
            assert!(error.is_integrity(), "{error:?}");
        }
    }
}

/// Attack 65: a server without ranges breaks off and starts again, each time with one byte more. The repeated bytes do
/// not extend its time.
#[cfg(feature = "http")]
#[tokio::test]
async fn a_server_that_always_starts_again() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use crate::server::{Answer, Server};
    use secure_runtime_loaders::http::{HttpError, NoResponse};
    use secure_runtime_loaders::store::HttpOptions;
    use secure_runtime_loaders::{HttpStore, Store};

    let blob = vec![7; 300_000];
    let hash = ContentHash::of(&blob);
    let all = blob.clone();
    let (count, gives) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let gives_all = gives.clone();
    let server = Server::start(move |asked| {
        if !asked.path.starts_with("/blobs/") {
            return Answer::not_found();
        }
        match (
            count.fetch_add(1, Ordering::SeqCst),
            gives_all.load(Ordering::SeqCst),
        ) {
            (round, false) => Answer::whole(&all).breaking_after(60_000 + round),
            (round, true) if round % 20 > 0 => Answer::whole(&all).breaking_after(60_000 + round),
            _ => Answer::whole(&all),
        }
    })
    .await;
    let (_folder, local) = store();
    let client = |timeout: Duration| {
        let options = HttpOptions {
            timeout,
            attempts: 3,
            pause: Duration::from_millis(1),
        };
        HttpStore::with_options(&server.address, options).unwrap()
    };
    let fetch = async |timeout| client(timeout).fetch(&hash, LIMIT, &local, &|_, _| ()).await;
    let error = fetch(Duration::from_millis(50)).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable { cause, .. } if matches!(
            cause.downcast_ref::<HttpError>(),
            Some(HttpError::Unavailable(NoResponse::Slow { .. } | NoResponse::Requests))
        )),
        "{error:?}"
    );
    assert!(!local.contains(&hash));
    // The control: with a longer timeout, the blob arrives from a server that finally sends it.
    gives.store(true, Ordering::SeqCst);
    assert_eq!(fetch(Duration::from_secs(600)).await, Ok(300_000));
    assert_eq!(local.read(&hash, LIMIT).unwrap(), blob);
}
