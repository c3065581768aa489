//! Removing what is no longer needed.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::incoming::PARTIAL;
use super::{LocalStore, StoreError};
use crate::ContentHash;
use crate::files::{FolderLock, WRITING};

/// What [`LocalStore::collect`] has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs that were not to be kept.
    pub blobs: u64,
    /// Files that processes left which died while they wrote, and outboards without a blob.
    pub leftovers: u64,
    /// The bytes of both.
    pub bytes: u64,
}

impl LocalStore {
    /// Removes what nobody has written or needed since `before`: what processes left that died while they wrote, and,
    /// where `keep` is given, every blob that is not among them.
    ///
    /// Readers and writers may be at work: whoever puts a blob that is there makes it young again, and what is still
    /// being written is not removed. Files that are not the store's are passed over.
    ///
    /// # Errors
    /// When a folder of the store cannot be read, or a file not removed; what was removed until then stays removed.
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
            // Whoever writes a blob keeps its folder together with other writers: between our look at its age and its
            // removal nobody can begin to count on it.
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

    /// Removes the file if it is older than that, and counts it.
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

/// A symbolic link to a folder is none: what it leads to is not the store's.
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

/// Whether a process holds the file of an unfinished blob.
fn is_being_written(path: &Path) -> bool {
    path.to_string_lossy().ends_with(PARTIAL)
        && crate::files::open_regular(path)
            .is_ok_and(|(file, _)| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}
