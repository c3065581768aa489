//! Replacement of secrets in text.
//!
//! People enter a key or a token where a file name belongs, and write passwords into addresses. Messages end up in
//! terminals, logs and bug reports, so they must not repeat such text.

mod parameters;

use std::borrow::Cow;
use std::ops::Range;

use self::parameters::parameters;

/// The text that replaces a secret in a message.
pub const NOT_SHOWN: &str = "(not shown: it may be a secret)";

/// The prefix of this project's private keys, without the separator.
const PRIVATE_KEY: &str = "ed25519-private";

/// The minimum length of text that counts as random. Tokens are longer. Names that mix upper case, lower case and
/// digits are shorter.
const RANDOM: usize = 40;

/// The number of nested percent-encodings that are decoded.
const ESCAPES: usize = 3;

/// Replaces the parts of a text that look like secrets: private keys, tokens, passwords and secret parameters of
/// addresses. It also detects them in percent-encoded form.
///
/// Hashes, public keys and identifiers remain, because they consist of lower-case hexadecimal digits.
///
/// Parts that were replaced before stay as they are, so a second call changes nothing.
#[must_use]
pub fn hide(text: &str) -> Cow<'_, str> {
    // One character replaces each earlier `NOT_SHOWN` during the search, so that its words are not found in the text.
    let is_free = |mark: &char| !text.contains(*mark);
    let Some(mark) = ('\u{fdd0}'..='\u{fdef}').find(is_free) else {
        // These characters are in no ordinary text. A text with all of them was made to defeat this function.
        return Cow::Owned(NOT_SHOWN.to_owned());
    };
    let marked = text.replace(NOT_SHOWN, mark.encode_utf8(&mut [0; 4]));
    let mut shown = hide_once(&marked, mark);
    if shown == marked {
        return Cow::Borrowed(text);
    }
    // What is left can look like another secret. Each time there is less of it, so that this ends.
    loop {
        let next = hide_once(&shown, mark);
        if next == shown {
            return Cow::Owned(shown.replace(mark, NOT_SHOWN));
        }
        shown = next;
    }
}

/// Returns the text with `mark` in the place of each secret.
fn hide_once(text: &str, mark: char) -> String {
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends_word) {
        let word = piece.trim_end_matches(ends_word);
        shown.push_str(&hide_in_word(word, mark));
        shown.push_str(piece.get(word.len()..).unwrap_or_default());
    }
    shown
}

