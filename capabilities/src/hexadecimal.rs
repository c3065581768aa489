//! Strict hexadecimal: a fixed number of bytes, lower case, and nothing else.

/// Decodes lower-case digits only, so that each value has one text.
pub(crate) fn decode<const LENGTH: usize>(digits: &str) -> Option<[u8; LENGTH]> {
    if !digits
        .bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    let mut bytes = [0; LENGTH];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}
