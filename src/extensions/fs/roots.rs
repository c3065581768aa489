//! Directory handles: where a checked path is opened from.
//!
//! Every scope of a capability has a handle of its own, and a narrowed capability opens its handles beneath its
//! parent's. So a link inside a granted folder can lead anywhere in that folder and nowhere else: not to a sibling that
//! only the parent may see. `cap-std` resolves beneath the handle (openat2 with RESOLVE_BENEATH on Linux).
//!
//! What may be written may be rearranged: a link that was there before can be renamed to where another scope begins. A
//! scope within a folder that may be written is therefore found without following any link.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use secure_runtime_capabilities::{ActionName, Authority, FamilyName, Pattern};

/// The roots of one capability: what its authority effectively allows, by action.
pub(crate) struct Roots {
    read: Vec<Root>,
    write: Vec<Root>,
    /// The roots of the capability that this one was narrowed from. None: the whole program's, opened by the host.
    parent: Option<Arc<Roots>>,
    remembered: Remembered,
}

/// How many handles one isolate remembers; the folders of others are opened anew for each operation. Guests make as many scopes as
/// they like, and a process has few files.
const MOST_REMEMBERED: usize = 64;

/// The handles that one isolate remembers, counted.
#[derive(Clone, Default)]
pub(crate) struct Remembered(Arc<AtomicUsize>);

impl Remembered {
    /// One more, if there is room for it.
    fn one(&self) -> Option<Slot> {
        let more = |count: usize| (count < MOST_REMEMBERED).then_some(count + 1);
        let counted = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.ok().map(|_| Slot(self.0.clone()))
    }
}

