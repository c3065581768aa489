//! Durations as people write them: `30s`, `10m`, `1h 30m`.

use std::time::Duration;

use crate::text::quoted;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// A unit that differs from another one by case alone: `M` is a month, and `m` is a minute.
    #[error(
        "{} has a unit in capitals: write `m` or `min` for minutes, `months` for months",
        quoted(text)
    )]
    Capitals {
        /// The text.
        text: String,
    },
    /// It is none.
    #[error("{} is not a duration; write one such as 30s, 10m or 7days", quoted(text))]
    Malformed {
        /// The text.
        text: String,
    },
}

/// The duration that this text means, the same everywhere: in manifests, in commands and in what guests ask for.
///
/// # Errors
/// It is none, or has a unit that another case would make another one.
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
