use std::net::IpAddr;

use secure_runtime_capabilities::*;
use url::{Host, Url};

use crate::Outcome;

/// Uses the first line as a scope of `net`, and the rest as an origin or URL. Each must be rejected with a
/// message of one line, or be canonical. The host must equal the one of the URL standard's parser. The scope
/// must allow the origin exactly if an independent parser of scopes says so.
pub fn origins(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else {
        return Outcome::default();
    };
    let (scope, text) = text.split_once('\n').unwrap_or((text, text));
    let (origin, itself) = (check_origin(text), check_origin(scope));
    let of_url = check_url(text, &origin);
    let rights = check_scope(scope);
    if let Ok(rights) = &rights {
        let understood = Scope::read(scope).unwrap_or_else(|| panic!("{scope:?} means nothing"));
        let authority = Authority::new(Block::of(rights.clone())).unwrap();
        for origin in [&origin, &itself].into_iter().flatten().chain(&of_url) {
            for origin in neighbours(origin) {
                let operation = Operation::net_connect(&origin);
                let allowed = authority.decide(&operation, &Context::at(0)).is_allowed();
                assert_eq!(allowed, understood.holds(&origin), "{scope:?} {origin}");
                // Decisions use an index. Matching a single pattern and coverage must have the same result.
                let matched = rights.iter().any(|right| right.pattern.matches(origin.as_str()));
                let one = Pattern::exact(origin.as_str());
                let covered = authority.covers(FamilyName::NET, ActionName::CONNECT, &one);
                assert_eq!((matched, covered), (allowed, allowed), "{scope:?} {origin}");
            }
        }
    }
    Outcome::of(&(
        origin,
        itself,
        of_url.is_some(),
        rights.map(|rights| rights.len()),
    ))
}

fn assert_printable(error: &impl std::fmt::Display) {
    let message = error.to_string();
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

fn check_origin(text: &str) -> Result<Origin, OriginError> {
    let origin = Origin::parse(text).inspect_err(assert_printable)?;
    assert_canonical(&origin);
    // For every scheme, the host equals the one that the standard's parser returns for `https`.
    let (_, rest) = text.split_once("://").unwrap();
    let url = Url::parse(&format!("https://{rest}/")).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(without_dot(url.host().unwrap()), *origin.host(), "{text:?}");
    match (url.port(), origin.scheme()) {
        (Some(port), _) => assert_eq!(port, origin.port(), "{text:?}"),
        (None, "http") => assert!(matches!(origin.port(), 80 | 443), "{text:?}"),
        (None, _) => assert_eq!(origin.port(), 443, "{text:?}"),
    }
    Ok(origin)
}

fn assert_canonical(origin: &Origin) {
    let text = origin.as_str();
    assert_eq!(
        text,
        format!("{}://{}:{}", origin.scheme(), origin.host(), origin.port())
    );
    assert!(["https", "http", "tcp", "tls", "udp"].contains(&origin.scheme()) && origin.port() != 0);
    let of_host = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if let Host::Domain(name) = origin.host() {
        assert!(
            name.as_bytes().iter().all(of_host) && name.len() <= 253,
            "{name:?}"
        );
        assert!(
            name.split('.').all(|label| (1..=63).contains(&label.len())),
            "{name:?}"
        );
        assert!(name.parse::<IpAddr>().is_err(), "{name:?} is an address");
    }
    assert_eq!(Origin::parse(text).as_ref(), Ok(origin), "{text:?}");
    let rights = check_scope(text).unwrap();
    let families = Families::builtin();
    let [described] = &families.describe(&rights, &Base::new("/").unwrap())[..] else {
        panic!("{text:?}")
    };
    let [scope] = &described.scopes[..] else {
        panic!("{described:?}")
    };
    assert_eq!(Origin::parse(scope).as_ref(), Ok(origin), "{scope:?}");
    assert_eq!(check_scope(scope), Ok(rights), "{scope:?}");
}

fn check_url(text: &str, origin: &Result<Origin, OriginError>) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    let of_url = Origin::of_url(&url).inspect_err(assert_printable).ok()?;
    assert_canonical(&of_url);
    // The standard does not normalise the host of `tcp`, but origins treat it like `https`.
    let host = parse_host(url.host_str().unwrap());
    assert_eq!(host.as_ref(), Some(of_url.host()), "{text:?}");
    assert_eq!(url.port_or_known_default(), Some(of_url.port()), "{text:?}");
    assert_eq!(url.scheme(), of_url.scheme(), "{text:?}");
    if let Ok(origin) = origin {
        assert_eq!(*origin, of_url, "{text:?}: as an origin and as a URL");
    }
    Some(of_url)
}

