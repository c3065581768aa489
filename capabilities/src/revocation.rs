//! Revocation: signed lists of blocks that are no longer valid.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use cbor4ii::core::Value;
use thiserror::Error;

use crate::{
    KeyPair, PublicKey,
    cose::{self, CoseError},
    hexadecimal,
    text::quoted,
};

/// Maximum size of a revocation list, in bytes.
pub const MAX_REVOCATION_LIST: usize = 4 * 1024 * 1024;

/// The purpose that a list's signature covers, so that the signature is invalid for any other purpose.
const PURPOSE: &[u8] = b"secure-runtime revocation list 1";

/// The identifier of a block, which is its signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId([u8; 64]);

impl RevocationId {
    /// Returns the identifier with these bytes.
    pub fn from_bytes(bytes: [u8; 64]) -> RevocationId {
        RevocationId(bytes)
    }

    /// Returns the bytes of the identifier.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for RevocationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RevocationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for RevocationId {
    type Err = RevocationError;

    fn from_str(text: &str) -> Result<RevocationId, RevocationError> {
        let id = hexadecimal::decode(text).map(RevocationId);
        id.ok_or_else(|| RevocationError::Id {
            text: text.to_owned(),
        })
    }
}

/// Error returned when a revocation list, or a part of one, is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The text is not an identifier.
    #[error(
        "{} is not a revocation identifier: write 128 lower-case hexadecimal digits",
        quoted(text)
    )]
    Id {
        /// The rejected text.
        text: String,
    },
    /// The list has more than [`MAX_REVOCATION_LIST`] bytes.
    #[error("the revocation list has {size} bytes; the limit is {MAX_REVOCATION_LIST}")]
    TooLarge {
        /// The size in bytes.
        size: usize,
    },
    /// The bytes are not the canonical encoding of a revocation list.
    #[error("this is not a revocation list: {what}")]
    Malformed {
        /// The defect.
        what: &'static str,
    },
    /// The signature is not valid under this key.
    #[error(
        "the revocation list's signature does not hold: it was changed, or signed by another key than {key}"
    )]
    Signature {
        /// The key.
        key: PublicKey,
    },
    /// The list would be stale at the time at which it is issued.
    #[error("a revocation list must be valid for some time: set the next update after the time of issue")]
    Times,
    /// The list is older than one that was accepted before.
    #[error(
        "the revocation list number {sequence} is older than number {seen}, which was seen before: an attacker may be hiding revocations"
    )]
    RolledBack {
        /// The sequence number of the list.
        sequence: u64,
        /// The highest sequence number accepted before.
        seen: u64,
    },
    /// Two different lists have the same sequence number.
    #[error(
        "two different revocation lists have the number {sequence}: their signer must use a new number for each list"
    )]
    Forked {
        /// The sequence number.
        sequence: u64,
    },
}

/// A revocation list: the revoked blocks, and the time until which the list is current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// The sequence number, which must grow with each new list.
    pub sequence: u64,
    /// The time of issue, in Unix seconds.
    pub issued: u64,
    /// The time from which the list is stale, in Unix seconds.
    pub next_update: u64,
    ids: Vec<RevocationId>,
}

impl RevocationList {
    /// Returns a list of these blocks.
    ///
    /// # Errors
    /// [`RevocationError::Times`].
    pub fn new(
        sequence: u64,
        issued: u64,
        next_update: u64,
        ids: impl IntoIterator<Item = RevocationId>,
    ) -> Result<RevocationList, RevocationError> {
        if next_update <= issued {
            return Err(RevocationError::Times);
        }
        let mut ids: Vec<RevocationId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(RevocationList {
            sequence,
            issued,
            next_update,
            ids,
        })
    }

    /// Returns the revoked blocks, sorted.
    pub fn ids(&self) -> &[RevocationId] {
        &self.ids
    }

    /// Returns true if the list revokes the block.
    pub fn contains(&self, id: &RevocationId) -> bool {
        self.ids.binary_search(id).is_ok()
    }

