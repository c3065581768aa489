//! A blob that is being written.

use std::fs::{self, File};
use std::io::{BufReader, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tempfile::{NamedTempFile, TempPath};

use super::outboard::{self, PREFIX};
use super::{LocalStore, MAX_STREAM_SIZE, OUTBOARD_ABOVE, Store, StoreError};
use crate::ContentHash;
use crate::files::{self, FileError};

#[cfg(feature = "http")]
mod continued;

/// The name suffix of an unfinished blob that can be continued.
pub(super) const PARTIAL: &str = ".partial";

/// A blob that is being written to a folder. Readers do not see it until it is complete, verified and synced to disk.
///
/// Its methods block.
#[derive(Debug)]
pub(crate) struct Incoming {
    store: LocalStore,
    file: File,
    name: Name,
    length: u64,
    /// The verified inner nodes that arrived with the blob.
    outboard: Option<NamedTempFile>,
}

#[derive(Debug)]
enum Name {
    /// A unique name. The file is removed when this is dropped.
    Temporary(TempPath),
    /// A name that other processes can find. A lock on the file marks it as being written. The system releases the lock
    /// when the process ends.
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "only what comes over a network is continued")
    )]
    Partial(PathBuf),
}

impl Incoming {
    /// Begins a blob whose hash may not be known yet.
    pub(super) fn new(store: &LocalStore) -> Result<Self, StoreError> {
        let folder = store.folder().join("blobs");
        let file = files::temporary_in(&folder).map_err(|error| store.file_error(&folder, error))?;
        let (file, path) = file.into_parts();
        Ok(Self {
            store: store.clone(),
            file,
            name: Name::Temporary(path),
            length: 0,
            outboard: None,
        })
    }

    /// Appends `bytes`.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let length = self.length + bytes.len() as u64;
        if length > MAX_STREAM_SIZE {
            return Err(self.fault(FileError::TooLarge {
                limit: MAX_STREAM_SIZE,
            }));
        }
        self.file
            .write_all_at(bytes, self.length)
            .map_err(|error| self.fault(error.into()))?;
        self.length = length;
        Ok(())
    }

    /// Moves the blob to its final path, after it and its outboard were verified and synced to disk.
    ///
    /// Every byte is read again and hashed. This is not needed if the inner nodes arrived with the blob, because each
    /// byte was then verified on arrival.
    ///
    /// # Errors
    /// Returns [`StoreError::Corrupt`] and removes the file if it is not the blob `expected`. Returns an error if it
    /// cannot be written.
    pub(super) fn finish(mut self, expected: Option<&ContentHash>) -> Result<(ContentHash, u64), StoreError> {
        let hash = match (expected, &self.outboard) {
            (Some(hash), Some(outboard)) => {
                let prefix: [u8; PREFIX] = self.length.to_le_bytes();
                let written = outboard.as_file().write_all_at(&prefix, 0);
                written.map_err(|error| self.fault(error.into()))?;
                *hash
            }
            _ => self.hash()?,
        };
        if let Some(expected) = expected.filter(|expected| **expected != hash) {
            self.discard();
            return Err(StoreError::Corrupt {
                store: self.store.name(),
                location: self.store.path(expected).display().to_string(),
                expected: *expected,
                actual: hash,
            });
        }
        self.file.sync_all().map_err(|error| self.fault(error.into()))?;
        // The outboard comes first: an outboard without a blob is harmless and is collected later.
        if let Some(outboard) = self.outboard.take() {
            let path = self.store.outboard_path(&hash);
            self.store.make_folder_of(&path)?;
            files::persist(outboard, &path).map_err(|error| self.store.file_error(&path, error))?;
        }
        let path = self.store.path(&hash);
        let fault = |error: FileError| self.store.file_error(&path, error);
        let _shard = self.store.shard_of(&path)?;
        match self.name {
            Name::Temporary(temporary) => temporary
                .persist(&path)
                .map_err(|error| fault(error.error.into()))?,
            Name::Partial(partial) => fs::rename(partial, &path).map_err(|error| fault(error.into()))?,
        }
        files::sync_folder_of(&path).map_err(fault)?;
        Ok((hash, self.length))
    }

    /// Reads and hashes the whole file. Also writes the outboard of a large blob.
    fn hash(&mut self) -> Result<ContentHash, StoreError> {
        let folder = self.store.folder().join("blobs");
        let outboard = (self.length > OUTBOARD_ABOVE)
            .then(|| files::temporary_in(&folder))
            .transpose()
            .map_err(|error| self.store.file_error(&folder, error))?;
        let hash = (|| {
            self.file.flush()?;
            self.file.rewind()?;
            let mut bytes = BufReader::with_capacity(1 << 18, &self.file);
            match &outboard {
                Some(outboard) => outboard::write(outboard.as_file(), &mut bytes, self.length),
                None => outboard::make(&mut bytes, self.length, |_, _| Ok(())),
            }
        })()
        .map_err(|error: std::io::Error| self.fault(error.into()))?;
        self.outboard = outboard;
        Ok(hash)
    }

    /// Removes the unfinished blob, because no part of it is known to be right.
    fn discard(&self) {
        if let Name::Partial(path) = &self.name {
            // If it cannot be removed now, it is collected later.
            let _ = fs::remove_file(path);
        }
    }

    fn fault(&self, error: FileError) -> StoreError {
        let path = match &self.name {
            Name::Temporary(path) => path.as_ref(),
            Name::Partial(path) => path.as_path(),
        };
        self.store.file_error(path, error)
    }
}
