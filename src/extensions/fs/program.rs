//! State of a program's files that all its capabilities share, in all its isolates.
//!
//! A rename changes the meaning of paths for every module. So it happens alone: everything else holds a lock, shared, from the
//! moment when it resolves a path until it has used what it found. Directory handles and open files remember how many renames
//! there were, and are looked at anew after each.

use std::io;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cap_std::fs::Dir;
use secure_runtime_capabilities::{ActionName, Authority};

use super::scope::{Scope, below, split};

/// The scopes of a program, and the order of its renames.
#[derive(Debug)]
pub(super) struct ProgramFiles {
    /// Counts the renames.
    renames: RwLock<u64>,
    /// Where the program's scopes for reading are: without links, as they were before any of its modules ran.
    pub(super) read: Vec<Scope>,
    /// Where its scopes for writing are, likewise.
    pub(super) write: Vec<Scope>,
}

/// An open folder, and where it is.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) dir: Dir,
    /// Its path without links.
    pub(super) at: String,
}

impl Folder {
    /// The path of an entry of this folder.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.at)
    }
}

/// Most links that are followed on the way to one folder, as on Linux.
const MOST_LINKS: usize = 40;

impl ProgramFiles {
    /// Looks where the program's scopes are. Must happen before any of its modules runs: they could move a link there.
    pub(super) fn new(ceiling: &Authority) -> Self {
        let written = Scope::of(ceiling, ActionName::WRITE);
        // The outer ones first: a link within what may be written may have been moved there by an earlier run.
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
            read: located(Scope::of(ceiling, ActionName::READ)),
            write: located(written),
        }
    }

    /// Keeps renames away; the guard has their number. A thread must not hold two: a rename that waits between them would wait for ever.
    pub(super) fn shared(&self) -> RwLockReadGuard<'_, u64> {
        self.renames.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing else is done to files, and keeps it so.
    pub(super) fn alone(&self) -> RwLockWriteGuard<'_, u64> {
        self.renames.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether some module could read what is at this path or below it, if it had all of the program's rights.
    pub(super) fn reads_within(&self, at: &str) -> bool {
        self.read
            .iter()
            .any(|scope| scope.covers(at) || scope.begins_within(at))
    }

    /// Whether one of the program's scopes begins at this path or below it.
    pub(super) fn begins_within(&self, at: &str) -> bool {
        let mut scopes = self.read.iter().chain(&self.write);
        scopes.any(|scope| scope.begins_within(at))
    }

    /// Opens a folder below `from`, one name after the other, without leaving `from`.
    ///
    /// Links are followed where no module can have put them: a path that may be written may be renamed, and a link that is
    /// renamed to where a scope begins would make the scope mean another folder. With `all_links`, every link is followed, for a
    /// caller that decides on the path where this ends.
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
            // Not a folder: a link, or an error.
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

/// The names in a relative path, the first one last.
fn names(path: &str) -> Vec<String> {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.rev().map(str::to_owned).collect()
}

/// The scope where the file system has it. A link at the end of a single path is not followed: the path is the link's.
fn without_links(scope: Scope, movable: &[String]) -> Scope {
    match scope {
        Scope::Folder(folder) => Scope::Folder(real(&folder, movable)),
        Scope::Exact(path) => Scope::Exact(match split(&path) {
            Some((folder, name)) => format!("{}/{name}", real(folder, movable)),
            None => path,
        }),
    }
}

/// A folder's path without links, as far as it exists. Links below the `movable` folders are left in it: opening it will fail there.
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

/// The error of a path that leads out of what is granted.
pub(super) fn outside() -> io::Error {
    io::Error::from(io::ErrorKind::CrossesDevices)
}
