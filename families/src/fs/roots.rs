//! Directory handles, which checked paths are opened beneath.
//!
//! Every scope of a capability has its own handle. A narrowed capability opens its handles beneath those of its parent.
//! So a link inside a granted folder can lead to any file in that folder. It cannot lead to a sibling that only the
//! parent may access. `cap-std` resolves beneath the handle (openat2 with RESOLVE_BENEATH on Linux).
//!
//! Modules can rearrange writable folders: see [`ProgramFiles`].

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use secure_runtime_capabilities::{ActionName, Authority, FamilyName};

use super::files;
use super::program::{Folder, ProgramFiles, outside};
use super::scope::{Scope, below, is_root, or_slash, split};

/// The roots of one capability: the effective scopes of its authority, by action.
#[derive(Debug)]
pub(crate) struct PreopenedDirectories {
    read: Vec<Root>,
    write: Vec<Root>,
    /// The roots of the capability that this one was narrowed from. None for the whole program, whose roots the host
    /// opened.
    parent: Option<Arc<PreopenedDirectories>>,
    pub(super) program: Arc<ProgramFiles>,
    remembered: HandleCache,
}

/// Maximum number of handles in the cache of one isolate, and in that of the program's own scopes. Other folders are
/// opened for each operation. Guests may create any number of scopes, but a process has few file descriptors.
const MOST_REMEMBERED: usize = 64;

/// The number of cached handles of one isolate.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandleCache(Arc<AtomicUsize>);

impl HandleCache {
    /// Returns a slot for one more handle, if the cache is not full.
    fn one(&self) -> Option<Slot> {
        let more = |count: usize| (count < MOST_REMEMBERED).then_some(count + 1);
        let counted = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.ok().map(|_| Slot(self.0.clone()))
    }
}

/// A slot of the cache, which is released when it is dropped.
#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Root {
    pub(super) scope: Scope,
    /// The location of the scope, without links. None unless the scope is one of the program's: others are found
    /// beneath those.
    at: Option<Scope>,
    /// The handle, which is opened when first needed. A missing folder is not cached, because `mkdir` may create it
    /// later.
    handle: Mutex<Option<Handle>>,
}

/// A folder that is kept open.
#[derive(Debug)]
struct Handle {
    folder: Arc<Folder>,
    /// The number of renames when the folder was opened. After another rename, the path may mean another folder.
    renames: u64,
    slot: Slot,
}

/// The place of an operation: a name relative to a directory handle.
#[derive(Clone)]
pub(crate) struct Place {
    pub(super) folder: Arc<Folder>,
    pub(super) relative: PathBuf,
    /// True if a link at the end is followed, beneath the handle. An exact scope names one path, so its link is not
    /// followed.
    pub(super) follow: bool,
}

impl Place {
    pub(super) fn dir(&self) -> &Dir {
        &self.folder.dir
    }

    /// Returns the same place, where a link at the end is used itself.
    pub(super) fn without_following(mut self) -> Place {
        self.follow = false;
        self
    }
}

/// The way in which an operation uses a path. Paths inside a root are used by path, and a root itself by parent and
/// name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The file or folder at the path.
    Content,
    /// The entry with that name in its folder, for creating and removing.
    Entry,
}

/// A reason to refuse a rename that depends on the file system's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gain {
    /// A scope of the program begins at the new name or below it.
    Scope,
    /// A module could read the file under the new name, and the caller cannot read it under the old name.
    Read,
    /// The file is a folder, and the caller may not write everything in it.
    Partly,
}

impl PreopenedDirectories {
    /// Returns the roots of a whole program. Must be called before any of its modules runs.
    pub(crate) fn of_program(ceiling: &Authority) -> Arc<Self> {
        let program = Arc::new(ProgramFiles::new(ceiling));
        let roots = |action, located: &[Scope]| {
            let scopes = Scope::of(ceiling.effective(FamilyName::FS, action)).into_iter();
            let located = located.iter().cloned().map(Some);
            scopes
                .zip(located)
                .map(|(scope, at)| Root::new(scope, at))
                .collect()
        };
        Arc::new(PreopenedDirectories {
            read: roots(ActionName::READ, &program.read),
            write: roots(ActionName::WRITE, &program.write),
            parent: None,
            program,
            remembered: HandleCache::default(),
        })
    }

