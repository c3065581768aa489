//! A reader for the blobs of a folder, group by group.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::outboard::{self, GROUP, Mismatch, PAIR, PREFIX, Step, Verifier};
use super::{LocalStore, MAX_STREAM_SIZE, OUTBOARD_ABOVE, Store, StoreError};
use crate::ContentHash;
use crate::files::{self, FileError};

/// A reader for a blob of a [`LocalStore`]. It verifies each byte before it returns it, and needs little memory
/// whatever the size.
///
/// It reads the file with blocking calls.
pub struct BlobReader {
    store: LocalStore,
    hash: ContentHash,
    size: u64,
    position: u64,
    blob: File,
    nodes: Nodes,
    verifier: Verifier,
}

/// The source of the tree's inner nodes.
enum Nodes {
    /// The store's outboard, which is not trusted.
    Stored(File),
    /// An outboard that was just made from the blob, in an unnamed file.
    Made(File),
    /// No nodes, because the blob is a single group.
    None,
}

impl BlobReader {
    /// Opens the blob `hash` at the byte `from`.
    pub(super) fn open(store: &LocalStore, hash: &ContentHash, from: u64) -> Result<Self, StoreError> {
        let (blob, size) =
            files::open_regular(&store.path(hash)).map_err(|error| store.read_error(hash, error))?;
        let verifier = Verifier::new(hash, size).map_err(|Mismatch| {
            store.read_error(
                hash,
                FileError::TooLarge {
                    limit: MAX_STREAM_SIZE,
                },
            )
        })?;
        let mut reader = Self {
            nodes: store.nodes(hash, &blob, size)?,
            store: store.clone(),
            hash: *hash,
            size,
            position: from.min(size),
            blob,
            verifier,
        };
        reader.verifier.skip_to(reader.position);
        Ok(reader)
    }

    /// Returns the size of the whole blob in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the next bytes, at most 16 KiB, or `None` at the end.
    ///
    /// # Errors
    /// Returns [`StoreError::CorruptAt`] or [`StoreError::Corrupt`] if the blob is wrong, or an error if it cannot be
    /// read.
    pub fn next_group(&mut self) -> Result<Option<Bytes>, StoreError> {
        while let Some(step) = self.verifier.next() {
            match step {
                Step::Pair(pair) => self.pair(pair)?,
                Step::Group { start, size } => {
                    let group = self.group(start, size)?;
                    self.verifier.skip_to(self.position);
                    if !group.is_empty() {
                        return Ok(Some(group));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Writes the rest of the blob to `out` and returns the number of bytes.
    ///
    /// # Errors
    /// The outer error comes from `out`, the inner one from [`next_group`](Self::next_group).
    pub fn copy_to(&mut self, out: &mut impl Write) -> io::Result<Result<u64, StoreError>> {
        let mut copied = 0;
        loop {
            match self.next_group() {
                Ok(Some(group)) => {
                    out.write_all(&group)?;
                    copied += group.len() as u64;
                }
                Ok(None) => return Ok(Ok(copied)),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Stores the outboard that had to be made because the store's own was wrong or missing, if the store is writable.
    pub(super) fn restore(self) {
        if self.size > OUTBOARD_ABOVE
            && let Nodes::Made(file) = self.nodes
            && let Err(error) = self.store.keep_outboard(&self.hash, file)
        {
            tracing::warn!(%error, hash = %self.hash, "an outboard is missing and cannot be written");
        }
    }

    fn pair(&mut self, pair: u64) -> Result<(), StoreError> {
        let mut node = [0; PAIR];
        let read = match &self.nodes {
            Nodes::Stored(file) | Nodes::Made(file) => {
                file.read_exact_at(&mut node, outboard::position(pair)).is_ok()
            }
            Nodes::None => false,
        };
        if read && self.verifier.pair(&node) == Ok(()) {
            self.verifier.skip_to(self.position);
            return Ok(());
        }
        if !matches!(self.nodes, Nodes::Stored(_)) {
            // The nodes were made from this file, so the file changed since.
            return Err(self.corrupt(self.position));
        }
        tracing::warn!(hash = %self.hash, "an outboard is wrong and is not used");
        self.nodes = self.store.made_nodes(&self.hash, &self.blob, self.size)?;
        self.verifier =
            Verifier::new(&self.hash, self.size).map_err(|Mismatch| self.corrupt(self.position))?;
        self.verifier.skip_to(self.position);
        Ok(())
    }

    /// Returns the bytes of this group from the current position on.
    fn group(&mut self, start: u64, size: usize) -> Result<Bytes, StoreError> {
        let mut group = vec![0; size];
        match self.blob.read_exact_at(&mut group, start) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.corrupt(start)),
            Err(error) => {
                return Err(self.store.file_error(&self.store.path(&self.hash), error.into()));
            }
        }
        self.verifier
            .group(&group)
            .map_err(|Mismatch| self.corrupt(start))?;
        let before = self.position.saturating_sub(start);
        self.position = start + size as u64;
        Ok(Bytes::from(group).slice(usize::try_from(before).unwrap_or(usize::MAX).min(size)..))
    }

    fn corrupt(&self, offset: u64) -> StoreError {
        StoreError::CorruptAt {
            store: self.store.name(),
            location: self.store.path(&self.hash).display().to_string(),
            hash: self.hash,
            offset,
        }
    }
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BlobReader")
            .field("hash", &self.hash)
            .field("size", &self.size)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl LocalStore {
    /// Returns the store's outboard if its size fits a blob of `size` bytes, else makes one.
    fn nodes(&self, hash: &ContentHash, blob: &File, size: u64) -> Result<Nodes, StoreError> {
        if size <= GROUP {
            return Ok(Nodes::None);
        }
        if let Ok((file, length)) = files::open_regular(&self.outboard_path(hash)) {
            let mut prefix = [0; PREFIX];
            let said = file
                .read_exact_at(&mut prefix, 0)
                .map(|()| u64::from_le_bytes(prefix));
            if length == outboard::length(size) && said.is_ok_and(|said| said == size) {
                return Ok(Nodes::Stored(file));
            }
        }
        self.made_nodes(hash, blob, size)
    }

    /// Makes an outboard from the blob, which verifies the whole blob.
    fn made_nodes(&self, hash: &ContentHash, blob: &File, size: u64) -> Result<Nodes, StoreError> {
        let path = self.path(hash);
        let fault = |error: io::Error| self.file_error(&path, error.into());
        let file = tempfile::tempfile().map_err(fault)?;
        let mut bytes = BufReader::with_capacity(1 << 20, blob.try_clone().map_err(fault)?);
        bytes.rewind().map_err(fault)?;
        let actual = outboard::write(&file, &mut bytes, size).map_err(fault)?;
        if actual == *hash {
            Ok(Nodes::Made(file))
        } else {
            Err(StoreError::Corrupt {
                store: self.name(),
                location: path.display().to_string(),
                expected: *hash,
                actual,
            })
        }
    }
}
