//! A store in a file, which keeps its entries between runs.

use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition};
use secure_runtime_capabilities::Key;

use super::store::{KvError, KvStore, KvValue};

/// The entries. A value is one byte for its kind, and then its content.
const ENTRIES: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("entries");
/// Figures: `format`, and `bytes`, the number of bytes of all keys and values.
const FIGURES: TableDefinition<'static, &str, u64> = TableDefinition::new("figures");

/// The format of the file.
const FORMAT: u64 = 1;
/// The first byte of a text.
const TEXT: u8 = b't';
/// The first byte of bytes.
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
    #[error("{path}: the store has the format {format}, and this version reads the format 1; use the version that wrote it", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format.
        format: u64,
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
    /// Default limit for the bytes of all keys and values.
    pub const DEFAULT_LIMIT: u64 = 1 << 30;

    /// Opens the store in a file, or creates it. `limit` is the maximum number of bytes of all keys and values.
    ///
    /// The whole file is verified, so that a damaged one is detected here.
    ///
    /// # Errors
    /// [`OpenKvError`]
    pub fn open(path: impl AsRef<Path>, limit: u64) -> Result<FileKvStore, OpenKvError> {
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
        })))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Tables<'_>) -> Result<T, KvError>) -> Result<T, KvError> {
        let transaction = self.0.database.begin_write().map_err(failed)?;
        let result = {
            let mut tables = Tables {
                entries: transaction.open_table(ENTRIES).map_err(failed)?,
                figures: transaction.open_table(FIGURES).map_err(failed)?,
            };
            // On an error, the transaction is dropped, and nothing of it is kept.
            change(&mut tables)?
        };
        transaction.commit().map_err(failed)?;
        Ok(result)
    }
}

/// Creates the tables of a new file. Returns the format of the file.
fn prepared(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let format = {
        transaction.open_table(ENTRIES)?;
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

/// The tables in a transaction.
struct Tables<'t> {
    entries: Table<'t, &'static str, &'static [u8]>,
    figures: Table<'t, &'static str, u64>,
}

impl Tables<'_> {
    /// Returns the number of bytes of an entry, or 0 if there is none.
    fn size(&self, key: &str) -> Result<u64, KvError> {
        let entry = self.entries.get(key).map_err(failed)?;
        Ok(entry.map_or(0, |entry| size(key, entry.value().len().saturating_sub(1))))
    }

    fn bytes(&self) -> Result<u64, KvError> {
        let bytes = self.figures.get("bytes").map_err(failed)?;
        Ok(bytes.map_or(0, |bytes| bytes.value()))
    }

    fn set_bytes(&mut self, bytes: u64) -> Result<(), KvError> {
        self.figures.insert("bytes", bytes).map_err(failed)?;
        Ok(())
    }
}

fn size(key: &str, content: usize) -> u64 {
    (key.len() + content) as u64
}

fn encoded(value: &KvValue) -> Vec<u8> {
    let (kind, content) = match value {
        KvValue::Text(text) => (TEXT, text.as_bytes()),
        KvValue::Bytes(bytes) => (BYTES, bytes.as_slice()),
    };
    let mut encoded = Vec::with_capacity(content.len() + 1);
    encoded.push(kind);
    encoded.extend_from_slice(content);
    encoded
}

fn decoded(encoded: &[u8]) -> Option<KvValue> {
    match encoded.split_first()? {
        (&TEXT, content) => Some(KvValue::Text(std::str::from_utf8(content).ok()?.to_owned())),
        (&BYTES, content) => Some(KvValue::Bytes(content.to_owned())),
        _ => None,
    }
}

impl KvStore for FileKvStore {
    fn get(&self, key: &Key) -> Result<Option<KvValue>, KvError> {
        let transaction = self.0.database.begin_read().map_err(failed)?;
        let entries = transaction.open_table(ENTRIES).map_err(failed)?;
        let Some(entry) = entries.get(key.as_str()).map_err(failed)? else {
            return Ok(None);
        };
        let value = decoded(entry.value());
        value.map(Some).ok_or_else(|| KvError::Failed {
            reason: "the entry was damaged".to_owned(),
        })
    }

    fn set(&self, key: &Key, value: KvValue) -> Result<(), KvError> {
        let key = key.as_str();
        let limit = self.0.limit;
        self.write(|tables| {
            let others = tables.bytes()?.saturating_sub(tables.size(key)?);
            let bytes = others.saturating_add(size(key, value.size()));
            if bytes > limit {
                return Err(KvError::Full {
                    limit: format!("{limit} bytes"),
                });
            }
            let encoded = encoded(&value);
            tables.entries.insert(key, encoded.as_slice()).map_err(failed)?;
            tables.set_bytes(bytes)
        })
    }

    fn delete(&self, key: &Key) -> Result<(), KvError> {
        let key = key.as_str();
        self.write(|tables| {
            let bytes = tables.bytes()?.saturating_sub(tables.size(key)?);
            tables.entries.remove(key).map_err(failed)?;
            tables.set_bytes(bytes)
        })
    }

    fn keys(&self, prefix: &str, after: Option<&str>, count: usize) -> Result<Vec<String>, KvError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let transaction = self.0.database.begin_read().map_err(failed)?;
        let entries = transaction.open_table(ENTRIES).map_err(failed)?;
        let mut keys = Vec::new();
        for entry in entries.range::<&str>((from, Bound::Unbounded)).map_err(failed)? {
            let (key, _) = entry.map_err(failed)?;
            if keys.len() == count || !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_owned());
        }
        Ok(keys)
    }
}

impl fmt::Debug for FileKvStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("FileKvStore").field(&self.0.path).finish()
    }
}
