//! A store in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

use super::signatures::FoundSignature;
use super::{MAX_BLOB_SIZE, Store, StoreError, blob_path, verified};
use crate::ContentHash;
use crate::files::{self, FileError};

/// A store in a folder: each blob is the file `blobs/<first two digits>/<64 digits>`.
///
/// Any number of processes may read and write one folder at the same time. A static file server
/// over the folder is a valid HTTP store.
#[derive(Debug, Clone)]
pub struct LocalStore {
    folder: PathBuf,
}

/// What [`LocalStore::verify_all`] found out about one blob.
#[derive(Debug)]
pub struct Verified {
    /// The hash that the file's name promises.
    pub hash: ContentHash,
    /// How many bytes were right, or what is wrong.
    pub result: Result<u64, StoreError>,
}

impl LocalStore {
    /// The store in `folder`, which exists.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`] when `folder` has no folder `blobs`.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        if folder.join("blobs").is_dir() {
            Ok(Self { folder })
        } else {
            Err(StoreError::NotAStore {
                location: folder.display().to_string(),
                reason: "it has no folder `blobs`".to_owned(),
            })
        }
    }

    /// The store in `folder`, made if it does not exist.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn create(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self {
            folder: folder.into(),
        };
        let blobs = store.folder.join("blobs");
        fs::create_dir_all(&blobs).map_err(|error| store.file_error(&blobs, error.into()))?;
        Ok(store)
    }

    /// The store's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the blob `hash` is, or would be.
    #[must_use]
    pub fn path(&self, hash: &ContentHash) -> PathBuf {
        self.folder.join(blob_path(hash))
    }

    /// Keeps `bytes` and names them.
    ///
    /// A blob that is there already and is right is left alone; a wrong one is replaced.
    ///
    /// # Errors
    /// When `bytes` are more than [`MAX_BLOB_SIZE`], or cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<ContentHash, StoreError> {
        let hash = ContentHash::of(bytes);
        self.put_verified(&hash, bytes)?;
        Ok(hash)
    }

    /// Keeps `bytes`, whose hash was verified to be `hash`.
    pub(super) fn put_verified(&self, hash: &ContentHash, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(hash);
        if bytes.len() as u64 > MAX_BLOB_SIZE {
            return Err(self.file_error(&path, FileError::TooLarge { limit: MAX_BLOB_SIZE }));
        }
        if files::read_regular(&path, bytes.len() as u64).is_ok_and(|present| present == bytes) {
            return Ok(());
        }
        if let Some(shard) = path.parent() {
            fs::create_dir_all(shard).map_err(|error| self.file_error(shard, error.into()))?;
        }
        files::write_atomic(&path, bytes).map_err(|error| self.file_error(&path, error))
    }

    /// The bytes whose hash is `hash`, at most `limit` of them, verified. See [`Store::get`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn read(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        let path = self.path(hash);
        let location = || path.display().to_string();
        let bytes = files::read_regular(&path, limit).map_err(|error| match error {
            FileError::NotFound => StoreError::NotFound {
                store: self.name(),
                hash: *hash,
            },
            FileError::NotRegular { kind } => StoreError::NotRegular {
                store: self.name(),
                location: location(),
                hash: *hash,
                kind,
            },
            FileError::TooLarge { limit } => StoreError::TooLarge {
                store: self.name(),
                location: location(),
                hash: *hash,
                limit,
            },
            error => self.file_error(&path, error),
        })?;
        verified(bytes, hash, || self.name(), location)
    }

    /// Whether there is a file for `hash`. It may be wrong: only reading tells.
    #[must_use]
    pub fn contains(&self, hash: &ContentHash) -> bool {
        self.path(hash).symlink_metadata().is_ok()
    }

    /// The hashes of all blobs by file name, in ascending order. Other files are passed over.
    ///
    /// # Errors
    /// When a folder of the store cannot be read.
    pub fn list(&self) -> Result<Vec<ContentHash>, StoreError> {
        let mut hashes = Vec::new();
        for shard in self.entries(&self.folder.join("blobs"))? {
            if !shard.is_dir() {
                continue;
            }
            for blob in self.entries(&shard)? {
                let name = blob.file_name().and_then(|name| name.to_str());
                let Some(hash) = name.and_then(|name| ContentHash::from_hex(name).ok()) else {
                    continue;
                };
                if self.path(&hash) == blob {
                    hashes.push(hash);
                }
            }
        }
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// Reads and verifies every blob, one after the other.
    ///
    /// # Errors
    /// When the blobs cannot be listed. What is wrong with a blob is in its [`Verified`].
    pub fn verify_all(&self) -> Result<impl Iterator<Item = Verified> + '_, StoreError> {
        Ok(self.list()?.into_iter().map(|hash| Verified {
            hash,
            result: self.read(&hash, MAX_BLOB_SIZE).map(|bytes| bytes.len() as u64),
        }))
    }

    /// Removes the blob `hash`, and says whether it was there.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn remove(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        let path = self.path(hash);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.file_error(&path, error.into())),
        }
    }

    fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|error| self.file_error(folder, error.into()))
    }

    fn file_error(&self, path: &Path, error: FileError) -> StoreError {
        StoreError::File {
            store: self.name(),
            location: path.display().to_string(),
            error,
        }
    }
}

#[async_trait]
impl Store for LocalStore {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        let (store, hash) = (self.clone(), *hash);
        match tokio::task::spawn_blocking(move || store.read(&hash, limit)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Unavailable {
                store: self.name(),
                location: self.path(&hash).display().to_string(),
                reason: error.to_string(),
            }),
        }
    }

    async fn signature(&self, subject: &ContentHash, key: &[u8; 32]) -> Result<FoundSignature, StoreError> {
        self.read_signature(subject, key)
    }
}
