//! The `kv` family: entries of the key-value store that the host provides.

mod store;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use deno_core::{GarbageCollected, JsBuffer, OpState, ToJsBuffer, op2, v8};
use secure_runtime_capabilities::{ActionName, FamilyName, Key, Operation, Pattern};

pub use self::store::{KvError, KvStore, KvValue, MAX_KV_VALUE, MemoryKvStore};

use super::delegation::Chain;
use super::error::{OpError, clipped};
use super::host_objects::{has_room_for_text, object};
use super::monitor::Capability;
use super::results::{UNDER_WAY, no_room};
use crate::quota::{Bytes, InFlight};

/// Number of keys in one request to the store.
const PAGE: usize = 256;
/// Memory of a key, in bytes, on the average of a page.
const MAX_KEY: usize = 256;

/// The Rust object behind a guest's `kv` object.
pub(crate) struct KvCapability(Rc<Capability>);

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for KvCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"KvCapability"
    }
}

/// The store of one isolate.
#[derive(Clone)]
pub(crate) struct Entries {
    store: Arc<dyn KvStore>,
    /// Reservation by the running operation, so that operations run in the order of the calls.
    order: Rc<tokio::sync::Mutex<()>>,
}

impl Entries {
    pub(crate) fn new(store: Arc<dyn KvStore>) -> Self {
        Entries {
            store,
            order: Rc::default(),
        }
    }

    /// Calls the store on a thread that may block. The caller has decided on `operation`. `size` is the number of bytes
    /// that are sent to the store or received from it.
    async fn ask<T: Send + 'static>(
        &self,
        capability: &Capability,
        operation: &Operation<'_>,
        size: usize,
        work: impl FnOnce(&dyn KvStore) -> Result<T, KvError> + Send + 'static,
    ) -> Result<T, OpError> {
        let action = operation.action();
        let over = |hit| capability.over(&hit, ("kv", action.as_str()), operation.resource());
        let _pending = capability.account.begin(InFlight::Pending).map_err(over)?;
        let held = capability.monitor.memory.hold_now(UNDER_WAY.saturating_add(size));
        let _held = held.map_err(|why| no_room("kv", operation.resource(), why))?;
        let _turn = self.order.lock().await;
        let store = self.store.clone();
        let done = tokio::task::spawn_blocking(move || work(&*store)).await;
        let failed = |reason: String| {
            let asked = operation.resource();
            OpError::system(
                "Error",
                "EIO",
                format!("kv {} {asked:?}: {reason}", operation.action()),
            )
        };
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error @ KvError::Full { .. })) => {
                Err(capability.refuse_at_limit(operation, operation.resource(), &error.to_string()))
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("the work was stopped".to_owned())),
        }
    }
}

fn entries(state: &RefCell<OpState>) -> Entries {
    state.borrow().borrow::<Entries>().clone()
}

fn key(text: &str) -> Result<Key, OpError> {
    Key::parse(text).map_err(|error| OpError::type_error(format!("key {:?}: {error}", clipped(text))))
}

#[op2]
pub(crate) fn op_sr_kv<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] chain: &Chain,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    object(scope, KvCapability(chain.0.clone()))
}

/// A text or bytes, or neither if there is no entry.
type Found = (Option<String>, Option<ToJsBuffer>);

#[op2]
#[serde]
pub(crate) async fn op_sr_kv_get(
    state: Rc<RefCell<OpState>>,
    #[cppgc] kv: &KvCapability,
    #[string] name: String,
) -> Result<Found, OpError> {
    let key = key(&name)?;
    let operation = Operation::kv_read(&key).into_owned();
    kv.0.check(&operation, &name)?;
    let entries = entries(&state);
    let found = entries.ask(&kv.0, &operation, MAX_KV_VALUE, move |store| store.get(&key));
    let found = found.await?;
    let size = found.as_ref().map_or(0, KvValue::size);
    let counted = kv.0.account.bytes(Bytes::Read, size);
    counted.map_err(|hit| kv.0.over(&hit, ("kv", "read"), &name))?;
    Ok(match found {
        Some(KvValue::Text(text)) => {
            has_room_for_text(text.len(), &format!("reading {name:?}"))?;
            (Some(text), None)
        }
        Some(KvValue::Bytes(bytes)) => (None, Some(bytes.into())),
        None => (None, None),
    })
}

#[op2]
pub(crate) async fn op_sr_kv_set(
    state: Rc<RefCell<OpState>>,
    #[cppgc] kv: &KvCapability,
    #[string] name: String,
    #[string] text: Option<String>,
    #[buffer] bytes: Option<JsBuffer>,
) -> Result<(), OpError> {
    let key = key(&name)?;
    let value = match (text, bytes) {
        (Some(text), _) => KvValue::Text(text),
        (None, Some(bytes)) => KvValue::Bytes(bytes.to_vec()),
        (None, None) => return Err(OpError::type_error("set: there is no value")),
    };
    if value.size() > MAX_KV_VALUE {
        return Err(OpError::range_error(format!(
            "set: a value has at most {MAX_KV_VALUE} bytes, and this one {}",
            value.size()
        )));
    }
    let operation = Operation::kv_write(&key).into_owned();
    kv.0.check(&operation, &name)?;
    let size = value.size();
    entries(&state)
        .ask(&kv.0, &operation, size, move |store| store.set(&key, value))
        .await
}

#[op2]
pub(crate) async fn op_sr_kv_delete(
    state: Rc<RefCell<OpState>>,
    #[cppgc] kv: &KvCapability,
    #[string] name: String,
) -> Result<(), OpError> {
    let key = key(&name)?;
    let operation = Operation::kv_write(&key).into_owned();
    kv.0.check(&operation, &name)?;
    entries(&state)
        .ask(&kv.0, &operation, 0, move |store| store.delete(&key))
        .await
}

/// Returns some of the keys with this prefix that the capability may read, after this key. The result is empty at the
/// end.
#[op2]
#[serde]
pub(crate) async fn op_sr_kv_list(
    state: Rc<RefCell<OpState>>,
    #[cppgc] kv: &KvCapability,
    #[string] prefix: String,
    #[string] after: Option<String>,
) -> Result<Vec<String>, OpError> {
    let capability = &kv.0;
    // The record names this scope for all requested keys. It is as long as a key may be, and contains no NUL either.
    let scope = key(&format!("{prefix}*"))?;
    let operation = Operation::kv_read(&scope).into_owned();
    let pattern = Pattern::prefix(prefix.clone());
    let some = capability
        .authority
        .intersects(FamilyName::KV, ActionName::READ, &pattern);
    capability.check_some(&operation, &prefix, some)?;
    let entries = entries(&state);
    let mut after = after;
    loop {
        let (prefix, last) = (prefix.clone(), after.clone());
        let page = entries.ask(capability, &operation, PAGE * MAX_KEY, move |store| {
            let mut keys = store.keys(&prefix, last.as_deref(), PAGE)?;
            keys.retain(|key| key.starts_with(&prefix) && last.as_ref().is_none_or(|last| key > last));
            Ok(keys)
        });
        let mut keys = page.await?;
        let Some(last) = keys.last().cloned() else {
            return Ok(keys);
        };
        // The host may have stored keys that no operation can name.
        keys.retain(|key| Key::parse(key).is_ok_and(|key| capability.allows(&Operation::kv_read(&key))));
        if !keys.is_empty() {
            return Ok(keys);
        }
        after = Some(last);
    }
}
