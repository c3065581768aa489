//! Names that look like others (Unicode Technical Standard #39).

use icu_properties::CodePointMapData;
use icu_properties::props::Script;
use unicode_security::is_potential_mixed_script_confusable_char;

/// Returns the skeleton of a name. People can hardly distinguish two names with the same skeleton.
pub fn skeleton(name: &str) -> String {
    unicode_security::skeleton(name).collect()
}

/// Returns the first non-Latin letter that looks like a Latin one, in a word that also has Latin letters.
pub fn foreign_letter(name: &str) -> Option<char> {
    if name.is_ascii() {
        return None;
    }
    let words = name.split(|character: char| !character.is_alphanumeric());
    words
        .filter(|word| word.contains(|character: char| character.is_ascii_alphabetic()))
        .flat_map(str::chars)
        .find(|character| is_foreign(*character) && is_potential_mixed_script_confusable_char(*character))
}

fn is_foreign(character: char) -> bool {
    let script = CodePointMapData::<Script>::new().get(character);
    ![Script::Latin, Script::Common, Script::Inherited].contains(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in [
            ("lodash", "l\u{43e}dash"),
            ("modern", "rnodern"),
            ("left-pad", "1eft-pad"),
            ("\u{430}\u{440}\u{440}", "app"),
            ("a b", "a\u{a0}b"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("react"), skeleton("preact"));
    }

    #[test]
    fn letters_of_another_script_are_found() {
        assert_eq!(foreign_letter("d\u{430}ta/a.txt"), Some('\u{430}'));
        assert_eq!(foreign_letter("lib/\u{3bf}auth.js"), Some('\u{3bf}'));
        for name in ["größe/日本a.js", "данные/a.txt", "données", "src/日本語.js"] {
            assert_eq!(foreign_letter(name), None, "{name}");
        }
    }
}
