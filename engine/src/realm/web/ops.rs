//! The ops that the scripts of Deno's crates call. Each only computes.
//!
//! The scripts decide the names of these ops, their arguments and results. Deno's own ops of these names are not used:
//! they would link all of `deno_web`, and V8 counts none of their memory. A function in `deno.js` calls each op. It
//! first checks the account for the memory that the op takes outside of the engine's heap. The ops of compression do so
//! themselves, because only they know how much a body grows.

use std::cell::RefCell;
use std::io::Write;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use deno_core::{OpDecl, OpState, op2, v8};
use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding};
use flate2::write::{DeflateDecoder, DeflateEncoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder};
use serde::Serialize;
use url::{Url, form_urlencoded, quirks};
use urlpattern::quirks::{StringOrInit, UrlPatternComponent};

use super::super::account;
use crate::extensions::{HeldBytes, OperationError, host_object, object};
use crate::memory::{Memory, Reservation};

deno_core::extension!(
    sr_deno_ops,
    ops = [
        op_base64_atob,
        op_base64_btoa,
        op_compression_finish,
        op_compression_new,
        op_compression_write,
        op_encoding_decode,
        op_encoding_decode_utf8,
        op_encoding_decode_utf8_ascii_only,
        op_encoding_encode_into_fallback,
        op_encoding_new_decoder,
        op_encoding_normalize_label,
        op_url_get_serialization,
        op_url_parse,
        op_url_parse_search_params,
        op_url_parse_with_base,
        op_url_reparse,
        op_url_stringify_search_params,
        op_urlpattern_parse,
        op_urlpattern_process_match_input,
    ],
);

/// Returns the ops.
pub(super) fn ops() -> Vec<OpDecl> {
    sr_deno_ops::init().ops.into_owned()
}

fn too_long() -> OperationError {
    OperationError::range_error("the text is longer than a string can be")
}

// ---- base64 (https://infra.spec.whatwg.org/#forgiving-base64) -----------------------------------------------------

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Returns the bytes of a text of Latin-1.
///
/// # Errors
/// A TypeError: the text has another character. The scripts replace it by a DOMException.
fn latin1(
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
) -> Result<Vec<u8>, OperationError> {
    if !text.contains_only_onebyte() {
        return Err(OperationError::type_error(
            "the text has characters outside of Latin-1",
        ));
    }
    let mut bytes = vec![0; text.length()];
    text.write_one_byte_v2(scope, 0, &mut bytes, v8::WriteFlags::empty());
    Ok(bytes)
}

fn of_latin1<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: &[u8],
) -> Result<v8::Local<'s, v8::String>, OperationError> {
    v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal).ok_or_else(too_long)
}

/// Decodes base64.
#[op2]
fn op_base64_atob<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
) -> Result<v8::Local<'s, v8::String>, OperationError> {
    let mut text = latin1(scope, text)?;
    text.retain(|byte| !matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' '));
    if text.len().is_multiple_of(4) {
        let padding = text
            .iter()
            .rev()
            .take(2)
            .take_while(|byte| **byte == b'=')
            .count();
        text.truncate(text.len() - padding);
    }
    let bytes = BASE64.decode(text);
    let bytes = bytes.map_err(|error| OperationError::type_error(error.to_string()))?;
    of_latin1(scope, &bytes)
}

/// Encodes a text of Latin-1 as base64.
#[op2]
fn op_base64_btoa<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
) -> Result<v8::Local<'s, v8::String>, OperationError> {
    let bytes = latin1(scope, text)?;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    of_latin1(scope, text.as_bytes())
}

// ---- encodings (https://encoding.spec.whatwg.org) -----------------------------------------------------------------

/// A decoder, which keeps the beginning of a character between two calls.
struct TextDecoder {
    decoder: RefCell<Decoder>,
    is_fatal: bool,
}

host_object!(TextDecoder);

/// Returns the name of the encoding with this label, in lower case.
#[op2]
#[string]
fn op_encoding_normalize_label(#[string] label: &str) -> Result<String, OperationError> {
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(encoding) => Ok(encoding.name().to_ascii_lowercase()),
        None => Err(OperationError::range_error(format!(
            "TextDecoder: there is no encoding with the label {:?}",
            crate::extensions::clipped(label)
        ))),
    }
}

