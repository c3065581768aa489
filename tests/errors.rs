//! The causes of errors, for embedders: `source()` leads to the error of the operating system or of a library.

use std::error::Error;
use std::io;
use std::path::Path;

use secure_runtime::capabilities::{KeyPair, PathError, Problem, ScopeError};
use secure_runtime::loaders::http::{AddressProblem, HttpError};
use secure_runtime::loaders::store::MemoryStore;
use secure_runtime::loaders::{FileError, Graph, GraphError};
use secure_runtime::{
    Builder, Exit, Families, Manifest, OpenOptions, PlanError, Program, ProgramError, RevocationFeed,
    Runtime, Sandbox, StorePlace,
};

use crate::support::Scene;

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

fn is_invalid_name(error: &dyn Error) -> bool {
    cause(error).is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::InvalidFilename)
}

fn is_not_found(error: &dyn Error) -> bool {
    cause(error).is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::NotFound)
}

fn is_scope(error: &dyn Error) -> bool {
    let scope = cause::<Box<ScopeError>>(error).map(|error| &**error);
    matches!(scope.or(cause(error)), Some(ScopeError::UnknownFamily { .. }))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.unwrap().block_on(future)
}

fn open(path: &Path, options: &OpenOptions) -> Result<Program, ProgramError> {
    wait(Program::open(path, options))
}

fn builder(base: &Path) -> Builder {
    Runtime::builder().base(base).store(MemoryStore::default())
}

/// Returns the graph with this grant of the program.
fn granted(graph: &Graph, grant: &str) -> Graph {
    let mut packages = graph.packages().to_vec();
    packages[0].grants = vec![grant.to_owned()];
    Graph::new(graph.entry(), packages, graph.modules().to_vec()).unwrap()
}

#[test]
fn the_causes_of_errors_are_their_sources() {
    let options = OpenOptions::default();
    let scene = Scene::of_main(&["random=true"], "");
    let program = open(scene.base(), &options).unwrap();
    let run = |graph: &Graph| wait(builder(scene.base()).build().unwrap().run(graph, &[])).unwrap_err();
    let manifest = |text: &str| {
        let scene = Scene::new().file("secure.toml", text);
        Manifest::read(scene.base(), &Families::default()).unwrap_err()
    };
    let moved = {
        let scene = Scene::of_main(&["random=true"], "");
        open(scene.base(), &options).unwrap()
    };
    let missing = scene.base().join("missing");
    let long = scene.base().join("x".repeat(300));
    let key = KeyPair::generate().unwrap().public();
    let bad_lock = Scene::of_main(&["random=true"], "").file("secure.lock", "no lock");
    let bad_address = OpenOptions {
        stores: vec![StorePlace::from("ftp://host")],
        ..OpenOptions::default()
    };
    let file = OpenOptions {
        grants: vec!["rand=true".to_owned()],
        ..OpenOptions::default()
    };
    let feed = RevocationFeed::new(long.to_str().unwrap(), key).unwrap();
    let folder = Scene::new().folder("secure.toml");

    type Check = fn(&dyn Error) -> bool;
    let cases: [(&str, Box<dyn Error>, Check); 14] = [
        (
            "no base folder",
            builder(&missing).build().unwrap_err().into(),
            is_not_found,
        ),
        (
            "a long base folder",
            builder(&long).build().unwrap_err().into(),
            is_invalid_name,
        ),
        (
            "a manifest that is a folder",
            Manifest::read(folder.base(), &Families::default())
                .unwrap_err()
                .into(),
            |error| matches!(cause(error), Some(FileError::NotRegular { .. })),
        ),
        (
            "a manifest that cannot be opened",
            Manifest::read(&long, &Families::default()).unwrap_err().into(),
            is_invalid_name,
        ),
        ("a manifest that is not TOML", manifest("[").into(), |error| {
            error
                .source()
                .is_some_and(|source| !source.to_string().contains('['))
        }),
        (
            "a grant of a manifest",
            manifest("[package]\nname = \"x\"\nentry = \"main.js\"\n[grants]\nrand = true\n").into(),
            is_scope,
        ),
        (
            "a grant of a file",
            open(&scene.base().join("main.js"), &file).unwrap_err().into(),
            is_scope,
        ),
        (
            "a lock",
            open(bad_lock.base(), &options).unwrap_err().into(),
            |error| matches!(cause(error), Some(GraphError::Malformed { .. })),
        ),
        (
            "the address of a store",
            open(scene.base(), &bad_address).unwrap_err().into(),
            |error| matches!(cause(error), Some(HttpError::Address(AddressProblem::Scheme))),
        ),
        (
            "the grants of a graph",
            run(&granted(program.graph(), "rand=true")).into(),
            |error| matches!(cause(error), Some(PlanError::Grant { .. })) && is_scope(error),
        ),
        ("a missing module", run(program.graph()).into(), |error| {
            error
                .source()
                .is_some_and(|source| source.to_string().contains("has no blake3:"))
        }),
        (
            "a program whose folder is gone",
            Sandbox::new().program(&moved, None).err().unwrap().into(),
            is_not_found,
        ),
        (
            "a revocation list",
            wait(feed.load()).err().unwrap().into(),
            is_invalid_name,
        ),
        (
            "the address of a revocation list",
            RevocationFeed::new("ftp://host", key).err().unwrap().into(),
            |error| matches!(cause(error), Some(HttpError::Address(AddressProblem::Scheme))),
        ),
    ];
    for (name, error, is_right) in cases {
        assert!(is_right(&*error), "{name}: {error:?}");
    }
}

#[test]
fn a_base_folder_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let scene = Scene::of_main(&["random=true"], "");
    let program = open(scene.base(), &OpenOptions::default()).unwrap();
    let folder = scene.base().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).unwrap();
    let outcome = |grant: &str| {
        let runtime = Runtime::builder().base(&folder).shared_store(program.store());
        wait(
            runtime
                .build()
                .unwrap()
                .run(&granted(program.graph(), grant), &[]),
        )
    };
    for grant in ["random=true", "fs.read=/srv/**"] {
        assert!(matches!(outcome(grant).unwrap().exit, Exit::Completed), "{grant}");
    }
    let refused = outcome("fs.read=./**").unwrap_err();
    assert!(
        matches!(cause(&refused), Some(Problem::Path(PathError::BaseNotText))),
        "{refused:?}"
    );
}
