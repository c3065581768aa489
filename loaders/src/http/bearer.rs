//! The bearer token of a request.

use reqwest::header::HeaderValue;

/// A token for the header `Authorization: Bearer …`. The token grants its bearer rights on the server, so no message or
/// debug output shows it.
#[derive(Debug, Clone)]
pub struct BearerToken(HeaderValue);

/// Maximum length of a token, in bytes. It is more than servers accept.
pub const MAX_BEARER_TOKEN: usize = 32 * 1024;

/// The error for a text that cannot be sent as a bearer token. It does not repeat the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("a token is one line of 1 to {MAX_BEARER_TOKEN} letters, digits and signs of ASCII, without spaces")]
pub struct BearerTokenError;

impl BearerToken {
    /// Creates a token from this text.
    ///
    /// # Errors
    /// Returns [`BearerTokenError`].
    pub fn new(text: &str) -> Result<Self, BearerTokenError> {
        let is_token =
            (1..=MAX_BEARER_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_token {
            return Err(BearerTokenError);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| BearerTokenError)?;
        // Keeps the value out of HPACK's compression table and out of debug output.
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_single_words_and_not_shown() {
        let long = "x".repeat(MAX_BEARER_TOKEN + 1);
        for text in ["", " ", "a b", "a\n", "a\r\nHost: evil", "é", "a\0", &long] {
            assert_eq!(BearerToken::new(text).err(), Some(BearerTokenError), "{text:?}");
        }
        let token = BearerToken::new("secret-=_").unwrap();
        assert!(!format!("{token:?}").contains("secret"), "{token:?}");
        assert_eq!(token.header(), "Bearer secret-=_");
        assert!(BearerToken::new(&"x".repeat(MAX_BEARER_TOKEN)).is_ok());
    }
}
