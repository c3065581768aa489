//! What the command prints besides results: through the queue of [`ConsoleWriter`] while a program runs, so that nothing waits for a
//! reader, and directly before.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::failure::{Code, Failure};
use super::{ending, signals};
use crate::ConsoleWriter;

static CONSOLE: OnceLock<ConsoleWriter> = OnceLock::new();

/// The queue, which everything is printed through from now on.
pub(super) fn open() -> Result<&'static ConsoleWriter, Failure> {
    if CONSOLE.get().is_none() {
        let console = ConsoleWriter::standard()
            .map_err(|error| Failure::bug(format!("standard output cannot be written: {error}")))?;
        let _ = CONSOLE.set(console);
    }
    CONSOLE.get().ok_or_else(|| Failure::bug("no console"))
}

/// Says a line on standard error, in colours where the terminal wants them.
pub(super) fn say(line: &str) {
    let Some(console) = CONSOLE.get() else {
        // Nothing is left to tell where standard error is closed; the exit code says it.
        let _ = writeln!(anstream::stderr().lock(), "{line}");
        return;
    };
    let choice = anstream::AutoStream::choice(&io::stderr());
    let mut shown = anstream::AutoStream::new(Vec::new(), choice);
    let _ = writeln!(shown, "{line}");
    console.say(&String::from_utf8_lossy(&shown.into_inner()));
}

/// Waits until everything is written that was printed, and says what the process ends with: `code`, or what a signal says that came
/// in the meantime.
pub(super) fn finish(code: Option<Code>) -> Option<Code> {
    let Some(console) = CONSOLE.get() else {
        return code;
    };
    if console.finish(None).is_err() {
        // Cut short.
        return signals::told().map(signals::Told::code).or(code);
    }
    let streams = ["standard output", "standard error"];
    let failed = streams
        .iter()
        .zip(console.failures())
        .find_map(|(stream, failure)| Some((stream, failure?)));
    match failed {
        Some((stream, failure)) if code.is_none() => {
            unwritten(&format!("{stream}: {failure}")).report();
            let _ = console.finish(Some(Instant::now() + ending::FLUSH));
            Some(Code::Usage)
        }
        _ => code,
    }
}

/// As [`finish`], where the process is about to end by a fault.
pub(super) fn finish_soon() {
    if let Some(console) = CONSOLE.get() {
        let _ = console.finish(Some(Instant::now() + Duration::from_secs(1)));
    }
}

/// Output that could not be written.
pub(super) fn unwritten(what: &str) -> Failure {
    Failure::usage(what).help("write it to a file that can be written, or free some space")
}
