//! Signatures in stores, and content hashes of packages: spec/signatures.md.

use std::collections::BTreeMap;
use std::sync::Arc;

use secure_runtime_loaders::store::MAX_SIGNATURE_SIZE;
use secure_runtime_loaders::{
    ContentHash, FileError, Graph, Layered, LocalStore, Module, ModuleKind, Package, Store, StoreError,
};

const KEY: [u8; 32] = [0xab; 32];

fn subject() -> ContentHash {
    ContentHash::of(b"hello")
}

fn local() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    (folder, store)
}

/// SIG-5: the path of a signature, and files that must not be there.
#[test]
fn paths_of_signatures_in_a_folder() {
    let (folder, store) = local();
    assert!(matches!(
        store.read_signature(&subject(), &KEY),
        Err(StoreError::NotFound { .. })
    ));
    store.put_signature(&subject(), &KEY, b"first").unwrap();
    store.put_signature(&subject(), &KEY, b"second").unwrap();
    let digits = subject().to_hex();
    let path = folder.path().join(format!(
        "signatures/{}/{digits}/{}",
        &digits[..2],
        "ab".repeat(32)
    ));
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    let found = store.read_signature(&subject(), &KEY).unwrap();
    assert_eq!(
        (&found.bytes[..], found.location),
        (&b"second"[..], path.display().to_string())
    );
    assert!(store.read_signature(&ContentHash::of(b"other"), &KEY).is_err());
    assert!(store.read_signature(&subject(), &[0; 32]).is_err());

    let large = vec![0; MAX_SIGNATURE_SIZE as usize + 1];
    let refused = store.put_signature(&subject(), &KEY, &large);
    let limit = FileError::TooLarge {
        limit: MAX_SIGNATURE_SIZE,
    };
    assert!(matches!(refused, Err(StoreError::File { error, .. }) if error == limit));
    std::fs::write(&path, &large).unwrap();
    let read = store.read_signature(&subject(), &KEY);
    assert!(matches!(read, Err(StoreError::TooLarge { .. })), "{read:?}");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let read = store.read_signature(&subject(), &KEY);
    assert!(matches!(read, Err(StoreError::NotRegular { .. })), "{read:?}");
}

/// SIG-6: the first signature in the order of the stores is returned. The local store keeps none that was not verified.
#[tokio::test]
async fn stores_are_asked_in_order() {
    let ((_a, first), (_b, second), (_c, third)) = (local(), local(), local());
    let stores = Layered::new()
        .with_local(first.clone())
        .with(Arc::new(second.clone()))
        .with(Arc::new(third.clone()));
    let found = async || stores.signature(&subject(), &KEY).await.map(|found| found.bytes);
    assert!(matches!(found().await, Err(StoreError::NotFound { .. })));
    third.put_signature(&subject(), &KEY, b"third").unwrap();
    assert_eq!(&found().await.unwrap()[..], b"third");
    assert!(first.read_signature(&subject(), &KEY).is_err());
    second.put_signature(&subject(), &KEY, b"second").unwrap();
    assert_eq!(&found().await.unwrap()[..], b"second");
    first.put_signature(&subject(), &KEY, b"first").unwrap();
    assert_eq!(&found().await.unwrap()[..], b"first");
}

#[cfg(feature = "http")]
mod http {
    use secure_runtime_loaders::HttpStore;
    use secure_runtime_loaders::store::{ServeOptions, serve};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn raw(address: &str, request: &str) -> String {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap().to_lowercase()
    }

    /// SIG-5, SIG-6: over HTTP, between our server and our client, and with a store that cannot be reached.
    #[tokio::test]
    async fn signatures_travel_over_http() {
        let (folder, store) = local();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        store.put_signature(&subject(), &KEY, b"signature").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve(
            store.clone(),
            listener,
            ServeOptions::default(),
            std::future::pending(),
        ));

        let (digits, key) = (subject().to_hex(), "ab".repeat(32));
        let shard = &digits[..2];
        let good = format!("/signatures/{shard}/{digits}/{key}");
        let answer = raw(&address, &format!("GET {good}")).await;
        assert!(
            answer.starts_with("http/1.1 200") && answer.ends_with("\r\n\r\nsignature"),
            "{answer}"
        );
        assert!(answer.contains("cache-control: no-cache"), "{answer}");
        assert!(raw(&address, &format!("HEAD {good}")).await.ends_with("\r\n\r\n"));
        for (request, status) in [
            (format!("PUT {good}"), 405),
            (
                format!("GET /signatures/{shard}/{digits}/{}", "00".repeat(32)),
                404,
            ),
            (format!("GET /signatures/00/{digits}/{key}"), 400),
            (
                format!("GET /signatures/{shard}/{digits}/{}", "AB".repeat(32)),
                400,
            ),
            (
                format!("GET /signatures/{shard}/{digits}/..%2f..%2f..%2fsecret"),
                400,
            ),
            (format!("GET /signatures/{shard}/{digits}"), 404),
        ] {
            let answer = raw(&address, &request).await;
            assert!(
                answer.starts_with(&format!("http/1.1 {status} ")),
                "{request}: {answer}"
            );
            assert!(!answer.contains("secret"), "{request}: {answer}");
        }

