//! Holders: the modules and keys to which tokens are bound.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{hexadecimal, text::quoted};

/// A module or a key to which a token can be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The module with this BLAKE3 hash.
    Module([u8; 32]),
    /// The owner of this Ed25519 public key, who must prove possession of the private key.
    Key([u8; 32]),
}

/// Error returned when a text is not a holder.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{} is not a holder: write `blake3:` or `ed25519:` and 64 lower-case hexadecimal digits",
    quoted(text)
)]
#[non_exhaustive]
pub struct HolderError {
    /// The rejected text.
    pub text: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Module(hash) => write!(formatter, "blake3:{}", hex::encode(hash)),
            Holder::Key(key) => write!(formatter, "ed25519:{}", hex::encode(key)),
        }
    }
}

impl FromStr for Holder {
    type Err = HolderError;

    fn from_str(text: &str) -> Result<Holder, HolderError> {
        let holder = match text.split_once(':') {
            Some(("blake3", digits)) => hexadecimal::decode(digits).map(Holder::Module),
            Some(("ed25519", digits)) => hexadecimal::decode(digits).map(Holder::Key),
            _ => None,
        };
        holder.ok_or_else(|| HolderError {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_have_one_text() {
        for holder in [Holder::Module([0xab; 32]), Holder::Key([7; 32])] {
            assert_eq!(holder.to_string().parse(), Ok(holder));
        }
        let digits = "ab".repeat(32);
        for text in [
            String::new(),
            digits.clone(),
            format!("blake3:{}", digits.to_uppercase()),
            format!("BLAKE3:{digits}"),
            format!("blake3: {digits}"),
            format!("blake3:{digits}0"),
            format!("blake3:{}", "ab".repeat(31)),
            format!("sha256:{digits}"),
            format!("blake3:{digits}\n"),
        ] {
            assert_eq!(text.parse::<Holder>(), Err(HolderError { text: text.clone() }));
        }
    }
}
