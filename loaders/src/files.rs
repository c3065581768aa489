//! Safe reading of files that may be hostile, and atomic writing.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags};
use secure_runtime_text::Cause;
use tempfile::NamedTempFile;

/// An error of reading or writing a file. The containing error adds the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file does not exist.
    #[error("there is no such file")]
    NotFound,
    /// The path is not a regular file. Symbolic links are not followed.
    #[error("it is a {kind}, not a regular file")]
    NotRegular {
        /// The type that was found.
        kind: &'static str,
    },
    /// The file is larger than the limit.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The operating system returned an error.
    #[error("{cause}")]
    System {
        /// The kind of the error.
        kind: io::ErrorKind,
        /// The [`io::Error`].
        #[source]
        cause: Cause,
    },
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            kind => Self::System {
                kind,
                cause: error.into(),
            },
        }
    }
}

/// Opens the regular file at `path` for reading and returns it with its size in bytes.
///
/// A final symbolic link is not followed, and the call does not block (opening a FIFO normally would). The file type is
/// read from the returned handle and not from the path, so it cannot change in between.
///
/// # Errors
/// Returns [`FileError`] if the file does not exist or is not a regular file.
pub fn open_regular(path: &Path) -> Result<(File, u64), FileError> {
    match open(path, OFlags::NOFOLLOW)? {
        Opened::Regular(file, size) => Ok((file, size)),
        Opened::Other(_, kind) => Err(FileError::NotRegular { kind }),
    }
}

/// Opens the regular file at `path`, which the user named. Unlike [`open_regular`] it follows symbolic links, because
/// they are the user's own.
///
/// # Errors
/// Fails like [`open_regular`].
pub fn open_named(path: &Path) -> Result<(File, u64), FileError> {
    match open(path, OFlags::empty())? {
        Opened::Regular(file, size) => Ok((file, size)),
        Opened::Other(_, kind) => Err(FileError::NotRegular { kind }),
    }
}

enum Opened {
    Regular(File, u64),
    /// Another kind of file, and the name of its type.
    Other(OwnedFd, &'static str),
}

/// Opens a path without blocking.
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

/// Reads the regular file at `path`, opened like in [`open_regular`]. The file that was checked is the file that is
/// read.
///
/// # Errors
/// Returns [`FileError`] if the file does not exist, is not a regular file, or is larger than `limit` bytes.
pub fn read_regular(path: &Path, limit: u64) -> Result<Bytes, FileError> {
    let (file, size) = open_regular(path)?;
    read_sized(file, size, limit)
}

/// Reads the regular file at `path`, opened like in [`open_named`].
///
/// # Errors
/// Fails like [`read_regular`].
pub fn read_named(path: &Path, limit: u64) -> Result<Bytes, FileError> {
    let (file, size) = open_named(path)?;
    read_sized(file, size, limit)
}

/// Reads the file at `path` like [`read_named`], or an anonymous pipe.
///
/// A shell passes an anonymous pipe for `<(command)`, as `/dev/fd/63`. Reading the pipe blocks, because its writer is
/// the user's own command. A FIFO in a folder is rejected: anyone can have created it, and perhaps nobody writes to it.
///
/// # Errors
/// Fails like [`read_regular`].
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

/// Reads all bytes of `source`, at most `limit`.
///
/// # Errors
/// Returns [`FileError::TooLarge`] if there are more than `limit` bytes, and stops reading. Returns the error of the
/// source if reading fails.
pub fn read_bounded(source: impl Read, limit: u64) -> Result<Bytes, FileError> {
    read_sized(source, 0, limit)
}

/// Reads a source that reports a size of `size` bytes.
fn read_sized(source: impl Read, size: u64, limit: u64) -> Result<Bytes, FileError> {
    if size > limit {
        return Err(FileError::TooLarge { limit });
    }
    // The file may grow while it is read. Reading one byte more than the limit is enough to detect this.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    let read = source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Err(FileError::TooLarge { limit });
    }
    Ok(bytes.into())
}

