//! Stores: places that answer "the bytes with this hash".
//!
//! spec/store.md says normatively what a store is.

mod collect;
mod error;
#[cfg(feature = "http")]
mod http;
mod incoming;
mod layered;
mod local;
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
pub use error::StoreError;
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

/// The largest blob that is given whole and in memory, and so the largest module, in bytes (64 MiB).
pub const MAX_BLOB_SIZE: u64 = 64 * 1024 * 1024;

/// The largest blob that a store takes, in bytes (1 TiB). One above [`MAX_BLOB_SIZE`] is only read and fetched as a
/// stream, each group of its bytes verified.
pub const MAX_STREAM_SIZE: u64 = 1 << 40;

/// Blobs of more bytes than this (1 MiB) have an outboard beside them.
pub const OUTBOARD_ABOVE: u64 = 1024 * 1024;

/// A place that answers "the bytes with this hash".
#[async_trait]
pub trait Store: Send + Sync {
    /// The folder or address, for messages.
    fn name(&self) -> String;

    /// The part of it on this machine, which is asked before all others.
    fn local(&self) -> Option<&LocalStore> {
        None
    }

    /// The bytes whose hash is `hash`, of which there are at most `limit`.
    ///
    /// What is returned was hashed, in the very buffer that is returned. An implementation must not
    /// return anything else: callers do not hash again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`] and [`StoreError::Refused`] mean that another store may be
    /// asked; every other error means that this store's answer was wrong.
    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError>;

    /// Puts the blob `hash`, of which there are at most `limit` bytes, into `local`, and says how many bytes there are.
    /// `progress` is told how many are there already, and how many there will be where that is known.
    ///
    /// A store that has larger blobs than memory should replace this.
    ///
    /// # Errors
    /// As [`get`](Self::get), and when `local` cannot be written.
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

/// What is told how much of a blob is there, of how much.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// Does what waits for a disk on a thread that may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unavailable {
            store: "(a thread of this process)".to_owned(),
            location: "it".to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The path of a blob below a store's folder or address: `blobs/ab/<64 digits>`.
///
/// A hash has only hexadecimal digits, hence no path can be made that leaves the store.
pub(crate) fn blob_path(hash: &ContentHash) -> String {
    format!("blobs/{}", sharded(hash))
}

/// The path of a blob's outboard: `outboards/ab/<64 digits>`.
pub(crate) fn outboard_path(hash: &ContentHash) -> String {
    format!("outboards/{}", sharded(hash))
}

fn sharded(hash: &ContentHash) -> String {
    let digits = hash.to_hex();
    let shard: String = digits.chars().take(2).collect();
    format!("{shard}/{digits}")
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
