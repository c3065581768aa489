//! The interface of stores for the `kv` family, which hosts implement.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::Key;

/// Maximum size of an entry's value, in bytes. A text is counted in UTF-8.
pub const MAX_KV_VALUE: usize = 64 * 1024;

/// The value of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KvValue {
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl KvValue {
    /// Returns the size in bytes.
    pub fn size(&self) -> usize {
        match self {
            KvValue::Text(text) => text.len(),
            KvValue::Bytes(bytes) => bytes.len(),
        }
    }
}

/// The version of an entry. Each commit gives the entries that it sets a new one.
///
/// Versions are random. So they do not count the changes of other entries, and the versions of two stores differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KvVersion(pub u128);

impl KvVersion {
    /// Creates a version that no entry has had.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn random() -> Result<KvVersion, KvError> {
        let mut bytes = [0; 16];
        match getrandom::fill(&mut bytes) {
            Ok(()) => Ok(KvVersion(u128::from_be_bytes(bytes))),
            Err(error) => Err(KvError::Failed {
                reason: format!("the operating system gave no random bytes: {error}"),
            }),
        }
    }
}

impl fmt::Display for KvVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl FromStr for KvVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<KvVersion, Self::Err> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = Some(text).filter(|text| text.len() == 32 && text.bytes().all(is_digit));
        let version = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        version.map(KvVersion).ok_or("it is not a version of an entry")
    }
}

/// An entry of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// The value.
    pub value: KvValue,
    /// The version.
    pub version: KvVersion,
    /// The time until the entry expires, if it does.
    pub expires_in: Option<Duration>,
}

/// A condition of a commit: the entry has this version, or does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvCheck {
    /// The key of the entry.
    pub key: Key,
    /// The version. `None` means that there must be no entry.
    pub version: Option<KvVersion>,
}

/// A change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvChange {
    /// Creates or replaces an entry.
    Set {
        /// The key of the entry.
        key: Key,
        /// The value.
        value: KvValue,
        /// The time until the entry expires. Without it, the entry does not expire.
        expire_in: Option<Duration>,
    },
    /// Removes an entry, if it exists.
    Delete {
        /// The key of the entry.
        key: Key,
    },
}

impl KvChange {
    /// Returns the key of the entry.
    pub fn key(&self) -> &Key {
        match self {
            KvChange::Set { key, .. } | KvChange::Delete { key } => key,
        }
    }
}

/// A range of keys, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvRange {
    /// The first key that can be in the range.
    pub from: String,
    /// The first key after the range. Without it, the range has no end.
    pub to: Option<String>,
    /// True if the keys are listed from the last to the first.
    pub reverse: bool,
}

impl KvRange {
    /// Returns the range of the keys that start with `prefix`.
    pub fn prefix(prefix: &str) -> KvRange {
        KvRange {
            from: prefix.to_owned(),
            to: after_prefix(prefix),
            reverse: false,
        }
    }

    /// Removes the keys before `start`.
    pub fn start_at(&mut self, start: &str) {
        if *start > *self.from {
            start.clone_into(&mut self.from);
        }
    }

    /// Removes `end` and the keys after it.
    pub fn end_before(&mut self, end: &str) {
        if self.to.as_deref().is_none_or(|to| end < to) {
            self.to = Some(end.to_owned());
        }
    }

    /// Removes `key` and the keys that are listed before it.
    pub fn go_past(&mut self, key: &str) {
        if self.reverse {
            self.end_before(key);
        } else {
            // The next text in the order of bytes.
            self.start_at(&format!("{key}\0"));
        }
    }

    /// Returns true if no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    /// Returns true if the key is in the range.
    pub fn contains(&self, key: &str) -> bool {
        *key >= *self.from && self.to.as_deref().is_none_or(|to| key < to)
    }
}

