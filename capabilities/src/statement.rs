//! Statements: what somebody says about a program or a package, and signs.
//!
//! `spec/signatures.md` is the promise.

use secure_runtime_text::forbidden_in_names;
use std::{collections::BTreeSet, fmt, str::FromStr};

use cbor4ii::core::Value;
use thiserror::Error;

use crate::{
    KeyPair, MAX_TIME, PublicKey,
    cose::{self, CoseError},
    text::quoted,
};

/// Most bytes of a signed statement.
pub const MAX_STATEMENT: usize = 64 * 1024;

/// Most claims of a statement.
pub const MAX_CLAIMS: usize = 32;

/// Most bytes of a claim's name.
const MAX_NAME: usize = 64;

/// Most bytes of a claim's value.
const MAX_VALUE: usize = 1024;

/// What a statement is about, by its BLAKE3 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A program: the hash of its graph.
    Graph([u8; 32]),
    /// A package, wherever it is used: the hash of its content.
    Package([u8; 32]),
}

impl Subject {
    /// The hash.
    pub fn hash(&self) -> &[u8; 32] {
        match self {
            Subject::Graph(hash) | Subject::Package(hash) => hash,
        }
    }

    /// What a signature covers besides the statement: one about a program is none about a package.
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

/// Something that a signer says of the subject: `reviewed`, `built-from=the commit of …`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    name: String,
    value: Option<String>,
}

impl Claim {
    /// The claim's name, such as `reviewed`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stands after `=`, where something does.
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

/// Why a statement, or a part of one, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// A text that is no claim.
    #[error(
        "{} is not a claim: write a name of lower-case letters, digits and `-`, or NAME=TEXT with at most {MAX_VALUE} bytes and no control characters",
        quoted(text)
    )]
    Claim {
        /// The text as given.
        text: String,
    },
    /// Two claims of one name, or more than [`MAX_CLAIMS`].
    #[error("a statement has at most {MAX_CLAIMS} claims, and each name once")]
    Claims,
    /// A time of signing after the year 9999.
    #[error("a statement is signed before the year 10000")]
    Time,
    /// More than [`MAX_STATEMENT`] bytes.
    #[error("the signed statement has {size} bytes; the limit is {MAX_STATEMENT}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Bytes that are no signed statement in its one encoding.
    #[error("this is not a signed statement: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// A signature that does not hold under this key.
    #[error(
        "the signature does not hold: the statement was changed, is about something else, or was signed by another key than {key}"
    )]
    Signature {
        /// The key.
        key: PublicKey,
    },
    /// A statement about something else.
    #[error("the statement is about another {found}, not about the {expected}")]
    Subject {
        /// What it should be about.
        expected: Subject,
        /// What it is about.
        found: Subject,
    },
}

/// What somebody says about a program or a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    subject: Subject,
    signed: Option<u64>,
    claims: Vec<Claim>,
}

impl Statement {
    /// The statement about this subject, made at this time (Unix seconds), where it says so, with these claims.
    ///
    /// # Errors
    /// [`StatementError::Claims`] and [`StatementError::Time`].
    pub fn new(
        subject: Subject,
        signed: Option<u64>,
        claims: impl IntoIterator<Item = Claim>,
    ) -> Result<Statement, StatementError> {
        let mut claims: Vec<Claim> = claims.into_iter().collect();
        // As their encodings are ordered: the shorter name first, then bytewise.
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

    /// What it is about.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// When its signer says that they signed it, in Unix seconds. Nobody else vouches for that time.
    pub fn signed(&self) -> Option<u64> {
        self.signed
    }

    /// What it claims.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// Whether it makes the claim: of this name, where only a name is asked for, else also with this value.
    pub fn makes(&self, asked: &Claim) -> bool {
        let mut claims = self.claims.iter();
        claims.any(|claim| claim.name == asked.name && (asked.value.is_none() || claim.value == asked.value))
    }

    /// The statement, signed. It has fewer than [`MAX_STATEMENT`] bytes, since its claims are few and short.
    ///
    /// # Errors
    /// One that cannot be encoded.
    pub fn sign(&self, key: &KeyPair) -> Result<Vec<u8>, StatementError> {
        cose::sign(key, self.subject.purpose(), self.encode()?).map_err(|error| refused(error, &key.public()))
    }

    /// The statement of these bytes about this subject, when this key signed it and they are its one encoding.
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
        // Whatever was overlooked, such as other spellings of numbers, shows as a difference.
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
                // No value is an empty text: a value that is given is never empty.
                let value = claim.value.clone().unwrap_or_default();
                (Value::Text(claim.name.clone()), Value::Text(value))
            });
            map.push((Value::Integer(3), Value::Map(claims.collect())));
        }
        cose::encode(&Value::Map(map)).map_err(|_| StatementError::Malformed {
            what: "it cannot be encoded",
        })
    }

    /// A statement of the kind of this subject.
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
