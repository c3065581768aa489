use crate::ContentHash;
use crate::files::FileError;

/// Why a store did not give the bytes with a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store does not have these bytes.
    #[error("the store {store} has no {hash}")]
    NotFound {
        /// The store's name.
        store: String,
        /// What was asked for.
        hash: ContentHash,
    },
    /// The store answered bytes with another hash.
    #[error(
        "the store {store} gave wrong bytes: {location} should have the hash {expected} but has {actual}; \
         delete it or repair the store, nothing of it was used"
    )]
    Corrupt {
        /// The store's name.
        store: String,
        /// The file or address that has the wrong bytes.
        location: String,
        /// What was asked for.
        expected: ContentHash,
        /// The hash of what came.
        actual: ContentHash,
    },
    /// Of bytes that are verified as they arrive, some are not the ones that the hash names.
    #[error(
        "the store {store} gave wrong bytes: {location} is not {hash} from byte {offset} on; \
         delete it or repair the store, nothing from there on was used"
    )]
    CorruptAt {
        /// The store's name.
        store: String,
        /// The file or address that has the wrong bytes.
        location: String,
        /// What was asked for.
        hash: ContentHash,
        /// How many bytes before it were right.
        offset: u64,
    },
    /// The only stores that might have the bytes have answered wrongly, and are no longer asked.
    #[error("no other store has {hash}: {error}")]
    Distrusted {
        /// What was asked for.
        hash: ContentHash,
        /// The wrong answer.
        error: Box<StoreError>,
    },
    /// The store answered more bytes than there can be.
    #[error(
        "the store {store} gave wrong bytes: {location} has more than the {limit} bytes that {hash} may have; \
         delete it or repair the store, nothing of it was used"
    )]
    TooLarge {
        /// The store's name.
        store: String,
        /// The file or address that has too many bytes.
        location: String,
        /// What was asked for.
        hash: ContentHash,
        /// How many bytes were acceptable.
        limit: u64,
    },
    /// Something other than a regular file stands where the bytes should be.
    #[error("the store {store} has a {kind} where {hash} should be: {location}; delete it")]
    NotRegular {
        /// The store's name.
        store: String,
        /// The path of the thing.
        location: String,
        /// What was asked for.
        hash: ContentHash,
        /// What stands there.
        kind: &'static str,
    },
    /// The store cannot be reached now, or not in time.
    #[error("the store {store} cannot be reached: {location}: {reason}")]
    Unavailable {
        /// The store's name.
        store: String,
        /// The address that was asked.
        location: String,
        /// What went wrong.
        reason: String,
    },
    /// The store does not give or take the bytes without a token, or not with the one that it was shown.
    #[error("the store {store} refuses: {location}: {reason}")]
    Refused {
        /// The store's name.
        store: String,
        /// The address that was asked.
        location: String,
        /// What the store says.
        reason: String,
    },
    /// The store answered in a way that no store answers.
    #[error("the store {store} does not answer like a store: {location}: {reason}")]
    Protocol {
        /// The store's name.
        store: String,
        /// The address that was asked.
        location: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// The folder or address is not a store's.
    #[error("{location} is not a store: {reason}")]
    NotAStore {
        /// The folder or address.
        location: String,
        /// Why.
        reason: String,
    },
    /// A file of the store could not be read or written.
    #[error("the store {store}: {location}: {error}")]
    File {
        /// The store's name.
        store: String,
        /// The file's path.
        location: String,
        /// What went wrong.
        error: FileError,
    },
}

impl StoreError {
    /// Whether the store's bytes are not the ones that the hash names (as opposed to absent or out
    /// of reach).
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        match self {
            Self::Corrupt { .. }
            | Self::CorruptAt { .. }
            | Self::TooLarge { .. }
            | Self::NotRegular { .. } => true,
            Self::Distrusted { error, .. } => error.is_integrity(),
            _ => false,
        }
    }

    /// Whether the same bytes may be taken from elsewhere.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Unavailable { .. } | Self::Refused { .. } | Self::Distrusted { .. }
        )
    }
}
