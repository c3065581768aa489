//! A store in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Store, StoreError};
use crate::ContentHash;

/// A store in memory: for a program that was just locked, for embedders, and for tests.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    blobs: HashMap<ContentHash, Bytes>,
}

impl MemoryStore {
    /// Stores `bytes` and returns their hash.
    pub fn put(&mut self, bytes: impl Into<Bytes>) -> ContentHash {
        let bytes = bytes.into();
        let hash = ContentHash::of(&bytes);
        self.blobs.insert(hash, bytes);
        hash
    }
}

impl<B: Into<Bytes>> FromIterator<B> for MemoryStore {
    fn from_iter<I: IntoIterator<Item = B>>(blobs: I) -> Self {
        let mut store = Self::default();
        for bytes in blobs {
            store.put(bytes);
        }
        store
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn name(&self) -> String {
        "(memory)".to_owned()
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        match self.blobs.get(hash) {
            None => Err(StoreError::NotFound {
                store: self.name(),
                hash: *hash,
            }),
            Some(bytes) if bytes.len() as u64 > limit => Err(StoreError::TooLarge {
                store: self.name(),
                location: hash.to_string(),
                hash: *hash,
                limit,
            }),
            // No check is needed: only `put` adds bytes, and it computes their hash.
            Some(bytes) => Ok(bytes.clone()),
        }
    }
}
