//! Network origins: scheme, host and port, in one canonical spelling.

use std::{fmt, net::IpAddr};

use thiserror::Error;
use url::{Host, Url};

use crate::text::quoted;

/// Longest host name, in bytes.
const MAX_HOST: usize = 253;

/// The schemes that origins have, and the port that each implies.
const SCHEMES: [(&str, Option<u16>); 3] = [("http", Some(80)), ("https", Some(443)), ("tcp", None)];

/// Why a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginError {
    /// No `://`.
    #[error(
        "{} has no scheme; write `https://host`, `http://host` or `tcp://host:port`",
        quoted(text)
    )]
    NoScheme {
        /// The text as given.
        text: String,
    },
    /// A scheme that is none of `http`, `https` and `tcp`.
    #[error("the scheme {} is none of `https`, `http`, `tcp`", quoted(scheme))]
    Scheme {
        /// The scheme as given.
        scheme: String,
    },
    /// Something besides scheme, host and port.
    #[error("an origin is only scheme, host and port: remove the {part}")]
    Part {
        /// What there is too much.
        part: &'static str,
    },
    /// A scheme that implies no port, and none was given.
    #[error("`{scheme}` has no default port: write `{scheme}://host:port`")]
    NoPort {
        /// The scheme.
        scheme: &'static str,
    },
    /// A port that is not a number from 1 to 65535 in its shortest form.
    #[error("{} is not a port: use a number from 1 to 65535", quoted(port))]
    Port {
        /// The port as given.
        port: String,
    },
    /// A host that is neither a domain name nor an address.
    #[error("{} is not a host: {reason}", quoted(host))]
    Host {
        /// The host as given.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// `scheme://host:port`, with the port always written.
///
/// The host is as the URL standard has it: lower case, Punycode, IPv4 from any numeric form, IPv6 in
/// brackets; and without the final dot that DNS allows, so that one host has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The canonical text.
    text: String,
    scheme: &'static str,
    host: Host,
    port: u16,
}

impl Origin {
    /// The origin that this text is; strict: nothing but scheme, host and port.
    ///
    /// # Errors
    /// [`OriginError`].
    pub fn parse(text: &str) -> Result<Origin, OriginError> {
        let (scheme, default_port, rest) = split_scheme(text)?;
        let (host, port) = split_port(rest)?;
        Origin::checked(scheme, default_port, host, port)
    }

    /// The origin that a request for this URL connects to.
    ///
    /// # Errors
    /// A scheme, host or port that an origin does not have.
    pub fn of_url(url: &Url) -> Result<Origin, OriginError> {
        let (scheme, default_port) = known_scheme(url.scheme())?;
        Origin::checked(
            scheme,
            default_port,
            url.host_str().unwrap_or_default(),
            url.port(),
        )
    }

    /// The same scheme and port at this address: what a grant must name for connections to addresses
    /// that are not public.
    pub fn with_host(&self, address: IpAddr) -> Origin {
        let host = match address {
            IpAddr::V4(address) => Host::Ipv4(address),
            IpAddr::V6(address) => Host::Ipv6(address),
        };
        Origin::assembled(self.scheme, host, self.port)
    }

    fn checked(
        scheme: &'static str,
        default_port: Option<u16>,
        host: &str,
        port: Option<u16>,
    ) -> Result<Origin, OriginError> {
        let host = parse_host(host)?;
        match port.or(default_port) {
            Some(0) => Err(OriginError::Port { port: "0".to_owned() }),
            Some(port) => Ok(Origin::assembled(scheme, host, port)),
            None => Err(OriginError::NoPort { scheme }),
        }
    }

    fn assembled(scheme: &'static str, host: Host, port: u16) -> Origin {
        Origin {
            text: format!("{scheme}://{host}:{port}"),
            scheme,
            host,
            port,
        }
    }

