//! What text may stand in names, specifiers and grants.

/// The first character of `text` that could make it look like something else when printed, or end
/// it early in C: control characters, line separators, and characters that change the writing
/// direction or have no width.
pub(crate) fn forbidden_character(text: &str) -> Option<char> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    text.chars().find(|character| {
        character.is_control()
            || matches!(character,
                '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })
}

/// `text` as it may be printed: forbidden characters as `\u{…}`, and cut after 300 characters.
pub(crate) fn printable(text: &str) -> String {
    const LENGTH: usize = 300;
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == LENGTH {
            shown.push('…');
            break;
        }
        if forbidden_character(character.encode_utf8(&mut [0; 4])).is_some() {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_must_not_be_printed() {
        assert_eq!(forbidden_character("größe/日本.js"), None);
        for character in [
            '\0', '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{202e}', '\u{2066}', '\u{200d}', '\u{feff}',
        ] {
            assert_eq!(forbidden_character(&format!("a{character}b")), Some(character));
        }
        assert_eq!(printable("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(printable(&"x".repeat(400)).chars().count(), 301);
    }
}
