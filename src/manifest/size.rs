//! Sizes in human-readable form: `128MiB`, `20kB`.

use bytesize::ByteSize;

/// The accepted units, spelled like in the standard IEC 80000-13. Other spellings mean other units: `Mb` is megabits,
/// and `mB` is thousandths of a byte.
const UNITS: [&str; 12] = [
    "", "B", "kB", "MB", "GB", "TB", "PB", "KiB", "MiB", "GiB", "TiB", "PiB",
];

/// The reason why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// The unit has another meaning in the spelling of the text, or none.
    #[error("{text:?} has a unit that is not written so: write {meant}, or one of kB, KiB, MB, MiB, GB, GiB")]
    Unit {
        /// The rejected text.
        text: String,
        /// The unit that was probably meant.
        meant: &'static str,
    },
    /// The text is not a number with a unit.
    #[error("{text:?} is not a size: write one such as 128MiB")]
    Malformed {
        /// The rejected text.
        text: String,
    },
}

/// Parses a size, and returns its number of bytes.
///
/// # Errors
/// [`SizeError`], which says how to write the size.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let unit =
        text.trim_start_matches(|character: char| character.is_ascii_digit() || ". ".contains(character));
    let size: Option<ByteSize> = text.parse().ok();
    match size {
        Some(size) if UNITS.contains(&unit) => Ok(size.as_u64()),
        Some(_) => {
            let meant = UNITS.iter().find(|known| known.eq_ignore_ascii_case(unit));
            let meant = meant.copied().unwrap_or("MiB");
            let text = text.to_owned();
            Err(SizeError::Unit { text, meant })
        }
        None => Err(SizeError::Malformed {
            text: text.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_one_spelling() {
        for (text, bytes) in [
            ("128MiB", 128 << 20),
            ("20kB", 20_000),
            ("8", 8),
            ("1.5 GiB", 3 << 29),
            ("7B", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "128mib", "128Mb", "128mB", "1k", "1M", "1KB", "", "MiB", "1 XB", "-1MiB", "1MIB",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert!(matches!(
            parse_size("64Mib"),
            Err(SizeError::Unit { meant: "MiB", .. })
        ));
    }
}
