//! Revocation lists from external sources: fetched, kept across restarts, and refreshed while programs run.
//!
//! ```no_run
//! # async fn embed(key: secure_runtime_capabilities::PublicKey) -> Result<(), Box<dyn std::error::Error>> {
//! use secure_runtime::{RevocationFeed, RevocationsLoaded, Runtime};
//!
//! let feed = RevocationFeed::new("https://example.com/revoked.list", key)?.kept_in("/var/lib/my-program".as_ref());
//! if let RevocationsLoaded::Kept(problem) = feed.load().await? {
//!     eprintln!("{problem}");
//! }
//! let builder = Runtime::builder().revocations(feed.revocations());
//! let _fresh = feed.keep_fresh(|problem| eprintln!("{problem}"))?; // until it is dropped
//! # drop(builder);
//! # Ok(())
//! # }
//! ```
//!
//! **Invariants.** A list is accepted if its key signed it and it is newer than every earlier one, in this process or
//! kept from before. So a server can only withhold the next list until the last one is stale. Without a current list,
//! [`Revocations`] denies everything. Nothing in this module can make it allow more.

mod refresher;
mod source;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{MAX_REVOCATION_LIST, PublicKey, RevocationError, Revocations};
use secure_runtime_loaders::files::{FileError, FolderLock, read_regular, write_atomic};
use secure_runtime_loaders::{Cause, ContentHash};
use url::Url;

pub use self::refresher::Refresher;
use self::source::Source;

/// Maximum time to fetch a list from an address, including all attempts.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a list, in the type of the file readers.
const LIMIT: u64 = MAX_REVOCATION_LIST as u64;

/// A source of revocation lists: a file, or an `http:` or `https:` address.
///
/// The server of a list need not be trusted, so plain HTTP is sufficient. Redirects and compressed responses are
/// refused, proxies from the environment are ignored, and a response may take 10 seconds.
#[derive(Debug)]
pub struct RevocationFeed {
    revocations: Revocations,
    source: Source,
    /// The file that the newest list is kept in.
    kept: Option<PathBuf>,
    /// The hash of the last list that was accepted and kept. The same bytes need not be checked again.
    seen: Mutex<Option<ContentHash>>,
}

/// The result of [`RevocationFeed::load`]. In both cases there is a current list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum RevocationsLoaded {
    /// The source returned a valid list.
    Fresh,
    /// The source returned no valid list, but the kept one is still current. The caller should report this, because the
    /// source must return a new list before the kept one is stale.
    Kept(RevocationFeedError),
}

/// The reason why there is no current revocation list, or no newer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationFeedError {
    /// A text is neither a path nor an address.
    #[error("{place:?} is not the path or address of a revocation list: {cause}")]
    Place {
        /// The given text.
        place: String,
        /// The error in it: an [`HttpError`](secure_runtime_loaders::http::HttpError) or an [`io::Error`].
        #[source]
        cause: Cause,
    },
    /// The source did not return the bytes of a list.
    #[error("the revocation list at {place} cannot be read: {cause}")]
    Unavailable {
        /// The path or address.
        place: String,
        /// The reason: a [`FileError`] or an [`HttpError`](secure_runtime_loaders::http::HttpError).
        #[source]
        cause: Cause,
    },
    /// The list of the source is not signed by this key, or is older than an earlier one. The newest list stays in
    /// force.
    #[error("the revocation list at {place} is refused: {error}")]
    Refused {
        /// The path or address.
        place: String,
        /// The reason.
        #[source]
        error: RevocationError,
    },
    /// The list of the source is no longer current.
    #[error("the revocation list at {place}, number {sequence}, is stale since {since}", since = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(*.since)))]
    Stale {
        /// The path or address.
        place: String,
        /// The number of the list.
        sequence: u64,
        /// The time from which it is stale, in Unix seconds.
        since: u64,
    },
    /// The kept list was changed after it was written.
    #[error("the revocation list that was kept in {path} is damaged: {error}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The error in it.
        #[source]
        error: RevocationError,
    },
    /// The newest list cannot be kept, or the kept one cannot be read. A later rollback would not be detected.
    #[error("the newest revocation list cannot be kept in {path}: {error}", path = path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        error: FileError,
    },
}

