//! Blocks: what one link of a token's chain allows.

use thiserror::Error;

use crate::{Holder, PublicKey, Rights, RightsError};

/// Most blocks of one chain, the authority block included.
pub const MAX_BLOCKS: usize = 16;

/// Latest time that a block may name: the last second of the year 9999, in Unix seconds.
///
/// Later ones have no text in RFC 3339, which tools print and read.
pub const MAX_TIME: u64 = 253_402_300_799;

/// Most modules that one block attests.
pub const MAX_ATTESTED: usize = 1_024;

/// One link of a chain: it allows what its parts all allow.
///
/// In the first block, the authority block, `rights` is all that there is to start from, and `None`
/// means no right at all. In a later block, `None` leaves the rights as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Block {
    /// The rights that it keeps. An empty set keeps none.
    pub rights: Option<Rights>,
    /// The first second, in Unix time, at which it allows nothing any more.
    pub expires: Option<u64>,
    /// The first second, in Unix time, at which it allows anything.
    pub not_before: Option<u64>,
    /// The only holder that it allows.
    pub holder: Option<Holder>,
    /// It allows only modules that this key's owner attested, in any block of the chain.
    pub attested_by: Option<PublicKey>,
    /// What a third party says. Such a block says nothing else, and only that party can sign it:
    /// see [`crate::AttestationRequest`].
    pub attestation: Option<Attestation>,
}

/// What a third party's block says: that it vouches for these modules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attestation {
    by: PublicKey,
    /// Sorted, each once, and neither none nor more than [`MAX_ATTESTED`].
    modules: Vec<[u8; 32]>,
}

impl Attestation {
    /// The attestation of these modules, by their BLAKE3 hashes.
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

    /// Who vouches.
    pub fn by(&self) -> &PublicKey {
        &self.by
    }

    /// The modules, by their BLAKE3 hashes, sorted.
    pub fn modules(&self) -> &[[u8; 32]] {
        &self.modules
    }
}

/// Why a block cannot be added to a chain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The chain has [`MAX_BLOCKS`] already.
    #[error("a token has at most {MAX_BLOCKS} blocks; delegate from a token nearer to the root")]
    TooManyBlocks,
    /// The block, or what remains of the chain with it, has rights that make no set.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// A time after [`MAX_TIME`].
    #[error("the time {seconds} is after the year 9999; leave it out for no limit")]
    TimeOutOfRange {
        /// The time in Unix seconds.
        seconds: u64,
    },
    /// No modules to attest, or more than [`MAX_ATTESTED`].
    #[error("an attestation names 1 to {MAX_ATTESTED} modules, not {count}; use several")]
    AttestationSize {
        /// How many there are.
        count: usize,
    },
    /// An attestation that its party did not sign.
    #[error("only who attests can add an attestation: ask them to sign a request for this token")]
    UnsignedAttestation,
}

impl Block {
    /// A block that only keeps these rights.
    pub fn of(rights: Rights) -> Block {
        Block {
            rights: Some(rights),
            ..Block::default()
        }
    }

    /// A block that only binds to a holder.
    pub fn bound_to(holder: Holder) -> Block {
        Block {
            holder: Some(holder),
            ..Block::default()
        }
    }

    /// Whether the block's times can be written into a token.
    pub(crate) fn check(&self) -> Result<(), BlockError> {
        match self.expires.max(self.not_before) {
            Some(seconds) if seconds > MAX_TIME => Err(BlockError::TimeOutOfRange { seconds }),
            _ => Ok(()),
        }
    }
}
