//! Loading and verifying a locked program: spec/graph.md, "Running".

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secure_runtime_loaders::resolve::ImportProblem;
use secure_runtime_loaders::verify::{Report, verify_files};
use secure_runtime_loaders::{
    ContentHash, FileError, Graph, Layered, LoadError, LocalStore, Locked, MemoryStore, StoreError,
    load_modules, verify,
};

use crate::fixture::Fixture;

fn fixture() -> Fixture {
    Fixture::new(&[
        ("main.js", "import 'p'; import './a.js'; import 'v';"),
        ("a.js", "export const a = 1;"),
        ("node_modules/p/package.json", r#"{"type":"module"}"#),
        ("node_modules/p/index.js", "import 'q'; import './n.js';"),
        ("node_modules/p/n.js", "1;"),
        (
            "node_modules/p/node_modules/q/package.json",
            r#"{"type":"module"}"#,
        ),
        ("node_modules/p/node_modules/q/index.js", "2;"),
        ("vendor/v.js", "export default 3;"),
    ])
    .import("p", "npm:p")
    .import("v", "./vendor/v.js")
}

/// The files of the fixture's modules, in the order of its graph.
const FILES: [&str; 6] = [
    "a.js",
    "main.js",
    "node_modules/p/index.js",
    "node_modules/p/n.js",
    "node_modules/p/node_modules/q/index.js",
    "vendor/v.js",
];

fn quiet(_: usize) {}

fn local(locked: &Locked) -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    for bytes in &locked.bytes {
        store.put(bytes).unwrap();
    }
    (folder, store)
}

/// GRAPH-50, GRAPH-53: the bytes are the same from the project, from a store, and from both.
#[tokio::test]
async fn modules_come_from_project_or_store() {
    let fixture = fixture();
    let locked = fixture.lock().unwrap();
    let project = fixture.project();
    let (_folder, store) = local(&locked);
    let layered = Layered::new().with_local(store.clone());
    let ready = AtomicUsize::new(0);
    let progress = |count: usize| {
        ready.fetch_max(count, Ordering::SeqCst);
    };
    for (store, project) in [
        (&Layered::new(), Some(&project)),
        (&layered, None),
        (&layered, Some(&project)),
    ] {
        let modules = load_modules(&locked.graph, store, project, &progress)
            .await
            .unwrap();
        assert_eq!(modules, locked.bytes);
    }
    assert_eq!(ready.into_inner(), FILES.len());
    let report = |in_store, in_project| Report {
        modules: FILES.len(),
        bytes: locked.bytes.iter().map(|bytes| bytes.len() as u64).sum(),
        in_store,
        in_project,
    };
    assert_eq!(verify(&locked.graph, Some(&store), None).unwrap(), report(6, 0));
    assert_eq!(verify(&locked.graph, None, Some(&project)).unwrap(), report(0, 6));
    assert_eq!(
        verify(&locked.graph, Some(&store), Some(&project)).unwrap(),
        report(6, 6)
    );
    assert_eq!(
        verify_files(&locked.graph, &project)
            .unwrap()
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
        locked.bytes
    );
}

/// GRAPH-51: every file that exists is compared, even if the store has the right bytes.
#[tokio::test]
async fn any_changed_file_is_refused() {
    let fixture = fixture();
    let locked = fixture.lock().unwrap();
    let (_folder, store) = local(&locked);
    let layered = Layered::new().with_local(store.clone());
    for (index, file) in FILES.iter().enumerate() {
        let original = std::fs::read(fixture.path(file)).unwrap();
        for position in 0..original.len() {
            let mut changed = original.clone();
            changed[position] ^= 1;
            std::fs::write(fixture.path(file), &changed).unwrap();
            let project = fixture.project();
            let expected = LoadError::Changed {
                module: locked.graph.modules()[index].name.clone(),
                path: file.into(),
                expected: ContentHash::of(&original),
                actual: ContentHash::of(&changed),
            };
            let loaded = load_modules(&locked.graph, &layered, Some(&project), &quiet).await;
            assert_eq!(loaded.unwrap_err(), expected);
            assert_eq!(
                verify(&locked.graph, Some(&store), Some(&project)).unwrap_err(),
                expected
            );
            assert!(expected.is_integrity());
        }
        std::fs::write(fixture.path(file), &original).unwrap();
    }
}

/// GRAPH-52: every blob of the store is compared too, even if the project has the right bytes.
#[tokio::test]
async fn any_changed_blob_is_refused() {
    let fixture = fixture();
    let locked = fixture.lock().unwrap();
    let project = fixture.project();
    for bytes in &locked.bytes {
        for position in 0..bytes.len() {
            let (_folder, store) = local(&locked);
            let path = store.path(&ContentHash::of(bytes));
            let mut changed = bytes.to_vec();
            changed[position] ^= 0x80;
            std::fs::write(&path, changed).unwrap();
            let layered = Layered::new().with_local(store.clone());
            let error = load_modules(&locked.graph, &layered, Some(&project), &quiet)
                .await
                .unwrap_err();
            assert!(
                matches!(&error, LoadError::Store { error, .. } if matches!(**error, StoreError::Corrupt { .. })),
                "{error:?}"
            );
            assert!(error.is_integrity());
            let message = error.to_string();
            assert!(message.contains(&path.display().to_string()), "{message}");
            assert_eq!(
                verify(&locked.graph, Some(&store), Some(&project)).unwrap_err(),
                error
            );
        }
    }
}