    /// Returns the roots of a capability that was narrowed from another one. A module's capability is narrowed from the
    /// program's.
    pub(crate) fn narrowed(
        read: Vec<Scope>,
        write: Vec<Scope>,
        parent: Arc<PreopenedDirectories>,
        remembered: &HandleCache,
    ) -> Arc<Self> {
        let roots = |scopes: Vec<Scope>| {
            let scopes = scopes.into_iter();
            scopes.map(|scope| Root::new(scope, None)).collect()
        };
        Arc::new(PreopenedDirectories {
            read: roots(read),
            write: roots(write),
            program: parent.program.clone(),
            parent: Some(parent),
            remembered: remembered.clone(),
        })
    }

    /// Closes the cached folders. Running operations keep theirs.
    pub(crate) fn close(&self) {
        for root in self.read.iter().chain(&self.write) {
            let closed = root.handle().take();
            drop(closed);
        }
    }

    /// Calls `work` with the place of a path that is allowed for all of these actions. No rename happens meanwhile.
    pub(crate) fn at<T>(
        &self,
        actions: &[ActionName],
        path: &str,
        need: Need,
        work: impl FnOnce(&Place) -> io::Result<T>,
    ) -> io::Result<T> {
        let renames = self.program.shared();
        work(&self.place(actions, path, need, *renames)?)
    }

    /// Calls `work` to find the file at the path. If the folder is cached, the search begins there.
    ///
    /// Only if nothing is found there, this checks whether the folder itself was removed.
    pub(crate) fn find<T>(
        &self,
        action: ActionName,
        path: &str,
        work: impl Fn(&Place) -> io::Result<T>,
    ) -> io::Result<T> {
        let renames = self.program.shared();
        if let Some(place) = self.place_beneath_open(action, path, *renames) {
            let done = work(&place);
            let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
            if !done.as_ref().is_err_and(is_missing) || !is_gone(place.dir())? {
                return done;
            }
        }
        work(&self.place(&[action], path, Need::Content, *renames)?)
    }

    /// Renames with the lock held exclusively. The checks use the current locations of both names, without links, and
    /// the current kind of the file.
    ///
    /// `whole` is true if the caller may write everything below both names.
    pub(crate) fn rename(&self, from: &str, to: &str, whole: bool) -> io::Result<Result<(), Gain>> {
        let mut renames = self.program.alone();
        let (source, name) = self.located(from, *renames)?;
        let (target, new_name) = self.located(to, *renames)?;
        let (source_at, target_at) = (source.path_of(&name), target.path_of(&new_name));
        let is_folder = source.dir.symlink_metadata(&name)?.is_dir();
        if self.program.begins_within(&target_at) {
            return Ok(Err(Gain::Scope));
        }
        if self.program.reads_within(&target_at) && !self.reads(from, &source_at, is_folder, *renames) {
            return Ok(Err(Gain::Read));
        }
        if is_folder && !whole {
            return Ok(Err(Gain::Partly));
        }
        *renames += 1;
        source.dir.rename(&name, &target.dir, &new_name).map(Ok)
    }

    /// Returns true if a scope of this capability, or of one of its ancestors, begins at the path or below it.
    ///
    /// Nothing may be renamed to there, because the scope would then mean the moved file.
    pub(crate) fn begin_within(&self, path: &str) -> bool {
        let mut roots = self.read.iter().chain(&self.write);
        let parent = || self.parent.as_ref();
        roots.any(|root| root.scope.begins_within(path))
            || parent().is_some_and(|parent| parent.begin_within(path))
    }

    /// Returns the place of a path that is allowed for all of these actions. It is beneath the narrowest root, so that
    /// links stay within the scopes of all actions.
    pub(super) fn place(
        &self,
        actions: &[ActionName],
        path: &str,
        need: Need,
        renames: u64,
    ) -> io::Result<Place> {
        let root = self.narrowest(actions, path)?;
        match &root.scope {
            Scope::Folder(folder) if !(need == Need::Entry && is_root(folder, path)) => {
                Ok(Place::beneath(self.folder(root, actions, renames)?, folder, path))
            }
            _ => {
                let (folder, name) = self.entry(actions, path, renames)?;
                Ok(Place {
                    folder,
                    relative: name.into(),
                    follow: false,
                })
            }
        }
    }

