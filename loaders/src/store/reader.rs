//! A blob of a folder, read group by group.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::outboard::{self, GROUP, Mismatch, PAIR, PREFIX, Step, Verifier};
use super::{LocalStore, MAX_STREAM_SIZE, OUTBOARD_ABOVE, Store, StoreError};
use crate::ContentHash;
use crate::files::{self, FileError};

/// A blob of a [`LocalStore`], of which each byte is verified before it is given, in little memory whatever its size.
///
/// It reads the file and blocks meanwhile.
pub struct BlobReader {
    store: LocalStore,
    hash: ContentHash,
    size: u64,
    position: u64,
    blob: File,
    nodes: Nodes,
    verifier: Verifier,
}

/// Where the inner nodes of the tree come from.
enum Nodes {
    /// The store's outboard: anybody may have written it.
    Stored(File),
    /// One that was made from the blob just now, under no name.
    Made(File),
    /// From nowhere: the blob is one group.
    None,
}

impl BlobReader {
    /// Opens the blob `hash` for what follows the byte `from`.
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

    /// How many bytes the whole blob has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes, at most 16 KiB of them; `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::CorruptAt`] and [`StoreError::Corrupt`] when the blob is wrong; when it cannot be read.
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

    /// Writes all that is left to `out`, and says how much it was.
    ///
    /// # Errors
    /// Those of `out`, and those of [`next_group`](Self::next_group) as the outer and the inner one.
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

    /// Keeps the outboard that had to be made because the store's was wrong or missing, if the store can be written.
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
            // Made from this very file, which was changed since.
            return Err(self.corrupt(self.position));
        }
        tracing::warn!(hash = %self.hash, "an outboard is wrong and is not used");
        self.nodes = self.store.made_nodes(&self.hash, &self.blob, self.size)?;
        self.verifier =
            Verifier::new(&self.hash, self.size).map_err(|Mismatch| self.corrupt(self.position))?;
        self.verifier.skip_to(self.position);
        Ok(())
    }

    /// The bytes of this group that follow the position.
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
    /// The outboard of the store if it may be one for `size` bytes, else one that is made now.
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

    /// An outboard that is made from the blob, all of which is verified thereby.
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
