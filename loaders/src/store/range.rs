//! Conditional and range requests for immutable content: `Range`, `If-Range`, `If-None-Match` (RFC 9110, sections 13
//! and 14).

use std::ops::Range;

use axum::http::header::{HeaderMap, IF_NONE_MATCH, IF_RANGE, RANGE};

/// Returns true if the client already has the content with this tag.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        // A weak tag is sufficient, because If-None-Match uses weak comparison.
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// The part of the content that a client requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole content.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// A range outside of the content.
    Nowhere,
}

/// Returns the requested part. An invalid range, another unit or several ranges are ignored, and the response is then
/// the whole content.
pub(super) fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return Wanted::Whole;
    };
    if headers.get(IF_RANGE).is_some_and(|known| known != tag) {
        return Wanted::Whole;
    }
    range
        .to_str()
        .ok()
        .and_then(|range| parse(range, size))
        .unwrap_or(Wanted::Whole)
}

fn parse(range: &str, size: u64) -> Option<Wanted> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first, last) {
        ("", last) => (size.saturating_sub(number(last)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some(if start < end {
        Wanted::Part(start..end)
    } else {
        Wanted::Nowhere
    })
}

/// Parses digits only. Rust's own parser also accepts a sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// STORE-16: the bytes that a range selects.
    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-4", Wanted::Part(0..5)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("bytes=5-1000", Wanted::Part(5..10)),
            ("bytes=5-99999999999999999999999", Wanted::Part(5..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Nowhere),
            ("bytes=10-12", Wanted::Nowhere),
            ("bytes=99999999999999999999999-", Wanted::Nowhere),
            ("bytes=-0", Wanted::Nowhere),
            ("bytes=4-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes 0-4", Wanted::Whole),
            ("lines=0-4", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, range.parse().unwrap());
            assert_eq!(wanted(&headers, "\"t\"", 10), expected, "{range}");
            headers.insert(IF_RANGE, "\"t\"".parse().unwrap());
            assert_eq!(wanted(&headers, "\"t\"", 10), expected, "{range}");
            headers.insert(IF_RANGE, "\"other\"".parse().unwrap());
            assert_eq!(wanted(&headers, "\"t\"", 10), Wanted::Whole, "{range}");
        }
        assert_eq!(wanted(&HeaderMap::new(), "\"t\"", 10), Wanted::Whole);
    }

    #[test]
    fn tags() {
        for (value, expected) in [
            ("\"t\"", true),
            ("W/\"t\"", true),
            ("\"a\", \"t\"", true),
            ("*", true),
            ("\"a\"", false),
            ("t", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, value.parse().unwrap());
            assert_eq!(is_known(&headers, "\"t\""), expected, "{value}");
        }
    }
}
