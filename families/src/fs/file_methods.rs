//! The methods of open files: each is decided again, as an action that the file was opened for.

use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use secure_runtime_capabilities::ActionName;
use secure_runtime_engine::extension::{
    Arguments, CountedBytes, Methods, OperationError, Output, Reservation, Value, clipped,
};

use super::attributes::times;
use super::open_file::{FileAtPath, TO_READ, TO_WRITE};
use super::{Call, Fs, blocking, files, size};

type OpenFile = Arc<FileAtPath>;

/// The first and the longest time between two attempts to lock a file.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Runs work with the file on a thread that may block.
async fn with<T: Send + 'static>(
    granted: &Call,
    file: &OpenFile,
    doing: &str,
    work: impl FnOnce(&File) -> io::Result<T> + Send + 'static,
) -> Result<T, OperationError> {
    let file = OpenFile::clone(file);
    blocking(granted, doing, move || file.with(work)).await
}

/// Reads at most so many bytes. There are none at the end of the file.
async fn read_some(
    granted: Call,
    file: Rc<OpenFile>,
    size: usize,
) -> Result<(Vec<u8>, Reservation), OperationError> {
    let length = files::piece(size as u64);
    let held = granted.reserve_result(length, "reading").await?;
    let bytes = with(&granted, &file, "reading", move |file| {
        files::read_some(file, length)
    });
    let bytes = bytes.await?;
    granted.count(CountedBytes::Read, bytes.len())?;
    Ok((bytes, held))
}

/// Writes all bytes. Returns their number.
async fn write_all(
    granted: Call,
    file: Rc<OpenFile>,
    mut arguments: Arguments,
) -> Result<Output, OperationError> {
    let data = arguments.take_bytes(0)?;
    let write = move |file: &File| files::write_all(file, &data);
    let written = with(&granted, &file, "writing", write).await?;
    Ok(Value::Number(written as f64).into())
}

/// Moves the position of a file that may be read, relative to the start (0), the position (1) or the end (2).
async fn seek(granted: Call, file: Rc<OpenFile>, arguments: Arguments) -> Result<Output, OperationError> {
    // The numbers are integers: see fs.js.
    let (offset, whence) = (arguments.number(0)?, arguments.number(1)?);
    let to = match whence as i64 {
        0 => SeekFrom::Start(size(offset, "the position")?),
        1 => SeekFrom::Current(offset as i64),
        _ => SeekFrom::End(offset as i64),
    };
    seek_to(&granted, &file, to).await
}

/// Moves the position of a file that may only be written. The end, and the position after data was appended, would
/// reveal the size of the file.
async fn seek_from_start(
    granted: Call,
    file: Rc<OpenFile>,
    arguments: Arguments,
) -> Result<Output, OperationError> {
    if arguments.number(1)? != 0.0 {
        return Err(OperationError::type_error(
            "seek: a file that was not opened for reading seeks only from the start, because other positions reveal its size; open it with read, too",
        ));
    }
    let to = SeekFrom::Start(size(arguments.number(0)?, "the position")?);
    seek_to(&granted, &file, to).await
}

async fn seek_to(granted: &Call, file: &OpenFile, to: SeekFrom) -> Result<Output, OperationError> {
    let position = with(granted, file, "seeking in", move |mut file| file.seek(to)).await?;
    Ok(Value::Number(position as f64).into())
}

async fn stat(granted: Call, file: Rc<OpenFile>, _: Arguments) -> Result<Output, OperationError> {
    let info = with(&granted, &file, "looking at", files::stat_of).await?;
    Ok(super::information(info))
}

async fn truncate(granted: Call, file: Rc<OpenFile>, arguments: Arguments) -> Result<(), OperationError> {
    let size = size(arguments.number(0)?, "the size")?;
    with(&granted, &file, "truncating", move |file| file.set_len(size)).await
}