        let http = HttpStore::new(&format!("http://{address}")).unwrap();
        let found = http.signature(&subject(), &KEY).await.unwrap();
        assert_eq!(&found.bytes[..], b"signature");
        assert_eq!(found.location, format!("http://{address}{good}"));
        assert!(matches!(
            http.signature(&subject(), &[0; 32]).await,
            Err(StoreError::NotFound { .. })
        ));

        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let gone = HttpStore::new(&format!("http://{free}")).unwrap();
        let stores = Layered::new().with(Arc::new(gone)).with(Arc::new(http));
        assert!(stores.signature(&subject(), &KEY).await.is_ok());
        let error = stores.signature(&subject(), &[0; 32]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    }
}

/// Returns a program with a package of this name and these two modules, and a package that it imports.
fn program(name: &str, version: Option<&str>, first: &str, second: &str) -> Graph {
    let package = |name: &str, version: Option<&str>| Package {
        name: name.to_owned(),
        version: version.map(str::to_owned),
        grants: if name.len() > 4 {
            vec!["x".to_owned()]
        } else {
            Vec::new()
        },
        ..Package::default()
    };
    let module = |name: String, package: u32, bytes: &str, imports: &[(&str, u32)]| Module {
        name,
        package,
        hash: ContentHash::of(bytes.as_bytes()),
        size: bytes.len() as u64,
        kind: ModuleKind::JavaScript,
        origin: None,
        imports: imports
            .iter()
            .map(|(specifier, to)| ((*specifier).to_owned(), *to))
            .collect(),
        globals: Vec::new(),
        grants: None,
    };
    let dependency = format!("{name}>dep");
    let packages = vec![
        package("", None),
        package(name, version),
        package(&dependency, Some("1.0.0")),
    ];
    let modules = vec![
        module("app:/main.js".to_owned(), 0, name, &[("p", 1)]),
        module(format!("{name}/a.js"), 1, first, &[("./b.js", 2), ("dep", 3)]),
        module(format!("{name}/b.js"), 1, second, &[]),
        module(format!("{dependency}/d.js"), 2, name, &[]),
    ];
    Graph::new(0, packages, modules).unwrap()
}

/// SIG-4: the hash is the same in every program, and differs if anything in the package differs.
#[test]
fn the_content_hash_is_the_same_in_every_program() {
    let content = |graph: &Graph| graph.package_content(1).unwrap();
    let marked = program("marked", Some("1.0.0"), "a", "b");
    let alias = program("md", Some("1.0.0"), "a", "b");
    assert_eq!(content(&marked), content(&alias));
    assert_ne!(marked.hash(), alias.hash());
    for other in [
        program("marked", Some("1.0.1"), "a", "b"),
        program("marked", None, "a", "b"),
        program("marked", Some("1.0.0"), "x", "b"),
        program("marked", Some("1.0.0"), "a", "x"),
        program("marked", Some("1.0.0"), "b", "a"),
    ] {
        assert_ne!(content(&marked), content(&other));
    }
    // Another target of an import, or another kind of module.
    let mut modules = marked.modules().to_vec();
    modules[1].imports = BTreeMap::from([("./b.js".to_owned(), 1), ("dep".to_owned(), 3)]);
    let rewired = Graph::new(0, marked.packages().to_vec(), modules.clone()).unwrap();
    assert_ne!(content(&marked), content(&rewired));
    modules[1].imports = marked.modules()[1].imports.clone();
    modules[2].kind = ModuleKind::Json;
    let retyped = Graph::new(0, marked.packages().to_vec(), modules).unwrap();
    assert_ne!(content(&marked), content(&retyped));
    assert_eq!(
        (marked.package_content(0), marked.package_content(9)),
        (None, None)
    );
}

/// SIG-4, byte for byte: built by hand from the text of the specification.
#[test]
fn the_content_of_a_package_in_bytes() {
    let graph = program("p", Some("1"), "a", "b");
    let hash = |text: &str| ContentHash::of(text.as_bytes()).as_bytes().to_vec();
    let bytes = [
        &[0xa3, 0x00, 0x01, 0x01, 0x61, b'1', 0x02, 0x82][..],
        &[0xa4, 0x00, 0x64, b'a', b'.', b'j', b's', 0x01, 0x58, 0x20],
        &hash("a"),
        &[0x02, 0x00, 0x03, 0xa2, 0x63, b'd', b'e', b'p', 0x00],
        &[
            0x66, b'.', b'/', b'b', b'.', b'j', b's', 0x64, b'b', b'.', b'j', b's',
        ],
        &[0xa4, 0x00, 0x64, b'b', b'.', b'j', b's', 0x01, 0x58, 0x20],
        &hash("b"),
        &[0x02, 0x00, 0x03, 0xa0],
    ]
    .concat();
    assert_eq!(graph.package_content(1), Some(ContentHash::of(&bytes)));
}
