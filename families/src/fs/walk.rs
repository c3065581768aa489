//! Walks through a folder and everything below it, in pieces.
//!
//! One folder of each level is open, so memory does not depend on the number of entries. Each folder is opened beneath
//! the one above, and no link is followed. So a walk leaves its folder only if a module of the program renames a folder
//! on the way, and this ends the walk.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use secure_runtime_capabilities::{ActionName, Pattern};
use secure_runtime_engine::extension::{
    Arguments, Methods, OperationError, Output, Reservation, Value, clipped,
};

use super::roots::{Need, PreopenedDirectories};
use super::{Call, Fs, add, blocking, decided, files, is_named, read};

/// Maximum number of entries that one call returns, and of those that it looks at.
const MOST_RETURNED: usize = 256;
const MOST_EXAMINED: usize = 4096;
/// Maximum number of bytes in the paths that one call returns, without the last path.
const MOST_BYTES: usize = 64 << 10;
/// Memory of the entries that one call returns.
const RETURNED: usize = MOST_BYTES + MOST_PATH + MOST_RETURNED * 256;
/// Maximum number of folders that are open at once, each below the one before.
const MOST_OPEN: usize = 64;
/// Maximum size of a path from the folder where the walk began, in bytes.
const MOST_PATH: usize = 4096;
/// Memory of a walk: for each open folder its path and its next entries.
const WALKING: usize = MOST_OPEN * (MOST_PATH + 8192);

/// The flags with which a folder is opened by its name in an open folder.
const LISTED: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A walk that is under way.
struct Walk {
    roots: Arc<PreopenedDirectories>,
    /// The scopes that may be read.
    readable: Vec<Pattern>,
    /// The path of the folder where the walk began.
    path: String,
    /// Maximum number of names in a path from there.
    most_depth: usize,
    at: Mutex<Position>,
    _held: Reservation,
}

/// A walk, for the threads that work on it.
type SharedWalk = Arc<Walk>;

/// The open folders, each below the one before.
struct Position {
    levels: Vec<Level>,
    /// The number of renames when the folders were last found at their paths.
    renames: u64,
}

/// An open folder.
struct Level {
    folder: Dir,
    /// Its path from the folder where the walk began, with `/` at the end. Empty for this folder itself.
    below: String,
}

/// An entry: its path from the folder where the walk began, and its kind.
type Found = (String, u8);

/// The end of a walk by an error. The path is that of the entry, or empty.
enum Failure {
    System(String, io::Error),
    TooDeep(String),
}

/// Entries, and true if there are more.
type Piece = Result<(Vec<Found>, bool), Failure>;

impl Walk {
    fn may_read(&self, path: &str) -> bool {
        self.readable.iter().any(|pattern| pattern.matches(path)) && is_named(self.readable.iter(), path)
    }

    /// Returns the path of an entry, from the one that was decided on.
    fn whole(&self, below: &str) -> String {
        let folder = self.path.trim_end_matches('/');
        let below = below.trim_end_matches('/');
        if below.is_empty() {
            self.path.clone()
        } else {
            format!("{folder}/{below}")
        }
    }

    /// Returns the next entries. No rename happens meanwhile.
    fn piece(&self) -> Piece {
        let renames = self.roots.program.shared();
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.renames != *renames {
            self.still_in_place(&at.levels, *renames)
                .map_err(|error| Failure::System(String::new(), error))?;
            at.renames = *renames;
        }
        let (mut found, mut size) = (Vec::new(), 0);
        for _ in 0..MOST_EXAMINED {
            let Some(level) = at.levels.last_mut() else {
                return Ok((found, false));
            };
            let Some(entry) = level.folder.next() else {
                at.levels.pop();
                continue;
            };
            let failed = |error: Errno| Failure::System(level.below.clone(), error.into());
            let entry = entry.map_err(failed)?;
            let Some((next, kind)) = self.entry(level, &entry)? else {
                continue;
            };
            let opened = if kind == FileType::Directory && at.levels.len() < self.most_depth {
                if at.levels.len() == MOST_OPEN {
                    return Err(Failure::TooDeep(next));
                }
                self.open(at.levels.last(), &entry, &next)?
            } else {
                None
            };
            at.levels.extend(opened);
            size += next.len();
            found.push((next, files::kind_of(kind)));
            if found.len() == MOST_RETURNED || size >= MOST_BYTES {
                break;
            }
        }
        Ok((found, true))
    }

