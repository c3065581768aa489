//! Checks and escapes for text in names, specifiers, grants and messages.

use secure_runtime_text::push_escaped;

pub(crate) use secure_runtime_text::forbidden_in_names as forbidden_character;

/// Returns `text` for printing: secrets are replaced, invisible characters are escaped as `\u{…}`, and the rest after
/// 300 characters is cut.
pub(crate) fn printable(text: &str) -> String {
    const LENGTH: usize = 300;
    let mut shown = String::new();
    for (index, character) in crate::secrets::hide(text).chars().enumerate() {
        if index == LENGTH {
            shown.push('…');
            break;
        }
        push_escaped(&mut shown, character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_characters_that_must_not_be_printed() {
        assert_eq!(forbidden_character("größe/日本.js"), None);
        for character in [
            '\0',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{202e}',
            '\u{2066}',
            '\u{200d}',
            '\u{feff}',
            '\u{34f}',
            '\u{3164}',
            '\u{e0100}',
        ] {
            assert_eq!(forbidden_character(&format!("a{character}b")), Some(character));
        }
        assert_eq!(printable("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(printable(&"x".repeat(400)).chars().count(), 301);
    }
}
