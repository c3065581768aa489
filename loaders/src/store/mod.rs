//! Stores: places that answer "the bytes with this hash".
//!
//! spec/store.md says normatively what a store is.

mod error;
#[cfg(feature = "http")]
mod http;
mod layered;
mod local;
mod memory;
#[cfg(feature = "http")]
mod serve;
mod signatures;

#[cfg(feature = "http")]
pub use crate::http::HttpOptions;
pub use error::StoreError;
#[cfg(feature = "http")]
pub use http::HttpStore;
pub use layered::Layered;
pub use local::{LocalStore, Verified};
pub use memory::MemoryStore;
#[cfg(feature = "http")]
pub use serve::serve;
pub use signatures::{FoundSignature, MAX_SIGNATURE_SIZE};

use async_trait::async_trait;
use bytes::Bytes;

use crate::ContentHash;

/// The largest blob that `store add`, `store serve` and the lock accept, in bytes (64 MiB).
pub const MAX_BLOB_SIZE: u64 = 64 * 1024 * 1024;

/// A place that answers "the bytes with this hash".
#[async_trait]
pub trait Store: Send + Sync {
    /// The folder or address, for messages.
    fn name(&self) -> String;

    /// The bytes whose hash is `hash`, of which there are at most `limit`.
    ///
    /// What is returned was hashed, in the very buffer that is returned. An implementation must not
    /// return anything else: callers do not hash again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] and [`StoreError::Unavailable`] mean that another store may be asked;
    /// every other error means that this store's answer was wrong.
    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError>;

    /// The signature of the Ed25519 key with these bytes about what has the hash `subject`. Whether it
    /// holds is for the caller to find out.
    ///
    /// # Errors
    /// As [`get`](Self::get). A store that keeps no signatures has none.
    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        let _ = key;
        Err(StoreError::NotFound {
            store: self.name(),
            hash: *subject,
        })
    }
}

/// The path of a blob below a store's folder or address: `blobs/ab/<64 digits>`.
///
/// A hash has only hexadecimal digits, hence no path can be made that leaves the store.
pub(crate) fn blob_path(hash: &ContentHash) -> String {
    let digits = hash.to_hex();
    let shard: String = digits.chars().take(2).collect();
    format!("blobs/{shard}/{digits}")
}

/// `bytes` if they are the ones that `hash` names.
pub(crate) fn verified(
    bytes: Bytes,
    hash: &ContentHash,
    store: impl FnOnce() -> String,
    location: impl FnOnce() -> String,
) -> Result<Bytes, StoreError> {
    let actual = ContentHash::of(&bytes);
    if actual == *hash {
        Ok(bytes)
    } else {
        Err(StoreError::Corrupt {
            store: store(),
            location: location(),
            expected: *hash,
            actual,
        })
    }
}
