//! The `log` family: structured records of guests, which the host gets with the names of their modules.

use std::sync::Arc;
use std::time::SystemTime;

use secure_runtime_capabilities::{ActionName, Family};
use secure_runtime_engine::extension::{
    Arguments, CountedBytes, Extension, Granted, Methods, OperationError, Script, Value,
};
use serde_json::{Map, Number};

/// Maximum size of a record's message and fields, in bytes of JSON.
pub(crate) const MOST: usize = 64 << 10;

/// The severity of a log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// An event of normal operation.
    Info,
    /// Something that may need attention.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// Returns the name: `debug`, `info`, `warn` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// A log record of a guest.
///
/// The host sets the time and the names. The message and the fields are the guest's: they can contain control
/// characters and the names of other modules.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// The time of the call.
    pub time: SystemTime,
    /// The severity.
    pub level: LogLevel,
    /// The name of the module, as in the graph.
    pub module: &'a str,
    /// The name of the module's package. It is empty for the program's own modules.
    pub package: &'a str,
    /// The message.
    pub message: &'a str,
    /// The fields, in the order of the guest.
    pub fields: Map<String, serde_json::Value>,
}

impl<'a> LogRecord<'a> {
    /// Returns the record of a line that a module printed with `console`.
    pub fn of_console(line: &secure_runtime_engine::ConsoleLine<'a>) -> Self {
        LogRecord {
            time: SystemTime::now(),
            level: if line.is_error {
                LogLevel::Error
            } else {
                LogLevel::Info
            },
            module: line.module,
            package: line.package,
            message: line.text.strip_suffix('\n').unwrap_or(line.text),
            fields: Map::new(),
        }
    }

    /// Writes the record as an event of `tracing` with the target `secure_runtime::guest`. Its fields are `module`,
    /// `package`, `message`, and `fields` in JSON.
    pub fn trace(&self) {
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: "secure_runtime::guest",
                    tracing::Level::$level,
                    module = self.module,
                    package = self.package,
                    fields = %serde_json::Value::from(self.fields.clone()),
                    "{}",
                    self.message
                )
            };
        }
        match self.level {
            LogLevel::Debug => event!(DEBUG),
            LogLevel::Info => event!(INFO),
            LogLevel::Warn => event!(WARN),
            LogLevel::Error => event!(ERROR),
        }
    }
}

/// A function that gets each log record. It must not block.
pub type LogSink = Arc<dyn Fn(&LogRecord<'_>) + Send + Sync>;

/// The family.
pub(crate) struct Log(pub(crate) LogSink);

/// Returns a value of a guest as JSON.
fn json(value: &Value) -> Result<serde_json::Value, OperationError> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => {
            #[expect(clippy::cast_possible_truncation, reason = "compared with the number below")]
            let whole = *number as i64;
            // A whole number is written without a fraction, like in JavaScript.
            if whole as f64 == *number && whole.unsigned_abs() <= 1 << 53 {
                whole.into()
            } else {
                // JSON has neither infinite numbers nor NaN.
                Number::from_f64(*number).map_or_else(|| number.to_string().into(), Into::into)
            }
        }
        Value::Bytes(_) => {
            let message = "a field of a log record has bytes; write them as text, for example as base64";
            return Err(OperationError::type_error(message));
        }
        Value::List(values) => serde_json::Value::Array(values.iter().map(json).collect::<Result<_, _>>()?),
        Value::Record(entries) => map(entries)?.into(),
    })
}

fn map(entries: &[(String, Value)]) -> Result<Map<String, serde_json::Value>, OperationError> {
    let entries = entries
        .iter()
        .map(|(name, value)| Ok((name.clone(), json(value)?)));
    entries.collect()
}

/// Returns the size of a value in JSON, roughly, and stops at the maximum.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 2,
        Value::Bytes(bytes) => bytes.len(),
        Value::List(values) => values.iter().map(|value| size(value) + 1).sum::<usize>() + 2,
        Value::Record(entries) => entries
            .iter()
            .map(|(name, value)| name.len() + size(value) + 4)
            .sum::<usize>(),
        _ => 8,
    }
}

fn write(granted: Granted<'_, Log>, arguments: Arguments) -> Result<(), OperationError> {
    let malformed = || OperationError::type_error("log: the record is malformed");
    let level = match arguments.get(0) {
        Value::Text(level) => match level.as_str() {
            "debug" => LogLevel::Debug,
            "info" => LogLevel::Info,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            _ => return Err(malformed()),
        },
        _ => return Err(malformed()),
    };
    let Value::Text(message) = arguments.get(1) else {
        return Err(malformed());
    };
    let of_fields = match arguments.get(2) {
        Value::Null => 0,
        fields => size(fields),
    };
    let bytes = message.len() + of_fields;
    if bytes > MOST {
        let message = format!("log: the record has {bytes} bytes; the limit is {MOST}");
        return Err(OperationError::range_error(message));
    }
    let fields = match arguments.get(2) {
        Value::Record(entries) => map(entries)?,
        _ => Map::new(),
    };
    granted.count(CountedBytes::Output, bytes)?;
    let (module, package) = granted.names();
    (granted.extension().0)(&LogRecord {
        time: SystemTime::now(),
        level,
        module,
        package,
        message,
        fields,
    });
    Ok(())
}

impl Extension for Log {
    type Program = ();
    type Isolate = ();
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Log)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:log/log.js",
            source: include_str!("log.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("log.d.ts")
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        let decided = methods.on(ActionName::WRITE, |asked| {
            Ok((asked.operation(ActionName::WRITE, "true")?, "log".into()))
        });
        decided.titled("info").sync("write", write);
    }
}