/// Returns the first text after those that start with `prefix`, or none if there is no such text.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // The order of bytes in UTF-8 is the order of the code points.
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// The notice of a store that entries have changed, for `watch`. Clones are one notice.
#[derive(Clone, Default)]
pub struct KvChanges(Arc<tokio::sync::watch::Sender<()>>);

impl KvChanges {
    /// Makes each `watch` of the store read its entries again. A store calls this after each change. Calls that come
    /// faster than the entries can be read count as one.
    pub fn notify(&self) {
        self.0.send_replace(());
    }

    pub(super) fn subscribe(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl fmt::Debug for KvChanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KvChanges").finish_non_exhaustive()
    }
}

/// A failure of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The store is full.
    #[error("the store is full: it holds at most {limit}; delete entries that are no longer needed")]
    Full {
        /// The limit that was reached.
        limit: String,
    },
    /// The store failed.
    #[error("the store failed: {reason}")]
    Failed {
        /// The reason. It is shown to guests.
        reason: String,
    },
}

/// A key-value store. `kv` grants give programs access to its entries.
///
/// The store is called only for allowed operations. Its functions may block, because they run on threads for blocking
/// work. For one isolate, the calls happen one at a time, in the order in which its modules made them.
///
/// An entry that has expired does not exist: no function returns it, and its bytes are free. The time is the store's.
pub trait KvStore: Send + Sync {
    /// Returns the entries of these keys, in their order. All are read at one moment, between two commits.
    ///
    /// # Errors
    /// [`KvError`]
    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<KvEntry>>, KvError>;

    /// Returns the first keys of the range, in its direction.
    ///
    /// The result has at most `count` keys. It is empty only if there are no more keys.
    ///
    /// # Errors
    /// [`KvError`]
    fn keys(&self, range: &KvRange, count: usize) -> Result<Vec<String>, KvError>;

    /// Makes all changes in their order, or none of them. Returns false, and makes none, if a check fails.
    ///
    /// The checks are about the entries before the changes. No other commit happens between the checks and the changes.
    ///
    /// # Errors
    /// [`KvError`]. Nothing is changed then.
    fn commit(&self, checks: &[KvCheck], changes: Vec<KvChange>) -> Result<bool, KvError>;

    /// Returns the notice of changes. The store calls [`KvChanges::notify`] on it, or on a clone, after each commit
    /// that changed entries. This includes changes that other hosts make. The end of an entry's time needs no notice.
    fn changes(&self) -> KvChanges;

    /// Returns the value of this entry, if it exists.
    ///
    /// # Errors
    /// [`KvError`]
    fn get(&self, key: &Key) -> Result<Option<KvValue>, KvError> {
        let entries = self.entries(std::slice::from_ref(key))?;
        Ok(entries.into_iter().next().flatten().map(|entry| entry.value))
    }

    /// Creates or replaces this entry. It does not expire.
    ///
    /// # Errors
    /// [`KvError`]. The entry is then unchanged.
    fn set(&self, key: &Key, value: KvValue) -> Result<(), KvError> {
        let set = KvChange::Set {
            key: key.clone(),
            value,
            expire_in: None,
        };
        self.commit(&[], vec![set]).map(drop)
    }

    /// Removes this entry, if it exists.
    ///
    /// # Errors
    /// [`KvError`]
    fn delete(&self, key: &Key) -> Result<(), KvError> {
        let delete = KvChange::Delete { key: key.clone() };
        self.commit(&[], vec![delete]).map(drop)
    }
}

impl<S: KvStore + ?Sized> KvStore for Arc<S> {
    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<KvEntry>>, KvError> {
        (**self).entries(keys)
    }

    fn keys(&self, range: &KvRange, count: usize) -> Result<Vec<String>, KvError> {
        (**self).keys(range, count)
    }

    fn commit(&self, checks: &[KvCheck], changes: Vec<KvChange>) -> Result<bool, KvError> {
        (**self).commit(checks, changes)
    }

    fn changes(&self) -> KvChanges {
        (**self).changes()
    }
}

