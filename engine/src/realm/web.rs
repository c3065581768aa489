//! The web's interfaces that need no rights, such as `URL` and `AbortSignal`, and the parts of `console`.
//!
//! On V8, they are the scripts of Deno's crates: see `deno.rs`. On QuickJS, starting them takes many times as long as
//! starting a program, so that engine has scripts of ours: see `own.rs`. Nothing else knows the difference.
//!
//! The JavaScript files of `web/` run before lockdown and leave their classes on `globalThis.__web`. Lockdown installs
//! those in `__web.globals`, knows those in `__web.named` by their names in the permit list, and deletes the rest. The
//! ops here only compute. They read no file and no clock, so they need no authority.

use deno_core::{ExtensionFileSource, OpState, op2, v8};

use crate::extensions::{HeldBytes, OperationError, host_object, no_room, object};
use crate::js_engine;
use crate::memory::{Memory, Reservation};

#[cfg(feature = "v8")]
#[path = "web/deno.rs"]
mod interfaces;
#[cfg(feature = "quickjs")]
#[path = "web/own.rs"]
mod interfaces;

deno_core::extension!(
    sr_web,
    ops = [
        op_sr_text_encode,
        op_sr_text_encode_long,
        op_sr_text_visible,
        op_sr_beginning,
        op_sr_buffer_room,
        op_sr_json_room,
        op_sr_kind,
        op_sr_room,
        op_sr_weight,
    ],
);

/// Returns the ops and the scripts as an extension of the engine.
pub(crate) fn extension() -> deno_core::Extension {
    let mut extension = super::with_scripts!(sr_web: "web/inspect.js", "web/console.js");
    extension.ops.to_mut().extend(interfaces::ops());
    let scripts: Vec<ExtensionFileSource> = interfaces::scripts();
    extension.js_files.to_mut().splice(0..0, scripts);
    extension
}

/// Encodes a string as UTF-8.
#[op2]
fn op_sr_text_encode(state: &OpState, #[string] text: String) -> Result<HeldBytes, OperationError> {
    let held = account(state).hold_now(text.len());
    let held = held.map_err(|why| no_room("encoding", &text, why))?;
    Ok(HeldBytes::new(text.into_bytes(), held))
}

/// Encodes a long string as UTF-8. Rust does not copy it if there is no room for the bytes.
#[op2]
fn op_sr_text_encode_long(
    scope: &mut v8::PinScope<'_, '_>,
    state: &OpState,
    text: v8::Local<'_, v8::String>,
) -> Result<HeldBytes, OperationError> {
    let held = account(state).hold_now(text.utf8_length(scope));
    let held = held.map_err(|why| OperationError::range_error(format!("encoding a text: {why}")))?;
    Ok(HeldBytes::new(
        text.to_rust_string_lossy(scope).into_bytes(),
        held,
    ))
}

/// Returns the isolate's account. An isolate that belongs to no program yet runs no guest, so it has no limit.
fn account(state: &OpState) -> Memory {
    let memory = state.try_borrow::<Memory>().cloned();
    memory.unwrap_or_else(|| Memory::new(u64::MAX))
}

/// Returns the kind of an object for `structuredClone` (clone.js).
#[op2(fast)]
#[smi]
fn op_sr_kind(value: v8::Local<'_, v8::Value>) -> u32 {
    let kinds = [
        value.is_array(),
        value.is_date(),
        value.is_reg_exp(),
        value.is_array_buffer(),
        value.is_typed_array(),
        value.is_data_view(),
        value.is_map(),
        value.is_set(),
        value.is_native_error(),
        value.is_boolean_object(),
        value.is_number_object(),
        value.is_string_object(),
        value.is_big_int_object(),
        value.is_proxy()
            || value.is_promise()
            || value.is_weak_map()
            || value.is_weak_set()
            || value.is_symbol_object()
            || value.is_module_namespace_object(),
    ];
    (1..).zip(kinds).find(|(_, is)| *is).map_or(0, |(kind, _)| kind)
}

