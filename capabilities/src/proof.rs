//! Proofs of possession: the bearer of a token bound to a key proves that they have the private key.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{Holder, KeyError, KeyPair, PublicKey, Token, hexadecimal, key::fill_random, text::quoted};

/// The start of every message that a proof signs, so that the signature is invalid for any other purpose
/// (TOK-39).
const PURPOSE: &[u8] = b"secure-runtime proof of possession 1\n";

/// A verifier's challenge: 32 random bytes. [`Challenge::accept`] consumes it, so it is accepted once.
#[derive(PartialEq, Eq)]
pub struct Challenge([u8; 32]);

/// A signature over a challenge and a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof([u8; 64]);

/// Error returned when a proof is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text is not a challenge.
    #[error(
        "{} is not a challenge: it has 64 lower-case hexadecimal digits",
        quoted(text)
    )]
    Challenge {
        /// The rejected text.
        text: String,
    },
    /// The text is not a proof.
    #[error("{} is not a proof: it has 128 lower-case hexadecimal digits", quoted(text))]
    Proof {
        /// The rejected text.
        text: String,
    },
    /// The signature is not valid for this key, token and challenge.
    #[error(
        "the proof does not hold: it was made with another key than {key}, for another token, or for another challenge"
    )]
    Signature {
        /// The key.
        key: PublicKey,
    },
}

impl Challenge {
    /// Generates a challenge from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Challenge, KeyError> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes)?;
        Ok(Challenge(bytes))
    }

    /// Returns the holder, if the proof is valid for this challenge, token and key.
    ///
    /// # Errors
    /// [`ProofError::Signature`].
    pub fn accept(self, proof: &Proof, token: &Token, key: &PublicKey) -> Result<Holder, ProofError> {
        if key.verify(&self.message(token), &proof.0) {
            Ok(Holder::Key(*key.as_bytes()))
        } else {
            Err(ProofError::Signature { key: *key })
        }
    }

    fn message(&self, token: &Token) -> Vec<u8> {
        [PURPOSE, &self.0, token.id().as_bytes()].concat()
    }
}

impl KeyPair {
    /// Proves that the owner of this key presents the token.
    pub fn prove(&self, token: &Token, challenge: &Challenge) -> Proof {
        Proof(self.sign(&challenge.message(token)))
    }

    /// Returns the holder that stands for the owner of this key pair.
    pub fn holder(&self) -> Holder {
        Holder::Key(*self.public().as_bytes())
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Challenge {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Challenge, ProofError> {
        let challenge = hexadecimal::decode(text).map(Challenge);
        challenge.ok_or_else(|| ProofError::Challenge {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Proof, ProofError> {
        let proof = hexadecimal::decode(text).map(Proof);
        proof.ok_or_else(|| ProofError::Proof {
            text: text.to_owned(),
        })
    }
}
