//! Statements: signed claims about a program or a package.
//!
//! `spec/signatures.md` specifies them.

use secure_runtime_text::forbidden_in_names;
use std::{collections::BTreeSet, fmt, str::FromStr};

use cbor4ii::core::Value;
use thiserror::Error;

use crate::{
    KeyPair, MAX_TIME, PublicKey,
    cose::{self, CoseError},
    text::quoted,
};

/// Maximum size of a signed statement, in bytes.
pub const MAX_STATEMENT: usize = 64 * 1024;

/// Maximum number of claims in a statement.
pub const MAX_CLAIMS: usize = 32;

/// Maximum length of a claim's name, in bytes.
const MAX_NAME: usize = 64;

/// Maximum length of a claim's value, in bytes.
const MAX_VALUE: usize = 1024;

/// The subject of a statement, named by its BLAKE3 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A program, by the hash of its graph.
    Graph([u8; 32]),
    /// A package in any program, by the hash of its content.
    Package([u8; 32]),
}

impl Subject {
    /// Returns the hash.
    pub fn hash(&self) -> &[u8; 32] {
        match self {
            Subject::Graph(hash) | Subject::Package(hash) => hash,
        }
    }

    /// Returns the purpose that the signature covers. A signature for a program is invalid for a package.
    fn purpose(&self) -> &'static [u8] {
        match self {
            Subject::Graph(_) => b"secure-runtime graph signature 1",
            Subject::Package(_) => b"secure-runtime package signature 1",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Subject::Graph(_) => "graph",
            Subject::Package(_) => "package",
        };
        write!(formatter, "{kind} blake3:{}", hex::encode(self.hash()))
    }
}

/// A claim that a signer makes about the subject: `reviewed`, `built-from=the commit of …`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    name: String,
    value: Option<String>,
}

impl Claim {
    /// Returns the claim's name, such as `reviewed`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text after `=`, if there is one.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match &self.value {
            Some(value) => write!(formatter, "={value}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Claim {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Claim, StatementError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let is_name = name.len() <= MAX_NAME
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|character| {
                character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
            });
        let is_value = value.is_none_or(|value| {
            !value.is_empty() && value.len() <= MAX_VALUE && forbidden_in_names(value).is_none()
        });
        if is_name && is_value {
            Ok(Claim {
                name: name.to_owned(),
                value: value.map(str::to_owned),
            })
        } else {
            Err(StatementError::Claim {
                text: text.to_owned(),
            })
        }
    }
}

/// Error returned when a statement, or a part of one, is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The text is not a claim.
    #[error(
        "{} is not a claim: write a name of lower-case letters, digits and `-`, or NAME=TEXT with at most {MAX_VALUE} bytes and no control characters",
        quoted(text)
    )]
    Claim {
        /// The rejected text.
        text: String,
    },
    /// Two claims have the same name, or there are more than [`MAX_CLAIMS`].
    #[error("a statement has at most {MAX_CLAIMS} claims, and each name once")]
    Claims,
    /// The time of signing is after the year 9999.
    #[error("a statement is signed before the year 10000")]
    Time,
    /// The statement has more than [`MAX_STATEMENT`] bytes.
    #[error("the signed statement has {size} bytes; the limit is {MAX_STATEMENT}")]
    TooLarge {
        /// The size in bytes.
        size: usize,
    },
    /// The bytes are not the canonical encoding of a signed statement.
    #[error("this is not a signed statement: {what}")]
    Malformed {
        /// The defect.
        what: &'static str,
    },
    /// The signature is not valid under this key.
    #[error(
        "the signature does not hold: the statement was changed, is about something else, or was signed by another key than {key}"
    )]
    Signature {
        /// The key.
        key: PublicKey,
    },
    /// The statement is about another subject.
    #[error("the statement is about another {found}, not about the {expected}")]
    Subject {
        /// The expected subject.
        expected: Subject,
        /// The subject of the statement.
        found: Subject,
    },
}

/// A set of claims about a program or a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    subject: Subject,
    signed: Option<u64>,
    claims: Vec<Claim>,
}

impl Statement {
    /// Returns a statement about this subject with these claims. `signed` is the time of signing in Unix
    /// seconds, if the statement has one.
    ///
    /// # Errors
    /// [`StatementError::Claims`] and [`StatementError::Time`].
    pub fn new(
        subject: Subject,
        signed: Option<u64>,
        claims: impl IntoIterator<Item = Claim>,
    ) -> Result<Statement, StatementError> {
        let mut claims: Vec<Claim> = claims.into_iter().collect();
        // The order of deterministic CBOR: the shorter name first, then bytewise.
        claims.sort_by(|left, right| {
            let key = |claim: &Claim| (claim.name.len(), claim.name.clone());
            key(left).cmp(&key(right))
        });
        let names: BTreeSet<&str> = claims.iter().map(Claim::name).collect();
        if claims.len() > MAX_CLAIMS || names.len() < claims.len() {
            return Err(StatementError::Claims);
        }
        if signed.is_some_and(|time| time > MAX_TIME) {
            return Err(StatementError::Time);
        }
        Ok(Statement {
            subject,
            signed,
            claims,
        })
    }

