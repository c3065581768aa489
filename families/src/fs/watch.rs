//! Watches a file or a folder, by looking at it again and again.
//!
//! Each look uses the path and the rights like any other operation. inotify(7) is not used: its system calls take a
//! path that neither Landlock nor seccomp can check. So they would let escaped code watch every folder of the machine.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use secure_runtime_capabilities::{ActionName, Pattern};
use secure_runtime_engine::extension::{Arguments, Methods, OperationError, Output, Reservation, Value};
use tokio::sync::Mutex;

use super::files::{self, Stamp};
use super::roots::Need;
use super::{Call, Fs, add, blocking, decided, is_named, read};
use crate::closing::Closing;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Maximum number of entries of a watched folder.
const MOST_ENTRIES: usize = 10_000;
/// Memory of an entry besides its name, in bytes: in two looks, and in the result.
const ENTRY: usize = 512;

/// The entries of a folder that may be read. The empty name is that of the file or folder itself. A folder has no
/// stamp there, because that changes with its entries.
type Look = BTreeMap<String, Option<Stamp>>;

/// An open `watch`.
type Watch = Closing<Watched>;

struct Watched {
    /// The last look, and its memory. The calls of one `watch` wait for each other.
    last: Mutex<(Look, Reservation)>,
    /// The scopes that may be read.
    readable: Vec<Pattern>,
    /// The path that was decided on.
    path: String,
}

/// Returns what is at the path now, if there is something.
async fn look(
    granted: &Call,
    path: &str,
    readable: &[Pattern],
) -> Result<Option<(Look, Reservation)>, OperationError> {
    let (roots, path, readable) = (granted.state().get()?, path.to_owned(), readable.to_vec());
    let above = path.trim_end_matches('/').to_owned();
    let may_read = move |name: &str| {
        let path = format!("{above}/{name}");
        readable.iter().any(|pattern| pattern.matches(&path)) && is_named(readable.iter(), &path)
    };
    let now = move || {
        let found = roots.at(&[ActionName::READ], &path, Need::Content, |place| {
            files::stamps(place, MOST_ENTRIES, may_read)
        });
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    };
    // The memory of the largest folder is reserved before, and the rest is given back.
    let whole = granted.reserve_result(MOST_ENTRIES * ENTRY, "watching").await?;
    let Some(entries) = blocking(granted, "watching", now).await? else {
        return Ok(None);
    };
    let size: usize = entries.keys().map(|name| 4 * name.len() + ENTRY).sum();
    drop(whole);
    Ok(Some((entries, granted.reserve(size, "watching")?)))
}

/// Returns the differences between two looks, as pairs of kind and name.
fn changes(before: &Look, now: &Look) -> Vec<(&'static str, String)> {
    let removed = before.keys().filter(|name| !now.contains_key(*name));
    let removed = removed.map(|name| ("remove", name.clone()));
    let others = now.iter().filter_map(|(name, stamp)| match before.get(name) {
        None => Some(("create", name.clone())),
        Some(before) if before != stamp => Some(("modify", name.clone())),
        Some(_) => None,
    });
    removed.chain(others).collect()
}

async fn open(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let path = decided(&granted)?.as_str().to_owned();
    let permit = granted.permit_open()?;
    let readable: Vec<Pattern> = granted.effective(ActionName::READ).cloned().collect();
    let last = look(&granted, &path, &readable).await?.ok_or_else(|| {
        let missing = io::Error::from(rustix::io::Errno::NOENT);
        OperationError::io(&missing, "watching", granted.shown())
    })?;
    let watched = Watched {
        last: Mutex::new(last),
        readable,
        path,
    };
    let watch = Closing::new(watched);
    Ok(granted.open(&[ActionName::READ], watch, permit, Value::Null))
}

/// Returns the next changes as pairs of kind and name, and true if no more will follow. Returns null when the `watch`
/// is closed.
async fn next(granted: Call, watch: Rc<Watch>, _: Arguments) -> Result<Output, OperationError> {
    let watched = watch.used();
    // Only the isolate owns the `watch` now.
    drop(watch);
    let found = watched.until_closed(watched.next(&granted)).await;
    found.unwrap_or_else(|| Ok(().into()))
}

impl Watched {
    async fn next(&self, granted: &Call) -> Result<Output, OperationError> {
        let mut last = self.last.lock().await;
        loop {
            let Some(now) = look(granted, &self.path, &self.readable).await? else {
                let gone = vec![Value::List(vec!["remove".into(), "".into()])];
                return Ok(Value::List(vec![Value::List(gone), true.into()]).into());
            };
            let found = changes(&last.0, &now.0);
            *last = now;
            if !found.is_empty() {
                let size = found.iter().map(|(_, name)| name.len() + 128).sum();
                let held = granted.reserve(size, "watching")?;
                let found = found
                    .into_iter()
                    .map(|(kind, name)| Value::List(vec![kind.into(), name.into()]));
                let result = Value::List(vec![Value::List(found.collect()), false.into()]);
                return Ok(Output::reserved(result, held));
            }
            tokio::time::sleep(PAUSE).await;
            // The capability may have expired, or was revoked, while this call waited.
            granted.check_again()?;
        }
    }
}

pub(super) fn declare(methods: &mut Methods<Fs>) {
    let opened = methods.on(ActionName::READ, read);
    add(opened, "watch", open);
    let mut watch = methods.resource::<Watch>();
    watch
        .on(ActionName::READ)
        .titled("watch")
        .asynchronous("watchNext", next);
    watch.close("watchClose");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_once() {
        let look = |entries: &[(&str, u64)]| -> Look {
            let entries = entries
                .iter()
                .map(|(name, size)| ((*name).to_owned(), Some(Stamp::of_size(*size))));
            entries.collect()
        };
        let before = look(&[("a", 1), ("b", 2), ("c", 3)]);
        assert!(changes(&before, &before).is_empty());
        let now = look(&[("b", 2), ("c", 4), ("d", 5)]);
        let named = |kind, name: &str| (kind, name.to_owned());
        assert_eq!(
            changes(&before, &now),
            [named("remove", "a"), named("modify", "c"), named("create", "d")]
        );
    }
}