/// Returns true if the file is a pipe without a name in any folder.
#[cfg(target_os = "linux")]
fn is_anonymous_pipe(file: &OwnedFd) -> bool {
    /// The type of the file system of anonymous pipes: `PIPEFS_MAGIC`.
    const PIPES: u64 = 0x5049_5045;
    rustix::fs::fstatfs(file).is_ok_and(|system| u64::try_from(system.f_type) == Ok(PIPES))
}

#[cfg(not(target_os = "linux"))]
fn is_anonymous_pipe(file: &OwnedFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|status| status.st_nlink == 0)
}

/// Opens a folder. Other files are rejected without blocking.
fn open_folder(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    Ok(File::from(folder))
}

/// Writes `bytes` to `path` atomically: readers see the old file or the complete new one, even after a crash.
///
/// `path` must have a parent folder that exists.
///
/// # Errors
/// Returns [`FileError`]. The old file is then unchanged.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = temporary_in(folder_of(path))?;
    file.write_all(bytes)?;
    persist(file, path)
}

/// Sets the modification time of the regular file at `path` to now. Returns true if the file exists.
pub(crate) fn renew(path: &Path) -> bool {
    open_regular(path).is_ok_and(|(file, _)| {
        // The system refuses this if the process does not own the file. The owner then decides when the file is old.
        let _ = file.set_modified(SystemTime::now());
        true
    })
}

/// The name prefix of files that are being written. A file with this prefix that is left over belongs to a process that
/// died.
pub(crate) const WRITING: &str = ".writing-";

/// Creates a temporary file that [`persist`] later renames. A rename is atomic only within a file system, so `folder`
/// must be on the file system of the final name.
pub(crate) fn temporary_in(folder: &Path) -> Result<NamedTempFile, FileError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(WRITING);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    Ok(builder.tempfile_in(folder)?)
}

/// Syncs a temporary file to disk and renames it to `path`.
pub(crate) fn persist(file: NamedTempFile, path: &Path) -> Result<(), FileError> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder_of(path)
}

/// Syncs the folder of `path` to disk. Without this, a crash may undo a rename.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    Ok(open_folder(folder_of(path))?.sync_all()?)
}

/// A lock on a folder, exclusive or shared, which lasts until it is dropped.
///
/// A holder can read a file and replace it with [`write_atomic`] without losing another holder's change. The system
/// releases the lock when the process ends, so a dead process blocks nobody.
#[derive(Debug)]
pub struct FolderLock {
    /// Closing the folder releases the lock.
    _folder: File,
}

impl FolderLock {
    /// The time to wait for other holders.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Waits for all other holders and locks the folder of `path` exclusively.
    ///
    /// # Errors
    /// Returns [`FileError`] if the folder does not exist, or if others hold the lock for 10 seconds.
    pub fn beside(path: &Path) -> Result<FolderLock, FileError> {
        FolderLock::wait(folder_of(path), File::try_lock)
    }

    /// Waits for an exclusive holder and locks the folder of `path` together with other shared holders.
    ///
    /// # Errors
    /// Fails like [`beside`](Self::beside).
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
                    let reason = "another program keeps its folder locked";
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, reason).into());
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }
}

/// Returns the folder that contains the file at `path`.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_reports_no_size_is_bounded_too() {
        let refused = read_bounded(&b"12345"[..], 4);
        assert!(
            matches!(refused, Err(FileError::TooLarge { limit: 4 })),
            "{refused:?}"
        );
        assert_eq!(read_bounded(&b"1234"[..], 4).unwrap(), "1234");
    }

    #[test]
    fn a_file_is_not_locked_like_a_folder() {
        let file = NamedTempFile::new().unwrap();
        let locked = FolderLock::beside(&file.path().join("lock")).map(drop);
        assert_eq!(locked, Err(FileError::NotFound));
    }
}
