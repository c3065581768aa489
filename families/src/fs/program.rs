//! File state that all capabilities of a program share, in all its isolates.
//!
//! A rename changes the meaning of paths for every module, so it takes the lock exclusively. All other operations hold
//! the lock shared, from the resolution of a path until they have used the result. Directory handles and open files
//! remember the number of renames, and are verified again after each rename.

use std::io;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cap_std::fs::Dir;
use secure_runtime_capabilities::{ActionName, Authority, FamilyName};

use super::scope::{Scope, below, split};

/// The scopes of a program, and the order of its renames.
#[derive(Debug)]
pub(super) struct ProgramFiles {
    /// The number of renames.
    renames: RwLock<u64>,
    /// The locations of the program's scopes for reading. Links were resolved before any of its modules ran.
    pub(super) read: Vec<Scope>,
    /// The locations of its scopes for writing, resolved in the same way.
    pub(super) write: Vec<Scope>,
}

/// An open folder and its path.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) dir: Dir,
    /// Its path without links.
    pub(super) at: String,
}

impl Folder {
    /// Returns the path of an entry of this folder.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.at)
    }
}

/// Maximum number of links that are followed on the way to one folder. Linux has the same limit.
const MOST_LINKS: usize = 40;

impl ProgramFiles {
    /// Locates the program's scopes. Must be called before any of its modules runs, because they could move a link to
    /// the place of a scope.
    pub(super) fn new(ceiling: &Authority) -> Self {
        let written = Scope::of(ceiling.effective(FamilyName::FS, ActionName::WRITE));
        // Outer folders are first, because an earlier run may have moved a link into a writable folder.
        let mut folders: Vec<&String> = written.iter().filter_map(Scope::folder).collect();
        folders.sort_unstable_by_key(|folder| folder.len());
        let mut movable = Vec::new();
        for folder in folders {
            let at = real(folder, &movable);
            movable.push(at);
        }
        let located = |scopes: Vec<Scope>| {
            let scopes = scopes.into_iter();
            scopes.map(|scope| without_links(scope, &movable)).collect()
        };
        ProgramFiles {
            renames: RwLock::default(),
            read: located(Scope::of(ceiling.effective(FamilyName::FS, ActionName::READ))),
            write: located(written),
        }
    }

    /// Takes the lock that prevents renames. The guard contains their number. A thread must not hold two guards: a
    /// rename that waits between them would cause a deadlock.
    pub(super) fn shared(&self) -> RwLockReadGuard<'_, u64> {
        self.renames.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock exclusively, and so prevents all other file operations.
    pub(super) fn alone(&self) -> RwLockWriteGuard<'_, u64> {
        self.renames.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if a module with all of the program's rights could read the path, or a path below it.
    pub(super) fn reads_within(&self, at: &str) -> bool {
        self.read
            .iter()
            .any(|scope| scope.covers(at) || scope.begins_within(at))
    }

    /// Returns true if a scope of the program begins at this path or below it.
    pub(super) fn begins_within(&self, at: &str) -> bool {
        let mut scopes = self.read.iter().chain(&self.write);
        scopes.any(|scope| scope.begins_within(at))
    }

    /// Opens a folder below `from`, one name at a time, without leaving `from`.
    ///
    /// Links are followed only if no module can have placed them. A writable path may be renamed. A link that is
    /// renamed to the start of a scope would give the scope another folder. With `all_links`, every link is followed:
    /// the caller then decides on the resulting path.
    pub(super) fn descend(&self, from: &Folder, path: &str, all_links: bool) -> io::Result<Folder> {
        let mut way = vec![Folder {
            dir: from.dir.try_clone()?,
            at: from.at.clone(),
        }];
        let mut ahead = names(path);
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            let here = way.last().ok_or_else(outside)?;
            match name.as_str() {
                "." => continue,
                ".." if way.len() == 1 => return Err(outside()),
                ".." => {
                    way.pop();
                    continue;
                }
                _ => {}
            }
            let at = here.path_of(&name);
            let error = match cap_fs_ext::DirExt::open_dir_nofollow(&here.dir, &name) {
                Ok(dir) => {
                    way.push(Folder { dir, at });
                    continue;
                }
                Err(error) => error,
            };
            // The name is no folder: a link, or an error.
            let target = match here.dir.read_link_contents(&name) {
                Ok(target) if all_links || !self.write.iter().any(|scope| scope.covers(&at)) => target,
                _ => return Err(error),
            };
            links += 1;
            if links > MOST_LINKS {
                return Err(error);
            }
            match target.to_str() {
                Some(target) if !target.starts_with('/') => ahead.extend(names(target)),
                _ => return Err(outside()),
            }
        }
        way.pop().ok_or_else(outside)
    }
}

/// Returns the names in a relative path in reverse order.
fn names(path: &str) -> Vec<String> {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.rev().map(str::to_owned).collect()
}

/// Returns the location of the scope in the file system, without links. A link at the end of a single path is not
/// followed, because the scope names the link itself.
fn without_links(scope: Scope, movable: &[String]) -> Scope {
    match scope {
        Scope::Folder(folder) => Scope::Folder(real(&folder, movable)),
        Scope::Exact(path) => Scope::Exact(match split(&path) {
            Some((folder, name)) => format!("{}/{name}", real(folder, movable)),
            None => path,
        }),
    }
}

/// Returns a folder's path without links, for the part that exists. Links below the `movable` folders remain in it, so
/// that opening the path fails there.
fn real(folder: &str, movable: &[String]) -> String {
    let mut at = String::new();
    let mut ahead = names(folder);
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        match name.as_str() {
            "." => continue,
            ".." => {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let here = format!("{at}/{name}");
        let is_movable = movable.iter().any(|folder| below(folder, &here));
        let target = if is_movable {
            None
        } else {
            std::fs::read_link(&here).ok()
        };
        let target = target.as_deref().and_then(Path::to_str);
        let Some(target) = target.filter(|_| links < MOST_LINKS) else {
            at = here;
            continue;
        };
        links += 1;
        if target.starts_with('/') {
            at.clear();
        }
        ahead.extend(names(target));
    }
    at
}

/// Returns the error of a path that leads out of the granted folder.
pub(super) fn outside() -> io::Error {
    io::Error::from(io::ErrorKind::CrossesDevices)
}
