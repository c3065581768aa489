//! The audit log: records in a file, written by a thread of their own.
//!
//! A guest does not wait for a disk: its record goes into a queue, and the thread writes what has come together. Where the
//! queue is full the guest waits after all, for a while, and then the log has failed. **Invariant.** A log that has failed
//! records nothing any more, and so lets nothing happen any more; what it was given before is written or it has failed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::file::LogFile;
use super::{AuditRecord, Verdict};
use crate::runtime::Stop;

/// Most bytes of records that wait to be written.
const QUEUE: u64 = 1 << 20;

/// How long is waited for a file that takes no more.
const PATIENCE: Duration = Duration::from_secs(5);

/// How an [`AuditLog`] is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// Only denials are recorded.
    pub denials_only: bool,
    /// An operation waits until the operating system has its record. Otherwise, of a process that is killed or of a file
    /// that fails, up to 1 MiB of records of operations that went ahead may be missing.
    pub wait: bool,
    /// A file that would grow beyond this many bytes is kept as `FILE.1`, and a new one begun. None: it grows.
    pub max_size: Option<u64>,
    /// How many files are kept besides, up to `FILE.N`. At least one.
    pub keep: u32,
}

impl Default for AuditOptions {
    fn default() -> Self {
        AuditOptions {
            denials_only: false,
            wait: false,
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
pub struct AuditLog(Arc<Handle>);

/// What its clones share; the thread that writes does not have it. The last one to go waits for the thread.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    options: AuditOptions,
    queue: Mutex<Queue>,
    /// Told to the writer: there is something to do.
    work: Condvar,
    /// Told to everybody else: something was written, or nothing will be any more.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    /// Bytes that ever came in, and those of them that were written.
    queued: u64,
    written: u64,
    is_closed: bool,
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

/// The logs of this process, for its end.
static LOGS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl AuditLog {
    /// Opens the log, to append to what is there.
    ///
    /// # Errors
    /// The file cannot be opened for writing, or cannot be replaced by a new one as the options ask: it is none, or another
    /// process does so already.
    pub fn open(path: impl AsRef<Path>, options: AuditOptions) -> io::Result<AuditLog> {
        let path = std::path::absolute(path)?;
        let file = LogFile::open(&path, &options)?;
        let shared = Arc::new(Shared {
            path,
            options,
            queue: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let writing = shared.clone();
        let writer = thread::Builder::new()
            .name("secure-runtime-audit".to_owned())
            .spawn(move || writing.write(file))?;
        let mut logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|log| log.strong_count() > 0);
        logs.push(Arc::downgrade(&shared));
        Ok(AuditLog(Arc::new(Handle {
            shared,
            writer: Mutex::new(Some(writer)),
        })))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.shared.path
    }

    /// Takes one record: what [`crate::Builder::audit`] is to call.
    ///
    /// # Errors
    /// The log has failed, or is finished: the operation must not go ahead.
    pub fn record(&self, record: &AuditRecord) -> io::Result<()> {
        let shared = &*self.0.shared;
        let is_wanted = !shared.options.denials_only || record.verdict == Verdict::Denied;
        let line = is_wanted.then(|| format!("{}\n", record.to_json_line()));
        shared.take(line.unwrap_or_default().as_bytes())
    }

    /// Stops the runs of this runtime when the log fails: a program that catches denials must not go on either.
    pub fn stop_on_failure(&self, stop: Stop) {
        let mut queue = self.0.shared.queue();
        if queue.failure.is_none() {
            return queue.stops.push(stop);
        }
        drop(queue);
        stop.stop();
    }

    /// Waits until everything is written. Nothing is taken from now on.
    ///
    /// # Errors
    /// The first failure of this log, now or earlier.
    pub fn finish(&self) -> io::Result<()> {
        self.0.shared.finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let is_written = self.shared.finish().is_ok();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        // One that has failed may wait for its file for ever.
        if let (true, Some(writer)) = (is_written, writer.take()) {
            // A panic there was told on its own.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, line: &[u8]) -> io::Result<()> {
        let size = line.len() as u64;
        // A line that is longer than the queue gets it for itself.
        let fits = |queue: &Queue| {
            let waiting = queue.queued - queue.written;
            waiting == 0 || waiting + size <= QUEUE
        };
        let mut queue = self.wait_until(self.queue(), fits)?;
        if queue.is_closed {
            return Err(io::Error::other("the audit log is finished"));
        }
        if line.is_empty() {
            return Ok(());
        }
        if queue.lines.is_empty() {
            self.work.notify_one();
        }
        queue.lines.extend_from_slice(line);
        queue.queued += size;
        if !self.options.wait {
            return Ok(());
        }
        let queued = queue.queued;
        self.wait_until(queue, |queue| queue.written >= queued).map(drop)
    }

    /// Waits until this holds, as long as something is written every now and then.
    fn wait_until<'a>(
        &self,
        mut queue: MutexGuard<'a, Queue>,
        holds: impl Fn(&Queue) -> bool,
    ) -> io::Result<MutexGuard<'a, Queue>> {
        let (mut since, mut written) = (Instant::now(), queue.written);
        loop {
            queue.check()?;
            if holds(&queue) {
                return Ok(queue);
            }
            if queue.written > written {
                (since, written) = (Instant::now(), queue.written);
            }
            let left = PATIENCE.saturating_sub(since.elapsed());
            if left.is_zero() {
                let reason = format!("no record was written for {} seconds", PATIENCE.as_secs());
                return Err(self.fail(queue, io::Error::new(io::ErrorKind::TimedOut, reason)));
            }
            let waited = self.progress.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn finish(&self) -> io::Result<()> {
        let mut queue = self.queue();
        queue.is_closed = true;
        self.work.notify_one();
        let queued = queue.queued;
        self.wait_until(queue, |queue| queue.written >= queued).map(drop)
    }

    /// The log is of no use any more: nothing that would have to be recorded goes on.
    fn fail(&self, mut queue: MutexGuard<'_, Queue>, error: io::Error) -> io::Error {
        let failure = Failure {
            kind: error.kind(),
            reason: error.to_string(),
        };
        queue.failure.get_or_insert(failure);
        let stops = std::mem::take(&mut queue.stops);
        drop(queue);
        self.progress.notify_all();
        stops.iter().for_each(Stop::stop);
        error
    }

    /// The writer's thread, until the log is closed and everything written, or until it has failed.
    fn write(&self, mut file: LogFile) {
        let mut lines = Vec::new();
        let mut queue = self.queue();
        loop {
            while queue.lines.is_empty() {
                if queue.is_closed {
                    return;
                }
                queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            lines.clear();
            std::mem::swap(&mut lines, &mut queue.lines);
            drop(queue);
            let written = file.write(&lines);
            queue = self.queue();
            match written {
                Ok(()) => queue.written += lines.len() as u64,
                Err(error) => {
                    self.fail(queue, error);
                    return;
                }
            }
            self.progress.notify_all();
        }
    }
}

impl Queue {
    fn check(&self) -> io::Result<()> {
        match &self.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }
}

/// Gives the logs of this process the time to write what they were given: before a process ends that cannot finish them, after
/// a panic. It waits for no thread that may itself have panicked.
pub(crate) fn write_what_is_queued() {
    let deadline = Instant::now() + PATIENCE;
    let Some(logs) = patiently(&LOGS, deadline) else {
        return;
    };
    for log in logs.iter().filter_map(Weak::upgrade) {
        while let Some(queue) = patiently(&log.queue, deadline)
            && queue.failure.is_none()
            && queue.written < queue.queued
            && Instant::now() < deadline
        {
            drop(queue);
            thread::sleep(Duration::from_millis(1));
        }
    }
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
        let log = AuditLog::open("/dev/full", AuditOptions::default()).unwrap();
        // Noticed when it is written, which is later.
        let _ = log.record(&record(0, Verdict::Allowed));
        assert_eq!(log.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        for verdict in [Verdict::Allowed, Verdict::Denied] {
            assert_eq!(
                log.record(&record(1, verdict)).unwrap_err().kind(),
                io::ErrorKind::StorageFull
            );
        }
        let options = AuditOptions {
            wait: true,
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

    /// What a panic elsewhere ends is written all the same.
    #[test]
    fn what_is_queued_is_written_before_the_process_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(&path, AuditOptions::default()).unwrap();
        for number in 0..1_000 {
            log.record(&record(number, Verdict::Denied)).unwrap();
        }
        write_what_is_queued();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1_000);
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
