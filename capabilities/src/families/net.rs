//! `net`: connections, by origin; sockets that listen, by address; and lookups of names.

use std::fmt;

use url::Host;

use super::http::{ListenAddress, port};
use crate::{
    Action, ActionName, Base, Family, FamilyName, Origin, OriginError, Pattern, Problem, describe_pattern,
    origin,
};

/// Network connections.
///
/// A scope of `connect` is an origin (`https://host`, `tcp://host:port`), all hosts below a name
/// (`https://*.example.com`), or a network (`tcp://10.0.0.0/8:5432`). Each is for one port or for a range of
/// ports (`tcp://db.example.com:5000-5999`).
///
/// A scope of `listen` is a transport with an address and a port (`tcp://127.0.0.1:8080`), or with all
/// addresses (`udp://*:53`). A scope of `resolve` is a name, or all names below one (`*.example.com`).
#[derive(Debug, Clone, Copy)]
pub struct Net;

/// A transport protocol, whose sockets are bound to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// Returns the name in scopes: `tcp` or `udp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }

    /// Splits off the transport of a resource or a scope.
    fn split(text: &str) -> Result<(Transport, &str), Problem> {
        match text.split_once("://") {
            Some(("tcp", rest)) => Ok((Transport::Tcp, rest)),
            Some(("udp", rest)) => Ok((Transport::Udp, rest)),
            _ => Err(Problem::Socket),
        }
    }
}

/// A socket to bind: a transport, and an address of this machine with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenEndpoint {
    transport: Transport,
    address: ListenAddress,
}

impl ListenEndpoint {
    /// Parses a socket such as `tcp://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`Problem::Socket`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let (transport, address) = Transport::split(text)?;
        let address = ListenAddress::parse(address).map_err(|_| Problem::Socket)?;
        Ok(ListenEndpoint { transport, address })
    }

    /// Returns the transport.
    pub fn transport(self) -> Transport {
        self.transport
    }

    /// Returns the address with its port.
    pub fn address(self) -> ListenAddress {
        self.address
    }
}

impl fmt::Display for ListenEndpoint {
    /// Writes the canonical resource: `tcp://127.0.0.1:8080`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}://{}",
            self.transport.as_str(),
            self.address.address()
        )
    }
}

/// The name of a host, in the form of TOK-28. It is not an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`OriginError::Host`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        match origin::parse_host(text)? {
            Host::Domain(name) => Ok(HostName(name)),
            _ => Err(OriginError::Host {
                host: text.to_owned(),
                reason: "it is an address, and only names are resolved",
            }),
        }
    }

    /// Returns the canonical name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Family for Net {
    fn name(&self) -> FamilyName {
        FamilyName::NET
    }

    fn actions(&self) -> &[Action] {
        &[
            Action {
                name: ActionName::CONNECT,
                summary: "open connections, and send requests and datagrams",
            },
            Action {
                name: ActionName::LISTEN,
                summary: "accept connections, and receive datagrams",
            },
            Action {
                name: ActionName::RESOLVE,
                summary: "look up the addresses of names",
            },
        ]
    }

    fn parse_scope(&self, action: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![match action {
            ActionName::LISTEN => listen_scope(text)?,
            ActionName::RESOLVE => resolve_scope(text)?,
            _ => origin::parse_scope(text)?,
        }])
    }

    fn parse_resource(&self, action: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(match action {
            ActionName::LISTEN => ListenEndpoint::parse(text)?.to_string(),
            ActionName::RESOLVE => HostName::parse(text)?.0,
            _ => Origin::parse(text)?.as_str().to_owned(),
        })
    }

    fn describe(&self, action: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let describe = match action {
            ActionName::LISTEN | ActionName::RESOLVE => describe_affix,
            _ => describe_origin,
        };
        patterns.iter().map(describe).collect()
    }
}

/// Parses `tcp://127.0.0.1:8080`, or `tcp://*:8080` for all addresses.
fn listen_scope(text: &str) -> Result<Pattern, Problem> {
    let (transport, address) = Transport::split(text)?;
    Ok(match address.strip_prefix("*:") {
        Some(text) => {
            let port = port(text).map_err(|_| Problem::Socket)?;
            Pattern::affix(format!("{}://", transport.as_str()), format!(":{port}"))
        }
        None => Pattern::exact(ListenEndpoint::parse(text)?.to_string()),
    })
}

/// Parses a name, or `*.example.com` for all names below one.
fn resolve_scope(text: &str) -> Result<Pattern, Problem> {
    let below = text.strip_prefix("*.");
    if below.unwrap_or(text).contains('*') {
        return Err(Problem::Wildcard {
            hint: "`*` is allowed only for whole labels at the front, as in `*.example.com`",
        });
    }
    Ok(match below {
        Some(name) => Pattern::affix("", format!(".{}", HostName::parse(name)?.0)),
        None => Pattern::exact(HostName::parse(text)?.0),
    })
}

/// Returns the scope of a pattern that [`listen_scope`] or [`resolve_scope`] returned.
fn describe_affix(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Affix { prefix, suffix } if suffix.starts_with(['.', ':']) => format!("{prefix}*{suffix}"),
        pattern => describe_pattern(pattern),
    }
}

