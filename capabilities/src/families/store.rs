//! `store`: blobs of a content-addressed store, by hash.

use std::fmt;

use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem, describe_pattern, hexadecimal};

/// The prefix of a hash.
const CONTENT: &str = "blake3:";

/// The scope of all blobs.
const ALL: &str = "*";

/// Blobs of a store that is served to others. A scope is a hash (`blake3:…`), or all blobs (`*`).
///
/// Programs cannot use these rights, because their modules are resolved before they run. Clients present them
/// in a token to a store's server.
#[derive(Debug, Clone, Copy)]
pub struct Store;

/// A blob, as a resource: `blake3:` and 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(String);

impl BlobId {
    /// Returns the blob whose bytes have this BLAKE3 hash.
    pub fn new(hash: &[u8; 32]) -> BlobId {
        BlobId(format!("{CONTENT}{}", hex::encode(hash)))
    }

    /// Parses a blob.
    ///
    /// # Errors
    /// [`Problem::Blob`].
    pub fn parse(text: &str) -> Result<BlobId, Problem> {
        let digits = text.strip_prefix(CONTENT).ok_or(Problem::Blob)?;
        Ok(BlobId::new(&hexadecimal::decode(digits).ok_or(Problem::Blob)?))
    }

    /// Returns the canonical resource.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Family for Store {
    fn name(&self) -> FamilyName {
        FamilyName::STORE
    }

    fn actions(&self) -> &[Action] {
        &[
            Action {
                name: ActionName::READ,
                summary: "read blobs of a store that requires tokens",
            },
            Action {
                name: ActionName::ADD,
                summary: "add blobs to a store that requires tokens",
            },
        ]
    }

    fn is_for_programs(&self) -> bool {
        false
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![match text {
            ALL => Pattern::prefix(""),
            hash => Pattern::exact(BlobId::parse(hash)?.0),
        }])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(BlobId::parse(text)?.0)
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let describe = |pattern: &Pattern| match pattern {
            Pattern::Affix { prefix, suffix } if prefix.is_empty() && suffix.is_empty() => ALL.to_owned(),
            pattern => describe_pattern(pattern),
        };
        patterns.iter().map(describe).collect()
    }
}
