//! The default store, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use secure_runtime_capabilities::Key;

use super::store::{
    EXPIRED_AT_ONCE, KvChange, KvChanges, KvCheck, KvEntry, KvError, KvRange, KvStore, KvValue, KvVersion,
    StoreClock, counted, expiry, full,
};

/// A store in memory, which is freed with its last owner. Its entries take at most [`MemoryKvStore::MAX_BYTES`]. Each
/// counts as its key, its value and 256 bytes.
#[derive(Default)]
pub struct MemoryKvStore {
    entries: Mutex<Entries>,
    changes: KvChanges,
    clock: StoreClock,
}

#[derive(Default)]
struct Entries {
    by_key: BTreeMap<Arc<str>, Stored>,
    /// The entries that expire, by the time.
    expiring: BTreeSet<(u64, Arc<str>)>,
    /// The counted bytes of all entries.
    bytes: u64,
}

struct Stored {
    value: KvValue,
    version: KvVersion,
    /// Milliseconds of the store's time.
    expires: Option<u64>,
}

impl Stored {
    fn exists(&self, now: u64) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl MemoryKvStore {
    /// Maximum number of bytes of all entries.
    pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

    /// Creates a store whose entries expire by this clock.
    pub fn with_clock(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> MemoryKvStore {
        MemoryKvStore {
            clock: StoreClock::new(clock),
            ..MemoryKvStore::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn existing(&self, key: &str, now: u64) -> Option<&Stored> {
        self.by_key.get(key).filter(|stored| stored.exists(now))
    }

    /// Replaces an entry, or removes it. Returns the former one.
    fn replace(&mut self, key: &Arc<str>, new: Option<Stored>) -> Option<Stored> {
        let former = self.by_key.remove(key);
        if let Some(former) = &former {
            self.bytes -= counted(key, former.value.size());
            if let Some(expires) = former.expires {
                self.expiring.remove(&(expires, key.clone()));
            }
        }
        if let Some(new) = new {
            self.bytes += counted(key, new.value.size());
            if let Some(expires) = new.expires {
                self.expiring.insert((expires, key.clone()));
            }
            self.by_key.insert(key.clone(), new);
        }
        former
    }

    /// Removes entries that have expired, at most this number.
    fn remove_expired(&mut self, now: u64, count: usize) {
        for _ in 0..count {
            let first = self.expiring.first().filter(|(expires, _)| *expires <= now);
            let Some((_, key)) = first.cloned() else { return };
            self.replace(&key, None);
        }
    }
}

impl KvStore for MemoryKvStore {
    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<KvEntry>>, KvError> {
        let now = self.clock.now();
        let entries = self.lock();
        let found = keys.iter().map(|key| {
            let stored = entries.existing(key.as_str(), now)?;
            Some(KvEntry {
                value: stored.value.clone(),
                version: stored.version,
                expires_in: stored.expires.map(|expires| Duration::from_millis(expires - now)),
            })
        });
        Ok(found.collect())
    }

    fn keys(&self, range: &KvRange, count: usize) -> Result<Vec<String>, KvError> {
        // The standard library panics on such a range.
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let from = Bound::Included(range.from.as_str());
        let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.lock();
        let keys = entries.by_key.range::<str, _>((from, to));
        let existing = keys
            .filter(|(_, stored)| stored.exists(now))
            .map(|(key, _)| key.to_string());
        Ok(if range.reverse {
            existing.rev().take(count).collect()
        } else {
            existing.take(count).collect()
        })
    }

    fn commit(&self, checks: &[KvCheck], changes: Vec<KvChange>) -> Result<bool, KvError> {
        let version = KvVersion::random()?;
        let mut entries = self.lock();
        let now = self.clock.now();
        for KvCheck { key, version } in checks {
            if entries.existing(key.as_str(), now).map(|stored| stored.version) != *version {
                return Ok(false);
            }
        }
        entries.remove_expired(now, EXPIRED_AT_ONCE);
        let mut former = Vec::with_capacity(changes.len());
        for change in changes {
            let key: Arc<str> = change.key().as_str().into();
            let new = match change {
                KvChange::Set { value, expire_in, .. } => Some(Stored {
                    value,
                    version,
                    expires: expire_in.map(|expire_in| expiry(now, expire_in)),
                }),
                KvChange::Delete { .. } => None,
            };
            let replaced = entries.replace(&key, new);
            former.push((key, replaced));
        }
        if entries.bytes > MemoryKvStore::MAX_BYTES {
            entries.remove_expired(now, usize::MAX);
        }
        if entries.bytes > MemoryKvStore::MAX_BYTES {
            for (key, stored) in former.into_iter().rev() {
                entries.replace(&key, stored);
            }
            return Err(full(MemoryKvStore::MAX_BYTES));
        }
        drop(entries);
        if !former.is_empty() {
            self.changes.notify();
        }
        Ok(true)
    }

    fn changes(&self) -> KvChanges {
        self.changes.clone()
    }
}

impl fmt::Debug for MemoryKvStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryKvStore")
            .field("entries", &self.lock().by_key.len())
            .finish_non_exhaustive()
    }
}
