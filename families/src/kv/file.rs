//! A store in a file, which keeps its entries between runs.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition};
use secure_runtime_capabilities::Key;

use super::store::{
    EXPIRED_AT_ONCE, KvChange, KvChanges, KvCheck, KvEntry, KvError, KvRange, KvStore, KvValue, KvVersion,
    StoreClock, counted, expiry, full,
};

/// The entries, as [`Stored`].
const ENTRIES: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("entries");
/// The entries that expire, by the time.
const EXPIRING: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("expiring");
/// Figures: `format`, and `bytes`, the counted bytes of all entries.
const FIGURES: TableDefinition<'static, &str, u64> = TableDefinition::new("figures");

/// The format of the file.
const FORMAT: u64 = 2;
/// The kind of a text.
const TEXT: u8 = b't';
/// The kind of bytes.
const BYTES: u8 = b'b';
/// Memory for cached pages, in bytes.
const CACHE: usize = 8 << 20;

/// A store in a file. Each change is on the disk before its operation ends.
///
/// If the process or the machine stops, the file contains every change whose operation had ended, and no part of any
/// other. One process can have the file open. Cloning is cheap, and the clones are one store.
#[derive(Clone)]
pub struct FileKvStore(Arc<Opened>);

struct Opened {
    database: Database,
    limit: u64,
    path: PathBuf,
    changes: KvChanges,
    clock: StoreClock,
}

/// The reason why a file cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenKvError {
    /// Another process, or another store of this process, has the file open.
    #[error("{path}: another process uses this store; end it, or use another file", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file has content, and is not a store of this version.
    #[error("{path}: it is not a store of `kv` entries, or it was damaged: {error}; restore a copy, or use another file", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The error of the database.
        #[source]
        error: Box<redb::Error>,
    },
    /// The store was written by another version.
    #[error("{path}: the store has the format {format}, and this version reads the format {FORMAT}; use the version that wrote it", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format.
        format: u64,
    },
    /// The path leads out of the folder that the file must be in, by a link.
    #[error("{path}: a link leads out of {folder}; name a file beneath that folder, or use `run --kv FILE`", path = path.display(), folder = folder.display())]
    Outside {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The operating system returned an error.
    #[error("{path}: {error}", path = path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        error: io::Error,
    },
}

impl FileKvStore {
    /// Default limit for the bytes of all entries.
    pub const DEFAULT_LIMIT: u64 = 1 << 30;

    /// Opens the store in a file, or creates it. `limit` is the maximum number of bytes of all entries. Each counts as
    /// its key, its value and 256 bytes.
    ///
    /// The whole file is verified, so that a damaged one is detected here.
    ///
    /// # Errors
    /// [`OpenKvError`]
    pub fn open(path: impl AsRef<Path>, limit: u64) -> Result<FileKvStore, OpenKvError> {
        FileKvStore::open_with_clock(path, limit, SystemTime::now)
    }

    /// Opens a store that must be in `folder` or beneath it. `file` is relative to it.
    ///
    /// Use it for a path that a program names and not the user who runs it, such as that of `[kv]` in a manifest. The
    /// user may have access to stores of other programs. The folder must not change meanwhile.
    ///
    /// # Errors
    /// [`OpenKvError`]
    pub fn open_beneath(folder: &Path, file: &Path, limit: u64) -> Result<FileKvStore, OpenKvError> {
        let path = folder.join(file);
        let system = |path: &Path| {
            let path = path.to_owned();
            move |error| OpenKvError::System { path, error }
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let root = folder.canonicalize().map_err(system(folder))?;
        let place = parent.canonicalize().map_err(system(parent))?;
        let is_link = path.symlink_metadata().is_ok_and(|data| data.is_symlink());
        let Some(name) = path.file_name().filter(|_| !is_link && place.starts_with(&root)) else {
            return Err(OpenKvError::Outside {
                path,
                folder: folder.to_owned(),
            });
        };
        FileKvStore::open(place.join(name), limit)
    }

    /// Opens a store whose entries expire by this clock.
    ///
    /// # Errors
    /// [`OpenKvError`]
    pub fn open_with_clock(
        path: impl AsRef<Path>,
        limit: u64,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<FileKvStore, OpenKvError> {
        let path = path.as_ref().to_owned();
        let damaged = |error: redb::Error| match error {
            // Of another file than a database, redb says this.
            redb::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => OpenKvError::System {
                path: path.clone(),
                error,
            },
            error => OpenKvError::Damaged {
                path: path.clone(),
                error: Box::new(error),
            },
        };
        let opened = Database::builder()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create(&path);
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenKvError::InUse { path: path.clone() },
            error => damaged(error.into()),
        })?;
        let format = prepared(&database).map_err(damaged)?;
        if format != FORMAT {
            return Err(OpenKvError::Format { path, format });
        }
        Ok(FileKvStore(Arc::new(Opened {
            database,
            limit,
            path,
            changes: KvChanges::default(),
            clock: StoreClock::new(clock),
        })))
    }
}