    /// The canonical resource: `scheme://host:port`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme: `http`, `https` or `tcp`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the port is the one that the scheme implies.
    pub fn has_default_port(&self) -> bool {
        SCHEMES.contains(&(self.scheme, Some(self.port)))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn known_scheme(scheme: &str) -> Result<(&'static str, Option<u16>), OriginError> {
    SCHEMES
        .into_iter()
        .find(|(known, _)| scheme.eq_ignore_ascii_case(known))
        .ok_or_else(|| OriginError::Scheme {
            scheme: scheme.to_owned(),
        })
}

/// Takes the scheme off, and refuses what would follow a host in a URL.
fn split_scheme(text: &str) -> Result<(&'static str, Option<u16>, &str), OriginError> {
    let (scheme, rest) = text.split_once("://").ok_or_else(|| OriginError::NoScheme {
        text: text.to_owned(),
    })?;
    let (scheme, default_port) = known_scheme(scheme)?;
    for (sign, part) in [
        ('/', "path"),
        ('\\', "backslash"),
        ('?', "query (`?`)"),
        ('#', "fragment (`#`)"),
        ('@', "user name and password (`@`)"),
    ] {
        if rest.contains(sign) {
            return Err(OriginError::Part { part });
        }
    }
    Ok((scheme, default_port, rest))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), OriginError> {
    // An IPv6 address holds colons of its own, inside its brackets.
    let split = match authority.rsplit_once(']') {
        Some((host, "")) if host.starts_with('[') => None,
        Some((_, after)) if authority.starts_with('[') && after.starts_with(':') => {
            authority.rsplit_once(':')
        }
        _ => authority.split_once(':'),
    };
    let Some((host, port)) = split else {
        return Ok((authority, None));
    };
    let refused = || OriginError::Port {
        port: port.to_owned(),
    };
    if port.is_empty() || port.starts_with('0') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    Ok((host, Some(port.parse().map_err(|_| refused())?)))
}

/// A host by the rules of the URL standard for `https`, whatever the scheme: the standard leaves the
/// hosts of other schemes as they are written, where `127.1` and `EXAMPLE.com` would pass a check on text.
fn parse_host(text: &str) -> Result<Host, OriginError> {
    let refused = |reason| OriginError::Host {
        host: text.to_owned(),
        reason,
    };
    if text.is_empty() {
        return Err(refused("it is empty"));
    }
    let host = match Host::parse(text) {
        Err(_) => return Err(refused("it is neither a domain name nor an address")),
        Ok(Host::Domain(name)) => name,
        Ok(address) => return Ok(address),
    };
    let name = host.strip_suffix('.').unwrap_or(&host);
    if name.len() > MAX_HOST {
        return Err(refused("it is longer than 253 bytes"));
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(refused("each label between dots has 1 to 63 characters"));
        }
    }
    if !name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
    {
        return Err(refused("a domain name holds letters, digits, `-`, `_` and dots"));
    }
    Ok(Host::Domain(name.to_owned()))
}

/// What `scheme://*.host[:port]` stands for: what its origins start and end with.
///
/// # Errors
/// As [`Origin::parse`], and for a wildcard anywhere else or on an address.
pub(crate) fn wildcard(text: &str) -> Result<(String, String), OriginError> {
    let (scheme, default_port, rest) = split_scheme(text)?;
    let refused = |reason| OriginError::Host {
        host: rest.to_owned(),
        reason,
    };
    let below = rest
        .strip_prefix("*.")
        .filter(|below| !below.contains('*'))
        .ok_or_else(|| {
            refused("`*` stands only for whole labels at the front, as in `https://*.example.com`")
        })?;
    let (host, port) = split_port(below)?;
    let origin = Origin::checked(scheme, default_port, host, port)?;
    let Host::Domain(name) = origin.host else {
        return Err(refused(
            "there is nothing below an address: write the address without `*.`",
        ));
    };
    Ok((format!("{scheme}://"), format!(".{name}:{}", origin.port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TOK-28
    #[test]
    fn one_host_has_one_spelling() {
        for (text, expected) in [
            ("https://api.example.com", "https://api.example.com:443"),
            ("HTTPS://API.Example.com.:443", "https://api.example.com:443"),
            ("http://b\u{fc}cher.example", "http://xn--bcher-kva.example:80"),
            ("https://127.1", "https://127.0.0.1:443"),
            ("https://0x7f.1:8443", "https://127.0.0.1:8443"),
            ("tcp://2130706433:22", "tcp://127.0.0.1:22"),
            ("tcp://017700000001:22", "tcp://127.0.0.1:22"),
            ("tcp://LOCALHOST:5432", "tcp://localhost:5432"),
            ("tcp://127.0.0.1.:22", "tcp://127.0.0.1:22"),
            ("https://[::1]", "https://[::1]:443"),
            ("tcp://[0:0:0:0:0:ffff:7f00:1]:80", "tcp://[::ffff:7f00:1]:80"),
            (
                "https://\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}",
                "https://127.0.0.1:443",
            ),
            ("https://api%2eexample.com", "https://api.example.com:443"),
        ] {
            let origin = Origin::parse(text).unwrap();
            assert_eq!(origin.as_str(), expected, "{text}");
            assert_eq!(Origin::parse(expected), Ok(origin), "{text}");
            // A URL and a scope of one spelling are one origin.
            assert_eq!(
                Origin::of_url(&Url::parse(text).unwrap()).unwrap().as_str(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn urls_are_judged_by_the_host_that_is_connected_to() {
        for (url, expected) in [
            ("https://api.example.com@evil.com/", "https://evil.com:443"),
            ("https://evil.com\\@api.example.com/", "https://evil.com:443"),
            ("https://evil.com#@api.example.com", "https://evil.com:443"),
            ("https:evil.com", "https://evil.com:443"),
            ("http://h\tost:0443/x?y", "http://host:443"),
        ] {
            assert_eq!(
                Origin::of_url(&Url::parse(url).unwrap()).unwrap().as_str(),
                expected,
                "{url}"
            );
        }
        for url in [
            "file:///etc/passwd",
            "data:,x",
            "ftp://a",
            "tcp://a",
            "https://a:0",
            "unix:/x",
            "https://a..b",
        ] {
            assert!(Origin::of_url(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
    }

    #[test]
    fn addresses_keep_scheme_and_port() {
        let origin = Origin::parse("https://api.example.com:8443").unwrap();
        assert_eq!(
            origin.with_host("10.0.0.1".parse().unwrap()).as_str(),
            "https://10.0.0.1:8443"
        );
        assert_eq!(
            origin.with_host("::1".parse().unwrap()).as_str(),
            "https://[::1]:8443"
        );
    }

    /// TOK-28
    #[test]
    fn wildcards_stand_for_labels_below_a_name() {
        assert_eq!(
            wildcard("https://*.Example.com"),
            Ok(("https://".to_owned(), ".example.com:443".to_owned()))
        );
        for text in [
            "https://*",
            "https://a.*.b",
            "https://*a.b",
            "https://*.*.b",
            "https://*.127.0.0.1",
            "https://*.[::1]",
        ] {
            assert!(matches!(wildcard(text), Err(OriginError::Host { .. })), "{text}");
        }
    }
}
