//! Revocation lists from outside: fetched, remembered across restarts, and looked for again while programs run.
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
//! **Invariants.** A list counts when its key signed it and it is newer than every one that was had, in this process or
//! kept from before: whoever serves lists can withhold the next one until the last one is stale, and nothing else. While
//! no current list is had, [`Revocations`] denies everything; nothing here can make it allow more.

mod refresher;
mod source;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{MAX_REVOCATION_LIST, PublicKey, RevocationError, Revocations};
use secure_runtime_loaders::ContentHash;
use secure_runtime_loaders::files::{FileError, FolderLock, read_regular, write_atomic};
use url::Url;

pub use self::refresher::Refresher;
use self::source::Source;

/// How long a list at an address may take, all attempts included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The size limit of a list, as the readers of files have it.
const LIMIT: u64 = MAX_REVOCATION_LIST as u64;

/// Revocation lists from one place: a file, or an address of `http:` or `https:`.
///
/// Who serves a list needs no trust, so that plain HTTP does. Redirects and compressed answers are refused, no proxy is
/// taken from the environment, and an answer has 10 seconds.
#[derive(Debug)]
pub struct RevocationFeed {
    revocations: Revocations,
    source: Source,
    /// Where the newest list is kept.
    kept: Option<PathBuf>,
    /// What the list is whose bytes need no further look: it was accepted, and is kept.
    seen: Mutex<Option<ContentHash>>,
}

/// What [`RevocationFeed::load`] ended with. In either case there is a current list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum RevocationsLoaded {
    /// The source gave its list.
    Fresh,
    /// The source did not give a list that can be used; the one that was kept from before is still current. Somebody
    /// should be told: before that one is stale, the source has to give another.
    Kept(RevocationFeedError),
}

/// Why there is no current revocation list, or no newer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationFeedError {
    /// A text that is neither a path nor an address.
    #[error("{place:?} is no place of a revocation list: {reason}")]
    Place {
        /// The text as given.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The source did not answer with a list's bytes.
    #[error("the revocation list at {place} cannot be had: {reason}")]
    Unavailable {
        /// The path or address.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The source's list is none of this key's, or older than one seen before. The newest one stays.
    #[error("the revocation list at {place} is refused: {error}")]
    Refused {
        /// The path or address.
        place: String,
        /// Why.
        error: RevocationError,
    },
    /// The source's list is not current any more.
    #[error("the revocation list at {place}, number {sequence}, is stale since {since}", since = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(*.since)))]
    Stale {
        /// The path or address.
        place: String,
        /// Its number.
        sequence: u64,
        /// Since when, in Unix seconds.
        since: u64,
    },
    /// The list that was kept from before is not as it was written.
    #[error("the revocation list that was kept in {path} is damaged: {error}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: RevocationError,
    },
    /// The newest list cannot be kept, or what was kept cannot be read: an older one would not be noticed.
    #[error("the newest revocation list cannot be kept in {path}: {error}", path = path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: FileError,
    },
}

impl RevocationFeedError {
    /// Whether bytes are not what was promised, as opposed to absent.
    pub fn is_integrity(&self) -> bool {
        matches!(
            self,
            RevocationFeedError::Refused { .. } | RevocationFeedError::Damaged { .. }
        )
    }

    /// Whether the fault is the source's: a current list makes up for it.
    fn is_of_source(&self) -> bool {
        use RevocationFeedError::{Refused, Unavailable};
        matches!(self, Unavailable { .. } | Refused { .. })
    }
}

impl RevocationFeed {
    /// Lists at this path or address that this key signs. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`RevocationFeedError::Place`].
    pub fn new(place: &str, key: PublicKey) -> Result<RevocationFeed, RevocationFeedError> {
        Ok(RevocationFeed {
            revocations: Revocations::new(key),
            source: Source::parse(place)?,
            kept: None,
            seen: Mutex::default(),
        })
    }

    /// Keeps the newest list in this folder, in a file of its own for each key: a list that is older than one from before a
    /// restart is noticed, and a source that cannot be reached at the start is no failure while the kept list is current.
    /// The place does not count: the same list has many names (links, other spellings, mirrors), and whoever can choose
    /// among them could choose an older one. Processes may share the folder, which is made when it is needed.
    pub fn kept_in(mut self, folder: &Path) -> RevocationFeed {
        let digits = ContentHash::from_bytes(*self.revocations.key().as_bytes()).to_hex();
        self.kept = Some(folder.join(format!("ed25519-{digits}.list")));
        self
    }

    /// What [`crate::Builder::revocations`] takes: a handle that follows this feed.
    pub fn revocations(&self) -> Revocations {
        self.revocations.clone()
    }

    /// Takes the list that was kept and the source's, whichever is newer. Reading and writing files, it may block.
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

    /// Looks for a newer list: the source's, or one that another process kept. Returns whether there was one. Reading and
    /// writing files, it may block.
    ///
    /// # Errors
    /// The source's list cannot be had or used, or not be kept. The newest one that was had stays in force.
    pub async fn refresh(&self) -> Result<bool, RevocationFeedError> {
        let before = self.number();
        let kept = self.take_kept();
        if before.is_none() {
            // Without what was kept, an old list would pass for the newest.
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

    /// What is reached while lists are looked for: the file or the address, and the file that the newest is kept in.
    pub(crate) fn places(&self) -> (Option<&Path>, Option<&Url>, Option<&Path>) {
        let (file, address) = match &self.source {
            Source::File(path) => (Some(path.as_path()), None),
            Source::Http(url) => (None, Some(url)),
        };
        (file, address, self.kept.as_deref())
    }

    /// The newest list's number.
    fn number(&self) -> Option<u64> {
        self.revocations.list().map(|list| list.sequence)
    }

    /// How long after a look the next one is due: a second for a file; for an address a third of the time that the
    /// list is good for, but from 10 seconds to a minute.
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

    /// Takes the list that was kept, by this process or another, unless a newer one is had.
    fn take_kept(&self) -> Result<(), RevocationFeedError> {
        let Some(path) = &self.kept else { return Ok(()) };
        let bytes = match read_regular(path, LIMIT) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) => {
                // It is to be written again.
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

    /// Keeps these bytes, which are the newest list that this process has, unless another process kept a newer one.
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

/// Makes the folder, for nobody else to write in: who can replace what is kept can hide revocations.
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
    fn how_often_is_looked() {
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