/// Creates the tables of a new file. Returns the format of the file.
fn prepared(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let format = {
        transaction.open_table(ENTRIES)?;
        transaction.open_table(EXPIRING)?;
        let mut figures = transaction.open_table(FIGURES)?;
        let known = figures.get("format")?.map(|format| format.value());
        if known.is_none() {
            figures.insert("format", FORMAT)?;
        }
        known.unwrap_or(FORMAT)
    };
    transaction.commit()?;
    Ok(format)
}

fn failed(error: impl Into<redb::Error>) -> KvError {
    KvError::Failed {
        reason: error.into().to_string(),
    }
}

/// An entry in the table: 16 bytes of its version, 8 bytes of the time at which it expires, its kind and its content.
/// The time is 0 if the entry does not expire.
struct Stored<'a> {
    version: KvVersion,
    expires: u64,
    kind: u8,
    content: &'a [u8],
}

impl<'a> Stored<'a> {
    fn new(value: &'a KvValue, version: KvVersion, expires: Option<u64>) -> Stored<'a> {
        let (kind, content) = match value {
            KvValue::Text(text) => (TEXT, text.as_bytes()),
            KvValue::Bytes(bytes) => (BYTES, bytes.as_slice()),
        };
        Stored {
            version,
            expires: expires.unwrap_or(0),
            kind,
            content,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(self.content.len() + 25);
        encoded.extend_from_slice(&self.version.0.to_be_bytes());
        encoded.extend_from_slice(&self.expires.to_be_bytes());
        encoded.push(self.kind);
        encoded.extend_from_slice(self.content);
        encoded
    }

    fn decode(encoded: &'a [u8]) -> Result<Stored<'a>, KvError> {
        let parts = || {
            let (version, rest) = encoded.split_first_chunk()?;
            let (expires, rest) = rest.split_first_chunk()?;
            let (kind, content) = rest.split_first()?;
            Some(Stored {
                version: KvVersion(u128::from_be_bytes(*version)),
                expires: u64::from_be_bytes(*expires),
                kind: *kind,
                content,
            })
        };
        parts().ok_or_else(damaged_entry)
    }

    fn exists(&self, now: u64) -> bool {
        self.expires == 0 || self.expires > now
    }

    fn entry(&self, now: u64) -> Result<KvEntry, KvError> {
        let text = || std::str::from_utf8(self.content).map_err(|_| damaged_entry());
        let value = match self.kind {
            TEXT => KvValue::Text(text()?.to_owned()),
            BYTES => KvValue::Bytes(self.content.to_owned()),
            _ => return Err(damaged_entry()),
        };
        let expires = Some(self.expires).filter(|expires| *expires != 0);
        Ok(KvEntry {
            value,
            version: self.version,
            expires_in: expires.map(|expires| Duration::from_millis(expires.saturating_sub(now))),
        })
    }
}

fn damaged_entry() -> KvError {
    KvError::Failed {
        reason: "the entry was damaged".to_owned(),
    }
}

/// The tables in a transaction.
struct Tables<'t> {
    entries: Table<'t, &'static str, &'static [u8]>,
    expiring: Table<'t, (u64, &'static str), ()>,
    /// The counted bytes of all entries.
    bytes: u64,
}

impl Tables<'_> {
    fn holds(&self, check: &KvCheck, now: u64) -> Result<bool, KvError> {
        let entry = self.entries.get(check.key.as_str()).map_err(failed)?;
        let version = match &entry {
            Some(entry) => Some(Stored::decode(entry.value())?)
                .filter(|stored| stored.exists(now))
                .map(|stored| stored.version),
            None => None,
        };
        Ok(version == check.version)
    }

