//! Several stores in a fixed order.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;

use super::signatures::FoundSignature;
use super::{LocalStore, Progress, Store, StoreError, blocking};
use crate::ContentHash;

/// A local store and further stores in order. The local store keeps what the others return.
///
/// A store that does not have the bytes, cannot be reached or rejects the request is skipped.
///
/// A further store that returns wrong data is reported ([`distrusted`](Self::distrusted), and a warning in the log),
/// skipped, and never used again. The hash identifies the right bytes, so another store may provide them.
///
/// Wrong bytes in the local store end the search with an error. Only this machine can have caused them, so a person
/// must look at the cause.
#[derive(Clone, Default)]
pub struct Layered {
    local: Option<LocalStore>,
    others: Vec<Arc<Other>>,
}

/// A store that is used until it returns wrong data.
struct Other {
    store: Arc<dyn Store>,
    /// The error of its first wrong response.
    wrong: OnceLock<StoreError>,
}

impl Layered {
    /// Creates an empty list of stores.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `local` as the store that is searched first and that keeps what the others return.
    #[must_use]
    pub fn with_local(mut self, local: LocalStore) -> Self {
        self.local = Some(local);
        self
    }

    /// Adds `store` after all others.
    #[must_use]
    pub fn with(mut self, store: Arc<dyn Store>) -> Self {
        let wrong = OnceLock::new();
        self.others.push(Arc::new(Other { store, wrong }));
        self
    }

    /// Returns the error of each store that is no longer used, in this value and its clones.
    #[must_use]
    pub fn distrusted(&self) -> Vec<StoreError> {
        self.others
            .iter()
            .filter_map(|other| other.wrong.get().cloned())
            .collect()
    }
}

#[async_trait]
impl Store for Layered {
    fn local(&self) -> Option<&LocalStore> {
        self.local.as_ref()
    }

    fn name(&self) -> String {
        let local = self.local.as_ref().map(Store::name);
        let names: Vec<String> = local
            .into_iter()
            .chain(self.others.iter().map(|other| other.store.name()))
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
        let mut search = Search::default();
        for other in &self.others {
            if search.may_ask(other) {
                match other.store.get(hash, limit).await {
                    Ok(bytes) => {
                        if let Some(local) = self.local.clone() {
                            let (hash, bytes) = (*hash, bytes.clone());
                            blocking(move || local.put_verified(&hash, &bytes)).await?;
                        }
                        return Ok(bytes);
                    }
                    Err(error) => search.failed(other, error)?,
                }
            }
        }
        Err(search.end(|| self.name(), hash))
    }

    async fn fetch(
        &self,
        hash: &ContentHash,
        limit: u64,
        local: &LocalStore,
        progress: Progress<'_>,
    ) -> Result<u64, StoreError> {
        if let Some(own) = self
            .local
            .as_ref()
            .filter(|own| own.folder() != local.folder() && own.contains(hash))
        {
            return own.fetch(hash, limit, local, progress).await;
        }
        let mut search = Search::default();
        for other in &self.others {
            if search.may_ask(other) {
                match other.store.fetch(hash, limit, local, progress).await {
                    Ok(size) => return Ok(size),
                    Err(error) => search.failed(other, error)?,
                }
            }
        }
        Err(search.end(|| self.name(), hash))
    }

    /// Returns the first signature that is found. If it is invalid, the caller must notice, so the search does not
    /// continue. The local store does not keep the signature, because nobody has verified it yet.
    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        let local = self.local.iter().map(|store| store as &dyn Store);
        let trusted = self.others.iter().filter(|other| other.wrong.get().is_none());
        let others = trusted.map(|other| &*other.store);
        let mut unavailable = None;
        for store in local.chain(others) {
            match store.signature(subject, key).await {
                Err(error @ (StoreError::Unavailable { .. } | StoreError::Refused { .. })) => {
                    unavailable = unavailable.or(Some(error))
                }
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

/// The errors of the stores that did not return the bytes.
#[derive(Default)]
struct Search {
    wrong: Option<StoreError>,
    unavailable: Option<StoreError>,
}

impl Search {
    fn may_ask(&mut self, other: &Other) -> bool {
        match other.wrong.get() {
            Some(error) => {
                self.wrong.get_or_insert_with(|| error.clone());
                false
            }
            None => true,
        }
    }

    /// Records the error of a store. An error of another store, to which the bytes should have been written, ends the
    /// search.
    fn failed(&mut self, other: &Other, error: StoreError) -> Result<(), StoreError> {
        match error {
            StoreError::NotFound { .. } => {}
            StoreError::Unavailable { .. } | StoreError::Refused { .. } => {
                self.unavailable.get_or_insert(error);
            }
            StoreError::File { ref store, .. } if *store != other.store.name() => return Err(error),
            error => {
                if other.wrong.set(error.clone()).is_ok() {
                    tracing::warn!(%error, "a store returned wrong bytes and is not used again");
                }
                self.wrong.get_or_insert(error);
            }
        }
        Ok(())
    }

    fn end(self, name: impl FnOnce() -> String, hash: &ContentHash) -> StoreError {
        match (self.wrong, self.unavailable) {
            (Some(error), _) => StoreError::Distrusted {
                hash: *hash,
                error: Box::new(error),
            },
            // Reporting "not found" would be wrong while a store could not be reached.
            (None, Some(error)) => error,
            (None, None) => StoreError::NotFound {
                store: name(),
                hash: *hash,
            },
        }
    }
}
