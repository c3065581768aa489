//! Secrets in the arguments, which messages must not contain.

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

use secure_runtime_loaders::secrets::{NOT_SHOWN, hide, looks_secret, secret_parameters};

/// Number of leading characters of a secret that are searched for, because messages may truncate it. It exceeds the
/// prefix of a private key.
const BEGINNING: usize = 20;

/// Minimum length of a part of a secret that is hidden by itself. Shorter parts occur in texts by chance.
const PART: usize = 8;

/// Minimum number of hexadecimal digits that may be a private key without its prefix, or a part of one.
const DIGITS: usize = 32;

/// Removes secrets from a message before it is printed: everything that looks like a secret, and the secrets in the
/// arguments of this process.
pub(super) fn shown(message: &str) -> String {
    // First what was given, while it is whole.
    hide(&without_arguments(message)).into_owned()
}

/// Returns the message of a wrong argument. Digits that are not a number, size or duration may be a private key without
/// its prefix.
pub(super) fn shown_usage(error: &clap::Error) -> String {
    let message = error.render().to_string();
    let message = match error.get(clap::error::ContextKind::InvalidValue) {
        Some(clap::error::ContextValue::String(value)) if is_digits(value) => {
            without(&message, value).unwrap_or(message)
        }
        _ => message,
    };
    shown(&message)
}

fn is_digits(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_hexdigit).count();
    let others = value.bytes().filter(|byte| !byte.is_ascii_hexdigit());
    digits >= DIGITS && others.count() <= digits / 8
}

/// Removes the secrets in the arguments of this process from a result. Other secrets stay, because a result may be one,
/// such as a new token or a line of a reviewed module.
pub(super) fn without_arguments(text: &str) -> Cow<'_, str> {
    static GIVEN: OnceLock<Vec<String>> = OnceLock::new();
    let given = GIVEN.get_or_init(|| {
        let arguments = std::env::args_os().skip(1);
        secrets_of(arguments.map(|argument| argument.to_string_lossy().into_owned()))
    });
    let mut text = Cow::Borrowed(text);
    for secret in given {
        if let Some(changed) = without(&text, secret) {
            text = Cow::Owned(changed);
        }
    }
    text
}

/// Returns the parts of these arguments that look like secrets.
fn secrets_of(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut secrets = Vec::new();
    for argument in arguments {
        // A token or key that was copied with ends of lines in it.
        let joined: String = argument.split(['\n', '\r']).collect();
        let is_split = joined.len() < argument.len() && looks_secret(&joined);
        if !is_split && !looks_secret(&argument) {
            continue;
        }
        // Options and addresses contain parts that are not secret, for example the name of the option.
        let value = match argument.split_once('=') {
            Some((option, value)) if option.starts_with('-') && !looks_secret(option) => value,
            _ => &argument,
        };
        for parameter in secret_parameters(value) {
            secrets.push(parameter.to_owned());
            let value = parameter.split_once('=').map(|(_, value)| value);
            secrets.extend(value.filter(|value| value.len() >= PART).map(str::to_owned));
        }
        match value.split_once("://") {
            Some((_, address)) => {
                secrets.extend(address.rsplit_once('@').map(|(user, _)| user.to_owned()));
                let pieces = address.split(['/', '@', '?', '&', '=', '#']);
                secrets.extend(pieces.filter(|piece| looks_secret(piece)).map(str::to_owned));
            }
            None => {
                secrets.push(value.to_owned());
                // The value may be a path, so its components are searched for as well.
                let pieces = value.split('/').filter(|piece| piece.len() >= BEGINNING);
                secrets.extend(pieces.map(str::to_owned));
            }
        }
        if value.contains(char::is_whitespace) {
            let pieces = value
                .split_whitespace()
                .filter(|piece| piece.len() >= PART && (is_split || looks_secret(piece)));
            secrets.extend(pieces.map(str::to_owned));
        }
    }
    secrets.retain(|secret| secret.len() >= 3);
    // The longest secret comes first, because others may be part of it.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

/// Removes this secret from the text, whole or truncated, in upper or lower case. Returns `None` if the text does not
/// contain it.
fn without(text: &str, secret: &str) -> Option<String> {
    let (lower, secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let beginning: String = secret.chars().take(BEGINNING).collect();
    let (mut shown, mut end) = (String::new(), 0);
    for (start, _) in lower.match_indices(&beginning) {
        if start < end {
            continue;
        }
        let rest = lower.get(start..)?.chars();
        let length: usize = rest
            .zip(secret.chars())
            .take_while(|(one, other)| one == other)
            .map(|(character, _)| character.len_utf8())
            .sum();
        shown.push_str(text.get(end..start)?);
        shown.push_str(NOT_SHOWN);
        end = start + length;
    }
    if end == 0 {
        return None;
    }
    shown.push_str(text.get(end..)?);
    Some(shown)
}

/// Returns the path of a file with a secret in a form that may be shown. If there is no such file, the argument may be
/// the secret itself and is hidden.
pub(super) fn shown_path(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    if is_path(path, &text) {
        text
    } else {
        Cow::Borrowed(NOT_SHOWN)
    }
}

fn is_path(path: &Path, text: &str) -> bool {
    /// Names of files that do not exist are shown only if they are shorter than this.
    const NAME: usize = 20;
    if looks_secret(text) {
        return false;
    }
    let name = path.file_name().map_or(0, |name| name.len());
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let is_in_folder = parent.is_none_or(Path::is_dir);
    path.symlink_metadata().is_ok() || name < NAME && is_in_folder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(argument: &str) -> Vec<String> {
        secrets_of([argument.to_owned()].into_iter())
    }

    #[test]
    fn secrets_in_arguments_are_found() {
        let key = format!("ed25519-private/{}", "0a1b".repeat(16));
        for (argument, secret) in [
            ("https://user:p%40ss@host/a".to_owned(), "user:p%40ss"),
            ("x=https://user:pass@host".to_owned(), "user:pass"),
        ] {
            assert_eq!(given(&argument), [secret], "{argument}");
        }
        let digits = key.split_once('/').unwrap().1;
        assert_eq!(given(&key), [key.as_str(), digits]);
        assert_eq!(given(&format!("--key={key}")), [key.as_str(), digits]);
        assert_eq!(given("--key=root.key"), [""; 0]);
        assert_eq!(given(&format!("blake3:{}", "0a".repeat(32))), [""; 0]);
    }

    #[test]
    fn whole_and_truncated_secrets_are_removed() {
        for (text, expected) in [
            ("a a-secret-that-is-mine-alone b", Some("a * b")),
            (
                "a A-SECRET-that-is-mine… b a-secret-that-is-mine-alone",
                Some("a *… b *"),
            ),
            ("a a-secret-that b", None),
            ("größe a-secret-that-is-mine-alonex", Some("größe *x")),
        ] {
            let shown =
                without(text, "a-secret-that-is-mine-alone").map(|shown| shown.replace(NOT_SHOWN, "*"));
            assert_eq!(shown.as_deref(), expected);
        }
    }

    #[test]
    fn paths_of_secrets() {
        let hex = "0a".repeat(32);
        for (path, is_shown) in [
            ("root.key", true),
            ("nothing", true),
            ("/etc/passwd", true),
            ("/root.key", true),
            (&hex, false),
            ("no/such/folder", false),
            ("a-password-that-is-long", false),
        ] {
            assert_eq!(shown_path(Path::new(path)) == path, is_shown, "{path}");
        }
    }
}
