//! What was decided, as records that a person or a program reads later.

mod file;
mod log;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use secure_runtime_capabilities::Denial;
use secure_runtime_loaders::ContentHash;
use serde::Serialize;

pub use self::log::{AuditLog, AuditOptions};

/// The verdict of one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// The operation went ahead.
    Allowed,
    /// The operation was refused before anything happened.
    Denied,
}

/// One decision: who asked for what, and what was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// The graph hash of the program.
    pub program: String,
    /// The module whose authority was used, as `package/path`, or `app:/path` for first-party modules.
    pub module: String,
    /// The content hash of that module.
    pub hash: String,
    /// The family, such as `fs`.
    pub family: String,
    /// The action, such as `read`.
    pub action: String,
    /// The canonical resource, such as `/srv/data/a.csv`.
    pub resource: String,
    /// What was decided.
    pub verdict: Verdict,
    /// The block of the token chain that refused, 0 being the authority block. None where the chain allows it and
    /// something else refused: a special file system, an address that is not public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<usize>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What left the program, where the action is `seal` and it was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// A token that was sealed for the holder that the record's `resource` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sealed {
    /// The revocation identifier of its last block: what to put on a revocation list.
    pub token: String,
    /// What it allows at the most, in the form of a manifest's lines.
    pub grants: Vec<String>,
    /// The first second, in Unix time, at which it allows nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl AuditRecord {
    pub(crate) fn now() -> String {
        humantime::format_rfc3339_millis(SystemTime::now()).to_string()
    }

    pub(crate) fn hash_text(hash: &ContentHash) -> String {
        hash.to_string()
    }

    pub(crate) fn refusal(mut self, denial: Option<Denial>, reason: String) -> Self {
        self.verdict = Verdict::Denied;
        self.block = denial.map(|denial| denial.block);
        self.reason = Some(reason);
        self
    }

    pub(crate) fn sealing(mut self, sealed: Sealed) -> Self {
        self.sealed = Some(sealed);
        self
    }

    /// One line of JSON, without the line feed. Control characters are escaped, as JSON demands, and so is everything
    /// outside ASCII: a terminal that shows an audit file is not told what to do by a guest.
    pub fn to_json_line(&self) -> String {
        ascii_json(&serde_json::to_string(self).unwrap_or_else(|_| String::from("{}")))
    }
}

/// The same JSON in printable ASCII: outside ASCII there are only strings, where an escape means the same.
pub(crate) fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

/// Where records go.
#[derive(Clone)]
pub(crate) struct AuditSink(Option<Arc<Sink>>);

type Sink = dyn Fn(&AuditRecord) -> io::Result<()> + Send + Sync;

impl AuditSink {
    pub(crate) fn none() -> Self {
        AuditSink(None)
    }

    pub(crate) fn new(sink: impl Fn(&AuditRecord) -> io::Result<()> + Send + Sync + 'static) -> Self {
        AuditSink(Some(Arc::new(sink)))
    }

    /// Whether anyone listens: a record is only built when someone does.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Hands the record over. What cannot be recorded must not happen: the caller refuses the operation on an error.
    pub(crate) fn write(&self, record: &AuditRecord) -> io::Result<()> {
        match &self.0 {
            Some(sink) => sink(record),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for AuditSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_on() {
            "AuditSink(on)"
        } else {
            "AuditSink(off)"
        })
    }
}
