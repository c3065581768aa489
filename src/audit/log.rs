//! The audit log: records in a file. Each record is written before its operation is executed.
//!
//! The deciding thread makes the system call itself. When it returns, the kernel has the record, and the end of the
//! process cannot lose it. A queue with a separate thread would be faster for the operation, but would lose queued
//! records if the process aborts. Waiting for such a thread costs several times as much as the call (benches/audit.rs).
//!
//! **Invariant.** A log that has failed accepts no more records, so no more operations are allowed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use secure_runtime_engine::{AuditRecord, Verdict};

use super::file::LogFile;
use crate::runtime::Stop;

/// Maximum time to wait for a file that accepts no data.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time between attempts to write to a file that accepts no data.
const AGAIN: Duration = Duration::from_millis(2);

/// The options of an [`AuditLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// If true, only denials are recorded.
    pub denials_only: bool,
    /// Maximum size of the file in bytes. A larger file is renamed to `FILE.1`, and a new one begins. `None` means no
    /// maximum.
    pub max_size: Option<u64>,
    /// Number of older files that are kept, up to `FILE.N`. At least one.
    pub keep: u32,
}

impl Default for AuditOptions {
    fn default() -> Self {
        AuditOptions {
            denials_only: false,
            max_size: None,
            keep: 5,
        }
    }
}

/// A file of audit records, one line of JSON each. Clones share the same log. Several runtimes may use one log, and
/// their lines never mix.
///
/// ```no_run
/// # fn embed(builder: secure_runtime::Builder) -> Result<(), Box<dyn std::error::Error>> {
/// use secure_runtime::{AuditLog, AuditOptions};
///
/// let log = AuditLog::open("audit.jsonl", AuditOptions::default())?;
/// let records = log.clone();
/// let runtime = builder.audit(move |record| records.record(record)).build()?;
/// log.stop_on_failure(runtime.stop_handle());
/// // … runs …
/// log.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuditLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    options: AuditOptions,
    state: Mutex<State>,
    /// Notifies threads whose records wait for a pipe: some data was written, or the log failed or is finished.
    progress: Condvar,
}

#[derive(Debug)]
struct State {
    file: LogFile,
    /// Lines that the pipe has not accepted yet, one for each waiting thread.
    waiting: Vec<u8>,
    /// Number of bytes that were submitted so far, and number of bytes that were written.
    taken: u64,
    written: u64,
    is_finished: bool,
    failure: Option<Failure>,
    stops: Vec<Stop>,
}

#[derive(Clone, Debug)]
struct Failure {
    kind: io::ErrorKind,
    reason: String,
}

impl From<&Failure> for io::Error {
    fn from(failure: &Failure) -> Self {
        io::Error::new(failure.kind, failure.reason.clone())
    }
}

