//! Ed25519 keys, in the text forms that Biscuit tools use.

use std::{fmt, str::FromStr};

use biscuit_auth::Algorithm;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hexadecimal;

const PUBLIC: &str = "ed25519/";
const PRIVATE: &str = "ed25519-private/";

/// Why a text or bytes are not a key. Never holds key material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A private key where a public one belongs.
    #[error("this is a private key: keep it secret, and give the public key, which begins with `ed25519/`")]
    PrivateGiven,
    /// A public key where a private one belongs.
    #[error("this is a public key: the private key begins with `ed25519-private/`")]
    PublicGiven,
    /// A key of another algorithm, or no prefix at all.
    #[error("a key begins with `{expected}`; only Ed25519 keys are supported")]
    Prefix {
        /// The prefix that belongs there.
        expected: &'static str,
    },
    /// Not 64 lower-case hexadecimal digits.
    #[error("after `{prefix}` come exactly 64 lower-case hexadecimal digits, and nothing else")]
    Digits {
        /// The prefix that the text has.
        prefix: &'static str,
    },
    /// 32 zero bytes: a placeholder.
    #[error("the key is all zeros")]
    Zero,
    /// No point of the curve, or another spelling of one.
    #[error("the public key is not a point of Ed25519 in its one encoding")]
    NotAPoint,
    /// A point of small order, or with a part of small order: such keys accept signatures that nobody made.
    #[error("the public key has a component of small order, which no honest key has")]
    SmallOrder,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for a new key")]
    Random,
}

/// An Ed25519 public key that was checked to be one that an honest key pair can have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes.
    ///
    /// # Errors
    /// Bytes that are not the one encoding of a point of prime order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<PublicKey, KeyError> {
        if bytes == [0; 32] {
            return Err(KeyError::Zero);
        }
        let point = VerifyingKey::from_bytes(&bytes)
            .map_err(|_| KeyError::NotAPoint)?
            .to_edwards();
        if point.compress().to_bytes() != bytes {
            return Err(KeyError::NotAPoint);
        }
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(KeyError::SmallOrder);
        }
        Ok(PublicKey(bytes))
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the key's owner signed the message, by the strict rules of RFC 8032.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// The same key for the token library; its checks are a subset of ours.
    pub(crate) fn to_biscuit(self) -> Result<biscuit_auth::PublicKey, KeyError> {
        biscuit_auth::PublicKey::from_bytes(&self.0, Algorithm::Ed25519).map_err(|_| KeyError::NotAPoint)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        if text.starts_with(PRIVATE) {
            return Err(KeyError::PrivateGiven);
        }
        let digits = text
            .strip_prefix(PUBLIC)
            .ok_or(KeyError::Prefix { expected: PUBLIC })?;
        PublicKey::from_bytes(hexadecimal::decode(digits).ok_or(KeyError::Digits { prefix: PUBLIC })?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PUBLIC}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// An Ed25519 key pair. Wiped from memory when dropped, and never shown.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// A new key pair from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<KeyPair, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).map_err(|_| KeyError::Random)?;
        KeyPair::from_secret(&secret)
    }

    /// The key pair of this 32-byte secret.
    ///
    /// # Errors
    /// [`KeyError::Zero`].
    pub fn from_secret(secret: &[u8; 32]) -> Result<KeyPair, KeyError> {
        if secret == &[0; 32] {
            return Err(KeyError::Zero);
        }
        Ok(KeyPair(SigningKey::from_bytes(secret)))
    }

    /// Signs a message, whose beginning says what it is for.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The private key as text, `ed25519-private/…`, to be kept secret. Wiped when dropped.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.0.as_bytes()));
        let mut text = Zeroizing::new(String::with_capacity(PRIVATE.len() + digits.len()));
        text.push_str(PRIVATE);
        text.push_str(&digits);
        text
    }

    /// The same key pair for the token library.
    pub(crate) fn to_biscuit(&self) -> Result<biscuit_auth::KeyPair, KeyError> {
        let private = biscuit_auth::PrivateKey::from_bytes(self.0.as_bytes(), Algorithm::Ed25519)
            .map_err(|_| KeyError::NotAPoint)?;
        Ok(biscuit_auth::KeyPair::from(&private))
    }
}

impl FromStr for KeyPair {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<KeyPair, KeyError> {
        if text.starts_with(PUBLIC) {
            return Err(KeyError::PublicGiven);
        }
        let digits = text
            .strip_prefix(PRIVATE)
            .ok_or(KeyError::Prefix { expected: PRIVATE })?;
        let secret = hexadecimal::decode(digits).ok_or(KeyError::Digits { prefix: PRIVATE })?;
        KeyPair::from_secret(&Zeroizing::new(secret))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyPair({}, private key not shown)", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_text() {
        let pair = KeyPair::generate().unwrap();
        let again: KeyPair = pair.to_secret_text().parse().unwrap();
        assert_eq!(again.public(), pair.public());
        assert_eq!(pair.public().to_string().parse(), Ok(pair.public()));
        assert!(!format!("{pair:?}").contains(pair.to_secret_text().trim_start_matches(PRIVATE)));
    }

    /// TOK-2, and Wycheproof's and ed25519-speccheck's points of small and mixed order.
    #[test]
    fn weak_and_respelled_points_are_refused() {
        let mut respelled_identity = [0xff; 32]; // y = p + 1, which means y = 1
        respelled_identity[0] = 0xee;
        respelled_identity[31] = 0x7f;
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut order_two = [0xff; 32]; // y = -1
        order_two[0] = 0xec;
        order_two[31] = 0x7f;
        let order_eight = hex_bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
        let mixed = hex_bytes("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d");
        assert_eq!(PublicKey::from_bytes([0; 32]), Err(KeyError::Zero));
        assert_eq!(PublicKey::from_bytes(identity), Err(KeyError::SmallOrder));
        assert_eq!(PublicKey::from_bytes(order_two), Err(KeyError::SmallOrder));
        assert_eq!(PublicKey::from_bytes(order_eight), Err(KeyError::SmallOrder));
        assert_eq!(PublicKey::from_bytes(mixed), Err(KeyError::SmallOrder));
        assert_eq!(
            PublicKey::from_bytes(respelled_identity),
            Err(KeyError::NotAPoint)
        );
        let mut none = [0; 32]; // y = 2 is on no point
        none[0] = 2;
        assert_eq!(PublicKey::from_bytes(none), Err(KeyError::NotAPoint));
    }

    fn hex_bytes(digits: &str) -> [u8; 32] {
        hexadecimal::decode(digits).unwrap()
    }
}
