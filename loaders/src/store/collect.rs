//! Garbage collection of a store.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::incoming::PARTIAL;
use super::{LocalStore, StoreError};
use crate::ContentHash;
use crate::files::{FolderLock, WRITING};

/// The result of [`LocalStore::collect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// The number of blobs that were removed because they were not in the set to keep.
    pub blobs: u64,
    /// The number of other files that were removed: files of processes that died while writing, and outboards without a
    /// blob.
    pub leftovers: u64,
    /// The total size of all removed files, in bytes.
    pub bytes: u64,
}

impl LocalStore {
    /// Removes files that were last written or used before `before`. These are leftovers of processes that died while
    /// writing and, if `keep` is given, every blob that is not in `keep`.
    ///
    /// Readers and writers may run at the same time. Putting a blob that exists renews its age, and files that are
    /// being written are not removed. Files that do not belong to the store are ignored.
    ///
    /// # Errors
    /// Returns an error if a folder of the store cannot be read or a file cannot be removed. Files that were removed
    /// before the error stay removed.
    pub fn collect(
        &self,
        keep: Option<&HashSet<ContentHash>>,
        before: SystemTime,
    ) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        let blobs = self.folder().join("blobs");
        for path in self.entries(&blobs)? {
            if !is_folder(&path) {
                if is_leftover(&path) {
                    self.remove_old(&path, before, &mut collected.leftovers, &mut collected.bytes)?;
                }
                continue;
            }
            // Writers hold a shared lock on this folder while they write a blob. So no writer can start to rely on a
            // blob between the check of its age and its removal.
            let _shard =
                FolderLock::beside(&path.join("any")).map_err(|error| self.file_error(&path, error))?;
            for path in self.entries(&path)? {
                let unwanted = |hash: &ContentHash| keep.is_some_and(|keep| !keep.contains(hash));
                if let Some(hash) = self.blob_at(&path).filter(unwanted) {
                    if self.remove_old(&path, before, &mut collected.blobs, &mut collected.bytes)? {
                        self.remove_file(&self.outboard_path(&hash))?;
                    }
                } else if is_leftover(&path) {
                    self.remove_old(&path, before, &mut collected.leftovers, &mut collected.bytes)?;
                }
            }
        }
        let outboards = self.folder().join("outboards");
        for shard in self.entries_if_any(&outboards)? {
            for path in self.entries_if_any(&shard)? {
                let is_orphan = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .and_then(|name| ContentHash::from_hex(name).ok())
                    .is_some_and(|hash| !self.contains(&hash));
                if is_orphan || is_leftover(&path) {
                    self.remove_old(&path, before, &mut collected.leftovers, &mut collected.bytes)?;
                }
            }
        }
        Ok(collected)
    }

    /// Removes the file and counts it, if it was last modified before `before` and is not being written.
    fn remove_old(
        &self,
        path: &Path,
        before: SystemTime,
        count: &mut u64,
        bytes: &mut u64,
    ) -> Result<bool, StoreError> {
        let Ok(metadata) = fs::symlink_metadata(path) else {
            return Ok(false);
        };
        let is_old = metadata.modified().is_ok_and(|time| time < before);
        if metadata.is_dir() || !is_old || is_being_written(path) || !self.remove_file(path)? {
            return Ok(false);
        }
        *count += 1;
        *bytes += metadata.len();
        Ok(true)
    }

    fn entries_if_any(&self, folder: &Path) -> Result<Vec<std::path::PathBuf>, StoreError> {
        if is_folder(folder) {
            self.entries(folder)
        } else {
            Ok(Vec::new())
        }
    }
}

/// Returns true for a folder, but not for a symbolic link to one: its target does not belong to the store.
fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        name.starts_with(WRITING)
            || name
                .strip_suffix(PARTIAL)
                .is_some_and(|digits| ContentHash::from_hex(digits).is_ok())
    })
}

/// Returns true if a process holds the lock on the file of an unfinished blob.
fn is_being_written(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(PARTIAL.as_bytes())
        && crate::files::open_regular(path)
            .is_ok_and(|(file, _)| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}
