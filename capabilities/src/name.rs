//! Names of families and actions: short, validated, and `Copy`. Comparing them follows no pointer.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::text::quoted;

/// Maximum length of a family or action name, in bytes.
pub const MAX_NAME: usize = 24;

/// Error returned when a text is not a family or action name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error(
    "{} is not a name: use 1 to {MAX_NAME} characters, a lower-case letter first, then lower-case letters, digits and `_`",
    quoted(text)
)]
pub struct NameError {
    /// The rejected text.
    pub text: String,
}

/// A name, padded with zeros. The zero byte sorts before every allowed character, so derived equality and
/// ordering are those of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name([u8; MAX_NAME]);

impl Name {
    fn parse(text: &str) -> Result<Name, NameError> {
        let refused = || NameError {
            text: text.to_owned(),
        };
        if !is_name(text) {
            return Err(refused());
        }
        let mut name = [0; MAX_NAME];
        name.get_mut(..text.len())
            .ok_or_else(refused)?
            .copy_from_slice(text.as_bytes());
        Ok(Name(name))
    }

    /// Returns the name that is written in the source of a program. It is not validated.
    const fn constant(text: &'static str) -> Name {
        let mut name = [0; MAX_NAME];
        let mut rest = text.as_bytes();
        let mut slots: &mut [u8] = &mut name;
        while let (Some((byte, bytes)), Some((slot, others))) = (rest.split_first(), slots.split_first_mut())
        {
            *slot = *byte;
            rest = bytes;
            slots = others;
        }
        Name(name)
    }

    fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_NAME);
        // Names are ASCII, so neither fallback is ever used.
        self.0
            .get(..length)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

/// Returns true if a text is a name.
const fn is_name(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let is_right_length = !rest.is_empty() && rest.len() <= MAX_NAME;
    let mut is_name = matches!(rest.first(), Some(b'a'..=b'z'));
    while let Some((byte, others)) = rest.split_first() {
        is_name &= matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        rest = others;
    }
    is_name && is_right_length
}

macro_rules! name {
    ($(#[$documentation:meta])* $type:ident { $($(#[$constant_documentation:meta])* $constant:ident = $text:literal;)* }) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Name);

        impl $type {
            $($(#[$constant_documentation])* pub const $constant: $type = $type(Name::constant($text));)*

            /// Returns the name in a constant: `const READ: ActionName = ActionName::literal("read")`.
            ///
            /// # Panics
            /// The text is not a name. In a constant, this is an error of the compiler.
            pub const fn literal(text: &'static str) -> $type {
                assert!(is_name(text), "a name is 1 to 24 lower-case letters, digits and `_`, a letter first");
                $type(Name::constant(text))
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Name::parse(text).map($type)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

name! {
    /// The name of a family of resources, such as `fs`.
    FamilyName {
        /// Files and folders.
        FS = "fs";
        /// Network connections.
        NET = "net";
        /// Environment variables.
        ENV = "env";
        /// The wall clock.
        CLOCK = "clock";
        /// Random bytes from the operating system.
        RANDOM = "random";
        /// Entries of a key-value store.
        KV = "kv";
        /// Serving HTTP.
        HTTP = "http";
        /// Secrets that the host holds.
        SECRETS = "secrets";
        /// Log records.
        LOG = "log";
        /// Modules to import.
        MODULE = "module";
        /// Blobs of a store that requires tokens.
        STORE = "store";
    }
}

name! {
    /// The name of an action on a resource of some family, such as `read`.
    ActionName {
        /// Reading.
        READ = "read";
        /// Writing.
        WRITE = "write";
        /// Opening a connection.
        CONNECT = "connect";
        /// Accepting connections.
        LISTEN = "listen";
        /// Sending a secret.
        SEND = "send";
        /// Using a secret as a key.
        KEY = "key";
        /// Looking up the addresses of a name.
        RESOLVE = "resolve";
        /// Importing a module.
        IMPORT = "import";
        /// Adding an entry that does not exist yet.
        ADD = "add";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_text_and_order() {
        for text in ["a", "fs", "key_value2", "abcdefghijklmnopqrstuvwx"] {
            assert_eq!(text.parse::<FamilyName>().unwrap().as_str(), text);
        }
        assert_eq!("fs".parse::<FamilyName>().unwrap(), FamilyName::FS);
        const SQL: FamilyName = FamilyName::literal("sql");
        assert_eq!("sql".parse::<FamilyName>().unwrap(), SQL);
        assert!("fs".parse::<FamilyName>().unwrap() < "fs_2".parse().unwrap());
    }

    #[test]
    fn other_texts_are_not_names() {
        for text in [
            "",
            "Fs",
            "1a",
            "_a",
            "a-b",
            "a.b",
            "é",
            "a b",
            "abcdefghijklmnopqrstuvwxy",
            "a\0",
        ] {
            assert_eq!(
                text.parse::<ActionName>(),
                Err(NameError {
                    text: text.to_owned()
                })
            );
        }
    }
}
