//! The content address of bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The prefix of every hash in text form. There is only one hash function, so that no text can select a weaker one.
const PREFIX: &str = "blake3:";

/// The BLAKE3 hash (32 bytes) of some bytes. It names the bytes in every store and every graph.
///
/// The only text form is `blake3:` and 64 lower-case hexadecimal digits. Every other spelling is rejected, so that two
/// texts are equal exactly if the hashes are equal. Binary formats serialise the hash as 32 bytes, textual formats as
/// this text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The length of a hash, in bytes.
    pub const LENGTH: usize = 32;

    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Wraps a hash value without hashing anything.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 lower-case digits without the prefix. Stores use them in file names and HTTP paths.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Parses the form that [`to_hex`](Self::to_hex) writes.
    ///
    /// # Errors
    /// Returns an error unless `text` is 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, HashParseError> {
        if let Some((index, found)) = text
            .char_indices()
            .find(|(_, character)| !matches!(character, '0'..='9' | 'a'..='f'))
        {
            return Err(match found {
                'A'..='F' => HashParseError::UpperCase,
                _ => HashParseError::Digit { index, found },
            });
        }
        let mut bytes = [0; Self::LENGTH];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashParseError::Length { digits: text.len() })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", self.to_hex())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for ContentHash {
    type Err = HashParseError;

    fn from_str(text: &str) -> Result<Self, HashParseError> {
        Self::from_hex(text.strip_prefix(PREFIX).ok_or(HashParseError::Prefix)?)
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(TextVisitor)
        } else {
            deserializer.deserialize_bytes(BytesVisitor)
        }
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = ContentHash;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`blake3:` and 64 lower-case hexadecimal digits")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ContentHash, E> {
        text.parse().map_err(E::custom)
    }
}

struct BytesVisitor;

impl de::Visitor<'_> for BytesVisitor {
    type Value = ContentHash;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("32 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<ContentHash, E> {
        bytes
            .try_into()
            .map(ContentHash)
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

/// An error in the text form of a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashParseError {
    /// The text does not begin with `blake3:`.
    #[error("a hash begins with `blake3:`, followed by 64 lower-case hexadecimal digits")]
    Prefix,
    /// The number of digits is not 64.
    #[error("a hash has 64 hexadecimal digits after `blake3:`, this one has {digits}")]
    Length {
        /// The number of digits that were found.
        digits: usize,
    },
    /// The text has a character that is not a hexadecimal digit.
    #[error("{found:?} at digit {index} of a hash is not a hexadecimal digit")]
    Digit {
        /// The position of the character, counted in bytes from 0 after the prefix.
        index: usize,
        /// The character that was found.
        found: char,
    },
    /// The text has upper-case digits.
    #[error("a hash is written in lower case")]
    UpperCase,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    #[test]
    fn text_form_round_trips() {
        let hash = ContentHash::of(b"");
        assert_eq!(hash.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(hash));
        assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{EMPTY}\""));
        assert_eq!(
            serde_json::from_str::<ContentHash>(&format!("\"{EMPTY}\"")).unwrap(),
            hash
        );
    }

    #[test]
    fn binary_form_is_bytes() {
        let hash = ContentHash::of(b"a");
        let bytes = cbor4ii::serde::to_vec(Vec::new(), &hash).unwrap();
        assert_eq!(bytes.len(), 34);
        assert_eq!(cbor4ii::serde::from_slice::<ContentHash>(&bytes).unwrap(), hash);
        assert!(cbor4ii::serde::from_slice::<ContentHash>(&[0x41, 0]).is_err());
    }

    /// STORE-2: attack 70, every other spelling of a hash is rejected.
    #[test]
    fn other_spellings_are_refused() {
        use HashParseError::*;
        let digits = EMPTY.strip_prefix("blake3:").unwrap();
        let short = |length: usize| digits.get(..length).unwrap();
        let table: Vec<(String, HashParseError)> = vec![
            (String::new(), Prefix),
            (digits.into(), Prefix),
            (format!("BLAKE3:{digits}"), Prefix),
            (format!("blake3-{digits}"), Prefix),
            (format!("sha256:{digits}"), Prefix),
            (format!(" blake3:{digits}"), Prefix),
            (format!("blake3:{}", digits.to_uppercase()), UpperCase),
            (format!("blake3:{}", short(62)), Length { digits: 62 }),
            (format!("blake3:{}", short(63)), Length { digits: 63 }),
            (format!("blake3:{digits}00"), Length { digits: 66 }),
            ("blake3:".into(), Length { digits: 0 }),
            (format!("blake3: {digits}"), Digit { index: 0, found: ' ' }),
            (
                format!("blake3:{digits}\n"),
                Digit {
                    index: 64,
                    found: '\n',
                },
            ),
            (
                format!("blake3:{digits}="),
                Digit {
                    index: 64,
                    found: '=',
                },
            ),
            (format!("blake3:../{}", short(61)), Digit { index: 0, found: '.' }),
            (
                format!("blake3:{}%2f", short(61)),
                Digit {
                    index: 61,
                    found: '%',
                },
            ),
            (
                format!("blake3:{}\u{ff11}", short(63)),
                Digit {
                    index: 63,
                    found: '\u{ff11}',
                },
            ),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<ContentHash>(), Err(expected), "{text:?}");
        }
    }
}