impl RevocationFeedError {
    /// Returns true if bytes are wrong, and false if they are missing.
    pub fn is_integrity(&self) -> bool {
        matches!(
            self,
            RevocationFeedError::Refused { .. } | RevocationFeedError::Damaged { .. }
        )
    }

    /// Returns true if the source caused the error. A current list makes up for it.
    fn is_of_source(&self) -> bool {
        use RevocationFeedError::{Refused, Unavailable};
        matches!(self, Unavailable { .. } | Refused { .. })
    }
}

impl RevocationFeed {
    /// Creates a feed of lists at this path or address that this key signs. It does not fetch anything yet.
    ///
    /// # Errors
    /// [`RevocationFeedError::Place`].
    pub fn new(place: impl AsRef<OsStr>, key: PublicKey) -> Result<RevocationFeed, RevocationFeedError> {
        Ok(RevocationFeed {
            revocations: Revocations::new(key),
            source: Source::parse(place.as_ref())?,
            kept: None,
            seen: Mutex::default(),
        })
    }

    /// Keeps the newest list in this folder, in one file per key. So a rollback across restarts is detected, and the
    /// source may be unreachable at start while the kept list is current. The file does not depend on the place of the
    /// source. One list has many names (links, spellings, mirrors), and whoever selects one could otherwise select an
    /// older list. Processes may share the folder, which is created when it is needed.
    pub fn kept_in(mut self, folder: &Path) -> RevocationFeed {
        let digits = ContentHash::from_bytes(*self.revocations.key().as_bytes()).to_hex();
        self.kept = Some(folder.join(format!("ed25519-{digits}.list")));
        self
    }

    /// Returns a handle that follows this feed, for [`crate::Builder::revocations`].
    pub fn revocations(&self) -> Revocations {
        self.revocations.clone()
    }

    /// Loads the newer of the kept list and the list of the source. It reads and writes files, so it may block.
    ///
    /// # Errors
    /// There is no current list, or the newest cannot be kept.
    pub async fn load(&self) -> Result<RevocationsLoaded, RevocationFeedError> {
        let problem = match self.refresh().await {
            Err(problem) if !problem.is_of_source() => return Err(problem),
            refreshed => refreshed.err(),
        };
        let list = self.revocations.list();
        let is_current = list.as_ref().is_some_and(|list| now() < list.next_update);
        match problem {
            None if is_current => Ok(RevocationsLoaded::Fresh),
            Some(problem) if is_current => Ok(RevocationsLoaded::Kept(problem)),
            Some(problem) => Err(problem),
            None => Err(RevocationFeedError::Stale {
                place: self.source.to_string(),
                sequence: list.as_ref().map_or(0, |list| list.sequence),
                since: list.as_ref().map_or(0, |list| list.next_update),
            }),
        }
    }

    /// Looks for a newer list from the source or from another process that kept one. Returns true if there was one. It
    /// reads and writes files, so it may block.
    ///
    /// # Errors
    /// The list of the source is not available, not valid, or cannot be kept. The newest known list stays in force.
    pub async fn refresh(&self) -> Result<bool, RevocationFeedError> {
        let before = self.number();
        let kept = self.take_kept();
        if before.is_none() {
            // Without the kept list, an old list could be accepted as the newest.
            kept.clone()?;
        }
        let bytes = self.source.read().await?;
        let hash = ContentHash::of(&bytes);
        let is_seen = *self.seen() == Some(hash);
        if !is_seen {
            let updated = self.revocations.update(&bytes);
            updated.map_err(|error| RevocationFeedError::Refused {
                place: self.source.to_string(),
                error,
            })?;
        }
        kept?;
        if !is_seen {
            self.keep(&bytes)?;
            *self.seen() = Some(hash);
        }
        Ok(self.number() != before)
    }

