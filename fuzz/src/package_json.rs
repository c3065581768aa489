use std::{cell::RefCell, fs, path::Path};

use secure_runtime_loaders::{LockInput, lock};

use crate::Outcome;

thread_local! {
    /// A project with the package `p`, and files that no package.json of `p` may lead to. It is created once;
    /// only the two files from the input are rewritten.
    static PROJECT: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Uses the first line as the program's source, and the rest as the package.json of the package `p`. The
/// project must be rejected with a message, or every module must be a file of its package.
pub fn package_json(data: &[u8]) -> Outcome {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (source, package_json) = data.split_at(line);
    PROJECT.with_borrow_mut(|project| {
        let folder = project.get_or_insert_with(new_project).path();
        let root = folder.join("project");
        fs::write(root.join("main.js"), source).unwrap();
        fs::write(root.join("node_modules/p/package.json"), package_json).unwrap();
        check(&root)
    })
}

fn new_project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "secret.js",
        "project/secret.js",
        "project/node_modules/q/index.js",
        "project/node_modules/p/index.js",
        "project/node_modules/p/a.js",
        "project/node_modules/p/lib/a.js",
        "project/node_modules/p/lib/b.mjs",
        "project/node_modules/p/node_modules/r/index.js",
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "export default 1").unwrap();
    }
    folder
}

fn check(root: &Path) -> Outcome {
    let input = LockInput {
        root: root.to_owned(),
        entry: "main.js".to_owned(),
        imports: [("p".to_owned(), "npm:p".to_owned())].into(),
        ..LockInput::default()
    };
    let locked = lock(&input);
    match &locked {
        Ok(locked) => {
            let root = root.canonicalize().unwrap();
            for (module, source) in locked.graph.modules().iter().zip(&locked.sources) {
                let source = source
                    .strip_prefix(&root)
                    .expect("a module from outside of the project");
                let package = &locked.graph.package_of(module).unwrap().name;
                let folder = match package.as_str() {
                    "" => Path::new(""),
                    "p" => Path::new("node_modules/p"),
                    "p>q" => Path::new("node_modules/q"),
                    "p>r" => Path::new("node_modules/p/node_modules/r"),
                    other => panic!("an unexpected package {other:?}"),
                };
                let below = source
                    .strip_prefix(folder)
                    .expect("a module from outside of its package");
                assert!(
                    !below.starts_with("node_modules"),
                    "{source:?} is another package's"
                );
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(
                !message
                    .chars()
                    .any(|character| character.is_control() && character != '\n'),
                "{message:?}"
            );
        }
    }
    Outcome::of(&locked.map(|locked| locked.graph))
}
