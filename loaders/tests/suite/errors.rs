//! The causes of errors: `source()` leads to the error of the operating system or of a library.

use std::error::Error;
use std::path::Path;

use secure_runtime_loaders::http::{HttpError, HttpOptions, NoResponse, address};
use secure_runtime_loaders::resolve::ImportProblem;
use secure_runtime_loaders::store::{HttpStore, LocalStore, Store};
use secure_runtime_loaders::{
    Graph, LoadError, LockInput, StoreError, lock, read_lock, write_lock, write_lock_text,
};

/// Returns the first error of this type among the causes.
fn cause<E: Error + 'static>(error: &dyn Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn locked(folder: &Path, main: &str, imports: &[(String, String)]) -> Result<Graph, Box<dyn Error>> {
    std::fs::write(folder.join("main.js"), main)?;
    let input = LockInput {
        root: folder.to_owned(),
        entry: "main.js".to_owned(),
        imports: imports.iter().cloned().collect(),
        ..LockInput::default()
    };
    Ok(lock(&input)?.graph)
}

#[tokio::test]
async fn the_causes_of_errors_are_their_sources() {
    let folder = tempfile::tempdir().unwrap();
    let graph = locked(folder.path(), "", &[]).unwrap();
    let package = folder.path().join("node_modules/broken");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("package.json"), "{").unwrap();
    let broken = [("broken".to_owned(), "npm:broken@1.0.0".to_owned())];
    // The name is longer than file systems allow.
    let long = folder.path().join("x".repeat(300));
    let store = LocalStore::create(folder.path().join("store")).unwrap();
    let hash = store.put(b"hello").unwrap();

    let is_invalid_name = |error: &dyn Error| {
        cause(error).is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::InvalidFilename)
    };
    let nothing_listens = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let options = HttpOptions {
        attempts: 1,
        ..HttpOptions::default()
    };
    let remote = HttpStore::with_options(&nothing_listens, options).unwrap();
    let unreachable = remote.get(&hash, 10).await.unwrap_err();
    let is_connection = |error: &dyn Error| {
        let refused = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        matches!(
            cause(error),
            Some(HttpError::Unavailable(NoResponse::Connection(_)))
        ) && cause(error).is_some_and(reqwest::Error::is_connect)
            && cause(error).is_some_and(refused)
    };
    let load = LoadError::Missing {
        module: "app:/main.js".to_owned(),
        hash,
        reason: Some(Box::new(unreachable.clone())),
    };
    let distrusted = StoreError::Distrusted {
        hash,
        error: Box::new(unreachable.clone()),
    };

    type Check<'a> = &'a dyn Fn(&dyn Error) -> bool;
    let cases: [(&str, Box<dyn Error>, Check<'_>); 12] = [
        (
            "read a lock",
            read_lock(&long).unwrap_err().into(),
            &is_invalid_name,
        ),
        (
            "write a lock",
            write_lock(&long, &graph).unwrap_err().into(),
            &is_invalid_name,
        ),
        (
            "write the text of a lock",
            write_lock_text(&long, &graph).unwrap_err().into(),
            &is_invalid_name,
        ),
        (
            "create a store",
            LocalStore::create(&long).unwrap_err().into(),
            &is_invalid_name,
        ),
        ("lock a project", locked_root(&long), &is_invalid_name),
        (
            "a package.json",
            locked(folder.path(), "", &broken).unwrap_err(),
            &|error| cause::<serde_json::Error>(error).is_some_and(serde_json::Error::is_eof),
        ),
        (
            "a syntax error",
            locked(folder.path(), "import import", &[]).unwrap_err(),
            &|error| {
                let problem = cause::<Box<ImportProblem>>(error).map(|problem| &**problem);
                matches!(problem, Some(ImportProblem::Syntax { .. }))
            },
        ),
        ("an address", address("https://[").unwrap_err().into(), &|error| {
            cause(error) == Some(&url::ParseError::InvalidIpv6Address)
        }),
        (
            "a store's address",
            HttpStore::new("https://[").unwrap_err().into(),
            &|error| cause(error) == Some(&url::ParseError::InvalidIpv6Address),
        ),
        ("a store that is down", unreachable.into(), &is_connection),
        ("a module of a store that is down", load.into(), &is_connection),
        ("a distrusted store", distrusted.into(), &is_connection),
    ];
    for (name, error, is_right) in cases {
        assert!(is_right(&*error), "{name}: {error:?}");
    }
}

fn locked_root(root: &Path) -> Box<dyn Error> {
    let input = LockInput {
        root: root.to_owned(),
        entry: "main.js".to_owned(),
        ..LockInput::default()
    };
    lock(&input).unwrap_err().into()
}
