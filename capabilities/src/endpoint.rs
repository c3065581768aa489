//! Endpoints: sets of connections, by scheme, hosts and ports.

use std::{
    cmp::Ordering,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::Host;

use crate::{Origin, Pattern};

/// A set of connections: one scheme, some hosts, and a range of ports (TOK-17).
///
/// Only [`Endpoint::pattern`] creates endpoints. If a shorter pattern means the same set, it returns that
/// one, so each set has one form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: &'static str,
    hosts: Hosts,
    first: u16,
    last: u16,
}

/// The hosts of an [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hosts {
    /// One host: a domain name, or an address without brackets.
    One(String),
    /// All hosts whose text ends with this suffix, such as `.example.com`.
    Below(String),
    /// All addresses of a network.
    Network(Network),
}

/// A network: all addresses whose first `length` bits equal those of `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// Returns the network, if no bit of the address is set after the first `length` bits.
    pub fn new(address: IpAddr, length: u8) -> Option<Network> {
        let network = Network { address, length };
        (length <= width(address) && masked(address, length) == Some(address)).then_some(network)
    }

    /// Returns the network of this length that contains the address. If `length` exceeds the address's width,
    /// the width is used.
    pub(crate) fn around(address: IpAddr, length: u8) -> Network {
        let length = length.min(width(address));
        Network {
            address: masked(address, length).unwrap_or(address),
            length,
        }
    }

    /// Returns the lowest address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the number of bits that all addresses of the network share.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Returns true if the network contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address, self.length) == Some(self.address)
    }

    fn covers(&self, other: &Network) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    /// Returns the network in the form of tokens: `4:00001010`.
    pub(crate) fn to_bits(self) -> String {
        let mut bits = bits(self.address);
        bits.truncate(2 + usize::from(self.length));
        bits
    }

    pub(crate) fn from_bits(text: &str) -> Option<Network> {
        let (kind, digits) = text.split_once(':')?;
        let length = u8::try_from(digits.len()).ok()?;
        if !digits.bytes().all(|digit| matches!(digit, b'0' | b'1')) {
            return None;
        }
        let value = |width: usize| u128::from_str_radix(&format!("{digits:0<width$}"), 2).ok();
        let address = match kind {
            "4" => Ipv4Addr::from(u32::try_from(value(32)?).ok()?).into(),
            "6" => Ipv6Addr::from(value(128)?).into(),
            _ => return None,
        };
        Network::new(address, length)
    }
}

impl fmt::Display for Network {
    /// `10.0.0.0/8`, `[fd00::]/8`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", text(self.address), self.length)
    }
}

/// Formats an address by the rules of the URL standard, which differ from the standard library's for some
/// IPv6 addresses.
fn text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Host::<String>::Ipv6(address).to_string(),
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Clears all but the first `length` bits. Returns `None` if the address has fewer bits.
pub(crate) fn masked(address: IpAddr, length: u8) -> Option<IpAddr> {
    let cleared = u32::from(width(address).checked_sub(length)?);
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(cleared).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(cleared).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    })
}

/// Returns all bits of an address, in the form of an operation's endpoint (TOK-37).
pub(crate) fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("4:{:032b}", address.to_bits()),
        IpAddr::V6(address) => format!("6:{:0128b}", address.to_bits()),
    }
}

impl Hosts {
    /// Returns the length of the text in bytes.
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Hosts::One(text) | Hosts::Below(text) => text.len(),
            Hosts::Network(_) => 0,
        }
    }

    /// Returns the name of the kind in tokens.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Hosts::One(_) => "host",
            Hosts::Below(_) => "below",
            Hosts::Network(_) => "network",
        }
    }

    fn meet(&self, other: &Hosts) -> Option<Hosts> {
        if self.covers(other) {
            Some(other.clone())
        } else if other.covers(self) {
            Some(self.clone())
        } else {
            None // not nested, hence disjoint: no address ends like a domain name
        }
    }

    fn covers(&self, other: &Hosts) -> bool {
        match (self, other) {
            (hosts, Hosts::One(host)) => hosts.contains(host, parse_address(host)),
            (Hosts::Below(suffix), Hosts::Below(other)) => other.ends_with(suffix.as_str()),
            (Hosts::Network(network), Hosts::Network(other)) => network.covers(other),
            _ => false,
        }
    }

    fn contains(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Hosts::One(text) => text == host,
            Hosts::Below(suffix) => host.ends_with(suffix.as_str()),
            Hosts::Network(network) => address.is_some_and(|address| network.contains(address)),
        }
    }
}