/// Bytes that an entry counts in addition to its key and its value. They cover the memory or the disk space of its
/// version, its time and its place in the indexes.
pub(super) const EACH_ENTRY: u64 = 256;

/// Number of expired entries that one commit removes, if the store is not full.
pub(super) const EXPIRED_AT_ONCE: usize = 256;

/// Returns the bytes that an entry counts.
pub(super) fn counted(key: &str, content: usize) -> u64 {
    (key.len() + content) as u64 + EACH_ENTRY
}

pub(super) fn full(limit: u64) -> KvError {
    KvError::Full {
        limit: format!("{limit} bytes, with {EACH_ENTRY} for each entry besides its key and value"),
    }
}

/// The clock of a store. It never goes back, so an entry that has expired is not seen again.
pub(super) struct StoreClock {
    read: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// The latest time that was read, in milliseconds of Unix time.
    latest: AtomicU64,
}

impl StoreClock {
    pub(super) fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        StoreClock {
            read: Box::new(read),
            latest: AtomicU64::new(0),
        }
    }

    /// Returns the milliseconds of Unix time.
    pub(super) fn now(&self) -> u64 {
        let since = (self.read)().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = milliseconds(since);
        self.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

impl Default for StoreClock {
    fn default() -> Self {
        StoreClock::new(SystemTime::now)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the time at which an entry expires that is set now. It is at least a millisecond later.
pub(super) fn expiry(now: u64, expire_in: Duration) -> u64 {
    now.saturating_add(milliseconds(expire_in).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range() {
        for (prefix, after) in [
            ("", None),
            ("a", Some("b")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("\u{d7ff}", Some("\u{e000}")),
            ("\u{7f}", Some("\u{80}")),
        ] {
            assert_eq!(after_prefix(prefix).as_deref(), after, "{prefix:?}");
        }
        let texts = [
            "",
            "\0",
            "a",
            "a\0",
            "a\u{10ffff}",
            "aa",
            "b",
            "\u{e000}",
            "\u{10ffff}",
            "\u{10ffff}x",
        ];
        for prefix in texts {
            for text in texts {
                assert_eq!(
                    KvRange::prefix(prefix).contains(text),
                    text.starts_with(prefix),
                    "{prefix:?} {text:?}"
                );
            }
        }
    }

    #[test]
    fn a_range_only_becomes_smaller() {
        let mut range = KvRange::prefix("b/");
        range.start_at("a");
        range.end_before("z");
        assert_eq!(range, KvRange::prefix("b/"));
        range.go_past("b/1");
        assert!(!range.contains("b/1") && range.contains("b/10"));
        range.reverse = true;
        range.go_past("b/3");
        assert!(!range.contains("b/3") && range.contains("b/2") && !range.is_empty());
        range.go_past("a");
        assert!(range.is_empty() && !range.contains("b/2"));
    }

    #[test]
    fn versions_are_read_only_as_they_are_written() {
        let version = KvVersion::random().unwrap();
        assert_ne!(version, KvVersion::random().unwrap());
        assert_eq!(version.to_string().parse(), Ok(version));
        let small = KvVersion(10).to_string();
        assert_eq!(small.parse(), Ok(KvVersion(10)));
        for text in [
            "",
            "a",
            "+",
            &small.to_uppercase(),
            &small.replacen('0', "+", 1),
            &format!("{small}0"),
        ] {
            assert!(text.parse::<KvVersion>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_clock_of_a_store_never_goes_back() {
        let time = Arc::new(AtomicU64::new(5_000));
        let read = time.clone();
        let clock = StoreClock::new(move || UNIX_EPOCH + Duration::from_millis(read.load(Ordering::Relaxed)));
        assert_eq!(clock.now(), 5_000);
        time.store(1_000, Ordering::Relaxed);
        assert_eq!(clock.now(), 5_000);
        assert_eq!(expiry(5_000, Duration::ZERO), 5_001);
        assert_eq!(expiry(5_000, Duration::MAX), u64::MAX);
    }
}
