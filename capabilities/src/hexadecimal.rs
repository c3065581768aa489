//! Strict hexadecimal: 32 bytes, lower case, nothing around them.

/// The 32 bytes that 64 lower-case digits stand for, so that one value has one text.
pub(crate) fn decode(digits: &str) -> Option<[u8; 32]> {
    if !digits
        .bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}