/// Waits until the content is on the disk, with the flag `all` also the times and the mode.
async fn sync(granted: Call, file: Rc<OpenFile>, arguments: Arguments) -> Result<(), OperationError> {
    let all = arguments.has_flag(0, "all");
    let sync = move |file: &File| if all { file.sync_all() } else { file.sync_data() };
    with(&granted, &file, "syncing", sync).await
}

async fn set_times(granted: Call, file: Rc<OpenFile>, arguments: Arguments) -> Result<(), OperationError> {
    let (accessed, modified) = times(&arguments, 0)?;
    let set = move |file: &File| files::set_times(file, accessed, modified);
    with(&granted, &file, "changing the times of", set).await
}

/// Locks the file. With the flag `wait`, this waits as long as another handle has a lock that excludes this one.
/// Returns true if the file is locked.
///
/// No thread waits for the lock, and the lock that prevents renames is held only during an attempt. Otherwise, a module
/// that keeps a file locked could block the program's other operations.
async fn lock(
    granted: Call,
    file: Rc<OpenFile>,
    arguments: Arguments,
    attempt: fn(&File) -> Result<(), TryLockError>,
) -> Result<Output, OperationError> {
    let waits = arguments.has_flag(0, "wait");
    // A closed file is not kept open by a call that waits.
    let waiting: Weak<OpenFile> = Rc::downgrade(&file);
    drop(file);
    let mut wait = FIRST_WAIT;
    loop {
        let Some(file) = waiting.upgrade() else {
            let message = format!("locking {:?}: the file was closed", clipped(granted.shown()));
            return Err(OperationError::system("Error", "EBADF", message));
        };
        let locked = with(&granted, &file, "locking", move |file| match attempt(file) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        });
        if locked.await? {
            return Ok(Value::Bool(true).into());
        }
        if !waits {
            return Ok(Value::Bool(false).into());
        }
        drop(file);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
        // The capability may have expired, or may have been revoked. Only a refusal is recorded again.
        if !granted.allows(granted.operation()) {
            granted.check_again()?;
        }
    }
}

async fn unlock(granted: Call, file: Rc<OpenFile>, _: Arguments) -> Result<(), OperationError> {
    with(&granted, &file, "unlocking", File::unlock).await
}

pub(super) fn declare(methods: &mut Methods<Fs>) {
    let mut file = methods.resource::<OpenFile>();
    file.on(ActionName::READ)
        .titled(TO_READ)
        .filling("fileRead", read_some);
    file.on(ActionName::READ)
        .titled(TO_READ)
        .asynchronous("fileSeek", seek);
    file.on(ActionName::READ)
        .titled(TO_READ)
        .asynchronous("fileStat", stat);
    file.on(ActionName::READ)
        .titled(TO_READ)
        .asynchronous("fileLockShared", |granted, file, arguments| {
            lock(granted, file, arguments, File::try_lock_shared)
        });
    file.on(ActionName::READ)
        .titled(TO_READ)
        .asynchronous("fileUnlockShared", unlock);
    file.on(ActionName::WRITE)
        .titled(TO_WRITE)
        .asynchronous("fileWrite", write_all);
    file.on(ActionName::WRITE)
        .titled(TO_WRITE)
        .asynchronous("fileSeekFromStart", seek_from_start);
    file.on(ActionName::WRITE)
        .titled(TO_WRITE)
        .asynchronous("fileTruncate", truncate);
    file.on(ActionName::WRITE)
        .titled(TO_WRITE)
        .asynchronous("fileSync", sync);
    file.on(ActionName::WRITE)
        .titled(TO_WRITE)
        .asynchronous("fileTimes", set_times);
    // An exclusive lock keeps everyone from the file who locks it, so it needs the right to change the file.
    file.on(ActionName::WRITE)
        .titled(TO_WRITE)
        .asynchronous("fileLock", |granted, file, arguments| {
            lock(granted, file, arguments, File::try_lock)
        });
    file.on(ActionName::WRITE)
        .titled(TO_WRITE)
        .asynchronous("fileUnlock", unlock);
    file.close("fileClose");
}
