//! Strict hexadecimal: so many bytes, lower case, nothing around them.

/// The bytes that twice as many lower-case digits stand for, so that one value has one text.
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
