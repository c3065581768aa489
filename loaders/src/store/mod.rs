//! Stores, which return the bytes that have a given hash.
//!
//! spec/store.md is the normative description.

mod collect;
mod error;
#[cfg(feature = "http")]
mod http;
mod incoming;
mod layered;
mod local;
mod local_as_store;
mod memory;
mod outboard;
#[cfg(feature = "http")]
mod outboard_reader;
#[cfg(feature = "http")]
mod pieces;
#[cfg(feature = "http")]
mod range;
mod reader;
#[cfg(feature = "http")]
mod serve;
mod signatures;

#[cfg(feature = "http")]
pub use crate::http::{BearerToken, BearerTokenError, HttpOptions};
pub use collect::Collected;
pub use error::{StoreError, StorePlaceProblem};
#[cfg(feature = "http")]
pub use http::HttpStore;
pub use layered::Layered;
pub use local::{LocalStore, Verified};
pub use memory::MemoryStore;
pub use reader::BlobReader;
#[cfg(feature = "http")]
pub use serve::{Access, Account, Authorize, Guard, Refused, ServeOptions, serve};
pub use signatures::{FoundSignature, MAX_SIGNATURE_SIZE};

use async_trait::async_trait;
use bytes::Bytes;

use crate::ContentHash;

/// Maximum size of a blob that is returned as a whole in memory, in bytes (64 MiB). It is also the maximum size of a
/// module.
pub const MAX_BLOB_SIZE: u64 = 64 * 1024 * 1024;

/// Maximum size of a blob in a store, in bytes (1 TiB). A blob above [`MAX_BLOB_SIZE`] can only be streamed, and each
/// group of its bytes is verified.
pub const MAX_STREAM_SIZE: u64 = 1 << 40;

/// The size in bytes above which a blob has an outboard (1 MiB).
pub const OUTBOARD_ABOVE: u64 = 1024 * 1024;

/// A source of blobs: it returns the bytes that have a given hash.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns the folder or address, for messages.
    fn name(&self) -> String;

    /// Returns the part of this store on this machine. It is searched before all others.
    fn local(&self) -> Option<&LocalStore> {
        None
    }

    /// Returns the bytes whose hash is `hash`, at most `limit` of them.
    ///
    /// An implementation must verify the hash on the buffer that it returns. Callers do not hash again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`] and [`StoreError::Refused`] mean that the caller may use
    /// another store. Every other error means that this store returned wrong data.
    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError>;

    /// Copies the blob `hash`, of at most `limit` bytes, to `local` and returns its size. `progress` is called with the
    /// number of bytes that have arrived, and the total if it is known.
    ///
    /// A store for blobs that are larger than memory should override this method.
    ///
    /// # Errors
    /// Fails like [`get`](Self::get), and if `local` cannot be written.
    async fn fetch(
        &self,
        hash: &ContentHash,
        limit: u64,
        local: &LocalStore,
        progress: Progress<'_>,
    ) -> Result<u64, StoreError> {
        let bytes = self.get(hash, limit.min(MAX_BLOB_SIZE)).await?;
        let size = bytes.len() as u64;
        progress(size, Some(size));
        let (hash, local) = (*hash, local.clone());
        blocking(move || local.put_verified(&hash, &bytes)).await?;
        Ok(size)
    }

    /// Returns the signature that this Ed25519 public key made about the content with the hash `subject`. The caller
    /// must verify the signature.
    ///
    /// # Errors
    /// Fails like [`get`](Self::get). A store without signatures returns [`StoreError::NotFound`].
    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        let _ = key;
        Err(StoreError::NotFound {
            store: self.name(),
            hash: *subject,
        })
    }
}

/// A callback with the number of bytes that have arrived, and the total if it is known.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// Runs blocking work on a thread for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unavailable {
            store: "(a thread of this process)".to_owned(),
            location: "it".to_owned(),
            cause: error.into(),
        }),
    }
}

/// Returns the path of a blob below a store's folder or address: `blobs/ab/<64 digits>`.
///
/// A hash consists of hexadecimal digits only, so the path cannot leave the store.
pub(crate) fn blob_path(hash: &ContentHash) -> String {
    format!("blobs/{}", sharded(hash))
}

/// Returns the path of a blob's outboard: `outboards/ab/<64 digits>`.
pub(crate) fn outboard_path(hash: &ContentHash) -> String {
    format!("outboards/{}", sharded(hash))
}

fn sharded(hash: &ContentHash) -> String {
    let digits = hash.to_hex();
    let shard: String = digits.chars().take(2).collect();
    format!("{shard}/{digits}")
}

/// Returns `bytes` if their hash is `hash`.
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