/// Returns the scope, without the port if the scheme implies it.
fn describe_origin(pattern: &Pattern) -> String {
    let Pattern::Exact(text) = pattern else {
        return describe_pattern(pattern);
    };
    match Origin::parse(text) {
        Ok(origin) if origin.as_str() == text && origin.has_default_port() => {
            format!("{}://{}", origin.scheme(), origin.host())
        }
        _ => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base::new("/").unwrap()
    }

    fn pattern(action: ActionName, scope: &str) -> Result<Pattern, Problem> {
        Net.parse_scope(action, scope, &base())
            .map(|mut patterns| patterns.remove(0))
    }

    fn resource(action: ActionName, text: &str) -> Result<String, Problem> {
        Net.parse_resource(action, text, &base())
    }

    /// Checks which resources a scope matches, and how it is described.
    #[track_caller]
    fn matches(action: ActionName, scope: &str, described: &str, matched: &[&str], others: &[&str]) {
        let pattern = pattern(action, scope).unwrap();
        for text in matched {
            assert!(
                pattern.matches(&resource(action, text).unwrap()),
                "{scope} {text}"
            );
        }
        for text in others {
            assert!(
                !pattern.matches(&resource(action, text).unwrap()),
                "{scope} {text}"
            );
        }
        let texts = Net.describe(action, std::slice::from_ref(&pattern), &base());
        assert_eq!(texts, [described]);
        assert_eq!(
            Net.parse_scope(action, &texts[0], &base()),
            Ok(vec![pattern.clone()])
        );
        assert!(
            crate::Rights::new([crate::Right {
                family: FamilyName::NET,
                action,
                pattern
            }])
            .is_ok()
        );
    }

    /// TOK-28: each scheme is its own.
    #[test]
    fn a_scheme_covers_no_other_scheme() {
        let all = [
            "http://db.example:443",
            "https://db.example:443",
            "tcp://db.example:443",
            "tls://db.example:443",
            "udp://db.example:443",
        ];
        for scope in all {
            let pattern = pattern(ActionName::CONNECT, scope).unwrap();
            for text in all {
                let text = resource(ActionName::CONNECT, text).unwrap();
                assert_eq!(pattern.matches(&text), text == scope, "{scope} {text}");
            }
        }
        for scope in ["tls://db.example", "udp://db.example", "tcp://db.example"] {
            assert!(matches!(
                pattern(ActionName::CONNECT, scope),
                Err(Problem::Origin(OriginError::NoPort { .. }))
            ));
        }
    }

    /// TOK-46.
    #[test]
    fn scopes_of_listen_match_sockets() {
        let listen = ActionName::LISTEN;
        matches(
            listen,
            "tcp://localhost:8080",
            "tcp://127.0.0.1:8080",
            &[
                "tcp://127.0.0.1:8080",
                "tcp://localhost:8080",
                "tcp://[::ffff:127.0.0.1]:8080",
            ],
            &[
                "udp://127.0.0.1:8080",
                "tcp://127.0.0.1:80",
                "tcp://0.0.0.0:8080",
                "tcp://[::1]:8080",
            ],
        );
        matches(
            listen,
            "udp://*:53",
            "udp://*:53",
            &["udp://0.0.0.0:53", "udp://[::]:53", "udp://10.0.0.1:53"],
            &["tcp://0.0.0.0:53", "udp://0.0.0.0:153", "udp://0.0.0.0:5353"],
        );
        matches(
            listen,
            "tcp://[0:0::1]:0",
            "tcp://[::1]:0",
            &["tcp://[::1]:0"],
            &["tcp://[::1]:1"],
        );
        for text in [
            "",
            "127.0.0.1:80",
            "tls://127.0.0.1:80",
            "TCP://127.0.0.1:80",
            "tcp://example.com:80",
            "tcp://127.0.0.1",
            "tcp://*",
            "tcp://*:*",
            "tcp://*:080",
            "tcp://*:80-90",
            "tcp://[fe80::1%1]:80",
            "tcp://127.0.0.1:80/",
        ] {
            assert_eq!(pattern(listen, text), Err(Problem::Socket), "{text}");
        }
        assert_eq!(resource(listen, "tcp://*:80"), Err(Problem::Socket));
    }

    /// TOK-47.
    #[test]
    fn scopes_of_resolve_match_names() {
        let resolve = ActionName::RESOLVE;
        matches(
            resolve,
            "DB.Example.",
            "db.example",
            &["db.example", "db.EXAMPLE."],
            &["a.db.example", "db.example.com", "example"],
        );
        matches(
            resolve,
            "*.b\u{fc}cher.example",
            "*.xn--bcher-kva.example",
            &["a.xn--bcher-kva.example", "a.b.b\u{fc}cher.example"],
            &["xn--bcher-kva.example", "axn--bcher-kva.example"],
        );
        for text in [
            "*", "*.", "a.*", "*a.b", "*.*.b", "", "10.0.0.1", "*.0.1", "[::1]", "127.1", "a..b", "a/b",
            "a:80",
        ] {
            assert!(pattern(resolve, text).is_err(), "{text}");
        }
        for text in ["*.a", "10.0.0.1", "0x7f.1", "[::1]"] {
            assert!(resource(resolve, text).is_err(), "{text}");
        }
    }
}
