//! Directory handles: where a checked path is opened from.
//!
//! Every scope of a capability has a handle of its own, and a narrowed capability opens its handles beneath its
//! parent's. So a link inside a granted folder can lead anywhere in that folder and nowhere else: not to a sibling that
//! only the parent may see. `cap-std` resolves beneath the handle (openat2 with RESOLVE_BENEATH on Linux).

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use secure_runtime_capabilities::{ActionName, Authority, FamilyName, Pattern};

/// The roots of one capability: what its authority effectively allows, by action.
pub(crate) struct Roots {
    read: Vec<Root>,
    write: Vec<Root>,
    /// The roots of the capability that this one was narrowed from. None: the program's own, opened by the host.
    parent: Option<Rc<Roots>>,
}

struct Root {
    scope: Scope,
    /// Opened when first needed. Not remembered while the folder is missing: `mkdir` may make it later.
    handle: RefCell<Option<Arc<Dir>>>,
}

enum Scope {
    /// The folder and everything below it.
    Folder(String),
    /// One path only.
    Exact(String),
}

/// Where to do something: a name relative to a directory handle.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) dir: Arc<Dir>,
    pub(crate) relative: PathBuf,
    /// Whether a link at the end is followed (beneath the handle). An exact scope names one path: not followed.
    pub(crate) follow: bool,
}

/// What one operation needs: by path for what is inside a root, by parent and name for the root itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The thing at the path.
    Content,
    /// The entry of that name in its folder: creating, removing, renaming.
    Entry,
}

impl Roots {
    pub(crate) fn of(authority: &Authority, parent: Option<Rc<Roots>>) -> Rc<Self> {
        let roots = |action| {
            let patterns: Vec<&Pattern> = authority.effective(FamilyName::FS, action).collect();
            let folders: Vec<String> = patterns
                .iter()
                .filter_map(|pattern| match pattern {
                    Pattern::Affix { prefix, suffix } if suffix.is_empty() => {
                        prefix.strip_suffix('/').map(str::to_owned)
                    }
                    _ => None,
                })
                .collect();
            let exact: Vec<String> = patterns
                .iter()
                .filter_map(|pattern| match pattern {
                    Pattern::Exact(path) if !folders.iter().any(|folder| is_root(folder, path)) => {
                        Some(path.clone())
                    }
                    _ => None,
                })
                .collect();
            folders
                .into_iter()
                .map(Scope::Folder)
                .chain(exact.into_iter().map(Scope::Exact))
                .map(|scope| Root {
                    scope,
                    handle: RefCell::new(None),
                })
                .collect()
        };
        Rc::new(Roots {
            read: roots(ActionName::READ),
            write: roots(ActionName::WRITE),
            parent,
        })
    }

    /// The place of an allowed path.
    pub(crate) fn place(&self, action: ActionName, path: &str, need: Need) -> io::Result<Place> {
        let roots = if action == ActionName::WRITE {
            &self.write
        } else {
            &self.read
        };
        let root = roots.iter().find(|root| root.covers(path)).ok_or_else(outside)?;
        match &root.scope {
            Scope::Folder(folder) if !(need == Need::Entry && is_root(folder, path)) => {
                let relative = path
                    .strip_prefix(folder.as_str())
                    .unwrap_or(path)
                    .trim_start_matches('/');
                let relative = if relative.is_empty() { "." } else { relative };
                Ok(Place {
                    dir: self.folder(root, action, folder)?,
                    relative: relative.into(),
                    follow: true,
                })
            }
            _ => self.entry(action, path),
        }
    }

    /// A path that is itself a scope: found in its folder, which no guest was granted, so a link there is the grantor's
    /// doing, and one at the very end is not followed.
    fn entry(&self, action: ActionName, path: &str) -> io::Result<Place> {
        if let Some(parent) = &self.parent {
            let place = parent.place(action, path, Need::Entry)?;
            return Ok(Place {
                follow: false,
                ..place
            });
        }
        let (folder, name) = split(path).ok_or_else(outside)?;
        let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
        Ok(Place {
            dir: Arc::new(dir),
            relative: name.into(),
            follow: false,
        })
    }

    fn folder(&self, root: &Root, action: ActionName, folder: &str) -> io::Result<Arc<Dir>> {
        if let Some(dir) = &*root.handle.borrow() {
            // A folder that was removed has no links left: one made anew under its name is another folder.
            if dir.dir_metadata()?.nlink() > 0 {
                return Ok(dir.clone());
            }
        }
        let dir = match &self.parent {
            Some(parent) => {
                let place = parent.place(action, or_slash(folder), Need::Content)?;
                place.dir.open_dir(&place.relative)?
            }
            None => Dir::open_ambient_dir(or_slash(folder), ambient_authority())?,
        };
        let dir = Arc::new(dir);
        root.handle.replace(Some(dir.clone()));
        Ok(dir)
    }
}

impl Root {
    fn covers(&self, path: &str) -> bool {
        match &self.scope {
            Scope::Folder(folder) => is_root(folder, path) || below(folder, path),
            Scope::Exact(exact) => exact == path,
        }
    }
}

/// Whether `path` lies below `folder`. The folder `/` is the empty text here.
fn below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
}

fn is_root(folder: &str, path: &str) -> bool {
    folder == path || (folder.is_empty() && path == "/")
}

fn or_slash(folder: &str) -> &str {
    if folder.is_empty() { "/" } else { folder }
}

fn split(path: &str) -> Option<(&Path, &str)> {
    let (folder, name) = path.rsplit_once('/')?;
    (!name.is_empty()).then(|| (Path::new(or_slash(folder)), name))
}

fn outside() -> io::Error {
    io::Error::from(io::ErrorKind::CrossesDevices)
}
