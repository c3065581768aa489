//! `secrets`: the use of secrets that the host holds, by their names and what each may be used for.

use url::Host;

use crate::{Action, ActionName, Base, Family, FamilyName, Origin, Pattern, Problem, describe_pattern};

/// Secrets of the host. A resource is a name and its use: `STRIPE@https://api.stripe.com:443` (action `send`), or
/// `JWT@HMAC-SHA-256` (action `key`). A scope is the same; there are no patterns.
#[derive(Debug, Clone, Copy)]
pub struct Secrets;

/// Maximum length of a secret's name, in bytes.
const MAX_NAME: usize = 128;

/// The name of a secret: letters, digits, `_`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretName(String);

impl SecretName {
    /// Parses the name of a secret.
    ///
    /// # Errors
    /// [`Problem::SecretName`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(is_part) {
            return Err(Problem::SecretName);
        }
        Ok(SecretName(text.to_owned()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An algorithm for which a secret may be a key. Each key has exactly one, so that it answers no questions of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyAlgorithm(&'static str);

/// The algorithms, by the names of the Web Cryptography API, each with its hash or curve.
const ALGORITHMS: [&str; 15] = [
    "HMAC-SHA-1",
    "HMAC-SHA-256",
    "HMAC-SHA-384",
    "HMAC-SHA-512",
    "AES-GCM",
    "Ed25519",
    "ECDSA-P-256",
    "ECDSA-P-384",
    "ECDSA-P-521",
    "RSASSA-PKCS1-v1_5-SHA-256",
    "RSASSA-PKCS1-v1_5-SHA-384",
    "RSASSA-PKCS1-v1_5-SHA-512",
    "RSA-PSS-SHA-256",
    "RSA-PSS-SHA-384",
    "RSA-PSS-SHA-512",
];

impl KeyAlgorithm {
    /// Parses the name of an algorithm.
    ///
    /// # Errors
    /// [`Problem::KeyAlgorithm`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let known = ALGORITHMS.into_iter().find(|known| *known == text);
        known.map(KeyAlgorithm).ok_or(Problem::KeyAlgorithm)
    }

    /// Returns the name as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

/// Splits a resource into the name of a secret and its use.
fn split(text: &str) -> Result<(SecretName, &str), Problem> {
    let (name, used) = text.split_once('@').ok_or(Problem::SecretUse)?;
    Ok((SecretName::parse(name)?, used))
}

/// Parses an origin that a secret may be sent to. A secret is not sent in clear text, except to this machine.
fn origin(text: &str) -> Result<Origin, Problem> {
    let origin = Origin::parse(text)?;
    let is_local = match origin.host() {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    match origin.scheme() {
        "https" => Ok(origin),
        "http" if is_local => Ok(origin),
        _ => Err(Problem::SecretOrigin),
    }
}

impl Family for Secrets {
    fn name(&self) -> FamilyName {
        FamilyName::SECRETS
    }

    fn actions(&self) -> &[Action] {
        &[
            Action {
                name: ActionName::SEND,
                summary: "let fetch send a secret of the host in a header to one origin",
            },
            Action {
                name: ActionName::KEY,
                summary: "let crypto.subtle use a secret of the host with one algorithm",
            },
        ]
    }

    fn parse_scope(&self, action: ActionName, text: &str, base: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![Pattern::exact(self.parse_resource(action, text, base)?)])
    }

    fn parse_resource(&self, action: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        let (name, used) = split(text)?;
        Ok(if action == ActionName::SEND {
            format!("{}@{}", name.as_str(), origin(used)?.as_str())
        } else {
            format!("{}@{}", name.as_str(), KeyAlgorithm::parse(used)?.as_str())
        })
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(action: ActionName, text: &str) -> Result<String, Problem> {
        Secrets.parse_resource(action, text, &Base::new("/").unwrap())
    }

    /// TOK-48.
    #[test]
    fn a_resource_is_a_name_and_its_use() {
        for (action, text, canonical) in [
            (
                ActionName::SEND,
                "STRIPE@https://API.stripe.com",
                "STRIPE@https://api.stripe.com:443",
            ),
            (
                ActionName::SEND,
                "a.b-c_1@http://127.0.0.1:8080",
                "a.b-c_1@http://127.0.0.1:8080",
            ),
            (ActionName::SEND, "a@http://[::1]", "a@http://[::1]:80"),
            (ActionName::SEND, "a@http://localhost:1", "a@http://localhost:1"),
            (ActionName::KEY, "JWT@HMAC-SHA-256", "JWT@HMAC-SHA-256"),
        ] {
            assert_eq!(resource(action, text).unwrap(), canonical);
            assert_eq!(resource(action, canonical).unwrap(), canonical);
        }
        for algorithm in ALGORITHMS {
            assert!(resource(ActionName::KEY, &format!("k@{algorithm}")).is_ok());
        }
        assert!(SecretName::parse(&"n".repeat(MAX_NAME)).is_ok());
    }

    /// TOK-48.
    #[test]
    fn other_texts_are_refused() {
        for (action, text) in [
            (ActionName::SEND, "STRIPE"),
            (ActionName::SEND, "@https://a.com"),
            (ActionName::SEND, "STRIPE@"),
            (ActionName::SEND, "*@https://a.com"),
            (ActionName::SEND, "STRIPE@https://*.a.com"),
            (ActionName::SEND, "STRIPE@http://a.com"),
            (ActionName::SEND, "STRIPE@http://10.0.0.1"),
            (ActionName::SEND, "STRIPE@http://localhost.a.com"),
            (ActionName::SEND, "STRIPE@tcp://127.0.0.1:80"),
            (ActionName::SEND, "STRIPE@https://user@a.com"),
            (ActionName::SEND, "A B@https://a.com"),
            (ActionName::SEND, "JWT@HMAC-SHA-256"),
            (ActionName::KEY, "JWT@hmac-sha-256"),
            (ActionName::KEY, "JWT@HMAC"),
            (ActionName::KEY, "JWT@*"),
            (ActionName::KEY, "JWT@https://a.com"),
        ] {
            assert!(resource(action, text).is_err(), "{text}");
        }
        assert!(SecretName::parse(&"n".repeat(MAX_NAME + 1)).is_err());
    }
}