    fn of_action(&self, action: ActionName) -> &[Root] {
        if action == ActionName::WRITE {
            &self.write
        } else {
            &self.read
        }
    }

    /// Returns the narrowest of the roots that cover the path, one for each action.
    pub(super) fn narrowest(&self, actions: &[ActionName], path: &str) -> io::Result<&Root> {
        let mut narrowest: Option<&Root> = None;
        for action in actions {
            let mut roots = self.of_action(*action).iter();
            let root = roots.find(|root| root.scope.covers(path)).ok_or_else(outside)?;
            if narrowest.is_none_or(|narrowest| narrowest.scope.depth() < root.scope.depth()) {
                narrowest = Some(root);
            }
        }
        narrowest.ok_or_else(outside)
    }

    /// Returns the place of a path beneath a cached folder, which may have been removed since. Returns none for the
    /// folder itself, which would still be found.
    fn place_beneath_open(&self, action: ActionName, path: &str, renames: u64) -> Option<Place> {
        let mut roots = self.of_action(action).iter();
        let root = roots.find(|root| root.scope.covers(path))?;
        let Scope::Folder(folder) = &root.scope else {
            return None;
        };
        if is_root(folder, path) {
            return None;
        }
        Some(Place::beneath(root.open(renames)?, folder, path))
    }

    /// Returns the handle of a root's folder.
    fn folder(&self, root: &Root, actions: &[ActionName], renames: u64) -> io::Result<Arc<Folder>> {
        // A cached handle was opened for one action. With several actions, the path to the folder may differ.
        let remembers = actions.len() == 1;
        if remembers
            && let Some(folder) = root.open(renames)
            && !is_gone(&folder.dir)?
        {
            return Ok(folder);
        }
        let Scope::Folder(path) = &root.scope else {
            return Err(outside());
        };
        let folder = Arc::new(match &self.parent {
            Some(parent) => {
                let (above, rest) = parent.above(actions, path, renames)?;
                self.program.descend(&above, rest, false)?
            }
            None => self.own_folder(root.at.as_ref(), renames)?,
        });
        if remembers {
            let mut handle = root.handle();
            let slot = handle.take().map(|handle| handle.slot);
            *handle = slot.or_else(|| self.remembered.one()).map(|slot| Handle {
                folder: folder.clone(),
                renames,
                slot,
            });
        }
        Ok(folder)
    }

