//! Stores for the `kv` family: the interface that hosts implement, and the default store in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

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
/// work. For one program, the calls happen one at a time, in the order in which the program made them.
pub trait KvStore: Send + Sync {
    /// Returns the value of this entry, if it exists.
    ///
    /// # Errors
    /// [`KvError`]
    fn get(&self, key: &Key) -> Result<Option<KvValue>, KvError>;

    /// Creates or replaces this entry.
    ///
    /// # Errors
    /// [`KvError`]. The entry is then unchanged.
    fn set(&self, key: &Key, value: KvValue) -> Result<(), KvError>;

    /// Removes this entry, if it exists.
    ///
    /// # Errors
    /// [`KvError`]
    fn delete(&self, key: &Key) -> Result<(), KvError>;

    /// Returns the first keys that start with `prefix` and come after `after`, in the order of their bytes.
    ///
    /// The result has at most `count` keys. It is empty only if there are no more keys.
    ///
    /// # Errors
    /// [`KvError`]
    fn keys(&self, prefix: &str, after: Option<&str>, count: usize) -> Result<Vec<String>, KvError>;
}

impl<S: KvStore + ?Sized> KvStore for Arc<S> {
    fn get(&self, key: &Key) -> Result<Option<KvValue>, KvError> {
        (**self).get(key)
    }

    fn set(&self, key: &Key, value: KvValue) -> Result<(), KvError> {
        (**self).set(key, value)
    }

    fn delete(&self, key: &Key) -> Result<(), KvError> {
        (**self).delete(key)
    }

    fn keys(&self, prefix: &str, after: Option<&str>, count: usize) -> Result<Vec<String>, KvError> {
        (**self).keys(prefix, after, count)
    }
}

/// A store in memory, which is freed with its last owner. It contains at most [`MemoryKvStore::MAX_ENTRIES`] entries,
/// of [`MemoryKvStore::MAX_BYTES`] bytes together.
#[derive(Default)]
pub struct MemoryKvStore(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_key: BTreeMap<String, KvValue>,
    /// The number of bytes of all keys and values.
    bytes: usize,
}

impl MemoryKvStore {
    /// Maximum number of entries.
    pub const MAX_ENTRIES: usize = 10_000;
    /// Maximum number of bytes of all keys and values.
    pub const MAX_BYTES: usize = 16 * 1024 * 1024;

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KvStore for MemoryKvStore {
    fn get(&self, key: &Key) -> Result<Option<KvValue>, KvError> {
        Ok(self.entries().by_key.get(key.as_str()).cloned())
    }

    fn set(&self, key: &Key, value: KvValue) -> Result<(), KvError> {
        let mut entries = self.entries();
        let former = entries.by_key.get(key.as_str());
        let freed = former.map_or(0, |former| key.as_str().len() + former.size());
        let bytes = entries.bytes - freed + key.as_str().len() + value.size();
        let count = entries.by_key.len() + usize::from(former.is_none());
        let full = |limit| Err(KvError::Full { limit });
        if count > MemoryKvStore::MAX_ENTRIES {
            return full(format!("{} entries", MemoryKvStore::MAX_ENTRIES));
        }
        if bytes > MemoryKvStore::MAX_BYTES {
            return full(format!("{} bytes", MemoryKvStore::MAX_BYTES));
        }
        entries.bytes = bytes;
        entries.by_key.insert(key.as_str().to_owned(), value);
        Ok(())
    }

    fn delete(&self, key: &Key) -> Result<(), KvError> {
        let mut entries = self.entries();
        if let Some(former) = entries.by_key.remove(key.as_str()) {
            entries.bytes -= key.as_str().len() + former.size();
        }
        Ok(())
    }

    fn keys(&self, prefix: &str, after: Option<&str>, count: usize) -> Result<Vec<String>, KvError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let entries = self.entries();
        let keys = entries.by_key.range::<str, _>((from, Bound::Unbounded));
        Ok(keys
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .take(count)
            .cloned()
            .collect())
    }
}

impl fmt::Debug for MemoryKvStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryKvStore")
            .field("entries", &self.entries().by_key.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn bytes(count: usize) -> KvValue {
        KvValue::Bytes(vec![0; count])
    }

    #[test]
    fn keys_are_listed_in_order_and_in_pieces() {
        let store = MemoryKvStore::default();
        for name in ["b/2", "a", "b", "b/", "b/1", "b0", "c"] {
            store.set(&key(name), bytes(1)).unwrap();
        }
        let keys = |prefix, after, count| store.keys(prefix, after, count).unwrap();
        assert_eq!(keys("b/", None, 9), ["b/", "b/1", "b/2"]);
        assert_eq!(keys("b/", None, 2), ["b/", "b/1"]);
        assert_eq!(keys("b/", Some("b/1"), 2), ["b/2"]);
        assert_eq!(keys("b/", Some("a"), 1), ["b/"]);
        assert_eq!(keys("", Some("b0"), 9), ["c"]);
        assert!(keys("d", None, 9).is_empty());
    }

    #[test]
    fn replaced_and_removed_values_free_space() {
        let store = MemoryKvStore::default();
        let most = MemoryKvStore::MAX_BYTES - 1;
        store.set(&key("a"), bytes(most)).unwrap();
        assert!(matches!(
            store.set(&key("b"), bytes(0)),
            Err(KvError::Full { .. })
        ));
        assert_eq!(store.get(&key("b")), Ok(None));
        store.set(&key("a"), bytes(most)).unwrap();
        assert!(matches!(
            store.set(&key("a"), bytes(most + 1)),
            Err(KvError::Full { .. })
        ));
        assert_eq!(store.get(&key("a")), Ok(Some(bytes(most))));
        store.delete(&key("a")).unwrap();
        store.delete(&key("a")).unwrap();
        for index in 0..MemoryKvStore::MAX_ENTRIES {
            store.set(&key(&index.to_string()), bytes(1)).unwrap();
        }
        assert!(matches!(
            store.set(&key("a"), bytes(1)),
            Err(KvError::Full { .. })
        ));
        store.set(&key("0"), bytes(2)).unwrap();
        store.delete(&key("0")).unwrap();
        store.set(&key("a"), bytes(1)).unwrap();
    }
}
