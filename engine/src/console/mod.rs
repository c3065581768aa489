//! The destinations of the text that guests print.

mod writer;

use std::fmt;
use std::sync::Arc;

pub use self::writer::{ConsoleWriter, Unwritten};

/// One line that a guest printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsoleLine<'a> {
    /// The text, with its line feeds. Control characters of the guest are escaped.
    pub text: &'a str,
    /// True if `console.error` or `console.warn` printed it.
    pub is_error: bool,
    /// The name of the module that printed it, as in the graph. It is empty for lines of the runtime about the program.
    pub module: &'a str,
    /// The name of the module's package. It is empty for the program's own modules.
    pub package: &'a str,
}

/// The destination of printed text.
#[derive(Clone)]
pub struct PrintSink(Kind);

#[derive(Clone)]
enum Kind {
    Sink(Arc<dyn Fn(ConsoleLine<'_>) + Send + Sync>),
    Writer(ConsoleWriter),
}

impl PrintSink {
    /// Returns a destination that discards the text.
    pub fn discard() -> Self {
        PrintSink::new(|_| ())
    }

    /// Returns a destination that calls `sink` for each line.
    pub fn new(sink: impl Fn(ConsoleLine<'_>) + Send + Sync + 'static) -> Self {
        PrintSink(Kind::Sink(Arc::new(sink)))
    }

    /// Prints on the isolate's thread. If a writer has no room, the thread waits until the isolate `is_stopped`.
    pub(crate) fn print(&self, line: ConsoleLine<'_>, is_stopped: impl Fn() -> bool) {
        match &self.0 {
            Kind::Sink(sink) => sink(line),
            Kind::Writer(writer) => writer.print(line.text, line.is_error, is_stopped),
        }
    }
}

impl From<&ConsoleWriter> for PrintSink {
    fn from(writer: &ConsoleWriter) -> Self {
        PrintSink(Kind::Writer(writer.clone()))
    }
}

impl fmt::Debug for PrintSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrintSink")
    }
}
