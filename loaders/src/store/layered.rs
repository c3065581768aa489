//! Several stores, asked in order.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::signatures::FoundSignature;
use super::{LocalStore, Store, StoreError};
use crate::ContentHash;

/// A local store, then other stores in order; what the others answer is kept in the local one.
///
/// A store that does not have the bytes or cannot be reached is passed over. One that gives wrong
/// bytes ends the search with its error: a damaged or lying store must be noticed, not worked
/// around.
#[derive(Clone, Default)]
pub struct Layered {
    local: Option<LocalStore>,
    others: Vec<Arc<dyn Store>>,
}

impl Layered {
    /// No store at all: has nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With `local` as the store that is asked first and keeps what the others answer.
    #[must_use]
    pub fn with_local(mut self, local: LocalStore) -> Self {
        self.local = Some(local);
        self
    }

    /// With `store` after all others.
    #[must_use]
    pub fn with(mut self, store: Arc<dyn Store>) -> Self {
        self.others.push(store);
        self
    }

    /// The local store.
    #[must_use]
    pub fn local(&self) -> Option<&LocalStore> {
        self.local.as_ref()
    }
}

#[async_trait]
impl Store for Layered {
    fn name(&self) -> String {
        let local = self.local.as_ref().map(Store::name);
        let names: Vec<String> = local
            .into_iter()
            .chain(self.others.iter().map(|store| store.name()))
            .collect();
        if names.is_empty() {
            "(no store)".to_owned()
        } else {
            names.join(", ")
        }
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        if let Some(local) = &self.local {
            match local.get(hash, limit).await {
                Err(error) if error.is_absence() => {}
                result => return result,
            }
        }
        let mut unavailable = None;
        for store in &self.others {
            match store.get(hash, limit).await {
                Ok(bytes) => {
                    if let Some(local) = self.local.clone() {
                        keep(local, *hash, bytes.clone()).await?;
                    }
                    return Ok(bytes);
                }
                Err(error @ StoreError::Unavailable { .. }) => unavailable = unavailable.or(Some(error)),
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error),
            }
        }
        // "Nobody has it" would be wrong while somebody could not be asked.
        Err(unavailable.unwrap_or_else(|| StoreError::NotFound {
            store: self.name(),
            hash: *hash,
        }))
    }

    /// The first that is found is the answer: one that does not hold is to be noticed, not passed over. Nothing is kept here,
    /// since nobody has looked into it yet.
    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        let local = self.local.iter().map(|store| store as &dyn Store);
        let others = self.others.iter().map(|store| store.as_ref() as &dyn Store);
        let mut unavailable = None;
        for store in local.chain(others) {
            match store.signature(subject, key).await {
                Err(error @ StoreError::Unavailable { .. }) => unavailable = unavailable.or(Some(error)),
                Err(error) if error.is_absence() => {}
                result => return result,
            }
        }
        Err(unavailable.unwrap_or_else(|| StoreError::NotFound {
            store: self.name(),
            hash: *subject,
        }))
    }
}

async fn keep(local: LocalStore, hash: ContentHash, bytes: Bytes) -> Result<(), StoreError> {
    let name = local.name();
    let location = local.path(&hash).display().to_string();
    match tokio::task::spawn_blocking(move || local.put_verified(&hash, &bytes)).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unavailable {
            store: name,
            location,
            reason: error.to_string(),
        }),
    }
}
