//! `watch`: entries, and again after each change.

use std::rc::Rc;
use std::time::Duration;

use secure_runtime_capabilities::{ActionName, Key, Operation};
use secure_runtime_engine::extension::{
    Arguments, Asked, Methods, OperationError, Output, Reservation, Value,
};
use tokio::sync::{Mutex, watch};

use super::store::KvVersion;
use super::{Call, Kv, Subject, entries, key, output};
use crate::closing::Closing;

/// Maximum number of keys of one `watch`, as in Deno.
const MAX_KEYS: usize = 10;
/// Memory of a `watch` besides its keys, in bytes.
const EACH: usize = 2048;

/// An open `watch`.
type Watch = Closing<Watched>;

struct Watched {
    keys: Vec<Key>,
    /// The calls of one `watch` wait for each other.
    seen: Mutex<Seen>,
    _memory: Reservation,
}

struct Seen {
    /// The versions of the entries that the guest has received last. So there is no queue of changes.
    versions: Option<Vec<Option<KvVersion>>>,
    changes: watch::Receiver<()>,
}

/// Returns the keys of a call.
fn keys(arguments: &[Value]) -> Result<Vec<Key>, OperationError> {
    let keys = arguments.iter().map(|argument| match argument {
        Value::Text(name) => key(name),
        _ => Err(OperationError::type_error("watch: a key must be a string")),
    });
    if arguments.is_empty() || arguments.len() > MAX_KEYS {
        return Err(OperationError::range_error(format!(
            "watch: the number of keys is from 1 to {MAX_KEYS}, and these are {}",
            arguments.len()
        )));
    }
    keys.collect()
}

/// Returns the first key as the subject. All are checked, so that a wrong call decides nothing.
fn first<'a>(asked: &Asked<'a, Kv>) -> Result<Subject<'a>, OperationError> {
    let keys = keys(asked.arguments())?;
    let first = keys
        .first()
        .ok_or_else(|| OperationError::type_error("watch: there is no key"))?;
    Ok((
        Operation::kv_read(first).into_owned(),
        first.as_str().to_owned().into(),
    ))
}

/// Decides the keys after the first one, which is the subject of the operation.
fn check_others(granted: &Call, keys: &[Key]) -> Result<(), OperationError> {
    let mut others = keys.iter().skip(1);
    others.try_for_each(|key| granted.check(&Operation::kv_read(key), key.as_str()))
}

/// Opens a `watch`. Each argument is a key.
fn open(granted: &Call, arguments: &Arguments) -> Result<Output, OperationError> {
    let keys = keys(arguments.all())?;
    check_others(granted, &keys)?;
    let permit = granted.permit_open()?;
    let size = EACH + keys.iter().map(|key| key.as_str().len()).sum::<usize>();
    let watched = Watched {
        _memory: granted.reserve(size, "watching")?,
        keys,
        seen: Mutex::new(Seen {
            versions: None,
            changes: granted.extension().0.changes().subscribe(),
        }),
    };
    let watch = Closing::new(watched);
    Ok(granted.open(&[ActionName::READ], watch, permit, Value::Null))
}

/// Returns the entries when they differ from those that were returned last, or null when the `watch` is closed.
async fn next(granted: Call, watch: Rc<Watch>, _arguments: Arguments) -> Result<Output, OperationError> {
    let watched = watch.used();
    check_others(&granted, &watched.keys)?;
    // Only the isolate owns the `watch` now.
    drop(watch);
    let found = watched.until_closed(watched.next(&granted)).await;
    found.unwrap_or_else(|| Ok(().into()))
}

impl Watched {
    async fn next(&self, granted: &Call) -> Result<Output, OperationError> {
        let mut seen = self.seen.lock().await;
        loop {
            // A change after this line is noticed below.
            seen.changes.mark_unchanged();
            let found = entries(granted, self.keys.clone()).await?;
            let entries = found.iter().map(|(_, entry)| entry.as_ref());
            let versions: Vec<_> = entries
                .clone()
                .map(|entry| entry.map(|entry| entry.version))
                .collect();
            if seen.versions.as_ref() != Some(&versions) {
                let found = output(granted, found)?;
                seen.versions = Some(versions);
                return Ok(found);
            }
            let expires_in = entries.flatten().filter_map(|entry| entry.expires_in).min();
            drop(found);
            seen.wait(expires_in).await?;
            // The capability may have expired, or was revoked, while this call waited.
            granted.check_again()?;
            check_others(granted, &self.keys)?;
        }
    }
}

impl Seen {
    /// Waits for a change of the store, or until the first entry expires.
    async fn wait(&mut self, expires_in: Option<Duration>) -> Result<(), OperationError> {
        let changed = self.changes.changed();
        let changed = match expires_in {
            // A day at most, because a timer cannot wait for all durations.
            Some(time) => {
                let time = time.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
                tokio::time::timeout(time, changed).await.unwrap_or(Ok(()))
            }
            None => changed.await,
        };
        changed.map_err(|_| OperationError::system("Error", "EIO", "watch: the store has ended"))
    }
}

pub(super) fn declare(methods: &mut Methods<Kv>) {
    let to_watch = methods.on(ActionName::READ, first);
    to_watch.sync("watch", |granted, arguments| open(&granted, &arguments));
    let mut watch = methods.resource::<Watch>();
    let next_change = watch.on(ActionName::READ).titled("watch");
    next_change.asynchronous("watchNext", next);
    watch.close("watchClose");
}
