//! `atomic`: several changes that happen together, if the entries have the versions that the guest has read.

use secure_runtime_capabilities::{ActionName, Key, Operation};
use secure_runtime_engine::extension::{Arguments, Asked, Methods, OperationError, Output, Value};

use super::store::{KvChange, KvCheck};
use super::{Call, Kv, Subject, ask, expire_in, key, size, value};

/// Maximum number of checks in one commit.
const MAX_CHECKS: usize = 100;
/// Maximum number of changes in one commit.
const MAX_CHANGES: usize = 1_000;
/// Maximum size of all keys and values in one commit.
const MAX_BYTES: usize = 1 << 20;

/// Returns the checks of a commit: `[key, version]` each.
fn checks(argument: &Value) -> Result<Vec<KvCheck>, OperationError> {
    let checks = items(argument, MAX_CHECKS, "checks")?
        .iter()
        .map(|check| match check {
            Value::List(parts) => match parts.as_slice() {
                [Value::Text(name), Value::Null] => Ok((key(name)?, None)),
                [Value::Text(name), Value::Text(version)] => {
                    let version = version.parse();
                    let wrong = |error| {
                        OperationError::type_error(format!("check: the versionstamp is wrong: {error}"))
                    };
                    Ok((key(name)?, Some(version.map_err(wrong)?)))
                }
                _ => Err(unexpected()),
            },
            _ => Err(unexpected()),
        });
    checks
        .map(|check| check.map(|(key, version)| KvCheck { key, version }))
        .collect()
}

/// Returns the parts of a change: `[key, value, expireIn]`, or `[key]` to delete it.
fn parts(change: &Value) -> Result<(Key, usize), OperationError> {
    match change {
        Value::List(parts) => match parts.as_slice() {
            [Value::Text(name)] => Ok((key(name)?, name.len())),
            [Value::Text(name), value, time] => {
                expire_in(time)?;
                Ok((key(name)?, name.len() + size(value)?))
            }
            _ => Err(unexpected()),
        },
        _ => Err(unexpected()),
    }
}

/// Returns the keys of the changes of a commit, and the size of all keys and values.
fn keys(argument: &Value) -> Result<(Vec<Key>, usize), OperationError> {
    let changes = items(argument, MAX_CHANGES, "changes")?;
    let (mut keys, mut bytes) = (Vec::with_capacity(changes.len()), 0);
    for change in changes {
        let (key, size) = parts(change)?;
        keys.push(key);
        bytes += size;
    }
    if bytes > MAX_BYTES {
        return Err(OperationError::range_error(format!(
            "commit: the keys and values of all changes have at most {MAX_BYTES} bytes, and these {bytes}; make two commits"
        )));
    }
    Ok((keys, bytes))
}

fn items<'a>(argument: &'a Value, most: usize, what: &str) -> Result<&'a [Value], OperationError> {
    let Value::List(items) = argument else {
        return Err(unexpected());
    };
    if items.len() > most {
        return Err(OperationError::range_error(format!(
            "commit: there are at most {most} {what}, and these are {}; make two commits",
            items.len()
        )));
    }
    Ok(items)
}

/// Returns the change, which was checked before.
fn change(change: Value) -> Result<KvChange, OperationError> {
    let (key, _) = parts(&change)?;
    let Value::List(mut parts) = change else {
        return Err(unexpected());
    };
    if parts.len() < 3 {
        return Ok(KvChange::Delete { key });
    }
    let expire_in = expire_in(&parts.swap_remove(2))?;
    let value = value(parts.swap_remove(1))?;
    Ok(KvChange::Set {
        key,
        value,
        expire_in,
    })
}

/// The script of this family sends nothing else.
fn unexpected() -> OperationError {
    OperationError::type_error("commit: these are no checks and changes")
}

/// Returns the first change as the subject. The whole commit is checked, so that a wrong call decides nothing.
fn first_change<'a>(asked: &Asked<'a, Kv>) -> Result<Subject<'a>, OperationError> {
    checks(asked.argument(0))?;
    let (keys, _) = keys(asked.argument(1))?;
    let first = keys.first().ok_or_else(unexpected)?;
    Ok((
        Operation::kv_write(first).into_owned(),
        first.as_str().to_owned().into(),
    ))
}

/// Returns the first check as the subject of a commit without changes.
fn first_check<'a>(asked: &Asked<'a, Kv>) -> Result<Subject<'a>, OperationError> {
    if !items(asked.argument(1), MAX_CHANGES, "changes")?.is_empty() {
        return Err(unexpected());
    }
    let checks = checks(asked.argument(0))?;
    let first = &checks.first().ok_or_else(unexpected)?.key;
    Ok((
        Operation::kv_read(first).into_owned(),
        first.as_str().to_owned().into(),
    ))
}

/// Decides all checks and changes, and then calls the store once.
async fn commit(granted: Call, mut arguments: Arguments) -> Result<Output, OperationError> {
    let checks = checks(arguments.get(0))?;
    let (keys, bytes) = keys(arguments.get(1))?;
    let reads = checks.iter().map(|check| Operation::kv_read(&check.key));
    for operation in reads.chain(keys.iter().map(Operation::kv_write)) {
        let decided = granted.operation();
        if (operation.action(), operation.resource()) != (decided.action(), decided.resource()) {
            granted.check(&operation, operation.resource())?;
        }
    }
    let Value::List(changes) = arguments.take(1) else {
        return Err(unexpected());
    };
    let changes = changes.into_iter().map(change).collect::<Result<_, _>>()?;
    let done = ask(&granted, bytes, move |store| store.commit(&checks, changes)).await?;
    Ok(Value::Bool(done).into())
}

pub(super) fn declare(methods: &mut Methods<Kv>) {
    let to_change = methods.on(ActionName::WRITE, first_change);
    to_change
        .titled("atomic to change")
        .asynchronous("commit", commit);
    let to_check = methods.on(ActionName::READ, first_check);
    to_check
        .titled("atomic to check")
        .asynchronous("commitChecks", commit);
}