/// Checks that the account has room for memory that a function takes while it runs.
#[op2(fast)]
fn op_sr_room(state: &OpState, #[number] bytes: u64, #[string] doing: &str) -> Result<(), OperationError> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let Some(memory) = state.try_borrow::<Memory>() else {
        return Ok(());
    };
    let held = memory.hold_now(bytes);
    held.map(drop)
        .map_err(|why| OperationError::range_error(format!("{doing}: {why}")))
}

/// Returns the beginning of a text. Unlike `slice`, it does not make V8 join the parts of the text first.
///
/// The realm also calls it while it describes an error, within any other op.
#[op2(reentrant)]
fn op_sr_beginning<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    #[smi] length: u32,
) -> Result<v8::Local<'s, v8::String>, OperationError> {
    js_engine::beginning(scope, text, length as usize)
        .ok_or_else(|| OperationError::range_error("the text is longer than a string can be"))
}

/// Checks that the account has room for the memory that the engine's parser takes for a JSON text.
#[op2(fast)]
fn op_sr_json_room(
    scope: &mut v8::PinScope<'_, '_>,
    state: &OpState,
    text: v8::Local<'_, v8::String>,
) -> Result<(), OperationError> {
    let Some(memory) = state.try_borrow::<Memory>() else {
        return Ok(());
    };
    let held = memory.hold_now(js_engine::json_needs(scope, text, memory.most()));
    held.map(drop)
        .map_err(|why| OperationError::range_error(format!("JSON.parse: {why}")))
}

/// The memory of an engine object outside the engine's heap. Only realm code knows the size. It is counted until this
/// is collected.
struct Weight(#[expect(dead_code, reason = "counts as long as it lives")] Option<Reservation>);

host_object!(Weight);

/// Counts bytes until the returned object is collected.
#[op2]
fn op_sr_weight<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[number] bytes: u64,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // An isolate that belongs to no program yet runs no guest, so nothing is counted.
    let held = state.try_borrow::<Memory>().map(|memory| memory.hold_now(bytes));
    let held = held
        .transpose()
        .map_err(|why| no_room("making", "an object outside the heap", why))?;
    object(scope, Weight(held))
}

/// Checks that resizable buffers can take more bytes within the limit for all buffers. They are the only objects of
/// guests whose memory V8 does not take from the isolate's allocator. V8's own statistics include them.
#[op2(fast)]
fn op_sr_buffer_room(
    scope: &mut v8::PinScope<'_, '_>,
    state: &OpState,
    #[number] bytes: u64,
) -> Result<(), OperationError> {
    let Some(memory) = state.try_borrow::<Memory>() else {
        return Ok(());
    };
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let isolate: &mut v8::Isolate = scope;
    let used = |isolate: &mut v8::Isolate| {
        let external = isolate.get_heap_statistics().external_memory();
        external.max(memory.used())
    };
    let fits = |used: usize| used.checked_add(bytes).is_some_and(|all| all <= memory.most());
    if !fits(used(isolate)) {
        isolate.low_memory_notification();
    }
    let used = used(isolate);
    if fits(used) {
        memory.note_held(used.saturating_add(bytes));
        return Ok(());
    }
    Err(OperationError::range_error(format!(
        "there is no room for {bytes} bytes more of buffers: they take {used}; keep fewer of them, or raise the limit `heap`"
    )))
}

/// Returns text for `console`: invisible characters and those that control a terminal are escaped.
#[op2]
#[string]
fn op_sr_text_visible(#[string] text: &str) -> String {
    secure_runtime_text::readable(text).into_owned()
}

#[cfg(test)]
mod tests {
    use deno_core::{JsRuntime, RuntimeOptions};

    #[test]
    fn console_shows_values_and_runs_no_code_of_guests() {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _entered = reactor.enter();
        let mut runtime = JsRuntime::new(RuntimeOptions {
            extensions: crate::realm::extensions(),
            ..Default::default()
        });
        runtime
            .execute_script("console_test.js", include_str!("web/console_test.js").to_owned())
            .unwrap();
    }
}
