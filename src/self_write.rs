//! Programs that may write what decides about them: their manifest, their lock, their audit file.
//!
//! Who writes the manifest says what the next run may do, and who writes the audit file says what was done. A grant such as
//! `fs.write = ["./**"]` covers them by accident.

use std::path::{Path, PathBuf};

use secure_runtime_capabilities::{ActionName, Families, FamilyName, Token};
use secure_runtime_loaders::Graph;

use crate::manifest::MANIFEST;
use crate::modules::LinkPlan;
use crate::program::{self, LOCK, Program};

impl Program {
    /// Those of the program's manifest, its lock and these other files that it may write itself, under this token, where there is one.
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
        written(self.graph(), token, self.base(), files)
    }
}

/// Those of the manifest and the lock of this folder that its program may write itself.
pub(crate) fn own_files(graph: &Graph, folder: &Path) -> Vec<PathBuf> {
    let files = [MANIFEST, LOCK].map(|name| folder.join(name));
    written(graph, None, folder, files.into_iter())
}

fn written(
    graph: &Graph,
    token: Option<&Token>,
    folder: &Path,
    files: impl Iterator<Item = PathBuf>,
) -> Vec<PathBuf> {
    // What is wrong with the folder or the grants is told by whoever needs them to run the program.
    let Ok(base) = program::base_of(folder) else {
        return Vec::new();
    };
    let Ok(plan) = LinkPlan::new(graph, token, &Families::builtin(), &base) else {
        return Vec::new();
    };
    let scopes: Vec<_> = plan
        .ceiling()
        .effective(FamilyName::FS, ActionName::WRITE)
        .collect();
    let is_covered = |path: &Path| {
        let path = path.to_str();
        path.is_some_and(|path| scopes.iter().any(|scope| scope.matches(path)))
    };
    files
        .filter(|file| places(file).iter().any(|place| is_covered(place)))
        .collect()
}

/// Where a file is: its name in its folder, and what it leads to where it is a link.
fn places(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")));
    let named = folder
        .ok()
        .zip(file.file_name())
        .map(|(folder, name)| folder.join(name));
    named.into_iter().chain(std::fs::canonicalize(file)).collect()
}
