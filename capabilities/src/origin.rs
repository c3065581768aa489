//! Network origins: scheme, host and port, in one canonical spelling.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use thiserror::Error;
use url::{Host, Url};

use crate::{Endpoint, Hosts, Network, Pattern, text::quoted};

/// Maximum length of a host name, in bytes.
const MAX_HOST: usize = 253;

/// The known schemes, and the port that each implies.
const SCHEMES: [(&str, Option<u16>); 5] = [
    ("http", Some(80)),
    ("https", Some(443)),
    ("tcp", None),
    ("tls", None),
    ("udp", None),
];

/// Error returned when a text is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The text has no `://`.
    #[error(
        "{} has no scheme; write `https://host`, `http://host` or `tcp://host:port`",
        quoted(text)
    )]
    NoScheme {
        /// The rejected text.
        text: String,
    },
    /// The scheme is unknown.
    #[error(
        "the scheme {} is none of `https`, `http`, `tcp`, `tls`, `udp`",
        quoted(scheme)
    )]
    Scheme {
        /// The rejected scheme.
        scheme: String,
    },
    /// The text contains more than scheme, host and port.
    #[error("an origin is only scheme, host and port: remove the {part}")]
    Part {
        /// The part to remove.
        part: &'static str,
    },
    /// The text has no port, and its scheme implies none.
    #[error("`{scheme}` has no default port: write `{scheme}://host:port`")]
    NoPort {
        /// The scheme.
        scheme: &'static str,
    },
    /// The port is not a number from 1 to 65535 in its shortest form.
    #[error("{} is not a port: use a number from 1 to 65535", quoted(port))]
    Port {
        /// The rejected port.
        port: String,
    },
    /// The last port of a range is below the first.
    #[error("the ports {} are an empty range: write the lower port first", quoted(ports))]
    Ports {
        /// The rejected range.
        ports: String,
    },
    /// The network is not an address and a length, or its address has bits set after that length.
    #[error("{} is not a network: {hint}", quoted(network))]
    Network {
        /// The rejected network.
        network: String,
        /// The correct form.
        hint: String,
    },
    /// The host is neither a domain name nor an address.
    #[error("{} is not a host: {reason}", quoted(host))]
    Host {
        /// The rejected host.
        host: String,
        /// The reason.
        reason: &'static str,
    },
}

/// An origin: `scheme://host:port`, with the port always written.
///
/// The host has the form of the URL standard: lower case, Punycode, IPv4 from any numeric form, IPv6 in
/// brackets. The final dot that DNS allows is removed, so each host has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The canonical text.
    text: String,
    scheme: &'static str,
    host: Host,
    port: u16,
}

impl Origin {
    /// Parses an origin. The text must contain nothing but scheme, host and port.
    ///
    /// # Errors
    /// [`OriginError`].
    pub fn parse(text: &str) -> Result<Origin, OriginError> {
        let (scheme, default_port, rest) = split_scheme(text)?;
        let (host, port) = split_port(rest);
        Origin::checked(scheme, default_port, host, port.map(parse_port).transpose()?)
    }

    /// Returns the origin to which a request for this URL connects.
    ///
    /// # Errors
    /// Returns an error if the scheme, host or port cannot be part of an origin.
    pub fn of_url(url: &Url) -> Result<Origin, OriginError> {
        let (scheme, default_port) = known_scheme(url.scheme())?;
        Origin::checked(
            scheme,
            default_port,
            url.host_str().unwrap_or_default(),
            url.port(),
        )
    }

    /// Returns this origin with its host replaced by an address. Connections to addresses that are not public
    /// need a grant for this origin.
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

