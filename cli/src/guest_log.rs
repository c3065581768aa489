//! `--log`: the log records of a program, on standard error.

use std::io::IsTerminal;

use secure_runtime::{ConsoleWriter, LogRecord};
use serde_json::json;

use super::text::one_line;

/// The form of log records on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogForm {
    /// Text on a terminal, else JSON
    Auto,
    /// A line with the level, the module, the message, and the fields
    Text,
    /// JSON Lines, for programs that collect logs
    Json,
    /// Nothing
    Off,
}

impl LogForm {
    /// Returns the sink of log records for this writer. It never waits: if standard error is not read for a long time,
    /// records are discarded.
    pub(super) fn sink(
        self,
        console: &'static ConsoleWriter,
    ) -> impl Fn(&LogRecord<'_>) + Send + Sync + 'static {
        let form = match self {
            LogForm::Auto if std::io::stderr().is_terminal() => LogForm::Text,
            LogForm::Auto => LogForm::Json,
            form => form,
        };
        move |record| match form {
            LogForm::Off | LogForm::Auto => (),
            LogForm::Text => console.say(&format!("{}\n", text(record))),
            LogForm::Json => console.say(&format!("{}\n", json_line(record))),
        }
    }
}

fn text(record: &LogRecord<'_>) -> String {
    let (level, module) = (record.level.as_str(), record.module);
    let fields = if record.fields.is_empty() {
        String::new()
    } else {
        format!(" {}", serde_json::Value::from(record.fields.clone()))
    };
    // A guest may forge neither a line nor a color.
    one_line(&format!("{level} {module}: {}{fields}", record.message))
}

fn json_line(record: &LogRecord<'_>) -> String {
    let line = json!({
        "time": humantime::format_rfc3339_millis(record.time).to_string(),
        "level": record.level.as_str(),
        "module": record.module,
        "package": record.package,
        "message": record.message,
        "fields": record.fields,
    });
    // A guest may send no characters that a terminal acts on. JSON escapes only those below U+0020.
    secure_runtime_text::ascii_json(&line.to_string())
}