    /// Replaces an entry, or removes it.
    fn replace(&mut self, key: &str, new: Option<&Stored<'_>>) -> Result<(), KvError> {
        let former = match new {
            Some(new) => self.entries.insert(key, new.encode().as_slice()),
            None => self.entries.remove(key),
        };
        let former = match &former.map_err(failed)? {
            Some(former) => {
                let former = Stored::decode(former.value())?;
                Some((former.expires, former.content.len()))
            }
            None => None,
        };
        if let Some((expires, content)) = former {
            self.bytes = self.bytes.saturating_sub(counted(key, content));
            if expires != 0 {
                self.expiring.remove((expires, key)).map_err(failed)?;
            }
        }
        if let Some(new) = new {
            self.bytes = self.bytes.saturating_add(counted(key, new.content.len()));
            if new.expires != 0 {
                self.expiring.insert((new.expires, key), ()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Removes entries that have expired, at most this number.
    fn remove_expired(&mut self, now: u64, count: usize) -> Result<(), KvError> {
        let mut keys = Vec::new();
        for expired in self
            .expiring
            .range(..(now.saturating_add(1), ""))
            .map_err(failed)?
            .take(count)
        {
            keys.push(expired.map_err(failed)?.0.value().1.to_owned());
        }
        keys.iter().try_for_each(|key| self.replace(key, None))
    }

    fn apply(&mut self, change: &KvChange, version: KvVersion, now: u64) -> Result<(), KvError> {
        let key = change.key().as_str();
        match change {
            KvChange::Set { value, expire_in, .. } => {
                let expires = expire_in.map(|expire_in| expiry(now, expire_in));
                self.replace(key, Some(&Stored::new(value, version, expires)))
            }
            KvChange::Delete { .. } => self.replace(key, None),
        }
    }
}

impl KvStore for FileKvStore {
    fn entries(&self, keys: &[Key]) -> Result<Vec<Option<KvEntry>>, KvError> {
        let now = self.0.clock.now();
        let transaction = self.0.database.begin_read().map_err(failed)?;
        let entries = transaction.open_table(ENTRIES).map_err(failed)?;
        let found = keys.iter().map(|key| {
            let Some(entry) = entries.get(key.as_str()).map_err(failed)? else {
                return Ok(None);
            };
            let stored = Stored::decode(entry.value())?;
            stored.exists(now).then(|| stored.entry(now)).transpose()
        });
        found.collect()
    }

    fn keys(&self, range: &KvRange, count: usize) -> Result<Vec<String>, KvError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.0.clock.now();
        let from = Bound::Included(range.from.as_str());
        let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let transaction = self.0.database.begin_read().map_err(failed)?;
        let entries = transaction.open_table(ENTRIES).map_err(failed)?;
        let mut found = entries.range::<&str>((from, to)).map_err(failed)?;
        let mut keys = Vec::new();
        while keys.len() < count {
            let next = if range.reverse {
                found.next_back()
            } else {
                found.next()
            };
            let Some(entry) = next else { break };
            let (key, value) = entry.map_err(failed)?;
            if Stored::decode(value.value())?.exists(now) {
                keys.push(key.value().to_owned());
            }
        }
        Ok(keys)
    }

    fn commit(&self, checks: &[KvCheck], changes: Vec<KvChange>) -> Result<bool, KvError> {
        let Opened { limit, clock, .. } = &*self.0;
        let version = KvVersion::random()?;
        // If this function returns before the end, the transaction is dropped, and nothing of it is kept.
        let transaction = self.0.database.begin_write().map_err(failed)?;
        {
            let mut figures = transaction.open_table(FIGURES).map_err(failed)?;
            let bytes = figures.get("bytes").map_err(failed)?;
            let mut tables = Tables {
                entries: transaction.open_table(ENTRIES).map_err(failed)?,
                expiring: transaction.open_table(EXPIRING).map_err(failed)?,
                bytes: bytes.map_or(0, |bytes| bytes.value()),
            };
            // The time is read after earlier commits have ended, so their entries do not expire after it.
            let now = clock.now();
            for check in checks {
                if !tables.holds(check, now)? {
                    return Ok(false);
                }
            }
            if changes.is_empty() {
                return Ok(true);
            }
            tables.remove_expired(now, EXPIRED_AT_ONCE)?;
            for change in &changes {
                tables.apply(change, version, now)?;
            }
            if tables.bytes > *limit {
                tables.remove_expired(now, usize::MAX)?;
            }
            if tables.bytes > *limit {
                return Err(full(*limit));
            }
            figures.insert("bytes", tables.bytes).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.0.changes.notify();
        Ok(true)
    }

    fn changes(&self) -> KvChanges {
        self.0.changes.clone()
    }
}

impl fmt::Debug for FileKvStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("FileKvStore").field(&self.0.path).finish()
    }
}
