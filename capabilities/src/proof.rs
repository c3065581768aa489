//! Proofs of possession: who presents a token bound to a key shows that they have the private key.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{Holder, KeyError, KeyPair, PublicKey, Token, hexadecimal, text::quoted};

/// What a proof's signature begins with, so that it is good for nothing else (TOK-39).
const PURPOSE: &[u8] = b"secure-runtime proof of possession 1\n";

/// What a verifier asks to be signed: 32 random bytes. It is accepted once, which is why [`Challenge::accept`] takes it.
#[derive(PartialEq, Eq)]
pub struct Challenge([u8; 32]);

/// A signature over a challenge and a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof([u8; 64]);

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A text that is no challenge.
    #[error(
        "{} is not a challenge: it has 64 lower-case hexadecimal digits",
        quoted(text)
    )]
    Challenge {
        /// The text as given.
        text: String,
    },
    /// A text that is no proof.
    #[error("{} is not a proof: it has 128 lower-case hexadecimal digits", quoted(text))]
    Proof {
        /// The text as given.
        text: String,
    },
    /// A signature that does not hold for this key, token and challenge.
    #[error(
        "the proof does not hold: it was made with another key than {key}, for another token, or for another challenge"
    )]
    Signature {
        /// The key.
        key: PublicKey,
    },
}

impl Challenge {
    /// A new challenge from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Challenge, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| KeyError::Random)?;
        Ok(Challenge(bytes))
    }

    /// The holder that this proof shows the presenter of the token to be.
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
    /// Proves that this key's owner presents the token.
    pub fn prove(&self, token: &Token, challenge: &Challenge) -> Proof {
        Proof(self.sign(&challenge.message(token)))
    }

    /// The holder that whoever has this key pair is.
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
