//! Text for people: hidden characters, their escapes, names that look alike, and causes of errors.
//!
//! This crate decides on all characters that names must not contain and that output must escape. It uses
//! Unicode properties instead of lists of its own, so a new version of Unicode is covered automatically.

#![forbid(unsafe_code)]

mod cause;
mod look_alike;
mod readable;

use std::borrow::Cow;
use std::fmt::Write;

use icu_properties::props::{
    DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint, PrependedConcatenationMark,
};
use icu_properties::{CodePointMapData, CodePointSetData};

pub use self::cause::Cause;
pub use self::look_alike::{foreign_letter, skeleton};
pub use self::readable::readable;

/// Returns true if a character is invisible, changes the look of others, or controls a terminal. These are
/// control and format characters, line separators, and `Default_Ignorable_Code_Point`.
pub fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    match CodePointMapData::<GeneralCategory>::new().get(character) {
        GeneralCategory::Control | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => {
            true
        }
        // Some format characters are visible, such as the Arabic number signs.
        GeneralCategory::Format => !CodePointSetData::new::<PrependedConcatenationMark>().contains(character),
        _ => {
            CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
                || CodePointSetData::new::<NoncharacterCodePoint>().contains(character)
        }
    }
}

/// Returns true if a visible character looks like white space or like nothing: spaces other than U+0020, and
/// symbols without ink.
pub fn is_blank(character: char) -> bool {
    if character.is_ascii() {
        return false;
    }
    // The empty Braille pattern, the null note head, and the object replacement character.
    matches!(character, '\u{2800}' | '\u{1d159}' | '\u{fffc}')
        || CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::SpaceSeparator
}

/// Returns the first character that a name must not contain: a hidden one, or a symbol without ink. Spaces
/// are allowed, because file names contain them.
pub fn forbidden_in_names(name: &str) -> Option<char> {
    if is_plain(name) {
        return None;
    }
    let is_space = |character| {
        CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::SpaceSeparator
    };
    name.chars()
        .find(|character| is_hidden(*character) || is_blank(*character) && !is_space(*character))
}

/// Appends the character. A hidden or blank one is escaped as `\u{…}`.
pub fn push_escaped(shown: &mut String, character: char) {
    if is_hidden(character) || is_blank(character) {
        shown.extend(character.escape_unicode());
    } else {
        shown.push(character);
    }
}

/// Escapes hidden and blank characters as `\u{…}`, line ends included. For names, and other text that must
/// not be misread.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    text.chars()
        .for_each(|character| push_escaped(&mut shown, character));
    Cow::Owned(shown)
}

/// Like [`escaped`], but keeps line ends. `\r\n` becomes `\n`.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line.strip_suffix('\r').unwrap_or(line), "\n"),
            None => (line, ""),
        };
        line.chars()
            .for_each(|character| push_escaped(&mut shown, character));
        shown.push_str(end);
    }
    Cow::Owned(shown)
}

/// Formats a character like `U+0430`.
pub fn code_point(character: char) -> String {
    let mut shown = String::from("U+");
    // Writing to a string does not fail.
    let _ = write!(shown, "{:04X}", u32::from(character));
    shown
}

/// Returns true if the text is printable ASCII, which needs no Unicode table.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Converts JSON to printable ASCII. Characters outside ASCII occur only in strings, where an escape has the same
/// meaning.
pub fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the Unicode standard, version 17: DerivedCoreProperties.txt, Default_Ignorable_Code_Point.
    const IGNORABLE: [(u32, u32); 17] = [
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x61c, 0x61c),
        (0x115f, 0x1160),
        (0x17b4, 0x17b5),
        (0x180b, 0x180f),
        (0x200b, 0x200f),
        (0x202a, 0x202e),
        (0x2060, 0x206f),
        (0x3164, 0x3164),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xffa0, 0xffa0),
        (0xfff0, 0xfff8),
        (0x1bca0, 0x1bca3),
        (0x1d173, 0x1d17a),
        (0xe0000, 0xe0fff),
    ];

    #[test]
    fn everything_ignorable_is_hidden() {
        for (first, last) in IGNORABLE {
            for character in (first..=last).filter_map(char::from_u32) {
                assert!(is_hidden(character), "{character:?}");
                let name = format!("a{character}b");
                assert_eq!(forbidden_in_names(&name), Some(character));
                assert_eq!(escaped(&name), format!("a{}b", character.escape_unicode()));
            }
        }
    }

    #[test]
    fn control_and_bidirectional_characters_are_hidden() {
        let controls = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32);
        let others = [
            '\u{202a}',
            '\u{2066}',
            '\u{2028}',
            '\u{2029}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{fffe}',
            '\u{fdd0}',
            '\u{110bd}',
            '\u{13430}',
            '\u{10ffff}',
        ];
        for character in controls
            .chain(others)
            .filter(|character| *character != '\u{110bd}')
        {
            assert!(is_hidden(character), "{character:?}");
        }
        // These have the same category but are visible.
        for character in ['\u{600}', '\u{6dd}', '\u{70f}', '\u{110bd}'] {
            assert!(!is_hidden(character), "{character:?}");
        }
    }

    #[test]
    fn ordinary_text_is_not_hidden() {
        for text in [
            "größe/日本.js",
            "e\u{301}",
            "한국어",
            "ⵣ",
            "हिन्दी",
            "👍🏽",
            "ﷺ",
            "Ⅷ",
            "\u{e000}",
            "שָׁלוֹם",
        ] {
            assert_eq!(forbidden_in_names(text), None, "{text}");
            assert_eq!(escaped(text), text);
        }
        // Names may contain spaces. In output, the unusual ones are escaped.
        assert_eq!(forbidden_in_names("全角\u{3000}名"), None);
        assert_eq!(escaped("a\u{a0}b \u{2800}c"), "a\\u{a0}b \\u{2800}c");
    }

    #[test]
    fn symbols_without_ink_are_blank() {
        for blank in ['\u{2800}', '\u{1d159}', '\u{fffc}'] {
            let shown = blank.escape_unicode().to_string();
            assert_eq!(forbidden_in_names(&format!("a{blank}")), Some(blank), "{shown}");
            assert_eq!(escaped(&blank.to_string()), shown);
        }
    }

    #[test]
    fn line_ends_become_line_feeds() {
        assert_eq!(escaped_lines("a\r\nb\rc\n\r\n\r"), "a\nb\\u{d}c\n\n\\u{d}");
        assert_eq!(escaped("a\r\nb\t"), "a\\u{d}\\u{a}b\\u{9}");
        assert_eq!(code_point('\u{430}'), "U+0430");
    }
}