    /// Returns the canonical resource: `scheme://host:port`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the scheme: `http`, `https`, `tcp`, `tls` or `udp`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Returns the host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns true if the scheme implies this port.
    pub fn has_default_port(&self) -> bool {
        is_default_port(self.scheme, self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Returns true if the text is a canonical origin, the form of [`Origin::as_str`].
pub(crate) fn is_canonical(text: &str) -> bool {
    Origin::parse(text).is_ok_and(|origin| origin.as_str() == text)
}

/// Returns true if the scheme implies this port.
pub(crate) fn is_default_port(scheme: &str, port: u16) -> bool {
    SCHEMES.contains(&(scheme, Some(port)))
}

fn known_scheme(scheme: &str) -> Result<(&'static str, Option<u16>), OriginError> {
    SCHEMES
        .into_iter()
        .find(|(known, _)| scheme.eq_ignore_ascii_case(known))
        .ok_or_else(|| OriginError::Scheme {
            scheme: scheme.to_owned(),
        })
}

/// Splits off the scheme, and rejects everything that could follow a host in a URL.
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

/// Splits host and port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    // An IPv6 address contains colons, but only inside its brackets.
    let bracket = authority.rfind(']').unwrap_or(0);
    match authority.get(bracket..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let (host, port) = authority.split_at(bracket + colon);
            (host, port.get(1..))
        }
        None => (authority, None),
    }
}

fn parse_port(port: &str) -> Result<u16, OriginError> {
    let refused = || OriginError::Port {
        port: port.to_owned(),
    };
    if port.is_empty() || port.starts_with('0') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused());
    }
    port.parse().map_err(|_| refused())
}

/// Parses a host by the rules of the URL standard for `https`, whatever the scheme. The standard does not
/// normalise the hosts of other schemes: there, `127.1` and `EXAMPLE.com` would pass a comparison of texts.
pub(crate) fn parse_host(text: &str) -> Result<Host, OriginError> {
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

/// Parses a scope of the family `net`: an origin, all hosts below a name, or a network, each with one port or
/// a range.
///
/// # Errors
/// Returns the errors of [`Origin::parse`], and an error for an invalid wildcard, network or range.
pub(crate) fn parse_scope(text: &str) -> Result<Pattern, OriginError> {
    if let Some(pattern) = parse_network(text)? {
        return Ok(pattern);
    }
    let (scheme, default_port, rest) = split_scheme(text)?;
    let below = rest.strip_prefix("*.");
    let (host, ports) = split_port(below.unwrap_or(rest));
    let (first, last) = parse_ports(scheme, default_port, ports)?;
    let refused = |reason| OriginError::Host {
        host: host.to_owned(),
        reason,
    };
    if host.contains('*') {
        return Err(refused(
            "`*` is allowed only for whole labels at the front, as in `https://*.example.com`",
        ));
    }
    let hosts = if below.is_some() {
        match parse_host(host)? {
            Host::Domain(name) => Hosts::Below(format!(".{name}")),
            _ => {
                return Err(refused(
                    "there is nothing below an address: write the address without `*.`",
                ));
            }
        }
    } else {
        Hosts::One(match parse_host(host)? {
            Host::Domain(name) => name,
            address => address.to_string().trim_matches(['[', ']']).to_owned(),
        })
    };
    Endpoint::pattern(scheme, hosts, first, last).ok_or_else(|| refused("it is too long"))
}

/// Parses `scheme://address/length[:ports]`. Returns `None` if the text does not have that form.
fn parse_network(text: &str) -> Result<Option<Pattern>, OriginError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(None);
    };
    let Some((written, after)) = rest.split_once('/') else {
        return Ok(None);
    };
    let address: IpAddr = match written.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => match host.parse::<Ipv6Addr>() {
            Ok(address) => address.into(),
            Err(_) => return Ok(None),
        },
        None => match written.parse::<Ipv4Addr>() {
            Ok(address) => address.into(),
            Err(_) => return Ok(None),
        },
    };
    let (scheme, default_port) = known_scheme(scheme)?;
    let (length, ports) = after
        .split_once(':')
        .map_or((after, None), |(length, ports)| (length, Some(ports)));
    let refused = |hint: String| OriginError::Network {
        network: format!("{written}/{length}"),
        hint,
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = Some(length)
        .filter(|length| length.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|length| *length == "0" || !length.starts_with('0'))
        .and_then(|length| length.parse::<u8>().ok())
        .filter(|length| *length <= most)
        .ok_or_else(|| {
            refused(format!(
                "after the address comes a length from 0 to {most}, and then the port"
            ))
        })?;
    let (first, last) = parse_ports(scheme, default_port, ports)?;
    let network = Network::new(address, length).ok_or_else(|| {
        let whole = Network::around(address, length);
        refused(format!(
            "its address has bits after the first {length}; write {whole}"
        ))
    })?;
    let pattern = Endpoint::pattern(scheme, Hosts::Network(network), first, last);
    Ok(Some(
        pattern.ok_or_else(|| refused("write it as 10.0.0.0/8".to_owned()))?,
    ))
}

