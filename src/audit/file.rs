//! The file of an audit log, with rotation by size.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::AuditOptions;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    is_regular: bool,
    size: u64,
    max_size: u64,
    keep: u32,
}

impl LogFile {
    pub(super) fn open(path: &Path, options: &AuditOptions) -> io::Result<Self> {
        let file = append(path)?;
        let metadata = file.metadata()?;
        if options.max_size.is_some() {
            let refused = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned());
            if options.max_size == Some(0) || options.keep == 0 {
                return Err(refused(
                    "a maximum size of 0, or 0 files to keep, would lose records",
                ));
            }
            if !metadata.is_file() {
                return Err(refused(
                    "it is not a regular file, so it cannot be replaced at its maximum size",
                ));
            }
            lock(&file)?;
        }
        let is_regular = metadata.is_file();
        if is_regular && !may_be_a_log(path)? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it exists and has no audit records, so appending would damage it; give another file",
            ));
        }
        let mut log = LogFile {
            path: path.to_owned(),
            file,
            is_regular,
            size: metadata.len(),
            max_size: options.max_size.unwrap_or(u64::MAX),
            keep: options.keep,
        };
        if is_regular && has_cut_line(path, &metadata) {
            log.file.write_all(b"\n")?;
            log.size += 1;
        }
        Ok(log)
    }

    /// Writes these lines. Lines that fit into the file are written in one call, so that lines of other processes do
    /// not come between them. Returns the number of written bytes. It is smaller than the input only if a pipe or
    /// terminal accepts no more.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.is_regular {
            self.write_regular(lines).map(|()| lines.len())
        } else {
            self.write_some(lines)
        }
    }

    fn write_some(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    fn write_regular(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let mut fits = whole_lines(lines, self.max_size.saturating_sub(self.size));
            if fits.is_empty() {
                if self.size > 0 {
                    self.replace()?;
                    continue;
                }
                // A single line can be larger than the maximum size of a file.
                fits = first_line(lines);
            }
            self.file.write_all(fits)?;
            self.size += fits.len() as u64;
            lines = lines.get(fits.len()..).unwrap_or_default();
        }
        Ok(())
    }

    /// Renames the file to `FILE.1` and begins a new one. Older files are renamed first, the oldest one at the
    /// beginning, so that each new name is free. If the process ends in between, no other file is lost.
    fn replace(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.numbered(1))?;
        let file = append(&self.path)?;
        lock(&file)?;
        self.size = file.metadata()?.len();
        self.file = file;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// The time to wait for the reader of a FIFO. A shell may start the reader and this process at the same time.
const READER: Duration = Duration::from_secs(2);

/// Opens a file for appending. On Unix, neither this call nor a write blocks without end, whatever kind of file it is.
/// A FIFO that nobody reads would block both.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let begun = Instant::now();
    loop {
        match options.open(path) {
            Err(error) if is_fifo_without_reader(path, &error) => {
                if begun.elapsed() >= READER {
                    return Err(io::Error::new(
                        error.kind(),
                        "it is a FIFO that nobody reads; start its reader first",
                    ));
                }
                thread::sleep(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}

#[cfg(unix)]
fn is_fifo_without_reader(path: &Path, error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
        && fs::metadata(path)
            .is_ok_and(|metadata| std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type()))
}

#[cfg(not(unix))]
fn is_fifo_without_reader(_: &Path, _: &io::Error) -> bool {
    false
}

/// Returns true if the last line is incomplete, because a process was killed while it wrote. New records must not be
/// appended to that line.
fn has_cut_line(path: &Path, metadata: &Metadata) -> bool {
    let last = || {
        let (mut file, _) = secure_runtime_loaders::files::open_named(path).ok()?;
        file.seek(SeekFrom::Start(metadata.len().checked_sub(1)?)).ok()?;
        let mut last = [0];
        file.read_exact(&mut last).ok()?;
        Some(last)
    };
    last().is_some_and(|last| last != *b"\n")
}

/// Returns true if the file is empty or begins with a record, complete or not. Any other file would be damaged.
fn may_be_a_log(path: &Path) -> io::Result<bool> {
    /// The beginning of a record: see [`secure_runtime_engine::AuditRecord`].
    const RECORD: &[u8] = b"{\"time\":";
    // A file that may only be written to cannot be checked.
    let Ok((mut file, _)) = secure_runtime_loaders::files::open_named(path) else {
        return Ok(true);
    };
    let mut begin = [0; RECORD.len()];
    let read = file.read(&mut begin)?;
    let begin = begin.get(..read).unwrap_or_default();
    let line = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(RECORD.starts_with(line))
}

/// Locks the file. If two processes rotated the same file, each would lose files that the other keeps.
fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process replaces it at its maximum size: use a separate file for each process",
        ),
        TryLockError::Error(error) => error,
    })
}

/// Returns the leading whole lines that fit into this number of bytes.
fn whole_lines(lines: &[u8], most: u64) -> &[u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(lines.len());
    let within = lines.get(..most).unwrap_or_default();
    let end = within
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    within.get(..end).unwrap_or_default()
}

fn first_line(lines: &[u8]) -> &[u8] {
    lines
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_never_split() {
        assert_eq!(whole_lines(b"aa\nbb\n", 6), b"aa\nbb\n");
        assert_eq!(whole_lines(b"aa\nbb\n", 5), b"aa\n");
        assert_eq!(whole_lines(b"aa\nbb\n", 2), b"");
        assert_eq!(first_line(b"aa\nbb\n"), b"aa\n");
    }

    /// CLI-34.
    #[test]
    fn records_are_appended_to_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (before, is_log) in [
            ("", true),
            ("{\"time\":\"2026\"}\n", true),
            ("{\"ti\n{\"time\":\"2026\"}\n", true),
            ("[package]\nname = \"x\"\n", false),
            ("{\"name\":\"x\"}", false),
            ("import './x.js';\n", false),
        ] {
            fs::write(&path, before).unwrap();
            let opened = LogFile::open(&path, &AuditOptions::default());
            assert_eq!(opened.is_ok(), is_log, "{before}");
            if !is_log {
                assert_eq!(fs::read_to_string(&path).unwrap(), before);
            }
        }
    }

    /// CLI-16. A blocked write could not be given up, and the run could not be stopped.
    #[cfg(unix)]
    #[test]
    fn a_pipe_that_nobody_reads_does_not_block_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let unread = LogFile::open(&path, &AuditOptions::default()).unwrap_err();
        assert!(unread.to_string().contains("FIFO that nobody reads"), "{unread}");
        // Opening a FIFO for both directions does not wait for another process.
        let mut reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut log = LogFile::open(&path, &AuditOptions::default()).unwrap();
        let flags = rustix::fs::fcntl_getfl(&log.file).unwrap();
        // Without the flag, the next line would never return.
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "{flags:?}");
        let lines = vec![b'\n'; 8 << 20];
        let written = log.write(&lines).unwrap();
        assert!(0 < written && written < lines.len(), "{written}");
        assert_eq!(log.write(&lines).unwrap(), 0);
        reader.read_exact(&mut vec![0; written]).unwrap();
        assert_eq!(log.write(&lines).unwrap(), written);
    }
}
