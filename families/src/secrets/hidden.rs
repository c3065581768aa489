//! Secrets in responses. A server may repeat the headers that it got.

use super::Secret;

/// Replaces each of these secrets by as many `*`, so that sizes stay the same. Returns true if there was one.
///
/// Only a whole secret is replaced. A part would tell a guest how much of a guess is right.
pub(crate) fn hide(bytes: &mut [u8], secrets: &[Secret]) -> bool {
    let mut found = false;
    for secret in secrets {
        let secret = secret.bytes();
        let mut from = 0;
        while let Some(rest) = bytes.get_mut(from..) {
            let Some(at) = rest.windows(secret.len()).position(|part| part == secret) else {
                break;
            };
            if let Some(part) = rest.get_mut(at..at + secret.len()) {
                part.fill(b'*');
            }
            found = true;
            from += at + secret.len();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_secrets_are_hidden() {
        let secrets = [Secret::new("abcdefgh"), Secret::new("aaaaaaaa")];
        for (text, hidden) in [
            ("abcdefgh", "********"),
            ("xabcdefghabcdefghy", "x****************y"),
            ("abcdefg", "abcdefg"),
            ("aaaaaaaaaaaa", "********aaaa"),
            ("", ""),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            assert_eq!(hide(&mut bytes, &secrets), text != hidden, "{text}");
            assert_eq!(bytes, hidden.as_bytes());
        }
    }
}
