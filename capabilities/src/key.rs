//! Ed25519 keys, in the text form of Biscuit tools.

use std::{fmt, io, str::FromStr};

use biscuit_auth::Algorithm;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use secure_runtime_text::Cause;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hexadecimal;

const PUBLIC: &str = "ed25519/";
const PRIVATE: &str = "ed25519-private/";

/// Error returned when a text or bytes are not a key. It never contains key material.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A private key in place of a public one.
    #[error("this is a private key: keep it secret, and give the public key, which begins with `ed25519/`")]
    PrivateGiven,
    /// A public key in place of a private one.
    #[error("this is a public key: the private key begins with `ed25519-private/`")]
    PublicGiven,
    /// A key of another algorithm, or a text without a prefix.
    #[error("a key begins with `{expected}`; only Ed25519 keys are supported")]
    Prefix {
        /// The expected prefix.
        expected: &'static str,
    },
    /// The prefix is not followed by exactly 64 lower-case hexadecimal digits.
    #[error("after `{prefix}` come exactly 64 lower-case hexadecimal digits, and nothing else")]
    Digits {
        /// The prefix of the text.
        prefix: &'static str,
    },
    /// The key is 32 zero bytes, a common placeholder.
    #[error("the key is all zeros")]
    Zero,
    /// The bytes are not a point of the curve, or not its canonical encoding.
    #[error("the public key is not a point of Ed25519 in its one encoding")]
    NotAPoint,
    /// The point has small order, or a component of small order. Such keys accept signatures that nobody
    /// made.
    #[error("the public key has a component of small order, which no honest key has")]
    SmallOrder,
    /// The operating system returned no random bytes.
    #[error("the operating system gave no random bytes for a new key")]
    Random(
        /// The [`io::Error`].
        #[source]
        Cause,
    ),
}

/// Fills these bytes from the operating system's randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), KeyError> {
    getrandom::fill(bytes).map_err(|error| {
        let number = error.raw_os_error().map(io::Error::from_raw_os_error);
        KeyError::Random(
            number
                .unwrap_or_else(|| io::Error::other(error.to_string()))
                .into(),
        )
    })
}

/// An Ed25519 public key, checked to be a key that an honest key pair can have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Checks the bytes of a key.
    ///
    /// # Errors
    /// Returns an error if the bytes are not the canonical encoding of a point of prime order.
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

    /// Returns the 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns true if the key's owner signed the message, by the strict rules of RFC 8032.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// Converts the key to the token library's type. The library's checks are a subset of those of
    /// [`PublicKey::from_bytes`].
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

/// An Ed25519 key pair. It is wiped from memory when dropped, and `Debug` does not show the private key.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// Generates a key pair from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<KeyPair, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        fill_random(secret.as_mut())?;
        KeyPair::from_secret(&secret)
    }

    /// Returns the key pair with this 32-byte secret.
    ///
    /// # Errors
    /// [`KeyError::Zero`].
    pub fn from_secret(secret: &[u8; 32]) -> Result<KeyPair, KeyError> {
        if secret == &[0; 32] {
            return Err(KeyError::Zero);
        }
        Ok(KeyPair(SigningKey::from_bytes(secret)))
    }

    /// Signs a message. The message must begin with a text that names its purpose.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// Returns the public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Returns the private key as text, `ed25519-private/…`. The caller must keep it secret; it is wiped when
    /// dropped.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.0.as_bytes()));
        let mut text = Zeroizing::new(String::with_capacity(PRIVATE.len() + digits.len()));
        text.push_str(PRIVATE);
        text.push_str(&digits);
        text
    }

    /// Converts the key pair to the token library's type.
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

    /// TOK-2: rejects the points of small and mixed order from Wycheproof and ed25519-speccheck.
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
        let mut none = [0; 32]; // no point has y = 2
        none[0] = 2;
        assert_eq!(PublicKey::from_bytes(none), Err(KeyError::NotAPoint));
    }

    fn hex_bytes(digits: &str) -> [u8; 32] {
        hexadecimal::decode(digits).unwrap()
    }
}
