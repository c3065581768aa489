//! Blocks: what one link of a token's chain allows.

use thiserror::Error;

use crate::{Context, Holder, Operation, Reason, Rights, TooManyRights};

/// Most blocks of one chain, the authority block included.
pub const MAX_BLOCKS: usize = 16;

/// Latest time that a block may name: the last second of the year 9999, in Unix seconds.
///
/// Later ones have no text in RFC 3339, which tools print and read.
pub const MAX_TIME: u64 = 253_402_300_799;

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
}

/// Why a block cannot be added to a chain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The chain has [`MAX_BLOCKS`] already.
    #[error("a token has at most {MAX_BLOCKS} blocks; delegate from a token nearer to the root")]
    TooManyBlocks,
    /// The block, or what remains of the chain with it, has more than [`crate::MAX_RIGHTS`] rights.
    #[error(transparent)]
    TooManyRights(#[from] TooManyRights),
    /// A time after [`MAX_TIME`].
    #[error("the time {seconds} is after the year 9999; leave it out for no limit")]
    TimeOutOfRange {
        /// The time in Unix seconds.
        seconds: u64,
    },
}

impl Block {
    /// A block that only keeps these rights.
    pub fn of(rights: Rights) -> Block {
        Block {
            rights: Some(rights),
            ..Block::default()
        }
    }

    /// Whether the block can be written into a token.
    pub(crate) fn check(&self) -> Result<(), BlockError> {
        match self.expires.max(self.not_before) {
            Some(seconds) if seconds > MAX_TIME => Err(BlockError::TimeOutOfRange { seconds }),
            _ => Ok(()),
        }
    }

    /// Why this block refuses the operation, or `None` when it does not.
    ///
    /// Time and holder come first: they are about the whole token, and cheaper.
    pub(crate) fn refusal(&self, operation: &Operation<'_>, context: &Context<'_>) -> Option<Reason> {
        if let Some(from) = self.not_before
            && context.now < from
        {
            return Some(Reason::NotYetValid { from });
        }
        if let Some(at) = self.expires
            && context.now >= at
        {
            return Some(Reason::Expired { at });
        }
        if let Some(holder) = &self.holder
            && context.holder != Some(holder)
        {
            return Some(Reason::WrongHolder);
        }
        match &self.rights {
            Some(rights) if !rights.allows(operation.family(), operation.action(), operation.resource()) => {
                Some(Reason::NoGrant)
            }
            _ => None,
        }
    }
}
