//! The scripts of the web's interfaces for QuickJS, and the ops that they call.

use deno_core::{ExtensionFileSource, OpDecl, op2};
use serde::Serialize;
use url::{Url, form_urlencoded, quirks};

use crate::realm::with_scripts;

deno_core::extension!(
    sr_own,
    ops = [
        op_sr_url_parse,
        op_sr_url_join,
        op_sr_url_set,
        op_sr_url_query_parse,
        op_sr_url_query_serialize,
        op_sr_text_encode_into,
        op_sr_text_decode,
    ],
);

/// Returns the ops that the scripts call.
pub(super) fn ops() -> Vec<OpDecl> {
    sr_own::init().ops.into_owned()
}

/// Returns the scripts, in order.
pub(super) fn scripts() -> Vec<ExtensionFileSource> {
    with_scripts!(sr_own: "idl.js", "url.js", "encoding.js", "abort.js", "base64.js", "own_http.js")
        .js_files
        .into_owned()
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

/// Returns true if these invalid bytes could become valid UTF-8 with more bytes after them.
fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::is_incomplete;

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