fn check_scope(text: &str) -> Result<Rights, ScopeError> {
    let base = Base::new("/").unwrap();
    let rights = Families::builtin()
        .parse_scope("net", Some("connect"), text, &base)
        .inspect_err(assert_printable)?;
    Ok(Rights::new(rights).unwrap())
}

/// Removes the final dot of an absolute DNS name, which an origin never has.
fn without_dot<S: AsRef<str>>(host: Host<S>) -> Host {
    match host {
        Host::Domain(name) => {
            let name = name.as_ref();
            Host::Domain(name.strip_suffix('.').unwrap_or(name).to_owned())
        }
        Host::Ipv4(address) => Host::Ipv4(address),
        Host::Ipv6(address) => Host::Ipv6(address),
    }
}

/// Returns the origin, and others that differ in a label, a port or the scheme.
fn neighbours(origin: &Origin) -> Vec<Origin> {
    let (scheme, host, port) = (origin.scheme(), origin.host(), origin.port());
    let mut texts = vec![
        format!("{scheme}://x.{host}:{port}"),
        format!("{scheme}://x{host}:{port}"),
        format!("{scheme}://{host}.x:{port}"),
        format!("{scheme}://{host}:{}", port ^ 1),
        format!("tcp://{host}:{port}"),
        format!("https://{host}:{port}"),
    ];
    if let Host::Domain(name) = host
        && let Some((_, parent)) = name.split_once('.')
    {
        texts.push(format!("{scheme}://{parent}:{port}"));
    }
    let mut origins: Vec<Origin> = texts.iter().filter_map(|text| Origin::parse(text).ok()).collect();
    origins.push(origin.clone());
    origins
}

/// A scope, parsed by TOK-28 without the crate's parser.
struct Scope {
    scheme: String,
    hosts: Hosts,
    first_port: u16,
    last_port: u16,
}

enum Hosts {
    One(Host),
    /// The labels of a name in reverse. A host below it starts with these, and has more.
    Below(Vec<String>),
    /// The first bits of an address.
    Network(Vec<bool>),
}

impl Scope {
    fn read(text: &str) -> Option<Scope> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let end_of_address = rest.rfind(']').unwrap_or(0);
        let (host, ports) = match rest[end_of_address..].find(':') {
            Some(colon) => (
                &rest[..end_of_address + colon],
                Some(&rest[end_of_address + colon + 1..]),
            ),
            None => (rest, None),
        };
        let (first_port, last_port) = match ports {
            Some(ports) => {
                let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
                (first.parse().ok()?, last.parse().ok()?)
            }
            None => match scheme.as_str() {
                "http" => (80, 80),
                "https" => (443, 443),
                _ => return None,
            },
        };
        let hosts = if let Some(name) = host.strip_prefix("*.") {
            match parse_host(name)? {
                Host::Domain(name) => Hosts::Below(labels(&name)),
                _ => return None,
            }
        } else if let Some((address, length)) = host.split_once('/') {
            let bits = bits(&parse_host(address)?)?;
            let length: usize = length.parse().ok()?;
            Hosts::Network(bits.get(..=length)?.to_vec())
        } else {
            Hosts::One(parse_host(host)?)
        };
        Some(Scope {
            scheme,
            hosts,
            first_port,
            last_port,
        })
    }

    fn holds(&self, origin: &Origin) -> bool {
        origin.scheme() == self.scheme
            && (self.first_port..=self.last_port).contains(&origin.port())
            && match (&self.hosts, origin.host()) {
                (Hosts::One(host), asked) => host == asked,
                (Hosts::Below(parent), Host::Domain(name)) => {
                    let labels = labels(name);
                    labels.len() > parent.len() && labels.starts_with(parent)
                }
                (Hosts::Below(_), _) => false,
                (Hosts::Network(network), asked) => bits(asked).is_some_and(|bits| bits.starts_with(network)),
            }
    }
}

fn parse_host(text: &str) -> Option<Host> {
    Some(without_dot(Url::parse(&format!("https://{text}/")).ok()?.host()?))
}

fn labels(name: &str) -> Vec<String> {
    name.split('.').rev().map(str::to_owned).collect()
}

/// Returns the bits of an address, after one bit for its version.
fn bits(host: &Host) -> Option<Vec<bool>> {
    let (version, octets) = match host {
        Host::Domain(_) => return None,
        Host::Ipv4(address) => (false, address.octets().to_vec()),
        Host::Ipv6(address) => (true, address.octets().to_vec()),
    };
    let bits = octets
        .iter()
        .flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1));
    Some([version].into_iter().chain(bits).collect())
}
