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

/// What the name of a blob ends with that was begun and may be continued.
pub(super) const PARTIAL: &str = ".partial";

/// A blob that is being written to a folder: readers see nothing of it before it is whole, verified and on the disk.
///
/// It blocks while it writes.
#[derive(Debug)]
pub(crate) struct Incoming {
    store: LocalStore,
    file: File,
    name: Name,
    length: u64,
    /// The inner nodes that came with it, verified.
    outboard: Option<NamedTempFile>,
}

#[derive(Debug)]
enum Name {
    /// One of its own, which goes with it.
    Temporary(TempPath),
    /// One that is found again. The lock on the file says that somebody writes it; it ends with the process.
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

    /// Writes `bytes` after all others.
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

    /// Gives the blob its name, after all of it and its outboard were verified and are on the disk.
    ///
    /// Every byte is read again and hashed, unless its inner nodes came with it: then each was verified by them.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not the blob `expected`: nothing of it is left. When it cannot be written.
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
        // First the outboard: one without a blob does no harm, and is collected.
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

    /// Reads all of it again; a large one gets its outboard thereby.
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

    /// Removes what was written, since none of it is known to be right.
    fn discard(&self) {
        if let Name::Partial(path) = &self.name {
            // What cannot be removed now is collected later.
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