/// Returns a decoder for the encoding with this label.
#[op2]
fn op_encoding_new_decoder<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[string] label: &str,
    is_fatal: bool,
    keeps_bom: bool,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let encoding = Encoding::for_label(label.as_bytes());
    let encoding =
        encoding.ok_or_else(|| OperationError::range_error("TextDecoder: there is no such encoding"))?;
    let decoder = match keeps_bom {
        true => encoding.new_decoder_without_bom_handling(),
        false => encoding.new_decoder_with_bom_removal(),
    };
    let decoder = RefCell::new(decoder);
    object(scope, TextDecoder { decoder, is_fatal })
}

/// Decodes bytes. With `stream`, more bytes follow.
#[op2]
fn op_encoding_decode<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[anybuffer] bytes: &[u8],
    #[cppgc] decoder: &TextDecoder,
    stream: bool,
) -> Result<v8::Local<'s, v8::String>, OperationError> {
    let TextDecoder { decoder, is_fatal } = decoder;
    let mut decoder = decoder.borrow_mut();
    let most = decoder
        .max_utf16_buffer_length(bytes.len())
        .ok_or_else(too_long)?;
    let mut units = vec![0; most];
    let (is_whole, written) = if *is_fatal {
        let (result, _, written) = decoder.decode_to_utf16_without_replacement(bytes, &mut units, !stream);
        if let DecoderResult::Malformed(..) = result {
            let encoding = decoder.encoding().name().to_ascii_lowercase();
            return Err(OperationError::type_error(format!(
                "TextDecoder: the bytes are no {encoding}"
            )));
        }
        (result == DecoderResult::InputEmpty, written)
    } else {
        let (result, _, written, _) = decoder.decode_to_utf16(bytes, &mut units, !stream);
        (result == CoderResult::InputEmpty, written)
    };
    let units = units.get(..written).filter(|_| is_whole).ok_or_else(too_long)?;
    v8::String::new_from_two_byte(scope, units, v8::NewStringType::Normal).ok_or_else(too_long)
}

/// Decodes all bytes as UTF-8, with U+FFFD for what is not.
#[op2]
fn op_encoding_decode_utf8<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[anybuffer] bytes: &[u8],
    keeps_bom: bool,
) -> Result<v8::Local<'s, v8::String>, OperationError> {
    if bytes.is_ascii() {
        return of_latin1(scope, bytes);
    }
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) if !keeps_bom => rest,
        _ => bytes,
    };
    v8::String::new_from_utf8(scope, bytes, v8::NewStringType::Normal).ok_or_else(too_long)
}

/// Decodes bytes if all are ASCII. Returns null otherwise. No ASCII character goes on in the next bytes.
#[op2]
fn op_encoding_decode_utf8_ascii_only<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[anybuffer] bytes: &[u8],
) -> Result<Option<v8::Local<'s, v8::String>>, OperationError> {
    if !bytes.is_ascii() {
        return Ok(None);
    }
    of_latin1(scope, bytes).map(Some)
}

/// Writes as much UTF-8 of a text as fits, in whole characters. `counts` receives the number of UTF-16 units read and
/// of bytes written.
#[op2(fast)]
fn op_encoding_encode_into_fallback(
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
    #[buffer] into: &mut [u8],
    #[buffer] counts: &mut [u32],
) {
    let mut read = 0;
    let written = text.write_utf8_v2(scope, into, v8::WriteFlags::kReplaceInvalidUtf8, Some(&mut read));
    for (count, value) in counts.iter_mut().zip([read, written]) {
        *count = u32::try_from(value).unwrap_or(u32::MAX);
    }
}

// ---- URLs (https://url.spec.whatwg.org) ---------------------------------------------------------------------------

/// The URL is the text that was parsed.
const SAME: u32 = 0;
/// The URL is another text, which `op_url_get_serialization` returns.
const OTHER: u32 = 1;
const INVALID: u32 = 2;

/// The port of a URL without one.
const NO_PORT: u32 = 65536;

/// The last URL that was not the text that was parsed.
struct Serialized(String);

