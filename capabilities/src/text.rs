//! Quotation of untrusted texts in messages.

use std::fmt;

use secure_runtime_text::escaped;

/// Maximum number of characters of an untrusted text in a message.
const SHOWN: usize = 120;

/// Formats an untrusted text between backticks, shortened and with hidden characters escaped, because
/// messages end on terminals and in logs.
pub(crate) fn quoted(text: &str) -> impl fmt::Display + '_ {
    struct Quoted<'a>(&'a str);
    impl fmt::Display for Quoted<'_> {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("`")?;
            let shown: String = self.0.chars().take(SHOWN).collect();
            formatter.write_str(&escaped(&shown))?;
            formatter.write_str(if self.0.chars().nth(SHOWN).is_some() {
                "…`"
            } else {
                "`"
            })
        }
    }
    Quoted(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_never_reach_a_message() {
        assert_eq!(
            quoted("a\x1b[2J\n\u{202e}b\u{34f}\u{ffa0}").to_string(),
            "`a\\u{1b}[2J\\u{a}\\u{202e}b\\u{34f}\\u{ffa0}`"
        );
        assert_eq!(quoted("it's \"c:\\d\"").to_string(), "`it's \"c:\\d\"`");
        assert_eq!(quoted(&"x".repeat(500)).to_string().chars().count(), SHOWN + 3);
    }
}
