use secure_runtime_text::Cause;

use crate::ContentHash;
use crate::files::FileError;

/// An error of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store does not have these bytes.
    #[error("the store {store} has no {hash}")]
    NotFound {
        /// The store's name.
        store: String,
        /// The requested hash.
        hash: ContentHash,
    },
    /// The store returned bytes with another hash.
    #[error(
        "the store {store} returned wrong bytes: {location} should have the hash {expected} but has {actual}; \
         delete it or repair the store, nothing of it was used"
    )]
    Corrupt {
        /// The store's name.
        store: String,
        /// The file or address that has the wrong bytes.
        location: String,
        /// The requested hash.
        expected: ContentHash,
        /// The hash of the returned bytes.
        actual: ContentHash,
    },
    /// A blob is verified while it arrives, and a part of it does not match the hash.
    #[error(
        "the store {store} returned wrong bytes: {location} is not {hash} from byte {offset} on; \
         delete it or repair the store, nothing from there on was used"
    )]
    CorruptAt {
        /// The store's name.
        store: String,
        /// The file or address that has the wrong bytes.
        location: String,
        /// The requested hash.
        hash: ContentHash,
        /// The number of correct bytes before the wrong part.
        offset: u64,
    },
    /// The only stores that might have the bytes have returned wrong data before, and are no longer used.
    #[error("no other store has {hash}: {error}")]
    Distrusted {
        /// The requested hash.
        hash: ContentHash,
        /// The error that the wrong data caused.
        #[source]
        error: Box<StoreError>,
    },
    /// The store returned more bytes than the limit.
    #[error(
        "the store {store} returned wrong bytes: {location} has more than the {limit} bytes that {hash} may have; \
         delete it or repair the store, nothing of it was used"
    )]
    TooLarge {
        /// The store's name.
        store: String,
        /// The file or address that has too many bytes.
        location: String,
        /// The requested hash.
        hash: ContentHash,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The path of the blob is not a regular file.
    #[error("the store {store} has a {kind} where {hash} should be: {location}; delete it")]
    NotRegular {
        /// The store's name.
        store: String,
        /// The path.
        location: String,
        /// The requested hash.
        hash: ContentHash,
        /// The type of the file.
        kind: &'static str,
    },
    /// The store cannot be reached, or did not respond in time.
    #[error("the store {store} cannot be reached: {location}: {cause}")]
    Unavailable {
        /// The store's name.
        store: String,
        /// The requested address.
        location: String,
        /// The store's error. It is an `HttpError` for the stores of this crate.
        #[source]
        cause: Cause,
    },
    /// The store requires a token for this request, or rejects the token that was sent.
    #[error("the store {store} refuses: {location}: {reason}")]
    Refused {
        /// The store's name.
        store: String,
        /// The requested address.
        location: String,
        /// The message of the store.
        reason: String,
    },
    /// The response does not follow the store's protocol.
    #[error("the store {store} does not answer like a store: {location}: {cause}")]
    Protocol {
        /// The store's name.
        store: String,
        /// The requested address.
        location: String,
        /// The store's error. It is an `HttpError` for the stores of this crate.
        #[source]
        cause: Cause,
    },
    /// The folder or address is not a store.
    #[error("{location} is not a store: {problem}")]
    NotAStore {
        /// The folder or address.
        location: String,
        /// The reason.
        #[source]
        problem: StorePlaceProblem,
    },
    /// A token would be sent to the store unencrypted.
    #[error(
        "{location}: a token is sent over https:// only, or over http:// to a loopback address such as 127.0.0.1: \
         others could read it on its way"
    )]
    Unencrypted {
        /// The address.
        location: String,
    },
    /// A file of the store could not be read or written.
    #[error("the store {store}: {location}: {error}")]
    File {
        /// The store's name.
        store: String,
        /// The file's path.
        location: String,
        /// The reason.
        #[source]
        error: FileError,
    },
}

/// The reason why a folder or address is not a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorePlaceProblem {
    /// The address cannot be used.
    #[error("{0}")]
    Address(
        /// The `HttpError`.
        #[source]
        Cause,
    ),
    /// The address has a query.
    #[error("its address has a `?` part")]
    Query,
    /// The folder is not that of a store.
    #[error("it has no folder `blobs`")]
    NoBlobs,
    /// There is a token for a folder.
    #[error("a folder takes no token")]
    Token,
}

impl StoreError {
    /// Returns true if the store's bytes do not match the hash. Returns false if they are missing or cannot be reached.
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

    /// Returns true if another store may still have the right bytes.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Unavailable { .. } | Self::Refused { .. } | Self::Distrusted { .. }
        )
    }
}
