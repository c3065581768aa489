//! Output of programs, escaped so that it neither controls a terminal nor imitates other text.

use std::borrow::Cow;
use std::fmt::Write;

use icu_properties::props::{
    BinaryProperty, CanonicalCombiningClass, Emoji, EmojiModifier, ExtendedPictographic, JoiningType,
};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::{is_hidden, is_plain};

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
const TEXT_STYLE: char = '\u{fe0e}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// Maximum number of marks between a joiner and its letter or emoji.
const MARKS: usize = 16;

/// Escapes hidden characters like `\x1b` or `\u202e`. Spaces, tabs and line ends are kept, including `\r\n`.
///
/// Three kinds of hidden characters are kept if Unicode gives them a visible effect:
/// - variation selectors after the emoji whose look they choose;
/// - joiners between two emoji;
/// - joiners between letters of scripts that use them, such as Persian and Hindi (RFC 5892, appendix A.1 and
///   A.2).
///
/// In these positions they cannot make one text look like another, because the text without them looks
/// different.
pub fn readable(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let next = || rest.clone().next();
        let stays = match character {
            '\n' | '\t' => true,
            '\r' => next() == Some('\n'),
            EMOJI_STYLE | TEXT_STYLE => before.is_some_and(|before| is_styled(before, next())),
            JOINER | NON_JOINER => is_joined(&shown, character, rest.as_str()),
            _ => !is_hidden(character),
        };
        if stays {
            shown.push(character);
        } else {
            push_escape(&mut shown, character);
        }
        // An escape ends in ASCII, after which no hidden character is kept.
        before = shown.chars().next_back();
    }
    Cow::Owned(shown)
}

fn push_escape(shown: &mut String, character: char) {
    // Writing to a string does not fail.
    let _ = match u32::from(character) {
        code @ ..=0xff => write!(shown, "\\x{code:02x}"),
        code @ ..=0xffff => write!(shown, "\\u{code:04x}"),
        code => write!(shown, "\\u{{{code:x}}}"),
    };
}

fn is<P: BinaryProperty>(character: char) -> bool {
    CodePointSetData::new::<P>().contains(character)
}

/// Returns true if a variation selector changes the look of this character. For a digit, that is so only in a
/// keycap.
fn is_styled(character: char, next: Option<char>) -> bool {
    is::<Emoji>(character) && (!character.is_ascii() || next == Some(KEYCAP))
}

/// Returns true if a joiner is between two characters that it joins or separates.
fn is_joined(before: &str, joiner: char, after: &str) -> bool {
    let Some(last) = before.chars().next_back() else {
        return false;
    };
    let class = CodePointMapData::<CanonicalCombiningClass>::new().get(last);
    // After a virama, a joiner selects the form of the letters. It may be followed by a letter, or end the
    // word.
    if class == CanonicalCombiningClass::Virama {
        return true;
    }
    if joiner == JOINER && is_emoji(before) {
        return after
            .chars()
            .next()
            .is_some_and(|next| is::<ExtendedPictographic>(next) && !next.is_ascii());
    }
    joins(before.chars().rev(), JoiningType::LeftJoining) && joins(after.chars(), JoiningType::RightJoining)
}

/// Returns true if the text ends in an emoji, which may be followed by a variation selector or a skin tone.
fn is_emoji(text: &str) -> bool {
    let mut characters = text.chars().rev().take(MARKS);
    let is_more = |character: char| character == EMOJI_STYLE || is::<EmojiModifier>(character);
    characters
        .find(|character| !is_more(*character))
        .is_some_and(is::<ExtendedPictographic>)
}

/// Returns true if the first non-transparent character joins on this side.
fn joins(characters: impl Iterator<Item = char>, side: JoiningType) -> bool {
    let types = CodePointMapData::<JoiningType>::new();
    let mut joining = characters.take(MARKS).map(|character| types.get(character));
    let first = joining.find(|joining| *joining != JoiningType::Transparent);
    first.is_some_and(|first| first == side || first == JoiningType::DualJoining)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_sequences_are_escaped() {
        for (text, shown) in [
            ("\u{1b}[2J\u{8}\u{9b}\u{7f}", "\\x1b[2J\\x08\\x9b\\x7f"),
            ("\u{202e}\u{2066}\u{2028}\u{feff}", "\\u202e\\u2066\\u2028\\ufeff"),
            (
                "a\u{34f}b\u{180b}\u{115f}\u{3164}\u{ffa0}\u{17b4}",
                "a\\u034fb\\u180b\\u115f\\u3164\\uffa0\\u17b4",
            ),
            (
                "a\u{fe0f}\u{1d173}\u{e0100}\u{e0041}",
                "a\\ufe0f\\u{1d173}\\u{e0100}\\u{e0041}",
            ),
            ("a\r\nb\rc\n\td\r", "a\r\nb\\x0dc\n\td\\x0d"),
            ("10\u{202f}000\u{a0}€", "10\u{202f}000\u{a0}€"),
        ] {
            assert_eq!(readable(text), shown);
        }
    }

    #[test]
    fn emoji_and_scripts_stay() {
        for text in [
            "❤\u{fe0f} ☎\u{fe0e} 1\u{fe0f}\u{20e3}",
            "👩\u{200d}👩\u{200d}👧 🏳\u{fe0f}\u{200d}🌈 👩🏽\u{200d}💻 🧔\u{200d}♂\u{fe0f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष ක්\u{200d}ර",
        ] {
            assert_eq!(readable(text), text, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn joiners_elsewhere_are_escaped() {
        for (text, shown) in [
            ("a\u{200d}b", "a\\u200db"),
            ("pay\u{200c}pal", "pay\\u200cpal"),
            ("👩\u{200d}", "👩\\u200d"),
            ("👩\u{200d}a", "👩\\u200da"),
            ("👩\u{200d}\u{200d}👧", "👩\\u200d\u{5c}u200d👧"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\\ufe0f"),
            ("\u{200d}", "\\u200d"),
            ("\u{1b}\u{fe0f}", "\\x1b\\ufe0f"),
            ("1\u{fe0f}0", "1\\ufe0f0"),
        ] {
            assert_eq!(readable(text), shown, "{}", text.escape_unicode());
        }
    }
}
