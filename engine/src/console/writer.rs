//! A bounded queue of printed text, and two threads that write it.
//!
//! A write to a pipe that no process reads never returns. So an isolate's thread does not write itself. It waits for
//! room in the queue, and stops waiting when its isolate is stopped. Each of the two streams has its own thread,
//! because one may be blocked while the other one is read.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum size of queued output of guests, in bytes. A longer text needs an empty queue.
const QUEUE: usize = 256 << 10;

/// Maximum number of queued texts, because each takes memory in addition to its bytes. Consecutive texts of one stream
/// are merged.
const TEXTS: usize = 4096;

/// Maximum additional size of queued lines of the host, in bytes.
const OWN: usize = 64 << 10;

/// Maximum number of bytes in one system call. After each call, waiting threads learn how much room there is.
const PIECE: usize = 16 << 10;

/// Interval at which a thread that waits for room checks whether its isolate was stopped.
const LOOK: Duration = Duration::from_millis(10);

/// Time before the end of the waiting at which the two streams become independent of each other.
const APART: Duration = Duration::from_secs(1);

/// Interval between writes to a stream that would block, because another process made it non-blocking.
const AGAIN: Duration = Duration::from_millis(2);

/// Writes the output of guests to standard output and standard error, on its own threads. Clones share one writer, and
/// runtimes may share it too.
///
/// Text of both streams is written in the order of printing. If the reader is slow, an isolate that prints waits. If a
/// limit or the host stops the isolate, it no longer waits.
#[derive(Clone)]
pub struct ConsoleWriter(Arc<Handle>);

/// The error that not everything was written in time, because the reader is absent or too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{bytes} bytes of output were not read in time and are lost; read standard output and standard error, or discard them"
)]
#[non_exhaustive]
pub struct Unwritten {
    /// The number of bytes.
    pub bytes: usize,
}

/// The part that all clones share. The threads do not refer to it.
struct Handle(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Notifies the thread of a stream that there is text to write.
    work: Each<Condvar>,
    /// Notifies all other threads that text was written, or that the end has changed.
    progress: Condvar,
}

#[derive(Default)]
struct Queue {
    /// The texts in the order of printing.
    texts: VecDeque<Text>,
    is_writing: Each<bool>,
    /// The number of queued bytes, and of bytes that are being written.
    size: usize,
    /// True if both streams are one file, such as a terminal. They are then always written in order.
    is_one_file: bool,
    /// True if the streams are written independently of each other.
    is_apart: bool,
    /// The time at which all waiting ends.
    end: Option<Instant>,
    is_closed: bool,
    failures: Each<Option<io::ErrorKind>>,
}

struct Text {
    stream: Stream,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Output,
    Errors,
}

/// A pair of values, one for each stream.
#[derive(Default)]
struct Each<T> {
    output: T,
    errors: T,
}

impl<T> Each<T> {
    fn of(&self, stream: Stream) -> &T {
        match stream {
            Stream::Output => &self.output,
            Stream::Errors => &self.errors,
        }
    }

    fn of_mut(&mut self, stream: Stream) -> &mut T {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Errors => &mut self.errors,
        }
    }
}

impl ConsoleWriter {
    /// Creates a writer for the standard output and standard error of the process.
    ///
    /// # Errors
    /// The operating system provides no thread, or no second handle of a stream.
    pub fn standard() -> io::Result<ConsoleWriter> {
        #[cfg(unix)]
        {
            use std::fs::File;
            use std::os::fd::AsFd;

            // Rust's own handles have a lock, which a blocked thread would hold.
            let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            let error = File::from(io::stderr().as_fd().try_clone_to_owned()?);
            let file = |stream: &File| {
                let found = rustix::fs::fstat(stream).ok();
                found.map(|found| (found.st_dev, found.st_ino))
            };
            let is_one_file = file(&out) == file(&error);
            ConsoleWriter::start(Box::new(out), Box::new(error), is_one_file)
        }
        #[cfg(not(unix))]
        ConsoleWriter::start(Box::new(io::stdout()), Box::new(io::stderr()), true)
    }

    /// Creates a writer for other destinations than standard output and standard error.
    ///
    /// # Errors
    /// The operating system provides no thread.
    pub fn new(
        output: impl Write + Send + 'static,
        errors: impl Write + Send + 'static,
    ) -> io::Result<ConsoleWriter> {
        ConsoleWriter::start(Box::new(output), Box::new(errors), false)
    }

    fn start(
        output: Box<dyn Write + Send>,
        errors: Box<dyn Write + Send>,
        is_one_file: bool,
    ) -> io::Result<ConsoleWriter> {
        let shared = Arc::new(Shared::default());
        shared.queue().is_one_file = is_one_file;
        // The writer is created first. If only one thread can be started, dropping the writer ends that thread.
        let writer = ConsoleWriter(Arc::new(Handle(shared.clone())));
        for (stream, mut to) in [(Stream::Output, output), (Stream::Errors, errors)] {
            let shared = shared.clone();
            thread::Builder::new()
                .name("secure-runtime-console".to_owned())
                .spawn(move || shared.write(stream, &mut to))?;
        }
        Ok(writer)
    }