    /// Returns an entry, if it may be read and still exists.
    fn entry(&self, level: &Level, entry: &DirEntry) -> Result<Option<(String, FileType)>, Failure> {
        // No path of a guest means a name that is not UTF-8.
        let Ok(name) = entry.file_name().to_str() else {
            return Ok(None);
        };
        let next = format!("{}{name}", level.below);
        if name == "." || name == ".." || !self.may_read(&self.whole(&next)) {
            return Ok(None);
        }
        if next.len() > MOST_PATH {
            return Err(Failure::TooDeep(next));
        }
        let failed = |error: Errno| Failure::System(level.below.clone(), error.into());
        let kind = match entry.file_type() {
            // Some file systems do not tell.
            FileType::Unknown => {
                let folder = level.folder.fd().map_err(failed)?;
                match statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(status) => FileType::from_raw_mode(status.st_mode),
                    Err(Errno::NOENT) => return Ok(None),
                    Err(error) => return Err(failed(error)),
                }
            }
            kind => kind,
        };
        Ok(Some((next, kind)))
    }

    /// Opens a folder that was found, unless it was removed or replaced since, or is of a kernel file system.
    fn open(&self, above: Option<&Level>, entry: &DirEntry, next: &str) -> Result<Option<Level>, Failure> {
        let failed = |error: io::Error| Failure::System(next.to_owned(), error);
        let Some(above) = above else { return Ok(None) };
        let folder = above.folder.fd().map_err(|error| failed(error.into()))?;
        let folder = match openat(folder, entry.file_name(), LISTED, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        };
        match Level::new(folder, format!("{next}/")) {
            Ok(level) => Ok(Some(level)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Checks that every open folder is at its path. Otherwise, it may be where the capability has no rights.
    fn still_in_place(&self, levels: &[Level], renames: u64) -> io::Result<()> {
        for level in levels {
            let path = self.whole(&level.below);
            let there = self
                .roots
                .place(&[ActionName::READ], &path, Need::Content, renames)
                .and_then(|place| files::identity(&place));
            let own = fstat(level.folder.fd()?)?;
            if !there.is_ok_and(|there| there == (own.st_dev, own.st_ino)) {
                return Err(io::Error::from(io::ErrorKind::StaleNetworkFileHandle));
            }
        }
        Ok(())
    }
}

impl Level {
    fn new(folder: OwnedFd, below: String) -> io::Result<Level> {
        files::refuse_special(&folder)?;
        let folder = Dir::new(folder)?;
        Ok(Level { folder, below })
    }
}

async fn walk(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let path = decided(&granted)?;
    let most_depth = match arguments.get(1) {
        Value::Null => usize::MAX,
        _ => super::size(arguments.number(1)?, "maxDepth")? as usize,
    };
    let permit = granted.permit_open()?;
    let held = granted.reserve(WALKING, "walking through")?;
    let (roots, path) = (granted.state().get()?, path.as_str().to_owned());
    let readable = granted.effective(ActionName::READ).cloned().collect();
    let begin = move || {
        let renames = roots.program.shared();
        let place = roots.place(&[ActionName::READ], &path, Need::Content, *renames)?;
        // The handle of the place is only a path. It cannot be listed.
        let first = openat(&files::folder(&place)?, ".", LISTED, Mode::empty())?;
        let first = Level::new(first, String::new())?;
        let levels = if most_depth == 0 { Vec::new() } else { vec![first] };
        let at = Mutex::new(Position {
            levels,
            renames: *renames,
        });
        Ok(Walk {
            roots: roots.clone(),
            readable,
            path,
            most_depth,
            at,
            _held: held,
        })
    };
    let walk = blocking(&granted, "walking through", begin).await?;
    Ok(granted.open(&[ActionName::READ], Arc::new(walk), permit, Value::Null))
}

/// Returns the next entries, and true if there are more.
async fn next(granted: Call, walk: Rc<SharedWalk>, _: Arguments) -> Result<Output, OperationError> {
    let held = granted.reserve_result(RETURNED, "walking through").await?;
    let walk = Arc::clone(&walk);
    let piece = granted
        .blocking("walking through", move || Ok(walk.piece()))
        .await?;
    let (found, more) = piece.map_err(|failure| {
        let shown = granted.shown().trim_end_matches('/');
        match failure {
            Failure::System(below, error) => {
                let at = format!("{shown}/{below}");
                OperationError::io(&error, "walking through", at.trim_end_matches('/'))
            }
            Failure::TooDeep(below) => OperationError::range_error(format!(
                "walking through {:?}: there are more than {MOST_OPEN} folders in one another, or more than {MOST_PATH} bytes in a path; set maxDepth, and walk again from a folder below",
                clipped(&format!("{shown}/{below}"))
            )),
        }
    })?;
    let entries = found
        .into_iter()
        .map(|(below, kind)| Value::List(vec![below.into(), u32::from(kind).into()]));
    let list = vec![Value::List(entries.collect()), more.into()];
    Ok(Output::reserved(Value::List(list), held))
}

pub(super) fn declare(methods: &mut Methods<Fs>) {
    let begun = methods.on(ActionName::READ, read);
    add(begun, "walk", walk);
    let mut walking = methods.resource::<SharedWalk>();
    walking
        .on(ActionName::READ)
        .titled("walk")
        .asynchronous("walkNext", next);
    walking.close("walkClose");
}
