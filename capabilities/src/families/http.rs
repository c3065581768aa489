//! `http`: serving HTTP, by the address and port to listen on.

use std::net::SocketAddr;

use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem, describe_pattern};

/// Serving HTTP. A scope is an address with a port (`127.0.0.1:8080`, `[::1]:8080`), or all addresses with a port
/// (`*:443`). With port 0, the operating system chooses a free port.
#[derive(Debug, Clone, Copy)]
pub struct Http;

/// An address with a port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenAddress(SocketAddr);

impl ListenAddress {
    /// Parses an address with a port. `localhost` means `127.0.0.1`.
    ///
    /// # Errors
    /// [`Problem::Listen`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let address = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        let address: SocketAddr = address.parse().map_err(|_| Problem::Listen)?;
        // A zone chooses an interface of the machine.
        if matches!(address, SocketAddr::V6(address) if address.scope_id() != 0 || address.flowinfo() != 0) {
            return Err(Problem::Listen);
        }
        // `::ffff:127.0.0.1` is the same socket as `127.0.0.1`.
        Ok(ListenAddress(SocketAddr::new(
            address.ip().to_canonical(),
            address.port(),
        )))
    }

    /// Returns the address.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

/// Parses a port as the canonical form of an address has it.
pub(super) fn port(text: &str) -> Result<u16, Problem> {
    let number: u16 = text.parse().map_err(|_| Problem::Listen)?;
    if number.to_string() == text {
        Ok(number)
    } else {
        Err(Problem::Listen)
    }
}

impl Family for Http {
    fn name(&self) -> FamilyName {
        FamilyName::HTTP
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::LISTEN,
            summary: "accept connections and answer their HTTP requests",
        }]
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![match text.strip_prefix("*:") {
            Some(text) => Pattern::affix("", format!(":{}", port(text)?)),
            None => Pattern::exact(ListenAddress::parse(text)?.0.to_string()),
        }])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(ListenAddress::parse(text)?.0.to_string())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let describe = |pattern: &Pattern| match pattern {
            Pattern::Affix { prefix, suffix } if prefix.is_empty() && suffix.starts_with(':') => {
                format!("*{suffix}")
            }
            pattern => describe_pattern(pattern),
        };
        patterns.iter().map(describe).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(scope: &str) -> Result<Vec<Pattern>, Problem> {
        Http.parse_scope(ActionName::LISTEN, scope, &Base::new("/").unwrap())
    }

    fn resource(text: &str) -> Result<String, Problem> {
        Http.parse_resource(ActionName::LISTEN, text, &Base::new("/").unwrap())
    }

    /// TOK-45.
    #[test]
    fn scopes_match_addresses_with_ports() {
        for (scope, matched, others) in [
            (
                "127.0.0.1:8080",
                &["127.0.0.1:8080", "localhost:8080", "[::ffff:127.0.0.1]:8080"][..],
                &["127.0.0.1:80", "0.0.0.0:8080", "[::1]:8080"][..],
            ),
            (
                "*:443",
                &["0.0.0.0:443", "[::]:443", "10.0.0.1:443"],
                &["0.0.0.0:4430", "0.0.0.0:1443"],
            ),
            ("[0:0::1]:0", &["[::1]:0"], &["[::1]:1", "127.0.0.1:0"]),
        ] {
            let pattern = &patterns(scope).unwrap()[0];
            for text in matched {
                assert!(pattern.matches(&resource(text).unwrap()), "{scope} {text}");
            }
            for text in others {
                assert!(!pattern.matches(&resource(text).unwrap()), "{scope} {text}");
            }
        }
        let base = Base::new("/").unwrap();
        let described = |scope: &str| Http.describe(ActionName::LISTEN, &patterns(scope).unwrap(), &base);
        assert_eq!(described("*:443"), ["*:443"]);
        assert_eq!(described("localhost:80"), ["127.0.0.1:80"]);
    }

    /// TOK-45.
    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "8080",
            ":8080",
            "127.0.0.1",
            "example.com:80",
            "*",
            "*:*",
            "*:",
            "*:080",
            "*:65536",
            "*:+1",
            "127.0.0.1:65536",
            "[fe80::1%1]:80",
            "1:80",
        ] {
            assert_eq!(patterns(text), Err(Problem::Listen), "{text}");
        }
        for text in ["*:80", "::1:80"] {
            assert_eq!(resource(text), Err(Problem::Listen), "{text}");
        }
    }
}
