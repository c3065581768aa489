//! The audit log: records in a file, each written before the operation that it tells of goes ahead.
//!
//! The thread that decides makes the system call itself: when it returns, the kernel has the record, and no end of the process takes it
//! back. A queue and a thread of its own would cost the operation less, and would lose what is queued when the process aborts. To wait
//! for such a thread costs several times what the call does (benches/audit.rs).
//!
//! **Invariant.** A log that has failed records nothing any more, and so lets nothing happen any more.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::file::LogFile;
use super::{AuditRecord, Verdict};
use crate::runtime::Stop;

/// How long is waited for a file that takes no more.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a file that takes no more is tried again.
const AGAIN: Duration = Duration::from_millis(2);

/// How an [`AuditLog`] is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// Only denials are recorded.
    pub denials_only: bool,
    /// A file that would grow beyond this many bytes is kept as `FILE.1`, and a new one begun. None: it grows.
    pub max_size: Option<u64>,
    /// How many files are kept besides, up to `FILE.N`. At least one.
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

/// A file of audit records, one line of JSON each. Clones are the same log; runtimes may share one, and lines never mix.
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
    /// Told to those whose records wait for a pipe: something was written, or nothing will be any more.
    progress: Condvar,
}

#[derive(Debug)]
struct State {
    file: LogFile,
    /// Lines that a pipe has not taken yet: one of each thread that waits for that.
    waiting: Vec<u8>,
    /// Bytes that ever came in, and those of them that were written.
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
    /// Opens the log, to append to what is there.
    ///
    /// # Errors
    /// The file cannot be opened for writing, or cannot be replaced by a new one as the options ask: it is none, or another
    /// process does so already.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Takes one record: what [`crate::Builder::audit`] is to call. When this returns, the operating system has the record.
    ///
    /// # Errors
    /// The log has failed, or is finished: the operation must not go ahead.
    pub fn record(&self, record: &AuditRecord) -> io::Result<()> {
        let is_wanted = !self.0.options.denials_only || record.verdict == Verdict::Denied;
        let line = is_wanted.then(|| format!("{}\n", record.to_json_line()));
        self.0.take(line.unwrap_or_default().as_bytes())
    }

    /// Stops the runs of this runtime when the log fails: a program that catches denials must not go on either.
    pub fn stop_on_failure(&self, stop: Stop) {
        let mut state = self.0.state();
        if state.failure.is_none() {
            return state.stops.push(stop);
        }
        drop(state);
        stop.stop();
    }

    /// Takes nothing from now on. Records that still wait for a pipe are refused, and so are their operations.
    ///
    /// # Errors
    /// The first failure of this log, now or earlier.
    pub fn finish(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // A thread may be within a write that does not return.
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
                    "the audit log was finished before its file took the record",
                ));
            }
        }
    }

    /// The log is of no use any more: nothing that would have to be recorded goes on.
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

    /// Writes what waits, as far as the file takes it.
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
    use super::*;

    fn record(number: usize, verdict: Verdict) -> AuditRecord {
        AuditRecord {
            time: AuditRecord::now(),
            program: "blake3:00".to_owned(),
            module: "app:/main.js".to_owned(),
            hash: "blake3:00".to_owned(),
            family: "fs".to_owned(),
            action: "read".to_owned(),
            resource: format!("/{number}"),
            verdict,
            block: None,
            reason: None,
            sealed: None,
        }
    }

    /// Lines of programs that share a log do not mix, and each program's are in their order.
    #[test]
    fn many_write_to_one_log() {
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
    fn a_log_that_has_failed_takes_nothing() {
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

    /// CLI-34: nobody has to be given time to write it.
    #[test]
    fn what_was_recorded_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
        for number in 1..1_000 {
            log.record(&record(number, Verdict::Denied)).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == number);
        }
    }

    /// Many wait for one pipe, and each line is whole.
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
                        // Longer than what a pipe takes as a whole.
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

    /// A process may have been killed while it wrote.
    #[test]
    fn what_is_appended_is_no_part_of_a_cut_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for (before, lines) in [("", 1), ("{}\n", 2), ("{}\n{\"time\":", 3)] {
            std::fs::write(&path, before).unwrap();
            let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
            log.record(&record(0, Verdict::Denied)).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), lines, "{text}");
            serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_replaced_is_one_process_s_and_a_regular_one() {
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