    /// Prints a guest's text. It waits for room until the isolate `is_stopped`, and then discards the text.
    pub(super) fn print(&self, text: &str, is_error: bool, is_stopped: impl Fn() -> bool) {
        let shared = &*self.0.0;
        let mut queue = shared.queue();
        while !queue.has_room(text.len(), QUEUE) {
            if is_stopped() {
                return;
            }
            let waited = shared.progress.wait_timeout(queue, LOOK);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let stream = if is_error { Stream::Errors } else { Stream::Output };
        shared.push(queue, stream, text);
    }

    /// Queues a line of the host for standard error, after the output of guests. It never waits: if the output is not
    /// read for a long time, the line is discarded.
    pub fn say(&self, line: &str) {
        let queue = self.0.0.queue();
        if queue.has_room(line.len(), QUEUE + OWN) {
            self.0.0.push(queue, Stream::Errors, line);
        }
    }

    /// Limits all calls of [`ConsoleWriter::finish`] to end at `end`, even if they were given a later time.
    pub fn end_by(&self, end: Instant) {
        let mut queue = self.0.0.queue();
        queue.end = Some(queue.end.map_or(end, |before| before.min(end)));
        drop(queue);
        self.0.0.progress.notify_all();
    }

    /// Waits until everything is written, or until `end`. Shortly before `end`, text of one stream is written even if
    /// the other stream is blocked.
    ///
    /// # Errors
    /// Not everything was written.
    pub fn finish(&self, end: Option<Instant>) -> Result<(), Unwritten> {
        let shared = &*self.0.0;
        let mut queue = shared.queue();
        while queue.size > 0 {
            let end = [end, queue.end].into_iter().flatten().min();
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Unwritten { bytes: queue.size });
            }
            let apart = left.map(|left| left.saturating_sub(APART));
            if apart.is_some_and(|apart| apart.is_zero()) && !queue.is_apart && !queue.is_one_file {
                queue.is_apart = true;
                shared.wake_both();
            }
            let wait = match apart {
                Some(apart) if !apart.is_zero() => apart,
                _ => left.unwrap_or(Duration::MAX),
            };
            let waited = shared.progress.wait_timeout(queue, wait);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Returns the first failure of standard output and of standard error. A reader that has closed its end is not a
    /// failure.
    pub fn failures(&self) -> [Option<io::ErrorKind>; 2] {
        let failures = &self.0.0.queue().failures;
        [failures.output, failures.errors].map(|kind| kind.filter(|kind| *kind != io::ErrorKind::BrokenPipe))
    }
}

impl fmt::Debug for ConsoleWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ConsoleWriter")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.wake_both();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_both(&self) {
        self.work.output.notify_one();
        self.work.errors.notify_one();
    }

    fn push(&self, mut queue: MutexGuard<'_, Queue>, stream: Stream, text: &str) {
        if text.is_empty() {
            return;
        }
        // Otherwise, the thread is awake, or the other thread wakes it.
        let is_asleep = queue.texts.is_empty() && !queue.is_writing.output && !queue.is_writing.errors;
        let must_wake = queue.is_apart || is_asleep;
        queue.size += text.len();
        match queue.texts.back_mut() {
            Some(last) if last.stream == stream => last.bytes.extend_from_slice(text.as_bytes()),
            _ => queue.texts.push_back(Text {
                stream,
                bytes: text.as_bytes().to_vec(),
            }),
        }
        drop(queue);
        if must_wake {
            self.work.of(stream).notify_one();
        }
    }

    /// Runs the thread of one stream, until the writer is dropped and everything is written.
    fn write(&self, stream: Stream, to: &mut dyn Write) {
        let mut queue = self.queue();
        loop {
            let Some(bytes) = queue.take(stream) else {
                if queue.is_closed && queue.texts.is_empty() {
                    return;
                }
                let work = self.work.of(stream);
                queue = work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            for piece in bytes.chunks(PIECE) {
                let has_failed = queue.failures.of(stream).is_some();
                drop(queue);
                // After a failure, the text is discarded.
                let written = if has_failed { Ok(()) } else { write_all(to, piece) };
                queue = self.queue();
                queue.size -= piece.len();
                if let Err(error) = written {
                    *queue.failures.of_mut(stream) = Some(error.kind());
                }
                self.progress.notify_all();
            }
            *queue.is_writing.of_mut(stream) = false;
            // It may be the other thread's turn, or both threads may be done.
            self.wake_both();
        }
    }
}

impl Queue {
    fn has_room(&self, bytes: usize, most: usize) -> bool {
        self.size == 0 || self.texts.len() < TEXTS && self.size.saturating_add(bytes) <= most
    }

    /// Returns the next text for this stream's thread. Returns `None` if there is none, or if it is the other stream's
    /// turn.
    fn take(&mut self, stream: Stream) -> Option<Vec<u8>> {
        let at = if self.is_apart {
            self.texts.iter().position(|text| text.stream == stream)?
        } else {
            let is_turn = self.texts.front()?.stream == stream;
            let is_free = !self.is_writing.output && !self.is_writing.errors;
            (is_turn && is_free).then_some(0)?
        };
        let text = self.texts.remove(at)?;
        *self.is_writing.of_mut(stream) = true;
        Some(text.bytes)
    }
}

/// Writes everything and flushes, like `Write::write_all` and `flush`. The stream may also be non-blocking.
fn write_all(to: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
            Err(error) => return Err(error),
        }
    }
    to.flush()
}

#[cfg(test)]
mod tests;
