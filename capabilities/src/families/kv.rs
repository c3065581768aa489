//! `kv`: entries of a key-value store, by key.

use super::{describe_beginnings, parse_beginning};
use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem};

/// Maximum length of a key, in bytes.
pub const MAX_KEY: usize = 2_048;

/// Entries of a key-value store. A scope is a key, a prefix of keys (`user/42/*`), or all keys (`*`).
#[derive(Debug, Clone, Copy)]
pub struct Kv;

/// The key of an entry: 1 to [`MAX_KEY`] bytes without NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// Parses a key.
    ///
    /// # Errors
    /// [`Problem::Key`].
    pub fn parse(text: &str) -> Result<Key, Problem> {
        if text.is_empty() || text.len() > MAX_KEY || text.contains('\0') {
            return Err(Problem::Key);
        }
        Ok(Key(text.to_owned()))
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Family for Kv {
    fn name(&self) -> FamilyName {
        FamilyName::KV
    }

    fn actions(&self) -> &[Action] {
        &[
            Action {
                name: ActionName::READ,
                summary: "read and list entries of the key-value store",
            },
            Action {
                name: ActionName::WRITE,
                summary: "set and remove entries of the key-value store",
            },
        ]
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        parse_beginning(
            text,
            "`*` is allowed only at the end of a key: `user/42/*`",
            |key| Key::parse(key).map(|_| ()),
        )
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(Key::parse(text)?.0)
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        describe_beginnings(patterns)
    }
}
