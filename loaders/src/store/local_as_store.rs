//! The folder store as a [`Store`].

use async_trait::async_trait;
use bytes::Bytes;

use super::incoming::Incoming;
use super::signatures::FoundSignature;
use super::{LocalStore, Progress, Store, StoreError, blocking};
use crate::ContentHash;
use crate::files::FileError;

#[async_trait]
impl Store for LocalStore {
    fn local(&self) -> Option<&LocalStore> {
        Some(self)
    }

    fn name(&self) -> String {
        self.folder().display().to_string()
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        let (store, hash) = (self.clone(), *hash);
        blocking(move || store.read(&hash, limit)).await
    }

    async fn fetch(
        &self,
        hash: &ContentHash,
        limit: u64,
        local: &LocalStore,
        progress: Progress<'_>,
    ) -> Result<u64, StoreError> {
        let (store, hash, local) = (self.clone(), *hash, local.clone());
        let size = blocking(move || {
            let mut reader = store.stream(&hash, 0)?;
            if reader.size() > limit {
                return Err(store.read_error(&hash, FileError::TooLarge { limit }));
            }
            let mut incoming = Incoming::new(&local)?;
            while let Some(group) = reader.next_group()? {
                incoming.append(&group)?;
            }
            incoming.finish(Some(&hash))
        })
        .await?
        .1;
        progress(size, Some(size));
        Ok(size)
    }

    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        self.read_signature(subject, key)
    }
}
