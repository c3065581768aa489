//! Output of the command besides results. While a program runs, output goes through the queue of [`ConsoleWriter`], so
//! that no thread waits for a reader. Before that, it is written directly.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use secure_runtime::ConsoleWriter;

use super::failure::{Code, Failure};
use super::{ending, signals, text};

static CONSOLE: OnceLock<ConsoleWriter> = OnceLock::new();

/// Opens the queue. All later output goes through it.
pub(super) fn open() -> Result<&'static ConsoleWriter, Failure> {
    if CONSOLE.get().is_none() {
        let console = ConsoleWriter::standard()
            .map_err(|error| Failure::bug(format!("standard output cannot be written: {error}")))?;
        let _ = CONSOLE.set(console);
    }
    CONSOLE.get().ok_or_else(|| Failure::bug("no console"))
}

/// Prints a line to standard error, in colours if the terminal supports them.
pub(super) fn say(line: &str) {
    let Some(console) = CONSOLE.get() else {
        // If standard error is closed, the message cannot be shown. The exit code still reports the failure.
        let _ = writeln!(anstream::stderr().lock(), "{line}");
        return;
    };
    let choice = anstream::AutoStream::choice(&io::stderr());
    let mut shown = anstream::AutoStream::new(Vec::new(), choice);
    let _ = writeln!(shown, "{line}");
    console.say(&String::from_utf8_lossy(&shown.into_inner()));
}

/// Prints a note to standard error.
pub(super) fn note(what: &str) {
    say(&format!("{}{}", text::NOTE, text::message(what)));
}

/// Prints a warning to standard error.
pub(super) fn warn(what: &str) {
    say(&format!("{}{}", text::WARNING, text::message(what)));
}

/// Prints a failure to standard error.
pub(super) fn report(failure: &Failure) {
    let mut said = format!("{}{}", text::ERROR, text::message(failure.what().trim_end()));
    if let Some(help) = failure.advice() {
        said.push_str("\n  help: ");
        said.push_str(&text::message(help.trim_end()));
    }
    say(&said);
}

/// Time between attempts to write to a stream that does not block.
const AGAIN: Duration = Duration::from_millis(2);

/// Standard output for the result of a command. Another process may have made it non-blocking, so a write waits until
/// the reader has read.
pub(super) struct Results(io::StdoutLock<'static>);

/// Returns the standard output for the result of a command.
pub(super) fn results() -> Results {
    Results(io::stdout().lock())
}

fn waiting<T>(mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
            done => return done,
        }
    }
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        waiting(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        waiting(|| self.0.flush())
    }
}

/// Waits until all printed output is written, and returns the exit code of the process. This is `code`, unless a signal
/// arrived in the meantime or the output could not be written.
pub(super) fn finish(code: Option<Code>) -> Option<Code> {
    let Some(console) = CONSOLE.get() else {
        return code;
    };
    if console.finish(None).is_err() {
        // The deadline passed before all output was written.
        return signals::told().map(signals::Told::code).or(code);
    }
    let streams = ["standard output", "standard error"];
    let failed = streams
        .iter()
        .zip(console.failures())
        .find_map(|(stream, failure)| Some((stream, failure?)));
    match failed {
        Some((stream, failure)) if code.is_none() => {
            report(&unwritten(&format!("{stream}: {failure}")));
            let _ = console.finish(Some(Instant::now() + ending::FLUSH));
            Some(Code::Usage)
        }
        _ => code,
    }
}

/// Waits like [`finish`], but for one second at most. Used when the process is about to end because of a bug.
pub(super) fn finish_soon() {
    if let Some(console) = CONSOLE.get() {
        let _ = console.finish(Some(Instant::now() + Duration::from_secs(1)));
    }
}

/// Returns the failure for output that could not be written.
pub(super) fn unwritten(what: &str) -> Failure {
    Failure::usage(what).help("redirect it to a writable file, or free some space")
}
