//! The endpoint of a `net` resource (TOK-28, TOK-37).
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The schemes of endpoints (TOK-28).
pub(crate) const SCHEMES: [&str; 5] = ["http", "https", "tcp", "tls", "udp"];

pub(crate) struct Endpoint {
    pub(crate) scheme: String,
    /// The host, without brackets.
    pub(crate) host: String,
    /// The host's bits, if it is an address.
    pub(crate) address: String,
    pub(crate) port: i64,
}

impl Endpoint {
    /// Returns the endpoint of a canonical resource, or `None` for any other text.
    pub(crate) fn of(resource: &str) -> Option<Self> {
        let (scheme, rest) = resource.split_once("://")?;
        let (host, port) = rest.rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(address) => address
                .strip_suffix(']')
                .filter(|address| address.contains(':'))?,
            None => Some(host).filter(|host| !host.contains(':'))?,
        };
        let number: u16 = port.parse().ok().filter(|number| *number > 0)?;
        (SCHEMES.contains(&scheme) && is_host(host) && number.to_string() == port).then(|| Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            address: address_bits(host),
            port: number.into(),
        })
    }
}

/// Returns true if the URL standard leaves the host unchanged, TOK-28 allows all its characters, and DNS
/// allows the length of its labels.
pub(crate) fn is_host(host: &str) -> bool {
    let bracketed = if host.contains(':') {
        format!("[{host}]")
    } else if host.len() > 253
        || host.split('.').any(|label| !(1..=63).contains(&label.len()))
        || !host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    {
        return false;
    } else {
        host.to_owned()
    };
    url::Url::parse(&format!("https://{bracketed}/"))
        .is_ok_and(|url| url.host_str() == Some(bracketed.as_str()))
}

/// Returns the family of addresses and the binary digits. The text is empty if the host is a name.
pub(crate) fn address_bits(host: &str) -> String {
    let mut bits = String::new();
    let (family, octets) = if let Ok(address) = host.parse::<Ipv4Addr>() {
        ("4:", address.octets().to_vec())
    } else if let Ok(address) = host.parse::<Ipv6Addr>() {
        ("6:", address.octets().to_vec())
    } else {
        return bits;
    };
    bits.push_str(family);
    for octet in octets {
        let _ = write!(bits, "{octet:08b}");
    }
    bits
}