/// The room for one handle, until it is dropped.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Root {
    scope: Scope,
    /// Opened when first needed. Not remembered while the folder is missing: `mkdir` may make it later.
    handle: Mutex<Option<(Arc<Dir>, Slot)>>,
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
    pub(crate) fn of(
        authority: &Authority,
        parent: Option<Arc<Roots>>,
        remembered: &Remembered,
    ) -> Arc<Self> {
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
                    handle: Mutex::new(None),
                })
                .collect()
        };
        Arc::new(Roots {
            read: roots(ActionName::READ),
            write: roots(ActionName::WRITE),
            parent,
            remembered: remembered.clone(),
        })
    }

    fn of_action(&self, action: ActionName) -> &[Root] {
        if action == ActionName::WRITE {
            &self.write
        } else {
            &self.read
        }
    }

    /// The place of a path that is allowed for all of these actions: beneath the narrowest root, so that a link leads
    /// nowhere that only one of the actions may go.
    pub(crate) fn place(&self, actions: &[ActionName], path: &str, need: Need) -> io::Result<Place> {
        let mut narrowest: Option<&Root> = None;
        for action in actions {
            let roots = self.of_action(*action);
            let root = roots.iter().find(|root| root.covers(path)).ok_or_else(outside)?;
            if narrowest.is_none_or(|narrowest| narrowest.depth() < root.depth()) {
                narrowest = Some(root);
            }
        }
        let root = narrowest.ok_or_else(outside)?;
        match &root.scope {
            Scope::Folder(folder) if !(need == Need::Entry && is_root(folder, path)) => {
                Ok(Place::beneath(self.folder(root, actions, folder)?, folder, path))
            }
            _ => self.entry(actions, path),
        }
    }

    /// Does what finds the thing at the path, or finds that it is not there: where the folder is open, beneath that. Only if nothing is
    /// found there, it is asked whether the folder itself is gone.
    pub(crate) fn find<T>(
        &self,
        action: ActionName,
        path: &str,
        work: impl Fn(&Place) -> io::Result<T>,
    ) -> io::Result<T> {
        if let Some(place) = self.place_beneath_open(action, path) {
            let done = work(&place);
            let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
            if !done.as_ref().is_err_and(is_missing) || !is_gone(&place.dir)? {
                return done;
            }
        }
        work(&self.place(&[action], path, Need::Content)?)
    }

    /// The place of a path beneath a folder that is open; the folder may have been removed since. Not the folder itself, which would
    /// still be found.
    fn place_beneath_open(&self, action: ActionName, path: &str) -> Option<Place> {
        let root = self.of_action(action).iter().find(|root| root.covers(path))?;
        let Scope::Folder(folder) = &root.scope else {
            return None;
        };
        if is_root(folder, path) {
            return None;
        }
        let handle = root.handle();
        let (dir, _) = handle.as_ref()?;
        Some(Place::beneath(dir.clone(), folder, path))
    }

    /// Whether a scope, of this capability or of one that it was narrowed from, begins at the path or below it. Nothing is
    /// renamed to there: what was moved would be what the scope means from then on.
    pub(crate) fn begin_within(&self, path: &str) -> bool {
        let mut roots = self.read.iter().chain(&self.write);
        roots.any(|root| match &root.scope {
            Scope::Folder(folder) => is_root(folder, path) || below(path, folder),
            Scope::Exact(exact) => below(path, exact),
        }) || self
            .parent
            .as_ref()
            .is_some_and(|parent| parent.begin_within(path))
    }

    /// A path that is itself a scope: found in its folder. A link at the very end is not followed; one before it is the
    /// grantor's doing, unless the folder may be written.
    fn entry(&self, actions: &[ActionName], path: &str) -> io::Result<Place> {
        let (folder, name) = split(path).ok_or_else(outside)?;
        let in_folder = |dir| Place {
            dir,
            relative: name.into(),
            follow: false,
        };
        if let Some(dir) = self.without_links(folder)? {
            return Ok(in_folder(dir));
        }
        if let Some(parent) = &self.parent {
            let place = parent.place(actions, path, Need::Entry)?;
            return Ok(Place {
                follow: false,
                ..place
            });
        }
        let dir = Dir::open_ambient_dir(or_slash(folder), ambient_authority())?;
        Ok(in_folder(Arc::new(dir)))
    }

    /// The handle of a root's folder.
    fn folder(&self, root: &Root, actions: &[ActionName], folder: &str) -> io::Result<Arc<Dir>> {
        // What is remembered was opened for one action; for several, the way there may be another.
        let remembers = actions.len() == 1;
        if remembers
            && let Some((dir, _)) = &*root.handle()
            && !is_gone(dir)?
        {
            return Ok(dir.clone());
        }
        // Nothing lies above `/`, which is the empty text.
        let above = match folder.rsplit_once('/') {
            Some((above, name)) => self.without_links(above)?.map(|dir| (dir, name)),
            None => None,
        };
        let dir = match (above, &self.parent) {
            (Some((above, name)), _) => above.open_dir_nofollow(name)?,
            (None, Some(parent)) => {
                let place = parent.place(actions, or_slash(folder), Need::Content)?;
                place.dir.open_dir(&place.relative)?
            }
            (None, None) => Dir::open_ambient_dir(or_slash(folder), ambient_authority())?,
        };
        let dir = Arc::new(dir);
        if remembers {
            let mut handle = root.handle();
            let slot = handle.take().map(|(_, slot)| slot);
            *handle = slot
                .or_else(|| self.remembered.one())
                .map(|slot| (dir.clone(), slot));
        }
        Ok(dir)
    }

    /// A folder that may be written, or that lies within one: found from there on without following a link.
    fn without_links(&self, folder: &str) -> io::Result<Option<Arc<Dir>>> {
        let writable = self.write.iter().find_map(|root| match &root.scope {
            Scope::Folder(writable) if is_root(writable, folder) || below(writable, folder) => {
                Some((root, writable))
            }
            _ => None,
        });
        let Some((root, writable)) = writable else {
            return Ok(None);
        };
        let mut dir = self.folder(root, &[ActionName::WRITE], writable)?;
        let below = folder.strip_prefix(writable.as_str()).unwrap_or_default();
        for name in below.split('/').filter(|name| !name.is_empty()) {
            dir = Arc::new(dir.open_dir_nofollow(name)?);
        }
        Ok(Some(dir))
    }
}

impl Place {
    fn beneath(dir: Arc<Dir>, folder: &str, path: &str) -> Place {
        let relative = path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        Place {
            dir,
            relative: relative.into(),
            follow: true,
        }
    }
}

/// Whether the folder was removed: it has no links left then. One made anew under its name is another folder.
fn is_gone(folder: &Dir) -> io::Result<bool> {
    Ok(rustix::fs::fstat(folder)?.st_nlink == 0)
}

impl Root {
    fn handle(&self) -> MutexGuard<'_, Option<(Arc<Dir>, Slot)>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of two roots that cover one path, the deeper one is the narrower one.
    fn depth(&self) -> usize {
        match &self.scope {
            Scope::Folder(folder) => folder.len(),
            Scope::Exact(_) => usize::MAX,
        }
    }

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

/// The folder (`/` is the empty text) and the name in it.
fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/').filter(|(_, name)| !name.is_empty())
}

fn outside() -> io::Error {
    io::Error::from(io::ErrorKind::CrossesDevices)
}
