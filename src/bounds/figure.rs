//! Figures of limits, in a canonical spelling.
//!
//! This project defines the spelling itself, so that a new version of a library cannot change what a lock records.

use std::fmt;
use std::time::Duration;

/// The figure of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    /// A count, for example `1000`.
    Count(u64),
    /// A size, for example `64MiB`.
    Size(u64),
    /// A time, for example `1500ms`.
    Time(Duration),
}

/// The units of sizes in bytes, and of times in nanoseconds. The largest unit that divides the value is used.
const SIZES: [(&str, u128); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIMES: [(&str, u128); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

impl Figure {
    /// Parses a figure of the same kind.
    pub(super) fn parse_as(self, text: &str) -> Option<Figure> {
        match self {
            Figure::Count(_) => text.parse().ok().map(Figure::Count),
            Figure::Size(_) => u64::try_from(parse(text, &SIZES)?).ok().map(Figure::Size),
            Figure::Time(_) => {
                let nanoseconds = parse(text, &TIMES)?;
                let seconds = u64::try_from(nanoseconds / 1_000_000_000).ok()?;
                let rest = u32::try_from(nanoseconds % 1_000_000_000).ok()?;
                Some(Figure::Time(Duration::new(seconds, rest)))
            }
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Count(count) => write!(formatter, "{count}"),
            Figure::Size(size) => write(formatter, u128::from(*size), &SIZES),
            Figure::Time(time) => write(formatter, time.as_nanos(), &TIMES),
        }
    }
}

fn write(formatter: &mut fmt::Formatter<'_>, value: u128, units: &[(&str, u128)]) -> fmt::Result {
    let (unit, size) = units
        .iter()
        .find(|(_, size)| value.is_multiple_of(*size))
        .copied()
        .unwrap_or(("", 1));
    write!(formatter, "{}{unit}", value / size)
}

fn parse(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = units.iter().find(|(known, _)| *known == unit)?;
    number.parse::<u128>().ok()?.checked_mul(*size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_one_spelling() {
        let table = [
            (Figure::Count(1_000), "1000"),
            (Figure::Size(0), "0GiB"),
            (Figure::Size(64 << 20), "64MiB"),
            (Figure::Size((64 << 20) + 1), "67108865B"),
            (Figure::Size(u64::MAX), "18446744073709551615B"),
            (Figure::Time(Duration::from_secs(60)), "60s"),
            (Figure::Time(Duration::from_millis(1_500)), "1500ms"),
            (Figure::Time(Duration::from_nanos(1)), "1ns"),
            (Figure::Time(Duration::MAX), "18446744073709551615999999999ns"),
        ];
        for (figure, text) in table {
            assert_eq!(figure.to_string(), text);
            assert_eq!(figure.parse_as(text), Some(figure));
        }
        for text in [
            "",
            "1",
            "MiB",
            "-1MiB",
            "1 MiB",
            "1mib",
            "340282366920938463463374607431768211455GiB",
        ] {
            assert_eq!(Figure::Size(0).parse_as(text), None, "{text}");
        }
    }
}
