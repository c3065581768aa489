//! Symbolic and hard links.
//!
//! A new symbolic link leads only to its own folder or below. So it leads into the scope of each module that can read
//! it, also if it is moved, and for other processes that follow it. A hard link is a second name of a file, for which
//! the same rules hold as for a new name by `rename`.

use std::io;
use std::path::{Component, Path};

use secure_runtime_capabilities::{ActionName, Operation};
use secure_runtime_engine::extension::{Arguments, Methods, OperationError, Output, clipped};

use super::roots::{Need, Place, PreopenedDirectories};
use super::scope::{Scope, is_root};
use super::{
    Call, Fs, add, blocking, check, decided, declare as method, files, parsed, with_second_path, write,
};

/// Maximum size of a link's target, in bytes.
const MOST_TARGET: usize = 4095;

/// A reason to refuse a link that depends on the scopes or on the file system's content.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// A scope of the program begins at the link or below it.
    Scope,
    /// The path is itself a scope, so its folder is not in the scope.
    SinglePath,
    /// The file is not a regular file.
    Kind,
    /// The caller cannot read the file where it is.
    Unreadable,
}

impl Refused {
    fn why(self) -> &'static str {
        match self {
            Refused::Scope => "a scope of the program begins at or below the link",
            Refused::SinglePath => "a scope that is a single path has no folder that a link could lead to",
            Refused::Kind => "only a regular file can have a second name",
            Refused::Unreadable => "the capability may not read the file where it is",
        }
    }
}

impl PreopenedDirectories {
    /// Makes a symbolic link. `target` is relative and has no `..`.
    fn symlink(&self, target: &str, path: &str) -> io::Result<Result<(), Refused>> {
        let renames = self.program.alone();
        let root = self.narrowest(&[ActionName::WRITE], path)?;
        match &root.scope {
            Scope::Folder(folder) if !is_root(folder, path) => {}
            _ => return Ok(Err(Refused::SinglePath)),
        }
        let (folder, name) = self.located(path, *renames)?;
        if self.program.begins_within(&folder.path_of(&name)) {
            return Ok(Err(Refused::Scope));
        }
        folder.dir.symlink(target, &name).map(Ok)
    }

    /// Gives a file a second name. Like for a rename, the checks use the current locations of both names.
    fn link(&self, from: &str, to: &str) -> io::Result<Result<(), Refused>> {
        let renames = self.program.alone();
        let (source, name) = self.located(from, *renames)?;
        let (target, new_name) = self.located(to, *renames)?;
        let (source_at, target_at) = (source.path_of(&name), target.path_of(&new_name));
        if self.program.begins_within(&target_at) {
            return Ok(Err(Refused::Scope));
        }
        // A symbolic link would lead elsewhere under the new name, and other kinds of files are not opened.
        if !source.dir.symlink_metadata(&name)?.is_file() {
            return Ok(Err(Refused::Kind));
        }
        if !self.reads(from, &source_at, false, *renames) {
            return Ok(Err(Refused::Unreadable));
        }
        source.dir.hard_link(&name, &target.dir, &new_name).map(Ok)
    }
}

/// Returns true if a link with this target leads to its own folder or below, wherever it is.
fn stays_below(target: &str) -> bool {
    let is_name = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    !target.is_empty() && target.len() <= MOST_TARGET && Path::new(target).components().all(is_name)
}

async fn symlink(granted: Call, mut arguments: Arguments) -> Result<(), OperationError> {
    let (path, target) = (decided(&granted)?, arguments.take_text(1)?);
    if !stays_below(&target) {
        let message = format!(
            "the target {:?} of a link must be a relative path without `..`, so that the link leads to its own folder or below",
            clipped(&target)
        );
        return Err(OperationError::type_error(message));
    }
    let refused =
        |reason: Refused| granted.refuse(&Operation::fs_write(&path), granted.shown(), reason.why());
    if granted.state().get()?.begin_within(path.as_str()) {
        return Err(refused(Refused::Scope));
    }
    let (roots, at) = (granted.state().get()?, path.as_str().to_owned());
    let made = blocking(&granted, "linking", move || roots.symlink(&target, &at));
    made.await?.map_err(refused)
}

async fn link(granted: Call, mut arguments: Arguments) -> Result<(), OperationError> {
    let (source, to) = (decided(&granted)?, arguments.take_text(1)?);
    let target = parsed(&to, granted.base())?;
    check(&granted, ActionName::READ, &source, granted.shown())?;
    check(&granted, ActionName::WRITE, &target, &to)?;
    let refused = |reason: Refused| granted.refuse(&Operation::fs_write(&target), &to, reason.why());
    let roots = granted.state().get()?;
    if roots.begin_within(target.as_str()) {
        return Err(refused(Refused::Scope));
    }
    let (old, new) = (source.as_str().to_owned(), target.as_str().to_owned());
    let linked = granted.blocking("linking", move || Ok(roots.link(&old, &new)));
    let failed = |error: io::Error| OperationError::io(&error, "making the link", &to);
    linked.await?.map_err(failed)?.map_err(refused)
}

async fn read_link(granted: Call, _: Arguments) -> Result<Output, OperationError> {
    let (roots, path) = (granted.state().get()?, granted.resource().to_owned());
    let read = move || {
        let read = |place: &Place| files::read_link(place);
        roots.at(&[ActionName::READ], &path, Need::Entry, read)
    };
    Ok(blocking(&granted, "reading the link", read).await?.into())
}

pub(super) fn declare(methods: &mut Methods<Fs>) {
    method(methods, ActionName::WRITE, "symlink", symlink);
    method(methods, ActionName::READ, "readLink", read_link);
    let linked = methods.on(ActionName::WRITE, |asked| with_second_path(asked, write));
    add(linked, "link", link);
}
