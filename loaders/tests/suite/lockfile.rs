//! The lock as a file.

use secure_runtime_loaders::{FileError, Graph, GraphError, LockFileError, read_lock, write_lock};

use crate::fixture::Fixture;

fn fixture() -> Fixture {
    let mut fixture = Fixture::new(&[
        (
            "main.js",
            "import 'p'; import './lib/a.js'; import data from './d.json' with { type: 'json' };",
        ),
        ("lib/a.js", "export const a = 1;"),
        ("d.json", "{}"),
        (
            "node_modules/p/package.json",
            r#"{"type":"module","version":"1.2.3"}"#,
        ),
        ("node_modules/p/index.js", "1;"),
    ])
    .import("p", "npm:p");
    fixture.input().app_grants = vec!["fs read ./data/**".into()];
    fixture.input().module_grants = [("./lib/a.js".to_owned(), vec!["random".to_owned()])].into();
    fixture
}

#[test]
fn round_trip() {
    let fixture = fixture();
    let graph = fixture.lock().unwrap().graph;
    let path = fixture.path("secure.lock");
    write_lock(&path, &graph).unwrap();
    assert_eq!(read_lock(&path).unwrap(), graph);
    write_lock(&path, &graph).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), graph.encode());
    let left: Vec<_> = std::fs::read_dir(fixture.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_str().unwrap().starts_with(".writing")),
        "{left:?}"
    );
}

/// GRAPH-7: a change of any byte of a lock is rejected, even if another valid graph results.
#[test]
fn every_flipped_byte_is_refused() {
    let bytes = fixture().lock().unwrap().graph.encode();
    for position in 0..bytes.len() {
        for flip in [0x01, 0x10, 0x20, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[position] ^= flip;
            assert!(Graph::decode(&changed).is_err(), "byte {position} ^ {flip:#x}");
        }
    }
    for length in 0..bytes.len() {
        assert!(Graph::decode(&bytes[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn files_that_are_no_locks() {
    let fixture = fixture();
    let path = fixture.path("secure.lock");
    let error = read_lock(&path).unwrap_err();
    assert!(
        matches!(
            &error,
            LockFileError::Read {
                error: FileError::NotFound,
                ..
            }
        ) && !error.is_integrity()
    );
    assert!(error.to_string().contains("secure-runtime lock"), "{error}");
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(
        read_lock(&path),
        Err(LockFileError::Read {
            error: FileError::NotRegular { .. },
            ..
        })
    ));
    std::fs::remove_dir(&path).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    assert!(read_lock(&path).unwrap_err().is_integrity());
    file.set_len(1 << 40).unwrap();
    assert!(matches!(
        read_lock(&path),
        Err(LockFileError::Read {
            error: FileError::TooLarge { .. },
            ..
        })
    ));
    std::fs::write(&path, "[package]\nname = \"x\"\n").unwrap();
    let error = read_lock(&path).unwrap_err();
    assert!(matches!(
        &error,
        LockFileError::Content {
            error: GraphError::Malformed { .. },
            ..
        }
    ));
    assert!(error.is_integrity());
    let graph = fixture.lock().unwrap().graph;
    assert!(matches!(
        write_lock(&fixture.path("none/secure.lock"), &graph),
        Err(LockFileError::Write { .. })
    ));
}
