//! Reading files that may be hostile, and writing files that are whole or absent.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags};

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

/// All bytes of the regular file at `path`.
///
/// The file is opened once, without following a final symbolic link and without waiting (a FIFO
/// would block), is looked at through that handle, and is read from it: what was checked is what
/// is returned.
///
/// # Errors
/// [`FileError`]: it is not there, not a regular file, or larger than `limit` bytes.
pub fn read_regular(path: &Path, limit: u64) -> Result<Bytes, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => FileError::NotRegular {
            kind: "symbolic link",
        },
        rustix::io::Errno::NXIO => FileError::NotRegular { kind: "socket" },
        error => io::Error::from(error).into(),
    })?;
    let status = rustix::fs::fstat(&descriptor).map_err(io::Error::from)?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(FileError::NotRegular { kind: "folder" }),
        FileType::Fifo => return Err(FileError::NotRegular { kind: "FIFO" }),
        FileType::CharacterDevice | FileType::BlockDevice => {
            return Err(FileError::NotRegular { kind: "device" });
        }
        _ => return Err(FileError::NotRegular { kind: "special file" }),
    }
    let size = u64::try_from(status.st_size).unwrap_or(u64::MAX);
    if size > limit {
        return Err(FileError::TooLarge { limit });
    }
    // The file may grow while it is read: one byte more than the limit is enough to notice.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    let read = File::from(descriptor)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Err(FileError::TooLarge { limit });
    }
    Ok(bytes.into())
}

/// Writes `bytes` to `path`: readers see the old file or the whole new one, also after a crash.
///
/// `path` must have a parent folder that exists.
///
/// # Errors
/// [`FileError`]; the old file is as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = folder_of(path);
    // In the same folder, since a rename is atomic only within a file system.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // Without this the rename itself may be lost in a crash.
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Keeps the files of a folder for one writer, among those who ask, until it is dropped.
///
/// What is read under it is still so when it is replaced by [`write_atomic`].
#[derive(Debug)]
pub struct FolderLock {
    /// Closing it ends the lock.
    _folder: File,
}

impl FolderLock {
    /// How long another writer is waited for.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Waits for other writers of files in the folder of `path`.
    ///
    /// # Errors
    /// [`FileError`]: there is no such folder, or others hold it for 10 seconds.
    pub fn beside(path: &Path) -> Result<FolderLock, FileError> {
        let folder = File::open(folder_of(path))?;
        let start = Instant::now();
        loop {
            match folder.try_lock() {
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
