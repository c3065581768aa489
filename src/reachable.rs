//! Detection of programs that may write files that decide about them (their manifest, lock or audit file), or read the
//! files of their secrets.
//!
//! The manifest decides about the rights of the next run, and the audit file is evidence. A grant like `fs.write =
//! ["./**"]` includes these files by accident.

use std::path::{Path, PathBuf};

use secure_runtime_capabilities::{ActionName, Families, FamilyName, Token};
use secure_runtime_loaders::Graph;

use crate::manifest::MANIFEST;
use crate::program::{self, LOCK, Program};
use secure_runtime_engine::LinkPlan;

impl Program {
    /// Returns the files that the program may write itself under this token, among its manifest, its lock and `others`.
    pub fn may_write(&self, token: Option<&Token>, others: &[&Path]) -> Vec<PathBuf> {
        let own = self.base().join(MANIFEST);
        let own = if own.exists() {
            vec![own, self.base().join(LOCK)]
        } else {
            Vec::new()
        };
        let files = own
            .into_iter()
            .chain(others.iter().map(|file| (*file).to_owned()));
        reached(
            self.graph(),
            token,
            self.families(),
            self.base(),
            (ActionName::WRITE, files),
        )
    }

    /// Returns those of these files that the program may read under this token.
    pub fn may_read(&self, token: Option<&Token>, files: &[&Path]) -> Vec<PathBuf> {
        let files = files.iter().map(|file| (*file).to_owned());
        reached(
            self.graph(),
            token,
            self.families(),
            self.base(),
            (ActionName::READ, files),
        )
    }
}

/// Returns the manifest or lock of this folder, if the program of the folder may write them.
pub fn own_files(graph: &Graph, families: &Families, folder: &Path) -> Vec<PathBuf> {
    let files = [MANIFEST, LOCK].map(|name| folder.join(name));
    reached(
        graph,
        None,
        families,
        folder,
        (ActionName::WRITE, files.into_iter()),
    )
}

/// Returns the files on which the program may act like this.
fn reached(
    graph: &Graph,
    token: Option<&Token>,
    families: &Families,
    folder: &Path,
    (action, files): (ActionName, impl Iterator<Item = PathBuf>),
) -> Vec<PathBuf> {
    // Errors in the folder or the grants are reported when the program is run.
    let Ok(base) = program::base_of(folder) else {
        return Vec::new();
    };
    let Ok(plan) = LinkPlan::new(graph, token, families, &base) else {
        return Vec::new();
    };
    let scopes: Vec<_> = plan.ceiling().effective(FamilyName::FS, action).collect();
    let is_covered = |path: &Path| {
        // A guest cannot name a path that is not UTF-8, but may reach it through a link in a folder of its scope.
        let path = path.to_string_lossy();
        scopes.iter().any(|scope| scope.matches(&path))
    };
    files
        .filter(|file| places(file).iter().any(|place| is_covered(place)))
        .collect()
}

/// Returns the paths of a file: its name in its folder, and its target if it is a link.
fn places(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")));
    let named = folder
        .ok()
        .zip(file.file_name())
        .map(|(folder, name)| folder.join(name));
    named.into_iter().chain(std::fs::canonicalize(file)).collect()
}
