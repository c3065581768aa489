//! Web APIs that need no rights: `URL`, `URLSearchParams`, `TextEncoder`, `TextDecoder`, `AbortController`,
//! `AbortSignal`, and the parts of `console`.
//!
//! The JavaScript files of `web/` run before lockdown and leave their classes on `globalThis.__web`. Lockdown takes
//! them from there, installs those that guests may see, and deletes the rest. The ops here only compute. They read no
//! file and no clock, so they need no authority.

use deno_core::{OpState, op2, v8};
use serde::Serialize;
use url::{Url, form_urlencoded, quirks};

use crate::extensions::{HeldBytes, OperationError, host_object, no_room, object};
use crate::js_engine;
use crate::memory::{Memory, Reservation};

deno_core::extension!(
    sr_web,
    ops = [
        op_sr_url_parse,
        op_sr_url_join,
        op_sr_url_set,
        op_sr_url_query_parse,
        op_sr_url_query_serialize,
        op_sr_text_encode,
        op_sr_text_encode_long,
        op_sr_text_encode_into,
        op_sr_text_decode,
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
    super::with_scripts!(
        sr_web: "web/idl.js",
        "web/url.js",
        "web/encoding.js",
        "web/abort.js",
        "web/base64.js",
        "web/inspect.js",
        "web/console.js",
    )
}

/// All components of a URL, as the getters of the URL standard return them.
#[derive(Serialize)]
struct UrlParts {
    href: String,
    origin: String,
    protocol: String,
    username: String,
    password: String,
    host: String,
    hostname: String,
    port: String,
    pathname: String,
    search: String,
    hash: String,
}

impl From<&Url> for UrlParts {
    fn from(url: &Url) -> Self {
        Self {
            href: quirks::href(url).to_owned(),
            origin: quirks::origin(url),
            protocol: quirks::protocol(url).to_owned(),
            username: quirks::username(url).to_owned(),
            password: quirks::password(url).to_owned(),
            host: quirks::host(url).to_owned(),
            hostname: quirks::hostname(url).to_owned(),
            port: quirks::port(url).to_owned(),
            pathname: quirks::pathname(url).to_owned(),
            search: quirks::search(url).to_owned(),
            hash: quirks::hash(url).to_owned(),
        }
    }
}

/// Parses an absolute URL. Returns `None` if it is invalid.
#[op2]
#[serde]
fn op_sr_url_parse(#[string] url: &str) -> Option<UrlParts> {
    Url::parse(url).ok().as_ref().map(UrlParts::from)
}

/// Parses a URL relative to a base. Returns `None` if either is invalid.
#[op2]
#[serde]
fn op_sr_url_join(#[string] url: &str, #[string] base: &str) -> Option<UrlParts> {
    let base = Url::parse(base).ok()?;
    base.join(url).ok().as_ref().map(UrlParts::from)
}

/// Replaces one component of a URL. Returns `None` if the component does not accept the value.
#[op2]
#[serde]
fn op_sr_url_set(#[string] href: &str, #[string] component: &str, #[string] value: &str) -> Option<UrlParts> {
    let mut url = Url::parse(href).ok()?;
    match component {
        "protocol" => quirks::set_protocol(&mut url, value).ok()?,
        "username" => quirks::set_username(&mut url, value).ok()?,
        "password" => quirks::set_password(&mut url, value).ok()?,
        "host" => quirks::set_host(&mut url, value).ok()?,
        "hostname" => quirks::set_hostname(&mut url, value).ok()?,
        "port" => quirks::set_port(&mut url, value).ok()?,
        "pathname" => quirks::set_pathname(&mut url, value),
        "search" => quirks::set_search(&mut url, value),
        "hash" => quirks::set_hash(&mut url, value),
        _ => return None,
    }
    Some(UrlParts::from(&url))
}

/// Parses a query in `application/x-www-form-urlencoded` form, and returns its pairs.
#[op2]
#[serde]
fn op_sr_url_query_parse(#[string] query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Serialises pairs as a query in `application/x-www-form-urlencoded` form.
#[op2]
#[string]
fn op_sr_url_query_serialize(#[serde] pairs: Vec<(String, String)>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
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
        .map_err(|why| no_room("making", "an object of Intl", why))?;
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

/// Writes as much UTF-8 of a string as fits, in whole characters. Returns the number of UTF-16 units read and of bytes
/// written.
#[op2]
#[serde]
fn op_sr_text_encode_into(#[string] text: &str, #[buffer] destination: &mut [u8]) -> (usize, usize) {
    let mut read = 0;
    let mut written = 0;
    for character in text.chars() {
        let end = written + character.len_utf8();
        let Some(room) = destination.get_mut(written..end) else {
            break;
        };
        character.encode_utf8(room);
        read += character.len_utf16();
        written = end;
    }
    (read, written)
}

/// Decodes UTF-8. Returns the text, and the number of bytes at its end that are left for the next call.
///
/// Bytes are left only if `stream` is true and they are the beginning of a character. Invalid bytes become U+FFFD. If
/// `fatal` is true, the result has no text instead.
#[op2]
#[serde]
fn op_sr_text_decode(#[buffer] bytes: &[u8], fatal: bool, stream: bool) -> (Option<String>, usize) {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid();
        if invalid.is_empty() {
            continue;
        }
        let is_cut = chunks.peek().is_none() && is_incomplete(invalid);
        if is_cut && stream {
            return (Some(text), invalid.len());
        }
        if fatal {
            return (None, 0);
        }
        text.push(char::REPLACEMENT_CHARACTER);
    }
    (Some(text), 0)
}

/// Returns text for `console`: invisible characters and those that control a terminal are escaped.
#[op2]
#[string]
fn op_sr_text_visible(#[string] text: &str) -> String {
    secure_runtime_text::readable(text).into_owned()
}

/// Returns true if these invalid bytes could become valid UTF-8 with more bytes after them.
fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::{extension, is_incomplete};
    use deno_core::{JsRuntime, RuntimeOptions};

    #[test]
    fn console_shows_values_and_runs_no_code_of_guests() {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _entered = reactor.enter();
        let mut runtime = JsRuntime::new(RuntimeOptions {
            extensions: vec![extension()],
            ..Default::default()
        });
        runtime
            .execute_script("console_test.js", include_str!("web/console_test.js").to_owned())
            .unwrap();
    }

    #[test]
    fn a_cut_character_is_incomplete_and_a_broken_one_is_not() {
        for cut in [&b"\xe2\x82"[..], b"\xf0\x9f\x98", b"\xc3"] {
            assert!(is_incomplete(cut), "{cut:?}");
        }
        for broken in [&b"\xff"[..], b"\x80", b"\xc0", b"\xed\xa0"] {
            assert!(!is_incomplete(broken), "{broken:?}");
        }
    }
}
