//! The memory that V8's parser of JSON takes outside of its heap.

/// Memory that V8's parser of JSON takes for an array or object that has not ended yet, in bytes. The parser's lists
/// grow by doubling.
const OPEN: usize = 80;
/// Memory that it takes for a property of an object that has not ended yet, in bytes.
const PROPERTY: usize = 88;
/// Memory that it takes for an element of an array that has not ended yet, in bytes.
const ELEMENT: usize = 16;

/// Returns the most that V8's parser takes outside of its heap for a JSON text. It stops counting at `most`.
pub(super) fn needs(units: impl Iterator<Item = u16>, most: usize) -> usize {
    // The size of a value, and the number of values, of each array or object that has not ended yet.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let (mut needed, mut peak) = (0_usize, 0_usize);
    let (mut in_text, mut is_escaped) = (false, false);
    for unit in units {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match u8::try_from(unit).unwrap_or(0) {
            b'"' => in_text = !in_text,
            b'\\' => is_escaped = in_text,
            _ if in_text => {}
            b'[' => {
                open.push((ELEMENT, 0));
                needed += OPEN;
            }
            b'{' => {
                open.push((PROPERTY, 0));
                needed += OPEN;
            }
            b']' | b'}' => {
                if let Some((size, count)) = open.pop() {
                    needed = needed.saturating_sub(OPEN + size * count);
                }
            }
            b',' => {
                if let Some((size, count)) = open.last_mut() {
                    *count += 1;
                    needed += *size;
                }
            }
            _ => {}
        }
        peak = peak.max(needed);
        if peak > most {
            break;
        }
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::{ELEMENT, OPEN, PROPERTY};

    #[test]
    fn json_needs_memory_for_what_has_not_ended() {
        let needs = |text: &str| super::needs(text.encode_utf16(), 1000);
        assert_eq!(needs("\"[[[,,,\\\"[{\""), 0);
        assert_eq!(needs("[[[ä"), 3 * OPEN);
        assert_eq!(needs("[[],[],[]]"), 2 * OPEN + 2 * ELEMENT);
        assert_eq!(needs("[{\"a\":1,\"\\\\\":3},{}]"), 2 * OPEN + PROPERTY);
        assert_eq!(needs("]],[]"), OPEN);
        assert_eq!(needs(&"[".repeat(5000)), 13 * OPEN);
    }
}
