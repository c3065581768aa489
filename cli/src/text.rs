//! Text output: removes everything that a terminal would interpret as a control sequence.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::failure::Failure;
use super::secrets;

/// The prefix `error: `, in red. anstream removes colours if the output is not a terminal or NO_COLOR is set.
pub(super) const ERROR: &str = "\x1b[1;31merror\x1b[0m: ";
/// The prefix `warning: `, in yellow.
pub(super) const WARNING: &str = "\x1b[1;33mwarning\x1b[0m: ";
/// The prefix `note: `, in cyan.
pub(super) const NOTE: &str = "\x1b[1;36mnote\x1b[0m: ";

/// Escapes control and invisible characters in a text, so that a terminal shows them and does not interpret them. Line
/// breaks stay.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    secure_runtime_text::escaped_lines(text)
}

/// Prepares a message for standard error: escapes it like [`plain`] and removes everything that looks like a secret.
pub(super) fn message(text: &str) -> String {
    plain(&secrets::shown(text)).into_owned()
}

/// Escapes the text like [`plain`], and escapes line breaks as well.
pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let lines = lines.iter().map(|line| secure_runtime_text::escaped(line));
    lines.collect::<Vec<_>>().join("\\n")
}

/// Escapes a guest's text with several lines, and marks each further line, so that none can imitate output of this
/// command.
pub(super) fn quoted_lines(text: &str) -> String {
    /// Maximum number of characters. A guest must not push all other output out of the terminal's scrollback.
    const LENGTH: usize = 4_000;
    let mut shown: String = text.chars().take(LENGTH).collect();
    if text.chars().nth(LENGTH).is_some() {
        shown.push('…');
    }
    let shown = secure_runtime_text::readable(&shown);
    shown.replace('\t', "\\t").replace('\n', "\n    | ")
}

/// Quotes a text for a shell.
pub(super) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Quotes a text for a shell if it has a character that a shell may interpret.
pub(super) fn shell_argument(text: &str) -> Cow<'_, str> {
    let is_safe = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    if !text.is_empty() && text.chars().all(is_safe) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(shell_quoted(text))
    }
}

/// Formats a value as JSON in ASCII, so that a terminal that shows it interprets nothing.
pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::bug(error.to_string()))?;
    Ok(format!("{}\n", secure_runtime_text::ascii_json(&text)))
}

/// Formats a size, for example `812.3 KiB`.
pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

/// Formats a number of items, for example `1 module` or `2 modules`.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// A progress bar, which a terminal shows until the value is dropped. Without a terminal, nothing is shown.
pub(super) struct Working(ProgressBar);

impl Working {
    pub(super) fn on(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        // The steady tick needs a thread, which is wasted if nothing is shown.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Working(bar)
    }

    pub(super) fn steps(what: &'static str, steps: usize) -> Self {
        let bar = ProgressBar::new(steps as u64).with_message(what);
        Working(bar)
    }

    /// Shows the number of bytes that are ready, and the total if it is known.
    pub(super) fn at(&self, have: u64, total: Option<u64>) {
        let total = total.unwrap_or(have);
        if self.0.length() != Some(total) {
            // The template is a constant. If it were invalid, the spinner would stay.
            if let Ok(style) =
                ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}")
            {
                self.0.set_style(style);
            }
            self.0.set_length(total);
        }
        self.0.set_position(have);
    }

    pub(super) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            plain("a\x1b[2J\r\u{202e}b\u{9b}\u{7f}\nc"),
            "a\\u{1b}[2J\\u{d}\\u{202e}b\\u{9b}\\u{7f}\nc"
        );
        assert_eq!(plain("a\r\nb\u{34f}\u{fe0f}"), "a\nb\\u{34f}\\u{fe0f}");
        assert_eq!(one_line("a\nb"), "a\\nb");
        assert_eq!(quoted_lines("a\n  help: b"), "a\n    |   help: b");
        assert_eq!(plain("größe 日本"), "größe 日本");
    }

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        for (text, expected) in [
            ("../a-b/c_1", "../a-b/c_1"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$(x)", "'$(x)'"),
            ("~", "'~'"),
            ("", "''"),
        ] {
            assert_eq!(shell_argument(text), expected);
        }
    }

    #[test]
    fn json_is_ascii_and_valid() {
        let text = json(&"\u{202e}\u{7f}\u{1f600}é").unwrap();
        assert!(text.is_ascii() && !text.contains('\u{7f}'));
        assert_eq!(
            serde_json::from_str::<String>(&text).unwrap(),
            "\u{202e}\u{7f}\u{1f600}é"
        );
    }
}
