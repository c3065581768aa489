//! `list` and `entries`: the keys of a range, alone or with their values.

use secure_runtime_capabilities::{ActionName, Key, Operation, Pattern};
use secure_runtime_engine::extension::{Arguments, Asked, Each, Methods, OperationError, Output, Value};

use super::store::KvRange;
use super::{Call, Kv, ask, entries, key, output};

/// Number of keys in one request to the store.
const PAGE: usize = 256;
/// Memory of a key, in bytes, on the average of a page.
const MAX_KEY: usize = 256;
/// Number of entries that are returned at once with their values.
const ENTRIES: usize = 16;

/// The arguments of a list: `prefix, start, end, cursor, reverse, count`.
struct Asks<'a> {
    prefix: &'a str,
    start: Option<&'a str>,
    end: Option<&'a str>,
    cursor: Option<&'a str>,
    reverse: bool,
}

impl<'a> Asks<'a> {
    fn of(arguments: &'a [Value]) -> Result<Asks<'a>, OperationError> {
        let text = |position: usize| match arguments.get(position) {
            Some(Value::Text(text)) if text.is_empty() => Ok(Some("")),
            Some(Value::Text(text)) => key(text).map(|_| Some(text.as_str())),
            _ => Ok(None),
        };
        Ok(Asks {
            prefix: text(0)?.unwrap_or(""),
            start: text(1)?,
            end: text(2)?,
            cursor: text(3)?,
            reverse: arguments.get(4) == Some(&Value::Bool(true)),
        })
    }

    fn range(&self) -> KvRange {
        let mut range = KvRange::prefix(self.prefix);
        range.reverse = self.reverse;
        if let Some(start) = self.start {
            range.start_at(start);
        }
        if let Some(end) = self.end {
            range.end_before(end);
        }
        if let Some(cursor) = self.cursor {
            range.go_past(cursor);
        }
        range
    }

    /// Returns the longest text that all keys of the range start with. Keys between two texts start with the common
    /// start of both. The cursor has no influence, so each part of a list is decided alike.
    fn scope(&self) -> &'a str {
        let (start, end) = (self.start.unwrap_or(""), self.end.unwrap_or(""));
        let common = start
            .chars()
            .zip(end.chars())
            .take_while(|(one, other)| one == other);
        let common = start
            .get(..common.map(|(one, _)| one.len_utf8()).sum())
            .unwrap_or("");
        if common.starts_with(self.prefix) {
            common
        } else {
            self.prefix
        }
    }
}

/// Returns the resources of a list. The record names this scope for all requested keys. It is as long as a key may be,
/// and contains no NUL either.
fn listed(asked: &Asked<'_, Kv>) -> Result<Each, OperationError> {
    let scope = Asks::of(asked.arguments())?.scope();
    Ok(Each {
        operation: Operation::kv_read(&key(&format!("{scope}*"))?).into_owned(),
        pattern: Pattern::prefix(scope.to_owned()),
        shown: scope.to_owned(),
    })
}

/// Returns the next keys of the range that the capability may read. The result is empty at the end.
async fn page(granted: &Call, range: &mut KvRange, most: usize) -> Result<Vec<Key>, OperationError> {
    loop {
        let asked = range.clone();
        let names = ask(granted, PAGE * MAX_KEY, move |store| store.keys(&asked, PAGE)).await?;
        // The store may be the host's own. A key that is not in the range could make this loop endless.
        let names = names.into_iter().filter(|name| range.contains(name));
        let (mut keys, mut last) = (Vec::new(), None);
        for name in names {
            // The host may have stored keys that no operation can name.
            let readable = Key::parse(&name).ok();
            let readable = readable.filter(|key| granted.allows(&Operation::kv_read(key)));
            last = Some(name);
            keys.extend(readable);
            if keys.len() == most {
                break;
            }
        }
        match last {
            Some(last) => range.go_past(&last),
            None => return Ok(keys),
        }
        if !keys.is_empty() {
            return Ok(keys);
        }
    }
}

/// Returns the number of keys that the script wants at most.
fn count(arguments: &Arguments, most: usize) -> Result<usize, OperationError> {
    // A number from JavaScript code of this family.
    Ok((arguments.number(5)? as usize).clamp(1, most))
}

async fn list(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let mut range = Asks::of(arguments.all())?.range();
    let keys = page(&granted, &mut range, count(&arguments, PAGE)?).await?;
    let keys: Vec<Value> = keys.iter().map(|key| key.as_str().into()).collect();
    Ok(keys.into())
}

async fn list_entries(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let mut range = Asks::of(arguments.all())?.range();
    loop {
        let keys = page(&granted, &mut range, count(&arguments, ENTRIES)?).await?;
        let at_end = keys.is_empty();
        let mut found = entries(&granted, keys).await?;
        // An entry can be deleted after its key was listed.
        found.retain(|(_, entry)| entry.is_some());
        if at_end || !found.is_empty() {
            return output(&granted, found);
        }
    }
}

pub(super) fn declare(methods: &mut Methods<Kv>) {
    let each = methods.on_each(ActionName::READ, listed);
    each.asynchronous("list", list);
    let each = methods.on_each(ActionName::READ, listed);
    each.asynchronous("entries", list_entries);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks<'a>(prefix: &'a str, start: Option<&'a str>, end: Option<&'a str>) -> Asks<'a> {
        Asks {
            prefix,
            start,
            end,
            cursor: None,
            reverse: false,
        }
    }

    #[test]
    fn the_scope_of_a_list_contains_its_range() {
        for (prefix, start, end, scope) in [
            ("a/", None, None, "a/"),
            ("", Some("a/1"), Some("a/5"), "a/"),
            ("", Some("a/"), Some("a0"), "a"),
            ("", Some("a"), None, ""),
            ("", None, Some("a"), ""),
            ("a/", Some("a/b1"), Some("a/b2"), "a/b"),
            ("a/b", Some("a/1"), Some("a/5"), "a/b"),
            ("a/", Some("c/1"), Some("c/2"), "a/"),
            ("", Some("\u{e9}"), Some("\u{e8}"), ""),
        ] {
            let asks = asks(prefix, start, end);
            assert_eq!(asks.scope(), scope, "{prefix:?} {start:?} {end:?}");
            let range = asks.range();
            for key in [
                "a", "a/", "a/1", "a/4", "a/5", "a/b", "a/b1", "a/b17", "a/b2", "c/1", "b", "\u{e8}",
            ] {
                assert!(
                    !range.contains(key) || key.starts_with(scope),
                    "{prefix:?} {start:?} {end:?} {key:?}"
                );
            }
        }
    }
}
