//! Records of decisions, and their receiver.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use secure_runtime_capabilities::{Denial, Operation};
use secure_runtime_loaders::ContentHash;
use secure_runtime_text::ascii_json;
use serde::Serialize;

/// The result of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// The operation was executed.
    Allowed,
    /// The operation was refused before it had any effect.
    Denied,
}

/// The record of one decision: the module, the operation and the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditRecord {
    /// The time, as RFC 3339 in UTC.
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
    /// The verdict.
    pub verdict: Verdict,
    /// The block of the token chain that refused the operation, where 0 is the authority block. `None` if the chain
    /// allows it and another rule refused it, for example for a special file system or an address that is not public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<usize>,
    /// The reason for the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The token that left the program, if the action is `seal` and it was allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

/// A token that was sealed for the holder in the record's `resource`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sealed {
    /// The revocation id of its last block, which can be put on a revocation list.
    pub token: String,
    /// The maximum rights of the token, as manifest lines.
    pub grants: Vec<String>,
    /// The time in Unix seconds from which the token allows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl AuditRecord {
    /// Creates the record of an operation that is allowed now. `program` is the graph hash of the program, and `hash`
    /// the content hash of its module.
    pub fn new(program: String, module: String, hash: &ContentHash, operation: &Operation<'_>) -> Self {
        AuditRecord {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            program,
            module,
            hash: hash.to_string(),
            family: operation.family().to_string(),
            action: operation.action().to_string(),
            resource: operation.resource().to_owned(),
            verdict: Verdict::Allowed,
            block: None,
            reason: None,
            sealed: None,
        }
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

    /// Formats the record as one line of JSON without a line feed. Control characters and all characters outside ASCII
    /// are escaped. A guest cannot send control sequences to a terminal that shows an audit file.
    pub fn to_json_line(&self) -> String {
        ascii_json(&serde_json::to_string(self).unwrap_or_else(|_| String::from("{}")))
    }
}

/// The receiver of records.
#[derive(Clone)]
pub struct AuditSink(Option<Arc<Sink>>);

type Sink = dyn Fn(&AuditRecord) -> io::Result<()> + Send + Sync;

impl AuditSink {
    /// Returns no receiver: no records are built.
    pub fn none() -> Self {
        AuditSink(None)
    }

    /// Returns a receiver that calls `sink` for each record.
    pub fn new(sink: impl Fn(&AuditRecord) -> io::Result<()> + Send + Sync + 'static) -> Self {
        AuditSink(Some(Arc::new(sink)))
    }

    /// Returns true if there is a receiver. Records are built only in this case.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Passes the record to the receiver. On an error, the caller must refuse the operation, because an operation
    /// without a record is not allowed.
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
