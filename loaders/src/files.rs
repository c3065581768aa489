//! Reading files that may be hostile, and writing files that are whole or absent.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags};
use tempfile::NamedTempFile;

/// Why a file was not read or written. The path is left to the error that contains this one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// It is something other than a regular file; a symbolic link is not followed.
    #[error("it is a {kind}, not a regular file")]
    NotRegular {
        /// What it is.
        kind: &'static str,
    },
    /// It is larger than the limit.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The operating system refused.
    #[error("{message}")]
    System {
        /// The operating system's reason.
        kind: io::ErrorKind,
        /// The same as text.
        message: String,
    },
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            kind => Self::System {
                kind,
                message: error.to_string(),
            },
        }
    }
}

/// Opens the regular file at `path` for reading, and says how many bytes it has.
///
/// A final symbolic link is not followed, and nothing is waited for (a FIFO would block). What the file is was asked of
/// the handle that is returned, not of the path.
///
/// # Errors
/// [`FileError`]: it is not there, or not a regular file.
pub fn open_regular(path: &Path) -> Result<(File, u64), FileError> {
    match open(path, OFlags::NOFOLLOW)? {
        Opened::Regular(file, size) => Ok((file, size)),
        Opened::Other(_, kind) => Err(FileError::NotRegular { kind }),
    }
}

/// Opens the regular file at `path`, which the user named: links are followed, since they are the user's own. Else as
/// [`open_regular`].
///
/// # Errors
/// As [`open_regular`].
pub fn open_named(path: &Path) -> Result<(File, u64), FileError> {
    match open(path, OFlags::empty())? {
        Opened::Regular(file, size) => Ok((file, size)),
        Opened::Other(_, kind) => Err(FileError::NotRegular { kind }),
    }
}

enum Opened {
    Regular(File, u64),
    /// Something else, and what it is called.
    Other(OwnedFd, &'static str),
}

/// Opens what is there without waiting for anybody.
fn open(path: &Path, flags: OFlags) -> Result<Opened, FileError> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => FileError::NotRegular {
            kind: "symbolic link",
        },
        rustix::io::Errno::NXIO | rustix::io::Errno::OPNOTSUPP => FileError::NotRegular { kind: "socket" },
        error => io::Error::from(error).into(),
    })?;
    let status = rustix::fs::fstat(&descriptor).map_err(io::Error::from)?;
    let kind = match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => {
            let size = u64::try_from(status.st_size).unwrap_or(u64::MAX);
            return Ok(Opened::Regular(File::from(descriptor), size));
        }
        FileType::Directory => "folder",
        FileType::Fifo => "FIFO",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "special file",
    };
    Ok(Opened::Other(descriptor, kind))
}

/// All bytes of the regular file at `path`, opened as [`open_regular`] does: what was checked is what is returned.
///
/// # Errors
/// [`FileError`]: it is not there, not a regular file, or larger than `limit` bytes.
pub fn read_regular(path: &Path, limit: u64) -> Result<Bytes, FileError> {
    let (file, size) = open_regular(path)?;
    read_sized(file, size, limit)
}

/// All bytes of the regular file at `path`, opened as [`open_named`] does.
///
/// # Errors
/// As [`read_regular`].
pub fn read_named(path: &Path, limit: u64) -> Result<Bytes, FileError> {
    let (file, size) = open_named(path)?;
    read_sized(file, size, limit)
}

/// All bytes of the file at `path`, as [`read_named`], or of an anonymous pipe: a shell gives one for `<(command)`, as
/// `/dev/fd/63`. The pipe is waited for, since its writer is the user's own command. A FIFO in a folder is refused: anybody
/// can have put it there, and perhaps nobody writes to it.
///
/// # Errors
/// As [`read_regular`].
pub fn read_given(path: &Path, limit: u64) -> Result<Bytes, FileError> {
    match open(path, OFlags::empty())? {
        Opened::Regular(file, size) => read_sized(file, size, limit),
        Opened::Other(pipe, kind) => {
            if !is_anonymous_pipe(&pipe) {
                return Err(FileError::NotRegular { kind });
            }
            let flags = rustix::fs::fcntl_getfl(&pipe).map_err(io::Error::from)?;
            rustix::fs::fcntl_setfl(&pipe, flags - OFlags::NONBLOCK).map_err(io::Error::from)?;
            read_bounded(File::from(pipe), limit)
        }
    }
}