fn parse_address(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

impl Endpoint {
    /// Returns the pattern of connections with this scheme to these hosts, on the ports from `first` to
    /// `last`. The result is an endpoint, or the exact pattern with the same meaning.
    ///
    /// Returns `None` if TOK-17 does not allow a part. That is an unknown scheme, a host or suffix that is not
    /// canonical, port 0, or an empty range of ports.
    pub fn pattern(scheme: &str, hosts: Hosts, first: u16, last: u16) -> Option<Pattern> {
        let hosts = match hosts {
            Hosts::Network(network) if network.length == width(network.address) => {
                Hosts::One(text(network.address).trim_matches(['[', ']']).to_owned())
            }
            hosts => hosts,
        };
        let example = match &hosts {
            Hosts::One(host) if host.contains(':') => format!("[{host}]"),
            Hosts::One(host) => host.clone(),
            // The shortest host that the suffix matches. A suffix that is part of an address matches none.
            Hosts::Below(suffix) => format!("x{}", suffix.strip_prefix('.').map(|_| suffix)?),
            Hosts::Network(_) => "x".to_owned(),
        };
        let text = format!("{scheme}://{example}:{first}");
        let origin = Origin::parse(&text)
            .ok()
            .filter(|origin| origin.as_str() == text)?;
        if last < first {
            return None;
        }
        if let (Hosts::One(_), true) = (&hosts, first == last) {
            return Some(Pattern::Exact(text));
        }
        Some(Pattern::Endpoint(Endpoint {
            scheme: origin.scheme(),
            hosts,
            first,
            last,
        }))
    }

    /// Returns the scheme: `http`, `https`, `tcp`, `tls` or `udp`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Returns the hosts.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Returns the first port.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// Returns the last port.
    pub fn last(&self) -> u16 {
        self.last
    }

    pub(crate) fn matches(&self, resource: &str) -> bool {
        parts(resource).is_some_and(|parts| {
            parts.scheme == self.scheme
                && (self.first..=self.last).contains(&parts.port)
                && self.hosts.contains(parts.host, parts.address)
        })
    }

    pub(crate) fn meet(&self, other: &Endpoint) -> Option<Pattern> {
        if self.scheme != other.scheme {
            return None;
        }
        let hosts = self.hosts.meet(&other.hosts)?;
        Endpoint::pattern(
            self.scheme,
            hosts,
            self.first.max(other.first),
            self.last.min(other.last),
        )
    }

    pub(crate) fn covers(&self, other: &Endpoint) -> bool {
        self.scheme == other.scheme
            && self.first <= other.first
            && self.last >= other.last
            && self.hosts.covers(&other.hosts)
    }
}

impl Ord for Endpoint {
    /// Orders by kind, scheme, hosts and ports (TOK-14).
    fn cmp(&self, other: &Endpoint) -> Ordering {
        let rank = |endpoint: &Endpoint| match endpoint.hosts {
            Hosts::One(_) => 0,
            Hosts::Below(_) => 1,
            Hosts::Network(_) => 2,
        };
        rank(self)
            .cmp(&rank(other))
            .then_with(|| self.scheme.cmp(other.scheme))
            .then_with(|| self.hosts.cmp(&other.hosts))
            .then_with(|| (self.first, self.last).cmp(&(other.first, other.last)))
    }
}

impl PartialOrd for Endpoint {
    fn partial_cmp(&self, other: &Endpoint) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Endpoint {
    /// Writes the endpoint in the syntax of scopes: `https://*.example.com:8000-8999`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://", self.scheme)?;
        match &self.hosts {
            Hosts::One(host) if host.contains(':') => write!(formatter, "[{host}]")?,
            Hosts::One(host) => formatter.write_str(host)?,
            Hosts::Below(suffix) => write!(formatter, "*{suffix}")?,
            Hosts::Network(network) => network.fmt(formatter)?,
        }
        if self.first != self.last {
            write!(formatter, ":{}-{}", self.first, self.last)
        } else if crate::origin::is_default_port(self.scheme, self.first) {
            Ok(())
        } else {
            write!(formatter, ":{}", self.first)
        }
    }
}

/// The parts of a canonical resource of the family `net`.
pub(crate) struct Parts<'a> {
    pub(crate) scheme: &'a str,
    /// The host, without brackets.
    pub(crate) host: &'a str,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

/// Splits `scheme://host:port` without allocating.
pub(crate) fn parts(resource: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = resource.split_once("://")?;
    let (host, port) = rest.rsplit_once(':')?;
    let (host, address) = match host.strip_prefix('[') {
        Some(host) => {
            let host = host.strip_suffix(']')?;
            (host, Some(IpAddr::V6(host.parse().ok()?)))
        }
        None if host.contains(':') => return None,
        None => (host, host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)),
    };
    Some(Parts {
        scheme,
        host,
        address,
        port: port.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        let (address, length) = text.split_once('/').unwrap();
        Network::new(address.parse().unwrap(), length.parse().unwrap()).unwrap()
    }

    /// TOK-17
    #[test]
    fn networks_are_their_bits() {
        for (text, bits) in [
            ("0.0.0.0/0", "4:"),
            ("10.0.0.0/8", "4:00001010"),
            ("192.168.1.1/32", "4:11000000101010000000000100000001"),
            ("::/0", "6:"),
            ("fd00::/8", "6:11111101"),
        ] {
            assert_eq!(network(text).to_bits(), bits);
            assert_eq!(Network::from_bits(bits), Some(network(text)));
        }
        for wrong in [
            "",
            "4",
            "5:1",
            "4:2",
            "4:-1",
            "4:+1",
            "46:1",
            &format!("4:{}", "0".repeat(33)),
        ] {
            assert_eq!(Network::from_bits(wrong), None, "{wrong}");
        }
        assert_eq!(Network::new("10.0.0.1".parse().unwrap(), 8), None);
        assert_eq!(Network::new("10.0.0.0".parse().unwrap(), 33), None);
        assert!(network("::/0").contains("::1".parse().unwrap()));
        assert!(!network("::/0").contains("0.0.0.0".parse().unwrap()));
        assert!(!network("::/96").contains("0.0.0.1".parse().unwrap()));
    }

    /// TOK-17: a suffix with which an address could end is rejected.
    #[test]
    fn patterns_have_their_shortest_kind_and_canonical_parts() {
        let one = |host: &str| Hosts::One(host.to_owned());
        let below = |suffix: &str| Hosts::Below(suffix.to_owned());
        assert_eq!(
            Endpoint::pattern("tcp", one("::1"), 5, 5),
            Some(Pattern::exact("tcp://[::1]:5"))
        );
        assert_eq!(
            Endpoint::pattern("tcp", Hosts::Network(network("10.0.0.1/32")), 5, 5),
            Some(Pattern::exact("tcp://10.0.0.1:5"))
        );
        assert_eq!(
            Endpoint::pattern("tcp", Hosts::Network(network("::ffff:1.2.3.4/128")), 5, 5),
            Some(Pattern::exact("tcp://[::ffff:102:304]:5"))
        );
        assert!(matches!(
            Endpoint::pattern("tcp", Hosts::Network(network("10.0.0.1/32")), 5, 6),
            Some(Pattern::Endpoint(Endpoint { hosts: Hosts::One(host), .. })) if host == "10.0.0.1"
        ));
        assert!(Endpoint::pattern("https", below(".example.com"), 443, 443).is_some());
        for (scheme, hosts, first, last) in [
            ("ftp", one("a"), 1, 2),
            ("HTTPS", one("a"), 1, 2),
            ("tcp", one("A"), 1, 2),
            ("tcp", one("a."), 1, 2),
            ("tcp", one(""), 1, 2),
            ("tcp", one("127.1"), 1, 2),
            ("tcp", one("0::1"), 1, 2),
            ("tcp", one("[::1]"), 1, 2),
            ("tcp", below(""), 1, 2),
            ("tcp", below("example.com"), 1, 2),
            ("tcp", below(".1"), 1, 2),
            ("tcp", below(".0.0.1"), 1, 2),
            ("tcp", below(".0x7f"), 1, 2),
            ("tcp", below(".a..b"), 1, 2),
            ("tcp", one("a"), 0, 2),
            ("tcp", one("a"), 3, 2),
            ("tcp", Hosts::Network(network("10.0.0.0/8")), 0, 0),
        ] {
            assert_eq!(
                Endpoint::pattern(scheme, hosts.clone(), first, last),
                None,
                "{hosts:?}"
            );
        }
    }
}