    /// Returns the subject.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Returns the time of signing in Unix seconds, according to the signer. No other party confirms it.
    pub fn signed(&self) -> Option<u64> {
        self.signed
    }

    /// Returns the claims.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// Returns true if the statement makes this claim. If `asked` has no value, only the names are compared.
    pub fn makes(&self, asked: &Claim) -> bool {
        let mut claims = self.claims.iter();
        claims.any(|claim| claim.name == asked.name && (asked.value.is_none() || claim.value == asked.value))
    }

    /// Signs the statement. The result is below [`MAX_STATEMENT`] bytes, because claims are few and short.
    ///
    /// # Errors
    /// Returns an error if the statement cannot be encoded.
    pub fn sign(&self, key: &KeyPair) -> Result<Vec<u8>, StatementError> {
        cose::sign(key, self.subject.purpose(), self.encode()?).map_err(|error| refused(error, &key.public()))
    }

    /// Verifies a signed statement about this subject. The key must have signed it, and it must be in its
    /// canonical encoding.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn verify(bytes: &[u8], key: &PublicKey, subject: Subject) -> Result<Statement, StatementError> {
        if bytes.len() > MAX_STATEMENT {
            return Err(StatementError::TooLarge { size: bytes.len() });
        }
        let payload = cose::open(bytes, key, subject.purpose()).map_err(|error| refused(error, key))?;
        let statement = Statement::decode(payload, subject).ok_or(StatementError::Malformed {
            what: "its payload is not a statement's map",
        })?;
        // Encoding the statement again reveals whatever the decoder overlooked, such as non-canonical
        // numbers.
        if statement.encode()? != payload {
            return Err(StatementError::Malformed {
                what: "its payload is not in deterministic CBOR",
            });
        }
        if statement.subject != subject {
            return Err(StatementError::Subject {
                expected: subject,
                found: statement.subject,
            });
        }
        Ok(statement)
    }

    fn encode(&self) -> Result<Vec<u8>, StatementError> {
        let mut map = vec![(Value::Integer(1), Value::Bytes(self.subject.hash().to_vec()))];
        if let Some(signed) = self.signed {
            map.push((Value::Integer(2), Value::Integer(signed.into())));
        }
        if !self.claims.is_empty() {
            let claims = self.claims.iter().map(|claim| {
                // A claim without a value has an empty text. This is unambiguous, because values are never
                // empty.
                let value = claim.value.clone().unwrap_or_default();
                (Value::Text(claim.name.clone()), Value::Text(value))
            });
            map.push((Value::Integer(3), Value::Map(claims.collect())));
        }
        cose::encode(&Value::Map(map)).map_err(|_| StatementError::Malformed {
            what: "it cannot be encoded",
        })
    }

    /// Decodes a statement whose subject is of the same kind as `kind`.
    fn decode(payload: &[u8], kind: Subject) -> Option<Statement> {
        let Some(Value::Map(entries)) = cose::decode(payload) else {
            return None;
        };
        let (mut subject, mut signed, mut claims) = (None, None, Vec::new());
        for entry in entries {
            match entry {
                (Value::Integer(1), Value::Bytes(hash)) => {
                    let hash = hash.try_into().ok()?;
                    subject = Some(match kind {
                        Subject::Graph(_) => Subject::Graph(hash),
                        Subject::Package(_) => Subject::Package(hash),
                    });
                }
                (Value::Integer(2), Value::Integer(time)) => signed = Some(u64::try_from(time).ok()?),
                (Value::Integer(3), Value::Map(entries)) => {
                    for entry in entries {
                        let (Value::Text(name), Value::Text(value)) = entry else {
                            return None;
                        };
                        let text = if value.is_empty() {
                            name
                        } else {
                            format!("{name}={value}")
                        };
                        claims.push(text.parse().ok()?);
                    }
                }
                _ => return None,
            }
        }
        Statement::new(subject?, signed, claims).ok()
    }
}

fn refused(error: CoseError, key: &PublicKey) -> StatementError {
    match error {
        CoseError::Malformed(what) => StatementError::Malformed { what },
        CoseError::Signature => StatementError::Signature { key: *key },
    }
}
