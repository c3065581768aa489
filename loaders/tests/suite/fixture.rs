//! Projects in temporary folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secure_runtime_loaders::resolve::{LockError, LockInput, Locked, Project, lock};

/// A project in its own folder, which is removed at the end of the test.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    input: LockInput,
}

impl Fixture {
    /// Creates a project with these files and the entry `main.js`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        std::fs::create_dir(&root).unwrap();
        let input = LockInput {
            root,
            entry: "main.js".into(),
            ..LockInput::default()
        };
        let fixture = Self { folder, input };
        for (path, content) in files {
            fixture.write(path, content);
        }
        fixture
    }

    pub(crate) fn root(&self) -> &Path {
        &self.input.root
    }

    pub(crate) fn outside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    pub(crate) fn import(mut self, key: &str, value: &str) -> Self {
        self.input.imports.insert(key.into(), value.into());
        self
    }

    pub(crate) fn entry(mut self, entry: &str) -> Self {
        self.input.entry = entry.into();
        self
    }

    pub(crate) fn input(&mut self) -> &mut LockInput {
        &mut self.input
    }

    pub(crate) fn project(&self) -> Project {
        Project::new(self.root(), &self.input.imports).unwrap()
    }

    pub(crate) fn lock(&self) -> Result<Locked, LockError> {
        lock(&self.input)
    }
}

/// Returns the targets of each module's specifiers.
pub(crate) fn shape(locked: &Locked) -> BTreeMap<String, BTreeMap<String, String>> {
    let graph = &locked.graph;
    let modules = graph.modules().iter().map(|module| {
        let imports = module
            .imports
            .iter()
            .map(|(specifier, target)| (specifier.clone(), graph.module(*target).unwrap().name.clone()));
        (module.name.clone(), imports.collect())
    });
    modules.collect()
}

/// Returns the names of all modules.
pub(crate) fn names(locked: &Locked) -> Vec<&str> {
    locked
        .graph
        .modules()
        .iter()
        .map(|module| module.name.as_str())
        .collect()
}