/// Writes the positions of a URL's components to `into`. Returns `SAME` or `OTHER`.
fn describe(state: &mut OpState, url: Url, text: &str, into: &mut [u32]) -> u32 {
    let parts = quirks::internal_components(&url);
    let positions = [
        parts.scheme_end,
        parts.username_end,
        parts.host_start,
        parts.host_end,
        parts.port.map_or(NO_PORT, u32::from),
        parts.path_start,
        parts.query_start.unwrap_or(0),
        parts.fragment_start.unwrap_or(0),
    ];
    for (place, position) in into.iter_mut().zip(positions) {
        *place = position;
    }
    if url.as_str() == text {
        return SAME;
    }
    state.put(Serialized(url.into()));
    OTHER
}

/// Parses an absolute URL.
#[op2(fast)]
#[smi]
fn op_url_parse(state: &mut OpState, #[string] text: &str, #[buffer] into: &mut [u32]) -> u32 {
    match Url::parse(text) {
        Ok(url) => describe(state, url, text, into),
        Err(_) => INVALID,
    }
}

/// Parses a URL relative to a base.
#[op2(fast)]
#[smi]
fn op_url_parse_with_base(
    state: &mut OpState,
    #[string] text: &str,
    #[string] base: &str,
    #[buffer] into: &mut [u32],
) -> u32 {
    match Url::parse(base).and_then(|base| base.join(text)) {
        Ok(url) => describe(state, url, text, into),
        Err(_) => INVALID,
    }
}

/// Returns the last URL that was not the text that was parsed.
#[op2]
#[string]
fn op_url_get_serialization(state: &mut OpState) -> String {
    state
        .try_take::<Serialized>()
        .map(|Serialized(text)| text)
        .unwrap_or_default()
}

/// Replaces a component of a URL.
#[op2(fast)]
#[smi]
fn op_url_reparse(
    state: &mut OpState,
    #[string] text: &str,
    #[smi] component: u32,
    #[string] value: &str,
    #[buffer] into: &mut [u32],
) -> u32 {
    let Ok(mut url) = Url::parse(text) else {
        return INVALID;
    };
    let set = match component {
        0 => {
            quirks::set_hash(&mut url, value);
            Ok(())
        }
        1 => quirks::set_host(&mut url, value),
        2 => quirks::set_hostname(&mut url, value),
        3 => quirks::set_password(&mut url, value),
        4 => {
            quirks::set_pathname(&mut url, value);
            Ok(())
        }
        5 => quirks::set_port(&mut url, value),
        6 => quirks::set_protocol(&mut url, value),
        7 => {
            quirks::set_search(&mut url, value);
            Ok(())
        }
        8 => quirks::set_username(&mut url, value),
        _ => Err(()),
    };
    match set {
        Ok(()) => describe(state, url, text, into),
        Err(()) => INVALID,
    }
}

/// Parses a query in `application/x-www-form-urlencoded` form: a text, or bytes.
#[op2]
fn op_url_parse_search_params(
    #[string] text: Option<String>,
    #[anybuffer] bytes: Option<&[u8]>,
) -> Vec<(String, String)> {
    let query = text.as_deref().map(str::as_bytes).or(bytes).unwrap_or_default();
    form_urlencoded::parse(query).into_owned().collect()
}

