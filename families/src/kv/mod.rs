//! The `kv` family: entries of the key-value store that the host provides.

mod atomic;
mod file;
mod list;
mod memory;
mod store;
mod watch;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use secure_runtime_capabilities::{ActionName, Family, Key, Operation};
use secure_runtime_engine::extension::{
    Arguments, Asked, CountedBytes, Extension, Granted, Methods, OperationError, Output, Script, Value,
    clipped,
};

pub use self::file::{FileKvStore, OpenKvError};
pub use self::memory::MemoryKvStore;
pub use self::store::{
    KvChange, KvChanges, KvCheck, KvEntry, KvError, KvRange, KvStore, KvValue, KvVersion, MAX_KV_VALUE,
};

/// The family.
pub(crate) struct Kv(pub(crate) Arc<dyn KvStore>);

/// The reservation by the running operation of an isolate, so that its operations run in the order of the calls.
#[derive(Default)]
pub(crate) struct Order(tokio::sync::Mutex<()>);

type Call = Granted<'static, Kv>;

/// Calls the store on a thread that may block. `size` is the number of bytes that are sent to the store, or received
/// from it.
async fn ask<T: Send + 'static>(
    granted: &Call,
    size: usize,
    work: impl FnOnce(&dyn KvStore) -> Result<T, KvError> + Send + 'static,
) -> Result<T, OperationError> {
    let _held = granted.reserve(size, "kv")?;
    let isolate = granted.isolate()?;
    let _turn = isolate.isolate().0.lock().await;
    let store = granted.extension().0.clone();
    let action = granted.operation().action();
    let done = granted.blocking("kv", move || Ok(work(&*store))).await?;
    done.map_err(|error| match error {
        KvError::Full { .. } => granted.refuse_at_limit(&error.to_string()),
        _ => {
            let asked = granted.resource();
            OperationError::system("Error", "EIO", format!("kv {action} {asked:?}: {error}"))
        }
    })
}

fn key(text: &str) -> Result<Key, OperationError> {
    Key::parse(text).map_err(|error| OperationError::type_error(format!("key {:?}: {error}", clipped(text))))
}

type Subject<'a> = (Operation<'a>, Cow<'a, str>);

fn read<'a>(asked: &Asked<'a, Kv>) -> Result<Subject<'a>, OperationError> {
    let name = asked.text(0)?;
    Ok((Operation::kv_read(&key(name)?).into_owned(), name.into()))
}

fn write<'a>(asked: &Asked<'a, Kv>) -> Result<Subject<'a>, OperationError> {
    let name = asked.text(0)?;
    Ok((Operation::kv_write(&key(name)?).into_owned(), name.into()))
}

/// Returns the size of a value.
///
/// # Errors
/// It is not a value, or too large.
fn size(value: &Value) -> Result<usize, OperationError> {
    let size = match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => return Err(OperationError::type_error("set: there is no value")),
    };
    if size > MAX_KV_VALUE {
        return Err(OperationError::range_error(format!(
            "set: a value has at most {MAX_KV_VALUE} bytes, and this one {size}"
        )));
    }
    Ok(size)
}

fn value(argument: Value) -> Result<KvValue, OperationError> {
    match argument {
        Value::Text(text) => Ok(KvValue::Text(text)),
        Value::Bytes(bytes) => Ok(KvValue::Bytes(bytes)),
        _ => Err(OperationError::type_error("set: there is no value")),
    }
}

/// Returns the time until an entry expires.
///
/// # Errors
/// It is not a whole number of milliseconds from 1 to 2^53 - 1.
fn expire_in(argument: &Value) -> Result<Option<Duration>, OperationError> {
    const MOST: f64 = 9_007_199_254_740_991.0;
    match argument {
        Value::Null => Ok(None),
        Value::Number(number) if (1.0..=MOST).contains(number) && number.fract() == 0.0 => {
            Ok(Some(Duration::from_millis(*number as u64)))
        }
        Value::Number(_) => Err(OperationError::range_error(
            "set: expireIn must be a whole number of milliseconds, from 1 to 2^53 - 1",
        )),
        _ => Err(OperationError::type_error(
            "set: expireIn must be a number of milliseconds",
        )),
    }
}

/// Returns entries to the script: a list of `[key, value, version]`, where the last two are null if there is no entry.
fn output(granted: &Call, found: Vec<(Key, Option<KvEntry>)>) -> Result<Output, OperationError> {
    let (mut bytes, mut texts) = (0, 0);
    for entry in found.iter().filter_map(|(_, entry)| entry.as_ref()) {
        bytes += entry.value.size();
        if let KvValue::Text(text) = &entry.value {
            texts += text.len();
        }
    }
    granted.count(CountedBytes::Read, bytes)?;
    granted.has_room_for_text(texts, "reading")?;
    let entries = found.into_iter().map(|(key, entry)| {
        let (value, version) = match entry {
            Some(entry) => (Value::from(entry.value), entry.version.to_string().into()),
            None => (Value::Null, Value::Null),
        };
        Value::List(vec![key.as_str().into(), value, version])
    });
    Ok(Value::List(entries.collect()).into())
}

impl From<KvValue> for Value {
    fn from(value: KvValue) -> Value {
        match value {
            KvValue::Text(text) => Value::Text(text),
            KvValue::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

async fn get(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let key = key(granted.resource())?;
    let found = ask(&granted, MAX_KV_VALUE, move |store| store.get(&key)).await?;
    granted.count(CountedBytes::Read, found.as_ref().map_or(0, KvValue::size))?;
    if let Some(KvValue::Text(text)) = &found {
        granted.has_room_for_text(text.len(), "reading")?;
    }
    Ok(Value::from(found).into())
}

async fn get_entry(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let keys = vec![key(granted.resource())?];
    let found = entries(&granted, keys).await?;
    output(&granted, found)
}

/// Returns the entries of these keys, which were all decided.
async fn entries(granted: &Call, keys: Vec<Key>) -> Result<Vec<(Key, Option<KvEntry>)>, OperationError> {
    ask(granted, keys.len() * MAX_KV_VALUE, move |store| {
        let entries = store.entries(&keys)?;
        Ok(keys.into_iter().zip(entries).collect())
    })
    .await
}

async fn set(granted: Call, mut arguments: Arguments) -> Result<(), OperationError> {
    let key = key(granted.resource())?;
    let value = value(arguments.take(1))?;
    let expire_in = expire_in(arguments.get(2))?;
    let size = value.size();
    let set = KvChange::Set {
        key,
        value,
        expire_in,
    };
    ask(&granted, size, move |store| store.commit(&[], vec![set])).await?;
    Ok(())
}

async fn delete(granted: Call, _arguments: Arguments) -> Result<(), OperationError> {
    let key = key(granted.resource())?;
    ask(&granted, 0, move |store| store.delete(&key)).await
}

impl Extension for Kv {
    type Program = ();
    type Isolate = Order;
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Kv)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:kv/kv.js",
            source: include_str!("kv.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("kv.d.ts")
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        let (reading, writing) = (ActionName::READ, ActionName::WRITE);
        methods.on(reading, read).asynchronous("get", get);
        methods.on(reading, read).asynchronous("getEntry", get_entry);
        let to_set = methods.on(writing, |asked| {
            size(asked.argument(1))?;
            expire_in(asked.argument(2))?;
            write(asked)
        });
        to_set.asynchronous("set", set);
        methods.on(writing, write).asynchronous("delete", delete);
        atomic::declare(methods);
        list::declare(methods);
        watch::declare(methods);
    }
}
