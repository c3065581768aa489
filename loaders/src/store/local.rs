//! A store in a folder.

use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::incoming::Incoming;
use super::{
    BlobReader, MAX_BLOB_SIZE, MAX_STREAM_SIZE, OUTBOARD_ABOVE, Store, StoreError, StorePlaceProblem,
    blob_path, outboard_path, verified,
};
use crate::ContentHash;
use crate::files::{self, FileError, FolderLock};

/// A store in a folder. Each blob is the file `blobs/<first two digits>/<64 digits>`.
///
/// Any number of processes may read and write the folder at the same time. A static file server for the folder is a
/// valid HTTP store.
#[derive(Debug, Clone)]
pub struct LocalStore {
    folder: PathBuf,
}

/// The result of [`LocalStore::verify_all`] for one blob.
#[derive(Debug)]
pub struct Verified {
    /// The hash in the file's name.
    pub hash: ContentHash,
    /// The size of the blob in bytes, or the error.
    pub result: Result<u64, StoreError>,
}

impl LocalStore {
    /// Opens the store in `folder`, which must exist.
    ///
    /// # Errors
    /// Returns [`StoreError::NotAStore`] if `folder` has no folder `blobs`.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        if folder.join("blobs").is_dir() {
            Ok(Self { folder })
        } else {
            Err(StoreError::NotAStore {
                location: folder.display().to_string(),
                problem: StorePlaceProblem::NoBlobs,
            })
        }
    }

    /// Opens the store in `folder` and creates it if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the folders cannot be created.
    pub fn create(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self {
            folder: folder.into(),
        };
        let blobs = store.folder.join("blobs");
        fs::create_dir_all(&blobs).map_err(|error| store.file_error(&blobs, error.into()))?;
        Ok(store)
    }

    /// Returns the store's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of the blob `hash`, which need not exist.
    #[must_use]
    pub fn path(&self, hash: &ContentHash) -> PathBuf {
        self.folder.join(blob_path(hash))
    }

    /// Returns the path of the outboard of the blob `hash`, which need not exist.
    pub(super) fn outboard_path(&self, hash: &ContentHash) -> PathBuf {
        self.folder.join(outboard_path(hash))
    }

    /// Stores `bytes` and returns their hash.
    ///
    /// A correct blob that exists already is kept. A wrong one is replaced.
    ///
    /// # Errors
    /// Returns an error if there are more than [`MAX_BLOB_SIZE`] bytes, or if they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<ContentHash, StoreError> {
        let hash = ContentHash::of(bytes);
        self.put_verified(&hash, bytes)?;
        Ok(hash)
    }

    /// Stores `bytes`. The caller has verified that their hash is `hash`.
    pub(super) fn put_verified(&self, hash: &ContentHash, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(hash);
        let size = bytes.len() as u64;
        if size > MAX_BLOB_SIZE {
            return Err(self.file_error(&path, FileError::TooLarge { limit: MAX_BLOB_SIZE }));
        }
        let fault = |error: FileError| self.file_error(&path, error);
        if files::read_regular(&path, size).is_ok_and(|present| present == bytes) {
            // Collection removes old blobs. Renew the age, because this blob is in use.
            let _shard = FolderLock::shared_beside(&path).map_err(fault)?;
            if files::renew(&path) {
                return Ok(());
            }
        }
        if size > OUTBOARD_ABOVE {
            let mut incoming = Incoming::new(self)?;
            incoming.append(bytes)?;
            return incoming.finish(Some(hash)).map(|_| ());
        }
        let _shard = self.shard_of(&path)?;
        files::write_atomic(&path, bytes).map_err(fault)
    }

    /// Stores everything that `bytes` returns, at most [`MAX_STREAM_SIZE`], with little memory.
    ///
    /// Returns the hash and the size.
    ///
    /// # Errors
    /// Returns an error if `bytes` cannot be read to the end or are too many, or if they cannot be written.
    pub fn add(&self, bytes: &mut impl Read) -> Result<(ContentHash, u64), StoreError> {
        self.add_at_most(bytes, MAX_STREAM_SIZE)
    }

    /// Stores a source like [`LocalStore::add`], if it returns at most `limit` bytes.
    ///
    /// # Errors
    /// Returns the errors of [`LocalStore::add`]. Nothing is stored if the source returns more.
    pub fn add_at_most(&self, bytes: &mut impl Read, limit: u64) -> Result<(ContentHash, u64), StoreError> {
        let fault = |error: FileError| StoreError::File {
            store: self.name(),
            location: "the added bytes".to_owned(),
            error,
        };
        let mut incoming = Incoming::new(self)?;
        let mut buffer = vec![0; 1 << 18];
        let mut left = limit;
        loop {
            match bytes.read(&mut buffer) {
                Ok(0) => return incoming.finish(None),
                Ok(count) => {
                    left = left
                        .checked_sub(count as u64)
                        .ok_or_else(|| fault(FileError::TooLarge { limit }))?;
                    incoming.append(buffer.get(..count).unwrap_or_default())?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error.into())),
            }
        }
    }

    /// Creates the folder of `path` and prevents collection in it while the returned lock is held.
    pub(super) fn shard_of(&self, path: &Path) -> Result<FolderLock, StoreError> {
        self.make_folder_of(path)?;
        FolderLock::shared_beside(path).map_err(|error| self.file_error(path, error))
    }

    pub(super) fn make_folder_of(&self, path: &Path) -> Result<(), StoreError> {
        path.parent().map_or(Ok(()), |folder| {
            fs::create_dir_all(folder).map_err(|error| self.file_error(folder, error.into()))
        })
    }

    /// Stores a copy of this outboard file.
    pub(super) fn keep_outboard(&self, hash: &ContentHash, mut outboard: fs::File) -> Result<(), StoreError> {
        let path = self.outboard_path(hash);
        self.make_folder_of(&path)?;
        let fault = |error: FileError| self.file_error(&path, error);
        let mut file = files::temporary_in(path.parent().unwrap_or(&path)).map_err(fault)?;
        outboard
            .rewind()
            .and_then(|()| io::copy(&mut outboard, &mut file))
            .map_err(|error| fault(error.into()))?;
        files::persist(file, &path).map_err(fault)
    }

    /// Reads and verifies the bytes whose hash is `hash`, at most `limit` of them. See [`Store::get`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn read(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        let path = self.path(hash);
        let bytes = files::read_regular(&path, limit).map_err(|error| self.read_error(hash, error))?;
        verified(bytes, hash, || self.name(), || path.display().to_string())
    }

    /// Returns the size of the blob's file in bytes. The content is not verified.
    ///
    /// # Errors
    /// Fails like [`read`](Self::read).
    pub fn size(&self, hash: &ContentHash) -> Result<u64, StoreError> {
        files::open_regular(&self.path(hash))
            .map(|(_, size)| size)
            .map_err(|error| self.read_error(hash, error))
    }

    /// Opens a reader for the blob `hash`, of any size, that starts at the byte `from`. The reader verifies every byte
    /// before it returns it. If the store has an outboard, it does not read the bytes before `from`.
    ///
    /// # Errors
    /// Fails like [`read`](Self::read). A blob without an outboard is read and verified completely before this returns.
    pub fn stream(&self, hash: &ContentHash, from: u64) -> Result<BlobReader, StoreError> {
        BlobReader::open(self, hash, from)
    }

    /// Returns true if there is a file for `hash`. The content is not verified.
    #[must_use]
    pub fn contains(&self, hash: &ContentHash) -> bool {
        self.path(hash).symlink_metadata().is_ok()
    }

    /// Lists the hashes of all blobs by file name, in ascending order. Other files are ignored.
    ///
    /// # Errors
    /// Returns an error if a folder of the store cannot be read.
    pub fn list(&self) -> Result<Vec<ContentHash>, StoreError> {
        let mut hashes = Vec::new();
        for shard in self.entries(&self.folder.join("blobs"))? {
            if !shard.is_dir() {
                continue;
            }
            for blob in self.entries(&shard)? {
                hashes.extend(self.blob_at(&blob));
            }
        }
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// Returns the hash of the blob whose path this is, or `None` for other paths.
    pub(super) fn blob_at(&self, path: &Path) -> Option<ContentHash> {
        let hash = ContentHash::from_hex(path.file_name()?.to_str()?).ok()?;
        (self.path(&hash) == path).then_some(hash)
    }

    /// Reads and verifies every blob, one after the other.
    ///
    /// # Errors
    /// Returns an error if the blobs cannot be listed. The error of a single blob is in its [`Verified`].
    pub fn verify_all(&self) -> Result<impl Iterator<Item = Verified> + '_, StoreError> {
        Ok(self.list()?.into_iter().map(|hash| Verified {
            hash,
            result: self.check(&hash),
        }))
    }

    /// Reads and verifies the blob `hash` and returns its size in bytes. A missing or wrong outboard is written again,
    /// if the blob needs one and the store is writable.
    ///
    /// # Errors
    /// Fails like [`read`](Self::read).
    pub fn check(&self, hash: &ContentHash) -> Result<u64, StoreError> {
        if self.size(hash)? <= OUTBOARD_ABOVE {
            return Ok(self.read(hash, OUTBOARD_ABOVE)?.len() as u64);
        }
        let mut reader = self.stream(hash, 0)?;
        while reader.next_group()?.is_some() {}
        let size = reader.size();
        reader.restore();
        Ok(size)
    }

    /// Removes the blob `hash` and its outboard. Returns true if the blob existed.
    ///
    /// # Errors
    /// Returns an error if a file cannot be removed.
    pub fn remove(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        let was_there = self.remove_file(&self.path(hash))?;
        self.remove_file(&self.outboard_path(hash))?;
        Ok(was_there)
    }

    pub(super) fn remove_file(&self, path: &Path) -> Result<bool, StoreError> {
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.file_error(path, error.into())),
        }
    }

    pub(super) fn entries(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|error| self.file_error(folder, error.into()))
    }

    /// Converts an error of reading the blob's file.
    pub(super) fn read_error(&self, hash: &ContentHash, error: FileError) -> StoreError {
        let path = self.path(hash);
        let location = path.display().to_string();
        let (store, hash) = (self.name(), *hash);
        match error {
            FileError::NotFound => StoreError::NotFound { store, hash },
            FileError::NotRegular { kind } => StoreError::NotRegular {
                store,
                location,
                hash,
                kind,
            },
            FileError::TooLarge { limit } => StoreError::TooLarge {
                store,
                location,
                hash,
                limit,
            },
            error => self.file_error(&path, error),
        }
    }

    pub(super) fn file_error(&self, path: &Path, error: FileError) -> StoreError {
        StoreError::File {
            store: self.name(),
            location: path.display().to_string(),
            error,
        }
    }
}
