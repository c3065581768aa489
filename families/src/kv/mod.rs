//! The `kv` family: entries of the key-value store that the host provides.

mod file;
mod store;

use std::borrow::Cow;
use std::sync::Arc;

use secure_runtime_capabilities::{ActionName, Family, Key, Operation, Pattern};
use secure_runtime_engine::extension::{
    Arguments, Asked, CountedBytes, Each, Extension, Granted, Methods, OperationError, Output, Script, Value,
    clipped,
};

pub use self::file::{FileKvStore, OpenKvError};
pub use self::store::{KvError, KvStore, KvValue, MAX_KV_VALUE, MemoryKvStore};

/// Number of keys in one request to the store.
const PAGE: usize = 256;
/// Memory of a key, in bytes, on the average of a page.
const MAX_KEY: usize = 256;

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

/// Returns the value of the second argument.
///
/// # Errors
/// It is not a value, or too large.
fn value(argument: &Value) -> Result<(), OperationError> {
    let size = match argument {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => return Err(OperationError::type_error("set: there is no value")),
    };
    if size > MAX_KV_VALUE {
        return Err(OperationError::range_error(format!(
            "set: a value has at most {MAX_KV_VALUE} bytes, and this one {size}"
        )));
    }
    Ok(())
}

async fn get(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let key = key(granted.resource())?;
    let found = ask(&granted, MAX_KV_VALUE, move |store| store.get(&key)).await?;
    granted.count(CountedBytes::Read, found.as_ref().map_or(0, KvValue::size))?;
    Ok(match found {
        Some(KvValue::Text(text)) => {
            granted.has_room_for_text(text.len(), "reading")?;
            text.into()
        }
        Some(KvValue::Bytes(bytes)) => bytes.into(),
        None => ().into(),
    })
}

async fn set(granted: Call, mut arguments: Arguments) -> Result<(), OperationError> {
    let key = key(granted.resource())?;
    let value = match arguments.take(1) {
        Value::Text(text) => KvValue::Text(text),
        Value::Bytes(bytes) => KvValue::Bytes(bytes),
        _ => return Err(OperationError::type_error("set: there is no value")),
    };
    ask(&granted, value.size(), move |store| store.set(&key, value)).await
}

async fn delete(granted: Call, _arguments: Arguments) -> Result<(), OperationError> {
    let key = key(granted.resource())?;
    ask(&granted, 0, move |store| store.delete(&key)).await
}

/// Returns the resources of `list`. The record names this scope for all requested keys. It is as long as a key may be,
/// and contains no NUL either.
fn listed(asked: &Asked<'_, Kv>) -> Result<Each, OperationError> {
    let prefix = asked.text(0)?;
    Ok(Each {
        operation: Operation::kv_read(&key(&format!("{prefix}*"))?).into_owned(),
        pattern: Pattern::prefix(prefix.to_owned()),
        shown: prefix.to_owned(),
    })
}

/// Returns some of the keys with this prefix that the capability may read, after this key. The result is empty at the
/// end.
async fn list(granted: Call, mut arguments: Arguments) -> Result<Output, OperationError> {
    let prefix = arguments.take_text(0)?;
    let mut after = match arguments.take(1) {
        Value::Text(after) => Some(after),
        _ => None,
    };
    loop {
        let (prefix, last) = (prefix.clone(), after.clone());
        let page = ask(&granted, PAGE * MAX_KEY, move |store| {
            let mut keys = store.keys(&prefix, last.as_deref(), PAGE)?;
            keys.retain(|key| key.starts_with(&prefix) && last.as_ref().is_none_or(|last| key > last));
            Ok(keys)
        });
        let mut keys = page.await?;
        let last = keys.last().cloned();
        // The host may have stored keys that no operation can name.
        keys.retain(|key| Key::parse(key).is_ok_and(|key| granted.allows(&Operation::kv_read(&key))));
        if !keys.is_empty() || last.is_none() {
            let keys: Vec<Value> = keys.into_iter().map(Value::Text).collect();
            return Ok(keys.into());
        }
        after = last;
    }
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
        methods.on(ActionName::READ, read).asynchronous("get", get);
        methods
            .on(ActionName::WRITE, |asked| {
                value(asked.argument(1))?;
                write(asked)
            })
            .asynchronous("set", set);
        methods
            .on(ActionName::WRITE, write)
            .asynchronous("delete", delete);
        methods
            .on_each(ActionName::READ, listed)
            .asynchronous("list", list);
    }
}
