//! The rules of the OS sandbox for files and folders.

use std::path::PathBuf;

use secure_runtime_capabilities::{ActionName, Authority, FamilyName, Pattern};
use secure_runtime_engine::extension::SandboxRule;

/// Returns the files and folders of these rights.
pub(super) fn of(authority: &Authority) -> Vec<SandboxRule> {
    let rights = |action| authority.effective(FamilyName::FS, action);
    let read = rights(ActionName::READ).filter_map(read);
    let write = rights(ActionName::WRITE).filter_map(write);
    read.chain(write).collect()
}

fn read(pattern: &Pattern) -> Option<SandboxRule> {
    Some(match place(pattern)? {
        (path, false) => SandboxRule::Read(path),
        (path, true) => SandboxRule::ReadBelow(path),
    })
}

fn write(pattern: &Pattern) -> Option<SandboxRule> {
    Some(match place(pattern)? {
        (path, false) => SandboxRule::Write(path),
        (path, true) => SandboxRule::WriteBelow(path),
    })
}

/// Returns the path of a scope, and true if the scope includes paths below it.
fn place(pattern: &Pattern) -> Option<(PathBuf, bool)> {
    match pattern {
        Pattern::Exact(path) => Some((PathBuf::from(path), false)),
        Pattern::Affix { prefix, .. } => {
            // A prefix that does not end at a path separator matches only some entries of its folder. Landlock needs a
            // rule for the whole folder.
            let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
            let folder = if folder.is_empty() { "/" } else { folder };
            Some((PathBuf::from(folder), true))
        }
        Pattern::Endpoint(_) => None,
    }
}
