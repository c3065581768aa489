//! Durations in the form that people write: `30s`, `10m`, `1h 30m`.

use std::time::Duration;

use crate::text::quoted;

/// Error returned when a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// An upper-case unit. Some units differ only in case: `M` is a month, and `m` is a minute.
    #[error(
        "{} has a unit in capitals: write `m` or `min` for minutes, `months` for months",
        quoted(text)
    )]
    Capitals {
        /// The rejected text.
        text: String,
    },
    /// The text is not a duration.
    #[error("{} is not a duration; write one such as 30s, 10m or 7days", quoted(text))]
    Malformed {
        /// The rejected text.
        text: String,
    },
}

/// Parses a duration. Manifests, commands and guests all use this syntax.
///
/// # Errors
/// Returns an error if the text is not a duration, or has a unit in upper case.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let duration = humantime::parse_duration(text).map_err(|_| DurationError::Malformed {
        text: text.to_owned(),
    })?;
    if text.contains(|character: char| character.is_ascii_uppercase()) {
        return Err(DurationError::Capitals {
            text: text.to_owned(),
        });
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_in_capitals_are_refused() {
        for (text, seconds) in [
            ("10m", 600),
            ("1h 30m", 5_400),
            ("2months", 5_260_032),
            ("7days", 604_800),
        ] {
            assert_eq!(parse_duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["10M", "1h 1M", "1M"] {
            let error = parse_duration(text).unwrap_err();
            assert!(matches!(error, DurationError::Capitals { .. }), "{error}");
        }
        for text in ["", "10", "10x", "10S", "-1s"] {
            let error = parse_duration(text).unwrap_err();
            assert!(
                matches!(error, DurationError::Malformed { .. }),
                "{text}: {error}"
            );
        }
    }
}