    /// Returns the folder of a root that covers the path, and the rest of the path.
    fn above<'p>(
        &self,
        actions: &[ActionName],
        path: &'p str,
        renames: u64,
    ) -> io::Result<(Arc<Folder>, &'p str)> {
        let root = self.narrowest(actions, or_slash(path))?;
        let Scope::Folder(folder) = &root.scope else {
            return Err(outside());
        };
        let rest = path.strip_prefix(folder.as_str()).unwrap_or_default();
        Ok((self.folder(root, actions, renames)?, rest))
    }

    /// Opens a folder of the program's own scopes, or the parent folder of a scope that is a single path.
    fn own_folder(&self, at: Option<&Scope>, renames: u64) -> io::Result<Folder> {
        let at = match at {
            Some(Scope::Folder(folder)) => folder.as_str(),
            Some(Scope::Exact(path)) => split(path).ok_or_else(outside)?.0,
            None => return Err(outside()),
        };
        self.own(at, renames)
    }

    /// Opens a folder at a path without links. Inside a folder that the program may write, no link is followed.
    fn own(&self, at: &str, renames: u64) -> io::Result<Folder> {
        let written = |root: &&Root| matches!(&root.at, Some(Scope::Folder(folder)) if below(folder, at));
        let outermost = self
            .write
            .iter()
            .filter(written)
            .min_by_key(|root| root.at.as_ref().map(Scope::depth));
        let Some(root) = outermost else {
            let dir = Dir::open_ambient_dir(or_slash(at), ambient_authority())?;
            return Ok(Folder {
                dir,
                at: at.to_owned(),
            });
        };
        let above = self.folder(root, &[ActionName::WRITE], renames)?;
        let rest = at.strip_prefix(above.at.as_str()).ok_or_else(outside)?;
        self.program.descend(&above, rest, false)
    }

    /// Returns the entry of a path: its folder and its name there. Links that a module could have moved are not
    /// followed.
    fn entry(&self, actions: &[ActionName], path: &str, renames: u64) -> io::Result<(Arc<Folder>, String)> {
        let root = self.narrowest(actions, path)?;
        if let Scope::Folder(folder) = &root.scope
            && !is_root(folder, path)
        {
            let above = self.folder(root, actions, renames)?;
            return self.entry_beneath(&above, folder, path, false);
        }
        match &self.parent {
            Some(parent) => parent.entry(actions, path, renames),
            None => {
                let at = match &root.at {
                    Some(Scope::Folder(at) | Scope::Exact(at)) => at,
                    None => return Err(outside()),
                };
                let (folder, name) = split(at).ok_or_else(outside)?;
                Ok((Arc::new(self.own(folder, renames)?), name.to_owned()))
            }
        }
    }

    /// Returns the entry of a writable path. All links inside its scope are followed.
    pub(super) fn located(&self, path: &str, renames: u64) -> io::Result<(Arc<Folder>, String)> {
        let actions = &[ActionName::WRITE];
        let root = self.narrowest(actions, path)?;
        match &root.scope {
            Scope::Folder(folder) if !is_root(folder, path) => {
                let above = self.folder(root, actions, renames)?;
                self.entry_beneath(&above, folder, path, true)
            }
            _ => self.entry(actions, path, renames),
        }
    }

    fn entry_beneath(
        &self,
        above: &Folder,
        folder: &str,
        path: &str,
        all_links: bool,
    ) -> io::Result<(Arc<Folder>, String)> {
        let rest = path.strip_prefix(folder).unwrap_or(path);
        let (way, name) = split(rest).ok_or_else(outside)?;
        let folder = self.program.descend(above, way, all_links)?;
        Ok((Arc::new(folder), name.to_owned()))
    }

    /// Returns true if this capability can read the file at `at`, a path without links, by the name `from`. For a
    /// folder, everything below it must be readable too.
    pub(super) fn reads(&self, from: &str, at: &str, is_folder: bool, renames: u64) -> bool {
        let actions = &[ActionName::READ];
        let mut roots = self.read.iter().filter(|root| root.scope.covers(from));
        roots.any(|root| match &root.scope {
            Scope::Folder(_) => self
                .folder(root, actions, renames)
                .is_ok_and(|folder| Scope::Folder(folder.at.clone()).covers(at)),
            Scope::Exact(path) => {
                let entry = self.entry(actions, path, renames);
                !is_folder && entry.is_ok_and(|(folder, name)| folder.path_of(&name) == at)
            }
        })
    }

    /// Returns true if the file that was opened at a path is still there, or has no name any more.
    pub(super) fn still_at(
        &self,
        actions: &[ActionName],
        path: &str,
        file: &std::fs::File,
        renames: u64,
    ) -> io::Result<bool> {
        let there = self
            .place(actions, path, Need::Content, renames)
            .and_then(|place| files::identity(&place));
        let (own, links) = files::identity_of(file)?;
        Ok(links == 0 || there.is_ok_and(|there| there == own))
    }
}

impl Place {
    fn beneath(folder: Arc<Folder>, scope: &str, path: &str) -> Place {
        let relative = path.strip_prefix(scope).unwrap_or(path).trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        Place {
            folder,
            relative: relative.into(),
            follow: true,
        }
    }
}

/// Returns true if the folder was removed: its number of links is then 0. A new folder with its name is another folder.
fn is_gone(folder: &Dir) -> io::Result<bool> {
    Ok(rustix::fs::fstat(folder)?.st_nlink == 0)
}

impl Root {
    fn new(scope: Scope, at: Option<Scope>) -> Self {
        Root {
            scope,
            at,
            handle: Mutex::new(None),
        }
    }

    fn handle(&self) -> MutexGuard<'_, Option<Handle>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the folder, if it was opened after the last rename.
    fn open(&self, renames: u64) -> Option<Arc<Folder>> {
        let handle = self.handle();
        let handle = handle.as_ref().filter(|handle| handle.renames == renames)?;
        Some(handle.folder.clone())
    }
}
