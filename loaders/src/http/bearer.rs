//! The secret that a request is made with.

use reqwest::header::HeaderValue;

/// A text that says to a server what its bearer may do: `Authorization: Bearer …`. It is shown in no message and no debug output.
#[derive(Debug, Clone)]
pub struct BearerToken(HeaderValue);

/// Longest token, in bytes: more than servers take.
pub const MAX_BEARER_TOKEN: usize = 32 * 1024;

/// A text that no header can carry as a token. It is not repeated, since it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("a token is one line of 1 to {MAX_BEARER_TOKEN} letters, digits and signs of ASCII, without spaces")]
pub struct BearerTokenError;

impl BearerToken {
    /// The token with this text.
    ///
    /// # Errors
    /// [`BearerTokenError`].
    pub fn new(text: &str) -> Result<Self, BearerTokenError> {
        let is_token =
            (1..=MAX_BEARER_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_token {
            return Err(BearerTokenError);
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| BearerTokenError)?;
        // Not compressed into a table that later headers are compared with, and not shown.
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
    fn it_is_one_word_and_not_shown() {
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