fn ends_word(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

/// Returns true if a part of the text looks like a secret.
#[must_use]
pub fn looks_secret(text: &str) -> bool {
    matches!(hide(text), Cow::Owned(_))
}

/// Returns the parameters in the text whose values are secrets, each with its name: `token=…`.
#[must_use]
pub fn secret_parameters(text: &str) -> Vec<&str> {
    let words = text.split(ends_word);
    let found = words.flat_map(|word| {
        let ranges = parameters(word);
        ranges
            .into_iter()
            .filter_map(|(name, value)| word.get(name.start..value.end))
            .collect::<Vec<_>>()
    });
    found.collect()
}

fn hide_in_word(word: &str, mark: char) -> Cow<'_, str> {
    let mut decoded = Cow::Borrowed(word);
    for _ in 0..ESCAPES {
        let next = percent_decoded(&decoded);
        if next == decoded {
            break;
        }
        // Hide the whole word. Locating the escaped parts of the secret within it would be complex.
        if next
            .split(char::is_whitespace)
            .any(|word| !secrets(word, mark).is_empty())
        {
            return Cow::Owned(mark.to_string());
        }
        decoded = Cow::Owned(next);
    }
    let ranges = secrets(word, mark);
    if ranges.is_empty() {
        return Cow::Borrowed(word);
    }
    let (mut shown, mut end) = (String::new(), 0);
    for range in ranges {
        shown.push_str(word.get(end..range.start).unwrap_or_default());
        // If two secrets overlap, replace them only once.
        if range.start >= end {
            shown.push(mark);
        }
        end = end.max(range.end);
    }
    shown.push_str(word.get(end..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Returns the positions of secrets in a word without white space, in order. Parts that `mark` already replaces are not
/// secrets.
fn secrets(word: &str, mark: char) -> Vec<Range<usize>> {
    let mut found = private_keys(&word.to_ascii_lowercase());
    found.extend(user_information(word));
    found.extend(parameters(word).into_iter().map(|(_, value)| value));
    found.extend(random_texts(word));
    let is_hidden = |range: &Range<usize>| {
        word.get(range.clone())
            .is_some_and(|text| text.chars().eq([mark]))
    };
    found.retain(|range| !is_hidden(range));
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    found
}

/// Finds private keys, complete or partial: the prefix and the text after it, if that has at least 8 hexadecimal
/// digits.
fn private_keys(lower: &str) -> Vec<Range<usize>> {
    let key = lower.match_indices(PRIVATE_KEY).filter_map(|(start, prefix)| {
        let after = start + prefix.len();
        let rest = lower.get(after..)?;
        let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || b"/%_-+=.:\\".contains(byte);
        let length = rest.bytes().take_while(|byte| belongs(byte)).count();
        let digits = rest.bytes().take(length).filter(u8::is_ascii_hexdigit).count();
        (digits >= 8).then_some(start..after + length)
    });
    key.collect()
}

/// Finds user names and passwords in addresses: `https://user:password@host`. It also finds them if a path
/// normalisation removed one of the slashes.
fn user_information(word: &str) -> Vec<Range<usize>> {
    let addresses = word.match_indices(":/").filter_map(|(position, separator)| {
        let rest = word.get(position + separator.len()..)?;
        let after = rest.trim_start_matches('/');
        let start = word.len() - after.len();
        let (is_address, rest) = (after.len() < rest.len(), after);
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if let Some(end) = authority.rfind('@').filter(|end| *end > 0) {
            let is_user = is_address || authority.get(..end)?.contains(':');
            return is_user.then_some(start..start + end);
        }
        // A slash in a password ends the authority early. The part after `:` is then not a port number.
        let (_, port) = authority.split_once(':')?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        let end = rest.rfind('@')?;
        (!is_port && !authority.starts_with('[')).then_some(start..start + end)
    });
    addresses.collect()
}

/// Finds random text, which is long and has upper-case letters, lower-case letters and digits, like Base64. Also finds
/// JSON Web Tokens.
fn random_texts(word: &str) -> Vec<Range<usize>> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+=~".contains(&byte);
    let (mut found, bytes, mut start) = (Vec::new(), word.as_bytes(), 0);
    while start < bytes.len() {
        let run = bytes
            .iter()
            .skip(start)
            .take_while(|byte| is_part(**byte))
            .count();
        if is_random(bytes.get(start..start + run).unwrap_or_default()) {
            found.push(start..start + run);
        }
        start += run.max(1);
    }
    for (position, beginning) in word.match_indices("eyJ") {
        let rest = bytes.get(position..).unwrap_or_default();
        let length = rest
            .iter()
            .take_while(|byte| is_part(**byte) || **byte == b'.')
            .count();
        let token = rest.get(..length).unwrap_or_default();
        let has_parts = token.iter().skip(beginning.len()).any(|byte| *byte == b'.');
        if length >= RANDOM / 2 && has_parts {
            found.push(position..position + length);
        }
    }
    found
}

fn is_random(run: &[u8]) -> bool {
    run.len() >= RANDOM
        && run.iter().any(u8::is_ascii_uppercase)
        && run.iter().any(u8::is_ascii_lowercase)
        && run.iter().any(u8::is_ascii_digit)
}

/// Decodes `%41` and the like. Bytes that are not UTF-8 become replacement characters.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let digit = |index: usize| bytes.get(index).and_then(|byte| char::from(*byte).to_digit(16));
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let pair = (*byte == b'%')
            .then(|| digit(index + 1).zip(digit(index + 2)))
            .flatten();
        let code = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(code.unwrap_or(*byte));
        index += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ed25519-private/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const TOKEN: &str = "EnYKDBgDIggKBggGEgIYDRIkCAASIF3bR6xZq1mPzB8y-Vq0gA9_kQ3uJ7x2sG5h6t4w8eRfGkAq";

    #[test]
    fn secrets_are_hidden() {
        let upper = KEY.to_uppercase();
        let encoded: String = KEY.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let twice = KEY.replace('/', "%252F");
        let token_encoded = TOKEN.replace('A', "%41");
        for secret in [
            KEY,
            TOKEN,
            &upper,
            &encoded,
            &twice,
            &token_encoded,
            TOKEN.get(..45).unwrap(),
            KEY.get(..30).unwrap(),
        ] {
            for text in [
                secret.to_owned(),
                format!("the key {secret}: no such file"),
                format!("`{secret}`"),
                format!("\u{1b}[33m'{secret}'\u{1b}[0m"),
                format!("--key={secret}"),
                format!("http://host/a/{secret}/b?c"),
                format!("http://host/?x={secret}"),
                format!("{secret}={secret}"),
            ] {
                let shown = hide(&text);
                assert!(looks_secret(&text), "{text}");
                assert!(shown.contains(NOT_SHOWN), "{shown}");
                assert!(
                    !shown.contains(secret.get(secret.len() - 8..).unwrap()),
                    "{shown}"
                );
            }
        }
        for (text, shown) in [
            ("https://user:pass@host/a", "https://*@host/a"),
            ("x=https://user@host", "x=https://*@host"),
            ("http:/user:pass@host/a", "http:/*@host/a"),
            ("https://user:p@ss@host", "https://*@host"),
            ("https://user:pa/ss@host", "https://*@host"),
            ("(http://u:p@a,http://v:q@b)", "(http://*@a,http://*@b)"),
            ("http://a/?token=secret&b=c", "http://a/?token=*&b=c"),
            ("http://a/?b=c&API_KEY=secret#d", "http://a/?b=c&API_KEY=*#d"),
            ("https:/a/?token=secret/secure.lock", "https:/a/?token=*"),
            ("host/a#id_token=secret&b=c", "host/a#id_token=*&b=c"),
            ("http://a/?sig=s&b=c&sig=t", "http://a/?sig=*&b=c&sig=*"),
            ("eyJhbGciOiJI.eyJzdWIi.c2ln", "*"),
        ] {
            assert_eq!(hide(text).replace(NOT_SHOWN, "*"), shown, "{text}");
        }
        assert!(looks_secret("https%3A%2F%2Fuser%3Apass%40host"));
    }

    proptest::proptest! {
        #[test]
        fn hidden_secrets_are_not_hidden_twice(pieces in proptest::collection::vec(piece(), 0..12)) {
            let text = pieces.concat();
            let once = hide(&text).into_owned();
            proptest::prop_assert_eq!(hide(&once), &*once);
            proptest::prop_assert!(!looks_secret(&once));
        }
    }

    /// Pieces of which texts with secrets, and with what stands for hidden ones, can be made.
    fn piece() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::*;
        let known = [
            "http://",
            "http:/",
            "?",
            "#",
            "&",
            ";",
            "=",
            "@",
            ":",
            "/",
            " ",
            "\n",
            "%",
            "%3f",
            "%25",
            "token=",
            "sig",
            "user",
            "(",
            "eyJ",
            ".",
            "x",
            "\u{fdd0}",
            NOT_SHOWN,
            "(not",
            "secret)",
            KEY,
            TOKEN,
            "ed25519-private",
            "host",
            "ü",
        ];
        prop_oneof![
            8 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
            1 => any::<String>(),
        ]
    }

    /// The search needs a character that the text does not contain.
    #[test]
    fn a_text_with_every_noncharacter_is_not_shown() {
        let every: String = ('\u{fdd0}'..='\u{fdef}').collect();
        assert_eq!(hide(&format!("{every} {TOKEN}")), NOT_SHOWN);
        let fewer = every.trim_end_matches('\u{fdef}');
        assert_eq!(hide(&format!("{fewer} {TOKEN}")), format!("{fewer} {NOT_SHOWN}"));
    }

    #[test]
    fn other_text_is_unchanged() {
        let hash = format!("blake3:{}", "0a".repeat(32));
        let id = "0a".repeat(64);
        for text in [
            "the private key begins with `ed25519-private/`",
            "ed25519/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            &hash,
            &id,
            "https://host:8080/@scope/name?x=1",
            "https://[::1]:80/a@b",
            "npm:/@scope/name",
            "c:/folder@2/file",
            "file:///a/node_modules/@scope/name/index.js:10:5",
            "a-rather-long-name-of-a-file-that-somebody-gave-to-a-module.js",
            "/tmp/.tmpAb1Cd2/store/blobs/0a/",
            "naïve größe 100%",
            "",
            " \n  \t",
        ] {
            assert_eq!(hide(text), text);
            assert!(!looks_secret(text), "{text}");
        }
    }
}