/// Serialises pairs as a query in `application/x-www-form-urlencoded` form.
#[op2]
#[string]
fn op_url_stringify_search_params(#[scoped] pairs: Vec<(String, String)>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

// ---- patterns of URLs (https://urlpattern.spec.whatwg.org) --------------------------------------------------------

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PatternOf {
    pattern_string: String,
    regexp_string: String,
    group_name_list: Vec<String>,
}

impl From<UrlPatternComponent> for PatternOf {
    fn from(part: UrlPatternComponent) -> Self {
        PatternOf {
            pattern_string: part.pattern_string,
            regexp_string: part.regexp_string,
            group_name_list: part.group_name_list,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Patterns {
    protocol: PatternOf,
    username: PatternOf,
    password: PatternOf,
    hostname: PatternOf,
    port: PatternOf,
    pathname: PatternOf,
    search: PatternOf,
    hash: PatternOf,
    has_regexp_groups: bool,
}

fn no_pattern(error: &urlpattern::Error) -> OperationError {
    OperationError::type_error(format!("URLPattern: {error}"))
}

/// Parses a pattern.
#[op2]
#[serde]
fn op_urlpattern_parse(
    #[serde] input: StringOrInit,
    #[string] base: Option<String>,
    #[serde] options: urlpattern::UrlPatternOptions,
) -> Result<Patterns, OperationError> {
    let made = urlpattern::quirks::process_construct_pattern_input(input, base.as_deref())
        .and_then(|init| urlpattern::quirks::parse_pattern(init, options));
    let pattern = made.map_err(|error| no_pattern(&error))?;
    Ok(Patterns {
        protocol: pattern.protocol.into(),
        username: pattern.username.into(),
        password: pattern.password.into(),
        hostname: pattern.hostname.into(),
        port: pattern.port.into(),
        pathname: pattern.pathname.into(),
        search: pattern.search.into(),
        hash: pattern.hash.into(),
        has_regexp_groups: pattern.has_regexp_groups,
    })
}

/// Returns the components of a URL to match, joined to one text. `into` receives the position of each, and the length.
/// Returns null if it is no URL.
#[op2]
#[string]
fn op_urlpattern_process_match_input(
    #[serde] input: StringOrInit,
    #[string] base: Option<String>,
    #[buffer] into: &mut [u32],
) -> Result<Option<String>, OperationError> {
    let input = urlpattern::quirks::process_match_input(input, base.as_deref());
    let input = input.map_err(|error| no_pattern(&error))?;
    let Some(url) = input.and_then(|(input, _)| urlpattern::quirks::parse_match_input(input)) else {
        return Ok(None);
    };
    let parts = [
        &url.protocol,
        &url.username,
        &url.password,
        &url.hostname,
        &url.port,
        &url.pathname,
        &url.search,
        &url.hash,
    ];
    let mut joined = String::new();
    let mut place = into.iter_mut();
    for part in parts {
        if let Some(place) = place.next() {
            *place = u32::try_from(joined.len()).unwrap_or(u32::MAX);
        }
        joined.push_str(part);
    }
    if let Some(place) = place.next() {
        *place = u32::try_from(joined.len()).unwrap_or(u32::MAX);
    }
    Ok(Some(joined))
}

// ---- compression (https://compression.spec.whatwg.org) ------------------------------------------------------------

/// Memory of a compressor or decompressor, in bytes: the tables and windows of zlib.
const ZLIB: usize = 320 << 10;
/// The step in which the account is asked for memory of an output.
const STEP: usize = 64 << 10;

/// The bytes that an encoder has written since the last call. They are counted.
struct Output {
    bytes: Vec<u8>,
    held: Option<Reservation>,
    memory: Memory,
    /// True if nobody will read what is still written.
    is_over: bool,
}

impl Output {
    fn take(&mut self) -> Result<HeldBytes, OperationError> {
        let held = match self.held.take() {
            Some(held) => held,
            None => self.memory.hold_now(0).map_err(|why| full(&why.to_string()))?,
        };
        Ok(HeldBytes::new(std::mem::take(&mut self.bytes), held))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.is_over {
            return Ok(bytes.len());
        }
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            // The old bytes are there until they are copied.
            let wanted = (self.bytes.capacity() * 2)
                .max(self.bytes.len() + bytes.len())
                .max(STEP);
            let held = self.memory.hold_now(wanted);
            let held =
                held.map_err(|why| std::io::Error::new(std::io::ErrorKind::OutOfMemory, why.to_string()))?;
            self.bytes.reserve_exact(wanted - self.bytes.len());
            self.held = Some(held);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Coder {
    Deflate(ZlibEncoder<Output>),
    DeflateRaw(DeflateEncoder<Output>),
    Gzip(GzEncoder<Output>),
    Inflate(ZlibDecoder<Output>),
    InflateRaw(DeflateDecoder<Output>),
    Gunzip(GzDecoder<Output>),
}

impl Coder {
    fn output(&mut self) -> &mut Output {
        match self {
            Coder::Deflate(coder) => coder.get_mut(),
            Coder::DeflateRaw(coder) => coder.get_mut(),
            Coder::Gzip(coder) => coder.get_mut(),
            Coder::Inflate(coder) => coder.get_mut(),
            Coder::InflateRaw(coder) => coder.get_mut(),
            Coder::Gunzip(coder) => coder.get_mut(),
        }
    }
}

/// A compressor or decompressor, until it ends.
struct Compression {
    coder: RefCell<Option<Coder>>,
    /// The coder's memory. The object counts it, because the engine may keep the object after the coder's end.
    _held: Reservation,
}

host_object!(Compression);

impl Drop for Compression {
    /// Ends the output. A coder writes the end of its stream when it is dropped. The engine drops the object while it
    /// collects garbage. If the output then asked for memory, it would start another collection, and V8 would abort.
    fn drop(&mut self) {
        if let Some(coder) = self.coder.get_mut() {
            coder.output().is_over = true;
        }
    }
}

fn full(why: &str) -> OperationError {
    OperationError::range_error(format!("compression: {why}"))
}

fn failed(error: &std::io::Error) -> OperationError {
    match error.kind() {
        std::io::ErrorKind::OutOfMemory => full(&error.to_string()),
        _ => OperationError::type_error(format!("decompression: {error}")),
    }
}

/// Returns a compressor, or a decompressor.
#[op2]
fn op_compression_new<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[string] format: &str,
    is_decompressor: bool,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let memory = account(state);
    let held = memory.hold_now(ZLIB).map_err(|why| full(&why.to_string()))?;
    let output = Output {
        bytes: Vec::new(),
        held: None,
        memory,
        is_over: false,
    };
    let level = flate2::Compression::default();
    let coder = match (format, is_decompressor) {
        ("deflate", false) => Coder::Deflate(ZlibEncoder::new(output, level)),
        ("deflate-raw", false) => Coder::DeflateRaw(DeflateEncoder::new(output, level)),
        ("gzip", false) => Coder::Gzip(GzEncoder::new(output, level)),
        ("deflate", true) => Coder::Inflate(ZlibDecoder::new(output)),
        ("deflate-raw", true) => Coder::InflateRaw(DeflateDecoder::new(output)),
        ("gzip", true) => Coder::Gunzip(GzDecoder::new(output)),
        _ => {
            return Err(OperationError::type_error(format!(
                "compression: {:?} is none of gzip, deflate, deflate-raw",
                crate::extensions::clipped(format)
            )));
        }
    };
    let coder = RefCell::new(Some(coder));
    object(scope, Compression { coder, _held: held })
}

fn closed() -> OperationError {
    OperationError::type_error("compression: the stream has ended")
}

/// Adds bytes. Returns the bytes of the result that are there.
#[op2]
fn op_compression_write(
    #[cppgc] compression: &Compression,
    #[anybuffer] bytes: &[u8],
) -> Result<HeldBytes, OperationError> {
    let mut coder = compression.coder.borrow_mut();
    let coder = coder.as_mut().ok_or_else(closed)?;
    let written = match coder {
        Coder::Deflate(coder) => coder.write_all(bytes),
        Coder::DeflateRaw(coder) => coder.write_all(bytes),
        Coder::Gzip(coder) => coder.write_all(bytes),
        Coder::Inflate(coder) => coder.write_all(bytes).and_then(|()| coder.flush()),
        Coder::InflateRaw(coder) => coder.write_all(bytes).and_then(|()| coder.flush()),
        Coder::Gunzip(coder) => coder.write_all(bytes).and_then(|()| coder.flush()),
    };
    written.map_err(|error| failed(&error))?;
    coder.output().take()
}

/// Ends the stream, and returns the rest of the result. Errors are returned if `is_reported`.
#[op2]
fn op_compression_finish(
    state: &OpState,
    #[cppgc] compression: &Compression,
    is_reported: bool,
) -> Result<HeldBytes, OperationError> {
    let coder = compression.coder.borrow_mut().take().ok_or_else(closed)?;
    let output = match coder {
        Coder::Deflate(coder) => coder.finish(),
        Coder::DeflateRaw(coder) => coder.finish(),
        Coder::Gzip(coder) => coder.finish(),
        Coder::Inflate(coder) => coder.finish(),
        Coder::InflateRaw(coder) => coder.finish(),
        Coder::Gunzip(coder) => coder.finish(),
    };
    match output {
        Ok(mut output) => output.take(),
        Err(error) if is_reported => Err(failed(&error)),
        Err(_) => Output {
            bytes: Vec::new(),
            held: None,
            memory: account(state),
            is_over: true,
        }
        .take(),
    }
}