    /// Returns the places that the feed accesses: the file or the address of the source, and the file of the kept list.
    pub(crate) fn places(&self) -> (Option<&Path>, Option<&Url>, Option<&Path>) {
        let (file, address) = match &self.source {
            Source::File(path) => (Some(path.as_path()), None),
            Source::Http(url) => (None, Some(url)),
        };
        (file, address, self.kept.as_deref())
    }

    /// Returns the number of the newest list.
    fn number(&self) -> Option<u64> {
        self.revocations.list().map(|list| list.sequence)
    }

    /// Returns the time until the next look: one second for a file. For an address, a third of the list's validity, but
    /// at least 10 seconds and at most a minute.
    fn pause(&self) -> Duration {
        match &self.source {
            Source::File(_) => Duration::from_secs(1),
            Source::Http(_) => {
                let list = self.revocations.list();
                let validity = list.map_or(0, |list| list.next_update.saturating_sub(list.issued));
                Duration::from_secs((validity / 3).clamp(10, 60))
            }
        }
    }

    /// Loads the list that this or another process kept, unless the known one is newer.
    fn take_kept(&self) -> Result<(), RevocationFeedError> {
        let Some(path) = &self.kept else { return Ok(()) };
        let bytes = match read_regular(path, LIMIT) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) => {
                // The file was removed, so the list must be written again.
                *self.seen() = None;
                return Ok(());
            }
            Err(error) => return Err(cannot_keep(path, error)),
        };
        let hash = ContentHash::of(&bytes);
        if *self.seen() == Some(hash) {
            return Ok(());
        }
        match self.revocations.update(&bytes) {
            Ok(_) => {
                *self.seen() = Some(hash);
                Ok(())
            }
            Err(RevocationError::RolledBack { .. }) => Ok(()),
            Err(error) => Err(RevocationFeedError::Damaged {
                path: path.clone(),
                error,
            }),
        }
    }

    /// Keeps these bytes, the newest list of this process, unless another process kept a newer one.
    fn keep(&self, bytes: &[u8]) -> Result<(), RevocationFeedError> {
        let Some(path) = &self.kept else { return Ok(()) };
        let cannot = |error| cannot_keep(path, error);
        let folder = path.parent().unwrap_or(Path::new("."));
        make_private(folder).map_err(|error| cannot(error.into()))?;
        let _lock = FolderLock::beside(path).map_err(cannot)?;
        let had = self.number();
        self.take_kept()?;
        if self.number() == had {
            write_atomic(path, bytes).map_err(cannot)?;
        }
        Ok(())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<ContentHash>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot_keep(path: &Path, error: FileError) -> RevocationFeedError {
    RevocationFeedError::Keep {
        path: path.to_owned(),
        error,
    }
}

/// Creates the folder, writable only for the current user. Anyone who can replace the kept list could hide revocations.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use secure_runtime_capabilities::{KeyPair, RevocationList};

    use super::*;

    /// CLI-23.
    #[test]
    fn the_pause_depends_on_the_source_and_the_validity() {
        let key = KeyPair::generate().unwrap();
        let pause = |place: &str, validity: Option<u64>| {
            let feed = RevocationFeed::new(place, key.public()).unwrap();
            if let Some(validity) = validity {
                let list = RevocationList::new(1, 1_000, 1_000 + validity, []).unwrap();
                feed.revocations().update(&list.sign(&key).unwrap()).unwrap();
            }
            feed.pause().as_secs()
        };
        for (validity, expected) in [(5, 10), (90, 30), (180, 60), (604_800, 60)] {
            assert_eq!(pause("http://localhost/r.list", Some(validity)), expected);
            assert_eq!(pause("r.list", Some(validity)), 1);
        }
        assert_eq!(pause("https://localhost/r.list", None), 10);
    }
}
