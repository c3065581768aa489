//! Revocation: lists of blocks that are no longer good, signed by whoever may say so.

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

/// Most bytes of a revocation list.
pub const MAX_REVOCATION_LIST: usize = 4 * 1024 * 1024;

/// What a list's signature covers besides the list, so that it is good for nothing else.
const PURPOSE: &[u8] = b"secure-runtime revocation list 1";

/// The identifier of a block: its signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId([u8; 64]);

impl RevocationId {
    /// The identifier of these bytes.
    pub fn from_bytes(bytes: [u8; 64]) -> RevocationId {
        RevocationId(bytes)
    }

    /// Its bytes.
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

/// Why a revocation list, or a part of one, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// A text that is no identifier.
    #[error(
        "{} is not a revocation identifier: write 128 lower-case hexadecimal digits",
        quoted(text)
    )]
    Id {
        /// The text as given.
        text: String,
    },
    /// More than [`MAX_REVOCATION_LIST`] bytes.
    #[error("the revocation list has {size} bytes; the limit is {MAX_REVOCATION_LIST}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Bytes that are no revocation list in its one encoding.
    #[error("this is not a revocation list: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// A signature that does not hold under this key.
    #[error(
        "the revocation list's signature does not hold: it was changed, or signed by another key than {key}"
    )]
    Signature {
        /// The key.
        key: PublicKey,
    },
    /// A list that is stale before it is made.
    #[error("a revocation list must be good for some time: its next update is not after it was made")]
    Times,
    /// A list that is older than one that was seen.
    #[error(
        "the revocation list number {sequence} is older than number {seen}, which was seen before: somebody may be hiding revocations"
    )]
    RolledBack {
        /// The list's number.
        sequence: u64,
        /// The newest number seen.
        seen: u64,
    },
    /// Two lists with one number.
    #[error(
        "two different revocation lists have the number {sequence}: who signs them must use a new one for each"
    )]
    Forked {
        /// The number.
        sequence: u64,
    },
}

/// A revocation list: which blocks are no longer good, and until when that is the newest word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// Its number; larger in each new list.
    pub sequence: u64,
    /// When it was made, in Unix seconds.
    pub issued: u64,
    /// From when on it is stale, in Unix seconds.
    pub next_update: u64,
    ids: Vec<RevocationId>,
}

impl RevocationList {
    /// A list of these blocks.
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

    /// The revoked blocks, sorted.
    pub fn ids(&self) -> &[RevocationId] {
        &self.ids
    }

    /// Whether the block is revoked.
    pub fn contains(&self, id: &RevocationId) -> bool {
        self.ids.binary_search(id).is_ok()
    }

    /// The list, signed.
    ///
    /// # Errors
    /// A list that is too large.
    pub fn sign(&self, key: &KeyPair) -> Result<Vec<u8>, RevocationError> {
        let bytes =
            cose::sign(key, PURPOSE, self.encode()?).map_err(|error| refused(error, &key.public()))?;
        if bytes.len() > MAX_REVOCATION_LIST {
            return Err(RevocationError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// The list of these bytes, when this key signed it and they are its one encoding.
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
        // Whatever was overlooked, such as other spellings of numbers, shows as a difference.
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

/// Numbers the states of all revocations of the process, so that no two have the same number: what was found for one
/// number is never taken for another state's.
static STATES: AtomicU64 = AtomicU64::new(1);

/// The newest revocation list that is known, for all who decide. Cloning gives another handle on the same.
///
/// Deciding takes no lock while the list stays the same. A new list holds from the next decision on, on every thread.
#[derive(Clone)]
pub struct Revocations(Arc<Shared>);

struct Shared {
    key: PublicKey,
    state: AtomicU64,
    /// From when on the list is stale; 0 while there is none.
    stale: AtomicU64,
    list: RwLock<Option<Arc<RevocationList>>>,
}

impl Revocations {
    /// Revocations by the lists that this key signs. Until there is one, nothing is allowed.
    pub fn new(key: PublicKey) -> Revocations {
        Revocations(Arc::new(Shared {
            key,
            state: AtomicU64::new(STATES.fetch_add(1, Ordering::Relaxed)),
            stale: AtomicU64::new(0),
            list: RwLock::new(None),
        }))
    }

    /// The key that signs the lists.
    pub fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// The newest list.
    pub fn list(&self) -> Option<Arc<RevocationList>> {
        self.0.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a newer list. Returns whether it was new; the one that is had already is no error.
    ///
    /// # Errors
    /// A list that is not signed by the key, or not newer than the one that is had. That one stays.
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
        // Last: who sees the new number sees the new list.
        let state = STATES.fetch_add(1, Ordering::Relaxed);
        self.0.state.store(state, Ordering::Release);
        Ok(true)
    }

    /// The number of the present state: it changes with every new list.
    pub(crate) fn state(&self) -> u64 {
        self.0.state.load(Ordering::Acquire)
    }

    /// When the list became stale, if it is.
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
