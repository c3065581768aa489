//! Blocks: the links of a token's chain.

use thiserror::Error;

use crate::{Holder, PublicKey, Rights, RightsError};

/// Maximum number of blocks in one chain, the authority block included.
pub const MAX_BLOCKS: usize = 16;

/// Latest time that a block may name: the last second of the year 9999, in Unix seconds.
///
/// Later times have no text in RFC 3339, the format in which tools print and read them.
pub const MAX_TIME: u64 = 253_402_300_799;

/// Maximum number of modules that one block attests.
pub const MAX_ATTESTED: usize = 1_024;

/// One link of a chain. It allows an operation only if each of its fields allows it.
///
/// In the authority block, which is the first, `rights` are the grants, and `None` means no right at all. In
/// a later block, `None` leaves the rights unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Block {
    /// The rights that the block keeps. An empty set keeps none.
    pub rights: Option<Rights>,
    /// The first second, in Unix time, at which the block has expired.
    pub expires: Option<u64>,
    /// The first second, in Unix time, at which the block is valid.
    pub not_before: Option<u64>,
    /// The only holder for which the block allows operations.
    pub holder: Option<Holder>,
    /// If set, the block allows operations only for modules that the owner of this key attested, in any block
    /// of the chain.
    pub attested_by: Option<PublicKey>,
    /// The attestation of a third party. A block with one has nothing else, and only that party can sign it:
    /// see [`crate::AttestationRequest`].
    pub attestation: Option<Attestation>,
}

/// A third party's statement that it vouches for these modules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attestation {
    by: PublicKey,
    /// Sorted, without duplicates, and from 1 to [`MAX_ATTESTED`] modules.
    modules: Vec<[u8; 32]>,
}

impl Attestation {
    /// Returns the attestation of these modules, which are named by their BLAKE3 hashes.
    ///
    /// # Errors
    /// [`BlockError::AttestationSize`].
    pub fn new(
        by: PublicKey,
        modules: impl IntoIterator<Item = [u8; 32]>,
    ) -> Result<Attestation, BlockError> {
        let mut modules: Vec<[u8; 32]> = modules.into_iter().collect();
        modules.sort_unstable();
        modules.dedup();
        if modules.is_empty() || modules.len() > MAX_ATTESTED {
            return Err(BlockError::AttestationSize { count: modules.len() });
        }
        Ok(Attestation { by, modules })
    }

    /// Returns the key of the third party.
    pub fn by(&self) -> &PublicKey {
        &self.by
    }

    /// Returns the modules as BLAKE3 hashes, sorted.
    pub fn modules(&self) -> &[[u8; 32]] {
        &self.modules
    }
}

/// Error returned when a block cannot be added to a chain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The chain already has [`MAX_BLOCKS`] blocks.
    #[error("a token has at most {MAX_BLOCKS} blocks; delegate from a token nearer to the root")]
    TooManyBlocks,
    /// The rights of the block, or its intersection with the chain, exceed a limit.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// A time after [`MAX_TIME`].
    #[error("the time {seconds} is after the year 9999; leave it out for no limit")]
    TimeOutOfRange {
        /// The time in Unix seconds.
        seconds: u64,
    },
    /// No modules, or more than [`MAX_ATTESTED`].
    #[error("an attestation names 1 to {MAX_ATTESTED} modules, not {count}; use several")]
    AttestationSize {
        /// The number of modules.
        count: usize,
    },
    /// An attestation without its third party's signature.
    #[error("only the third party can sign an attestation: send it a request for this token")]
    UnsignedAttestation,
}

impl Block {
    /// Returns a block that keeps these rights and restricts nothing else.
    pub fn of(rights: Rights) -> Block {
        Block {
            rights: Some(rights),
            ..Block::default()
        }
    }

    /// Returns a block that binds to a holder and restricts nothing else.
    pub fn bound_to(holder: Holder) -> Block {
        Block {
            holder: Some(holder),
            ..Block::default()
        }
    }

    /// Checks that a token can represent the times of the block.
    pub(crate) fn check(&self) -> Result<(), BlockError> {
        match self.expires.max(self.not_before) {
            Some(seconds) if seconds > MAX_TIME => Err(BlockError::TimeOutOfRange { seconds }),
            _ => Ok(()),
        }
    }
}
