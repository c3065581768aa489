//! A reader for outboards that the server sends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::outboard::{self, Mismatch, PAIR, PREFIX, Step, Verifier};
use super::{LocalStore, Store, StoreError};
use crate::ContentHash;
use crate::files::{self, FileError};

/// A reader for the outboard of a blob. It verifies each inner node before it returns it. It does not read the blob.
#[derive(Debug)]
pub(super) struct OutboardReader {
    file: File,
    size: u64,
    verifier: Verifier,
}

impl OutboardReader {
    /// Opens the outboard of the blob `hash`, if the store has both. Parents prove their nodes. Only the last group
    /// would prove the size, so the size is compared with the blob's file.
    pub(super) fn open(store: &LocalStore, hash: &ContentHash) -> Result<Self, StoreError> {
        let path = store.outboard_path(hash);
        let fault = |error: FileError| match error {
            FileError::NotFound => StoreError::NotFound {
                store: store.name(),
                hash: *hash,
            },
            error => store.file_error(&path, error),
        };
        let (file, length) = files::open_regular(&path).map_err(fault)?;
        let mut prefix = [0; PREFIX];
        let read = file.read_exact_at(&mut prefix, 0);
        read.map_err(|error| fault(error.into()))?;
        let size = u64::from_le_bytes(prefix);
        let verifier = Verifier::new(hash, size).map_err(|Mismatch| wrong_outboard(store, hash))?;
        if size != store.size(hash)? || length != outboard::length(size) {
            return Err(wrong_outboard(store, hash));
        }
        Ok(Self { file, size, verifier })
    }

    /// Returns the length of the outboard in bytes.
    pub(super) fn length(&self) -> u64 {
        outboard::length(self.size)
    }

    /// Returns the verified bytes in pieces, up to the end or the first wrong node.
    pub(super) fn pieces(mut self) -> impl Iterator<Item = io::Result<Bytes>> {
        let mut prefix = Some(Bytes::copy_from_slice(&self.size.to_le_bytes()));
        std::iter::from_fn(move || match prefix.take() {
            Some(prefix) => Some(Ok(prefix)),
            None => self.piece().transpose(),
        })
    }

    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let mut piece = Vec::new();
        while let Some(step) = self.verifier.next() {
            let Step::Pair(pair) = step else {
                self.verifier.pass();
                continue;
            };
            let mut node = [0; PAIR];
            self.file.read_exact_at(&mut node, outboard::position(pair))?;
            self.verifier
                .pair(&node)
                .map_err(|Mismatch| io::Error::other("the outboard is wrong"))?;
            piece.extend_from_slice(&node);
            if piece.len() >= 256 * PAIR {
                break;
            }
        }
        Ok((!piece.is_empty()).then(|| piece.into()))
    }
}

fn wrong_outboard(store: &LocalStore, hash: &ContentHash) -> StoreError {
    StoreError::CorruptAt {
        store: store.name(),
        location: store.outboard_path(hash).display().to_string(),
        hash: *hash,
        offset: 0,
    }
}