    /// Signs the list.
    ///
    /// # Errors
    /// Returns an error if the list is too large.
    pub fn sign(&self, key: &KeyPair) -> Result<Vec<u8>, RevocationError> {
        let bytes =
            cose::sign(key, PURPOSE, self.encode()?).map_err(|error| refused(error, &key.public()))?;
        if bytes.len() > MAX_REVOCATION_LIST {
            return Err(RevocationError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// Verifies a signed list. The key must have signed it, and it must be in its canonical encoding.
    ///
    /// # Errors
    /// [`RevocationError`].
    pub fn verify(bytes: &[u8], key: &PublicKey) -> Result<RevocationList, RevocationError> {
        let malformed = |what| RevocationError::Malformed { what };
        if bytes.len() > MAX_REVOCATION_LIST {
            return Err(RevocationError::TooLarge { size: bytes.len() });
        }
        let payload = cose::open(bytes, key, PURPOSE).map_err(|error| refused(error, key))?;
        let list =
            RevocationList::decode(payload).ok_or_else(|| malformed("its payload is not a list's map"))?;
        // Encoding the list again reveals whatever the decoder overlooked, such as non-canonical numbers.
        if list.encode()? != payload {
            return Err(malformed("its payload is not in deterministic CBOR"));
        }
        Ok(list)
    }

    fn encode(&self) -> Result<Vec<u8>, RevocationError> {
        let ids = self.ids.iter().map(|id| Value::Bytes(id.0.to_vec())).collect();
        let map = Value::Map(vec![
            (Value::Integer(1), Value::Integer(self.sequence.into())),
            (Value::Integer(2), Value::Integer(self.issued.into())),
            (Value::Integer(3), Value::Integer(self.next_update.into())),
            (Value::Integer(4), Value::Array(ids)),
        ]);
        cose::encode(&map).map_err(|_| RevocationError::Malformed {
            what: "it cannot be encoded",
        })
    }

    fn decode(payload: &[u8]) -> Option<RevocationList> {
        let Some(Value::Map(entries)) = cose::decode(payload) else {
            return None;
        };
        let [
            (Value::Integer(1), Value::Integer(sequence)),
            (Value::Integer(2), Value::Integer(issued)),
            (Value::Integer(3), Value::Integer(next_update)),
            (Value::Integer(4), Value::Array(ids)),
        ] = entries.as_slice()
        else {
            return None;
        };
        let ids = ids.iter().map(|id| match id {
            Value::Bytes(bytes) => bytes.as_slice().try_into().ok().map(RevocationId),
            _ => None,
        });
        let number = |number: &i128| u64::try_from(*number).ok();
        RevocationList::new(
            number(sequence)?,
            number(issued)?,
            number(next_update)?,
            ids.collect::<Option<Vec<_>>>()?,
        )
        .ok()
    }
}

fn refused(error: CoseError, key: &PublicKey) -> RevocationError {
    match error {
        CoseError::Malformed(what) => RevocationError::Malformed { what },
        CoseError::Signature => RevocationError::Signature { key: *key },
    }
}

/// The source of state numbers, shared by all [`Revocations`] of the process. No two states have the same
/// number, so a cached result never applies to another list.
static STATES: AtomicU64 = AtomicU64::new(1);

/// The newest known revocation list, shared by all decisions. A clone refers to the same list.
///
/// Decisions take no lock while the list stays the same. A new list applies from the next decision on, on
/// every thread.
#[derive(Clone)]
pub struct Revocations(Arc<Shared>);

struct Shared {
    key: PublicKey,
    state: AtomicU64,
    /// The time from which the list is stale; 0 while there is no list.
    stale: AtomicU64,
    list: RwLock<Option<Arc<RevocationList>>>,
}

impl Revocations {
    /// Returns revocations that accept lists signed by this key. Every operation is refused until the first
    /// list arrives.
    pub fn new(key: PublicKey) -> Revocations {
        Revocations(Arc::new(Shared {
            key,
            state: AtomicU64::new(STATES.fetch_add(1, Ordering::Relaxed)),
            stale: AtomicU64::new(0),
            list: RwLock::new(None),
        }))
    }

    /// Returns the key that signs the lists.
    pub fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// Returns the newest list.
    pub fn list(&self) -> Option<Arc<RevocationList>> {
        self.0.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the list by a newer one. Returns true if it was new, and false if it is the current one.
    ///
    /// # Errors
    /// Returns an error if the key did not sign the list, or if it is not newer than the current one. The
    /// current list then stays.
    pub fn update(&self, bytes: &[u8]) -> Result<bool, RevocationError> {
        let list = RevocationList::verify(bytes, &self.0.key)?;
        let mut current = self.0.list.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = current.as_deref() {
            if *seen == list {
                return Ok(false);
            }
            if list.sequence < seen.sequence {
                return Err(RevocationError::RolledBack {
                    sequence: list.sequence,
                    seen: seen.sequence,
                });
            }
            if list.sequence == seen.sequence {
                return Err(RevocationError::Forked {
                    sequence: list.sequence,
                });
            }
        }
        self.0.stale.store(list.next_update, Ordering::Release);
        *current = Some(Arc::new(list));
        // The state changes last, so that every thread that sees the new state also sees the new list.
        let state = STATES.fetch_add(1, Ordering::Relaxed);
        self.0.state.store(state, Ordering::Release);
        Ok(true)
    }

    /// Returns the number of the current state. Every new list changes it.
    pub(crate) fn state(&self) -> u64 {
        self.0.state.load(Ordering::Acquire)
    }

    /// Returns the time at which the list became stale, if it is stale.
    pub(crate) fn stale_since(&self, now: u64) -> Option<u64> {
        let stale = self.0.stale.load(Ordering::Acquire);
        (now >= stale).then_some(stale)
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequence = self.list().map(|list| list.sequence);
        formatter
            .debug_struct("Revocations")
            .field("key", &self.0.key)
            .field("sequence", &sequence)
            .finish()
    }
}