#[tokio::test]
async fn missing_modules() {
    let fixture = fixture();
    let locked = fixture.lock().unwrap();
    std::fs::remove_dir_all(fixture.path("node_modules")).unwrap();
    let project = fixture.project();
    let error = load_modules(&locked.graph, &Layered::new(), Some(&project), &quiet)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, LoadError::Missing { module, .. } if module == "p/index.js"),
        "{error:?}"
    );
    assert!(!error.is_integrity());
    assert!(error.to_string().contains("install the packages"), "{error}");
    assert!(matches!(
        verify(&locked.graph, None, Some(&project)),
        Err(LoadError::Missing { .. })
    ));
    assert!(matches!(
        verify(&locked.graph, None, None),
        Err(LoadError::Missing { .. })
    ));
    // With a store that has the modules, no package need be installed.
    let memory: MemoryStore = locked.bytes.iter().cloned().collect();
    let layered = Layered::new().with(Arc::new(memory));
    assert_eq!(
        load_modules(&locked.graph, &layered, Some(&project), &quiet)
            .await
            .unwrap(),
        locked.bytes
    );
}

#[tokio::test]
async fn special_files_at_the_path_of_a_module() {
    let fixture = fixture();
    let locked = fixture.lock().unwrap();
    let (_folder, store) = local(&locked);
    let layered = Layered::new().with_local(store);
    std::fs::remove_file(fixture.path("a.js")).unwrap();
    fixture.link("a.js", "vendor/v.js");
    let error = load_modules(&locked.graph, &layered, Some(&fixture.project()), &quiet)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            LoadError::Unreadable {
                error: FileError::NotRegular { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_integrity());
    std::fs::remove_file(fixture.path("a.js")).unwrap();
    std::fs::create_dir(fixture.path("a.js")).unwrap();
    let error = load_modules(&locked.graph, &layered, Some(&fixture.project()), &quiet)
        .await
        .unwrap_err();
    assert!(error.is_integrity(), "{error:?}");
    // A package folder that now leads out of the project is not read.
    let fixture = self::fixture();
    let outside = fixture.outside().join("outside");
    std::fs::rename(fixture.path("node_modules/p"), &outside).unwrap();
    fixture.link("node_modules/p", &outside);
    let error = verify_files(&locked.graph, &fixture.project()).unwrap_err();
    assert!(
        matches!(&error, LoadError::Package { problem, .. } if matches!(**problem, ImportProblem::SymbolicLink { .. })),
        "{error:?}"
    );
}

/// A lock with wrong sizes contradicts itself.
#[tokio::test]
async fn wrong_sizes() {
    let fixture = fixture();
    let locked = fixture.lock().unwrap();
    for change in [1_i64, -1] {
        let mut modules = locked.graph.modules().to_vec();
        modules[0].size = modules[0].size.checked_add_signed(change).unwrap();
        let graph = Graph::new(locked.graph.entry(), locked.graph.packages().to_vec(), modules).unwrap();
        let (_folder, store) = local(&locked);
        for project in [None, Some(fixture.project())] {
            let layered = Layered::new().with_local(store.clone());
            let error = load_modules(&graph, &layered, project.as_ref(), &quiet)
                .await
                .unwrap_err();
            assert!(error.is_integrity(), "{error:?}");
        }
    }
}

/// A lock that does not match the manifest's imports is rejected as a whole.
#[test]
fn a_package_that_the_manifest_no_longer_imports() {
    let fixture = fixture();
    let locked = fixture.lock().unwrap();
    let project =
        secure_runtime_loaders::Project::new(fixture.root(), &std::collections::BTreeMap::new()).unwrap();
    let error = verify_files(&locked.graph, &project).unwrap_err();
    assert!(
        matches!(&error, LoadError::Package { package, .. } if package == "p"),
        "{error:?}"
    );
}

/// Many modules are verified on several threads. The first error in the order of the modules is reported.
#[test]
fn many_modules() {
    let count = 300;
    let mut main = String::new();
    let mut files = Vec::new();
    for index in 0..count {
        main.push_str(&format!("import './m{index:03}.js';\n"));
        files.push((format!("m{index:03}.js"), format!("export default {index};")));
    }
    files.push(("main.js".into(), main));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let fixture = Fixture::new(&files);
    let locked = fixture.lock().unwrap();
    let report = verify(&locked.graph, None, Some(&fixture.project())).unwrap();
    assert_eq!((report.modules, report.in_project), (count + 1, count + 1));
    fixture.write("m200.js", "");
    fixture.write("m100.js", "");
    let error = verify(&locked.graph, None, Some(&fixture.project())).unwrap_err();
    assert!(
        matches!(&error, LoadError::Changed { module, .. } if module == "app:/m100.js"),
        "{error:?}"
    );
}