/// Parses one port (`5432`) or a range (`5000-5999`). Without a text, it is the port that the scheme implies.
fn parse_ports(
    scheme: &'static str,
    default_port: Option<u16>,
    ports: Option<&str>,
) -> Result<(u16, u16), OriginError> {
    let Some(text) = ports else {
        let port = default_port.ok_or(OriginError::NoPort { scheme })?;
        return Ok((port, port));
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (parse_port(first)?, parse_port(last)?),
        None => {
            let port = parse_port(text)?;
            (port, port)
        }
    };
    if first > last {
        return Err(OriginError::Ports {
            ports: text.to_owned(),
        });
    }
    Ok((first, last))
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
            // A URL and a scope with the same spelling have the same origin.
            assert_eq!(
                Origin::of_url(&Url::parse(text).unwrap()).unwrap().as_str(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn urls_are_decided_by_the_host_of_the_connection() {
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
    fn scopes_are_origins_names_networks_and_ranges() {
        for (text, written) in [
            ("https://API.example.com.", "https://api.example.com:443"),
            ("https://*.Example.com", "https://*.example.com"),
            (
                "https://*.Example.com:8000-8999",
                "https://*.example.com:8000-8999",
            ),
            ("tcp://10.0.0.0/8:5432", "tcp://10.0.0.0/8:5432"),
            ("tcp://10.0.0.1/32:5432", "tcp://10.0.0.1:5432"),
            ("tcp://0.0.0.0/0:1-65535", "tcp://0.0.0.0/0:1-65535"),
            ("https://[fd00::]/8", "https://[fd00::]/8"),
            ("tcp://[::1]:5-6", "tcp://[::1]:5-6"),
            ("tcp://0x7f.1:5-6", "tcp://127.0.0.1:5-6"),
            ("tcp://db:7-7", "tcp://db:7"),
        ] {
            let shown = match parse_scope(text).unwrap() {
                Pattern::Endpoint(endpoint) => endpoint.to_string(),
                Pattern::Exact(text) => text,
                pattern => panic!("{pattern:?}"),
            };
            assert_eq!(shown, written, "{text}");
            assert_eq!(parse_scope(&shown), parse_scope(text));
        }
        for text in [
            "https://*",
            "https://a.*.b",
            "https://*a.b",
            "https://*.*.b",
            "https://*.127.0.0.1",
            "https://*.[::1]",
        ] {
            assert!(
                matches!(parse_scope(text), Err(OriginError::Host { .. })),
                "{text}"
            );
        }
        for text in [
            "tcp://10.0.0.1/8:5",
            "tcp://10.0.0.0/33:5",
            "tcp://10.0.0.0/08:5",
            "tcp://10.0.0.0/:5",
            "tcp://10.0.0.0/8/9:5",
            "tcp://[fd00::]/129:5",
            "tcp://10.0.0.0/+8:5",
        ] {
            assert!(
                matches!(parse_scope(text), Err(OriginError::Network { .. })),
                "{text}"
            );
        }
        assert_eq!(
            parse_scope("tcp://10.1.2.3/8:5").unwrap_err().to_string(),
            "`10.1.2.3/8` is not a network: its address has bits after the first 8; write 10.0.0.0/8"
        );
        assert!(matches!(
            parse_scope("tcp://a:6-5"),
            Err(OriginError::Ports { .. })
        ));
        for text in [
            "tcp://a:5-",
            "tcp://a:-5",
            "tcp://a:0-5",
            "tcp://a:5-65536",
            "tcp://a:1-2-3",
        ] {
            assert!(
                matches!(parse_scope(text), Err(OriginError::Port { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            parse_scope("tcp://10.0.0.0/8"),
            Err(OriginError::NoPort { .. })
        ));
        assert!(matches!(
            parse_scope("https://a/8"),
            Err(OriginError::Part { .. })
        ));
        assert!(matches!(
            parse_scope("https://10.1/8"),
            Err(OriginError::Part { .. })
        ));
    }
}
