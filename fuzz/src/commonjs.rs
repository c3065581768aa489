use std::{cell::RefCell, fs, path::Path};

use secure_runtime_loaders::{LockInput, ModuleKind, Project, lock, static_imports, verify};

use crate::Outcome;

thread_local! {
    /// A project that imports the package `p`. It is created once; only the file of `p` is rewritten for each
    /// input.
    static PROJECT: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Uses the input as a CommonJS file. It must be rejected with a message, or become a valid module. The
/// imports of the module must equal those of the graph, and converting the file again must return the same
/// bytes.
pub fn commonjs(data: &[u8]) -> Outcome {
    PROJECT.with_borrow_mut(|project| {
        let root = project.get_or_insert_with(new_project).path();
        fs::write(root.join("node_modules/p/index.js"), data).unwrap();
        check(root)
    })
}

fn new_project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("main.js", "import * as p from 'p'; export { p }"),
        (
            "node_modules/p/package.json",
            "{\"name\":\"p\",\"type\":\"commonjs\"}",
        ),
        ("node_modules/p/a.js", "exports.a = 1"),
        ("node_modules/p/b.mjs", "export const b = 1"),
        ("node_modules/p/c.json", "{\"c\":1}"),
        ("node_modules/q/index.js", "module.exports = { q: 1 }"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn check(root: &Path) -> Outcome {
    let imports = [("p".to_owned(), "npm:p".to_owned())];
    let input = LockInput {
        root: root.to_owned(),
        entry: "main.js".to_owned(),
        imports: imports.into(),
        ..LockInput::default()
    };
    let locked = lock(&input);
    match &locked {
        Ok(locked) => {
            let made = locked.graph.modules().iter().zip(&locked.bytes);
            for (module, bytes) in made.filter(|(module, _)| module.kind == ModuleKind::JavaScript) {
                let text = str::from_utf8(bytes).expect("a module that is not UTF-8");
                let found = static_imports(text).expect("a module that no parser takes");
                for import in &found.imports {
                    assert!(
                        import.specifier.starts_with("cap:")
                            || module.imports.contains_key(&import.specifier),
                        "{:?} of {:?} is not in the graph",
                        import.specifier,
                        module.name
                    );
                }
            }
            let project = Project::new(root, &input.imports).unwrap();
            verify(&locked.graph, None, Some(&project)).expect("the file makes another module now");
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