/// All bytes of `source`, of which there are at most `limit`.
///
/// # Errors
/// [`FileError::TooLarge`], after which no more is read; and what the source fails with.
pub fn read_bounded(source: impl Read, limit: u64) -> Result<Bytes, FileError> {
    read_sized(source, 0, limit)
}

/// Reads a source that is said to have this many bytes.
fn read_sized(source: impl Read, size: u64, limit: u64) -> Result<Bytes, FileError> {
    if size > limit {
        return Err(FileError::TooLarge { limit });
    }
    // The file may grow while it is read: one byte more than the limit is enough to notice.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    let read = source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Err(FileError::TooLarge { limit });
    }
    Ok(bytes.into())
}

/// Whether this is a pipe that has no name in any folder.
#[cfg(target_os = "linux")]
fn is_anonymous_pipe(file: &OwnedFd) -> bool {
    /// The file system of anonymous pipes: `PIPEFS_MAGIC`.
    const PIPES: u64 = 0x5049_5045;
    rustix::fs::fstatfs(file).is_ok_and(|system| u64::try_from(system.f_type) == Ok(PIPES))
}

#[cfg(not(target_os = "linux"))]
fn is_anonymous_pipe(file: &OwnedFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|status| status.st_nlink == 0)
}

/// Opens a folder. What is no folder is refused without waiting.
fn open_folder(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    Ok(File::from(folder))
}

/// Writes `bytes` to `path`: readers see the old file or the whole new one, also after a crash.
///
/// `path` must have a parent folder that exists.
///
/// # Errors
/// [`FileError`]; the old file is as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = temporary_in(folder_of(path))?;
    file.write_all(bytes)?;
    persist(file, path)
}

/// Says of the regular file at `path` that it was needed now; whether it is there.
pub(crate) fn renew(path: &Path) -> bool {
    open_regular(path).is_ok_and(|(file, _)| {
        // Not allowed to who does not own the file. Its owner decides then when it is old.
        let _ = file.set_modified(SystemTime::now());
        true
    })
}

/// What the names of files begin with that are being written. One that is left over belongs to a process that died.
pub(crate) const WRITING: &str = ".writing-";

/// A file to be written and then given its name by [`persist`]. It is in the folder of that name or another of the
/// same file system, since a rename is atomic only within one.
pub(crate) fn temporary_in(folder: &Path) -> Result<NamedTempFile, FileError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(WRITING);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    Ok(builder.tempfile_in(folder)?)
}

/// Gives a file that was written its name, all of it on the disk.
pub(crate) fn persist(file: NamedTempFile, path: &Path) -> Result<(), FileError> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder_of(path)
}

/// Puts the names in the folder of `path` on the disk: without this a rename may be lost in a crash.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    Ok(open_folder(folder_of(path))?.sync_all()?)
}

/// Keeps the files of a folder for one writer, or for several that do not disturb each other, until it is dropped.
///
/// What is read under it is still so when it is replaced by [`write_atomic`]. The system ends it with the process: one
/// that died keeps nobody waiting.
#[derive(Debug)]
pub struct FolderLock {
    /// Closing it ends the lock.
    _folder: File,
}

impl FolderLock {
    /// How long others are waited for.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Waits for all others who keep the folder of `path`, and keeps it alone.
    ///
    /// # Errors
    /// [`FileError`]: there is no such folder, or others hold it for 10 seconds.
    pub fn beside(path: &Path) -> Result<FolderLock, FileError> {
        FolderLock::wait(folder_of(path), File::try_lock)
    }

    /// Waits for one who keeps the folder of `path` alone, and keeps it together with others.
    ///
    /// # Errors
    /// As [`beside`](Self::beside).
    pub(crate) fn shared_beside(path: &Path) -> Result<FolderLock, FileError> {
        FolderLock::wait(folder_of(path), File::try_lock_shared)
    }

    fn wait(
        folder: &Path,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> Result<FolderLock, FileError> {
        let folder = open_folder(folder)?;
        let start = Instant::now();
        loop {
            match lock(&folder) {
                Ok(()) => return Ok(FolderLock { _folder: folder }),
                Err(TryLockError::WouldBlock) if start.elapsed() < FolderLock::PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(FileError::System {
                        kind: io::ErrorKind::WouldBlock,
                        message: "another program keeps its folder locked".to_owned(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }
}

/// The folder that the file at `path` is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