impl AuditLog {
    /// Opens the log and appends to existing content.
    ///
    /// # Errors
    /// The file cannot be opened for writing. Or it cannot be rotated as the options demand, because it is not a
    /// regular file, or because another process rotates it.
    pub fn open(path: impl AsRef<Path>, options: AuditOptions) -> io::Result<AuditLog> {
        let path = std::path::absolute(path)?;
        let file = LogFile::open(&path, &options)?;
        Ok(AuditLog(Arc::new(Shared {
            path,
            options,
            state: Mutex::new(State {
                file,
                waiting: Vec::new(),
                taken: 0,
                written: 0,
                is_finished: false,
                failure: None,
                stops: Vec::new(),
            }),
            progress: Condvar::new(),
        })))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Writes one record. Pass this method to [`crate::Builder::audit`]. When it returns, the operating system has the
    /// record.
    ///
    /// # Errors
    /// The log has failed or is finished. The operation must not be executed.
    pub fn record(&self, record: &AuditRecord) -> io::Result<()> {
        let is_wanted = !self.0.options.denials_only || record.verdict == Verdict::Denied;
        let line = is_wanted.then(|| format!("{}\n", record.to_json_line()));
        self.0.take(line.unwrap_or_default().as_bytes())
    }

    /// Stops the runs of this runtime when the log fails. Otherwise a program that catches denials could continue.
    pub fn stop_on_failure(&self, stop: Stop) {
        let mut state = self.0.state();
        if state.failure.is_none() {
            return state.stops.push(stop);
        }
        drop(state);
        stop.stop();
    }

    /// Closes the log. Records that still wait for a pipe are refused, together with their operations.
    ///
    /// # Errors
    /// The first failure of this log, now or earlier.
    pub fn finish(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // A thread may be blocked in a write that does not return.
        let Some(mut state) = patiently(&self.0.state, deadline) else {
            return Err(too_late());
        };
        state.is_finished = true;
        let checked = state.check();
        drop(state);
        self.0.progress.notify_all();
        checked
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, line: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        if state.is_finished {
            return Err(io::Error::other("the audit log is finished"));
        }
        if line.is_empty() {
            return Ok(());
        }
        state.taken += line.len() as u64;
        let taken = state.taken;
        state.waiting.extend_from_slice(line);
        let (mut since, mut written) = (Instant::now(), state.written);
        loop {
            if let Err(error) = state.write() {
                return Err(self.fail(state, error));
            }
            if state.written > written {
                (since, written) = (Instant::now(), state.written);
            }
            if state.written >= taken {
                drop(state);
                self.progress.notify_all();
                return Ok(());
            }
            if since.elapsed() >= PATIENCE {
                return Err(self.fail(state, too_late()));
            }
            let waited = self.progress.wait_timeout(state, AGAIN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.check()?;
            if state.is_finished && state.written < taken {
                return Err(io::Error::other(
                    "the audit log was finished before the record was written",
                ));
            }
        }
    }

    /// Marks the log as failed and stops the runs. Operations that must be recorded are refused from now on.
    fn fail(&self, mut state: MutexGuard<'_, State>, error: io::Error) -> io::Error {
        let failure = Failure {
            kind: error.kind(),
            reason: error.to_string(),
        };
        state.failure.get_or_insert(failure);
        let stops = std::mem::take(&mut state.stops);
        drop(state);
        self.progress.notify_all();
        stops.iter().for_each(Stop::stop);
        error
    }
}

impl State {
    fn check(&self) -> io::Result<()> {
        match &self.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// Writes the waiting lines, as far as the file accepts them.
    fn write(&mut self) -> io::Result<()> {
        let written = self.file.write(&self.waiting)?;
        self.waiting.drain(..written);
        self.written += written as u64;
        Ok(())
    }
}

fn too_late() -> io::Error {
    let reason = format!("no record was written for {} seconds", PATIENCE.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

fn patiently<T>(mutex: &Mutex<T>, deadline: Instant) -> Option<MutexGuard<'_, T>> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(guard)) => return Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use secure_runtime_capabilities::{Operation, Resolution};
    use secure_runtime_loaders::ContentHash;

    use super::*;

    fn record(number: usize, verdict: Verdict) -> AuditRecord {
        let operation = Operation::clock_read(Resolution::Second);
        let hash = ContentHash::of(b"");
        let mut record = AuditRecord::new(
            "blake3:00".to_owned(),
            "app:/main.js".to_owned(),
            &hash,
            &operation,
        );
        record.resource = format!("/{number}");
        record.verdict = verdict;
        record
    }

    /// Lines of programs that share a log do not mix, and the lines of each program keep their order.
    #[test]
    fn threads_share_one_log() {
        const EACH: usize = 2_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
        thread::scope(|scope| {
            for writer in 0..4 {
                let log = log.clone();
                scope.spawn(move || {
                    for number in 0..EACH {
                        log.record(&record(writer * EACH + number, Verdict::Allowed))
                            .unwrap();
                    }
                });
            }
        });
        log.finish().unwrap();
        let mut next = [0, EACH, 2 * EACH, 3 * EACH];
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let number: usize = line["resource"]
                .as_str()
                .unwrap()
                .trim_start_matches('/')
                .parse()
                .unwrap();
            assert_eq!(next[number / EACH], number);
            next[number / EACH] += 1;
        }
        assert_eq!(next, [EACH, 2 * EACH, 3 * EACH, 4 * EACH]);
        assert!(
            log.record(&record(0, Verdict::Allowed)).is_err(),
            "it is finished"
        );
    }

    #[test]
    fn a_failed_log_refuses_records() {
        let full = io::ErrorKind::StorageFull;
        let log = AuditLog::open("/dev/full", AuditOptions::default()).unwrap();
        for verdict in [Verdict::Allowed, Verdict::Denied] {
            assert_eq!(log.record(&record(1, verdict)).unwrap_err().kind(), full);
        }
        assert_eq!(log.finish().unwrap_err().kind(), full);
        let options = AuditOptions {
            denials_only: true,
            ..AuditOptions::default()
        };
        let log = AuditLog::open("/dev/full", options).unwrap();
        log.record(&record(0, Verdict::Allowed)).unwrap();
        assert!(log.record(&record(0, Verdict::Denied)).is_err());
        assert!(
            log.record(&record(0, Verdict::Allowed)).is_err(),
            "nothing goes on"
        );
    }

    /// CLI-34: a record is in the file as soon as `record` returns.
    #[test]
    fn a_record_is_in_the_file_when_record_returns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
        for number in 1..1_000 {
            log.record(&record(number, Verdict::Denied)).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == number);
        }
    }

    /// Several threads wait for one pipe, and each line stays whole.
    #[test]
    fn records_wait_for_a_pipe_that_is_read_slowly() {
        const EACH: usize = 300;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let reader = thread::spawn({
            let path = path.clone();
            move || {
                let mut reader = std::fs::File::open(path).unwrap();
                let (mut text, mut piece) = (Vec::new(), [0; 5_000]);
                while let Ok(read @ 1..) = io::Read::read(&mut reader, &mut piece) {
                    text.extend_from_slice(&piece[..read]);
                    thread::sleep(Duration::from_millis(1));
                }
                String::from_utf8(text).unwrap()
            }
        });
        let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
        thread::scope(|scope| {
            for writer in 0..4 {
                let log = log.clone();
                scope.spawn(move || {
                    for number in 0..EACH {
                        let mut record = record(writer * EACH + number, Verdict::Allowed);
                        // Longer than a pipe accepts atomically.
                        record.module = "x".repeat(number * 20);
                        log.record(&record).unwrap();
                    }
                });
            }
        });
        log.finish().unwrap();
        drop(log);
        let mut numbers: Vec<usize> = (reader.join().unwrap().lines())
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let resource = line["resource"].as_str().unwrap();
                resource.trim_start_matches('/').parse().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..4 * EACH).collect::<Vec<usize>>());
    }

    /// A process may have been killed while it wrote a line.
    #[test]
    fn appending_never_extends_an_incomplete_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for (before, lines) in [("", 1), ("{\"time\":1}\n", 2), ("{\"time\":1}\n{\"time\":", 3)] {
            std::fs::write(&path, before).unwrap();
            let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
            log.record(&record(0, Verdict::Denied)).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), lines, "{text}");
            serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).unwrap();
        }
    }

    #[test]
    fn a_rotated_file_must_be_regular_and_belong_to_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let options = |max_size, keep| AuditOptions {
            max_size,
            keep,
            ..AuditOptions::default()
        };
        let _first = AuditLog::open(&path, options(Some(1_000), 1)).unwrap();
        let second = AuditLog::open(&path, options(Some(1_000), 1)).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        AuditLog::open(&path, options(None, 1)).unwrap();
        for (path, options) in [
            (Path::new("/dev/null"), options(Some(1_000), 1)),
            (&folder.path().join("other"), options(Some(0), 1)),
            (&folder.path().join("other"), options(Some(1_000), 0)),
        ] {
            assert_eq!(
                AuditLog::open(path, options).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
    }
}
