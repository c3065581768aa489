//! Blobs that arrive over a network. They can be continued, and their outboard arrives with them.

use std::fs::{self, TryLockError};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::super::outboard::{self, PAIR};
use super::super::{LocalStore, StoreError};
use super::{Incoming, Name, PARTIAL};
use crate::ContentHash;
use crate::files::{self, FileError};

impl Incoming {
    /// Continues the blob `hash` where an earlier process or attempt ended, or begins it. If another process is writing
    /// it, begins a separate file.
    pub(in crate::store) fn resume(store: &LocalStore, hash: &ContentHash) -> Result<Self, StoreError> {
        let mut path = store.path(hash).into_os_string();
        path.push(PARTIAL);
        let path = PathBuf::from(path);
        let fault = |error: FileError| store.file_error(&path, error);
        store.make_folder_of(&path)?;
        let _shard = store.shard_of(&path)?;
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed())
            .open(&path)
            .map_err(|error| fault(error.into()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Self::new(store),
            Err(TryLockError::Error(error)) => return Err(fault(error.into())),
        }
        // Between opening and locking, another process may have finished the file and renamed it.
        let opened = file.metadata().map_err(|error| fault(error.into()))?;
        let is_named = fs::symlink_metadata(&path).is_ok_and(|named| named.ino() == opened.ino());
        if !is_named || !opened.is_file() {
            return Self::new(store);
        }
        Ok(Self {
            store: store.clone(),
            length: opened.len(),
            file,
            name: Name::Partial(path),
            outboard: None,
        })
    }

    /// Returns the number of bytes that were written.
    pub(in crate::store) fn length(&self) -> u64 {
        self.length
    }

    /// Reads the bytes at `start` into `buffer`. Returns false if there are fewer bytes than `buffer` holds.
    pub(in crate::store) fn read_at(&self, start: u64, buffer: &mut [u8]) -> Result<bool, StoreError> {
        if start + buffer.len() as u64 > self.length {
            return Ok(false);
        }
        self.file
            .read_exact_at(buffer, start)
            .map_err(|error| self.fault(error.into()))?;
        Ok(true)
    }

    /// Truncates to `length` bytes.
    pub(in crate::store) fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        self.file
            .set_len(length)
            .map_err(|error| self.fault(error.into()))?;
        self.length = length;
        Ok(())
    }

    /// Writes a verified inner node. The caller must write either all nodes this way or none.
    pub(in crate::store) fn pair(&mut self, pair: u64, node: &[u8; PAIR]) -> Result<(), StoreError> {
        let outboard = match &self.outboard {
            Some(outboard) => outboard,
            None => {
                let folder = self.store.folder().join("blobs");
                let file =
                    files::temporary_in(&folder).map_err(|error| self.store.file_error(&folder, error))?;
                self.outboard.insert(file)
            }
        };
        outboard
            .as_file()
            .write_all_at(node, outboard::position(pair))
            .map_err(|error| self.fault(error.into()))
    }
}
