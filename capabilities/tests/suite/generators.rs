//! Random patterns, blocks and questions, biased so that they often overlap. Uniformly random strings never
//! would.

use proptest::{collection::vec, option, prelude::*, sample::select};
use secure_runtime_capabilities::*;

/// Pieces of patterns and resources. Some are prefixes of others, or end like others begin.
const PIECES: [&str; 14] = [
    "", "/", "/a", "/ab", "/a/", "/a/b", "/a/b/c", "b", "b/c", ".csv", ":443", "é", "\"\\\n", "x",
];

fn text() -> impl Strategy<Value = String> {
    vec(select(&PIECES), 0..4).prop_map(|pieces| pieces.concat())
}

pub(crate) fn pattern() -> impl Strategy<Value = Pattern> {
    let piece = || select(&PIECES).prop_map(str::to_owned);
    prop_oneof![
        2 => text().prop_map(Pattern::Exact),
        3 => piece().prop_map(Pattern::prefix),
        1 => piece().prop_map(|suffix| Pattern::affix("", suffix)),
        2 => (piece(), piece()).prop_map(|(prefix, suffix)| Pattern::affix(prefix, suffix)),
        1 => (text(), text()).prop_map(|(prefix, suffix)| Pattern::affix(prefix, suffix)),
    ]
}

/// Generates endpoints whose hosts and ports often overlap.
pub(crate) fn endpoint() -> impl Strategy<Value = Pattern> {
    let network = |text: &str, length| Hosts::Network(Network::new(text.parse().unwrap(), length).unwrap());
    let hosts = prop_oneof![
        4 => select(HOSTS.to_vec()).prop_map(|host| Hosts::One(host.to_owned())),
        2 => select(vec![".com", ".a.com", ".b.a.com"]).prop_map(|suffix| Hosts::Below(suffix.to_owned())),
        2 => select(vec![
            network("10.0.0.0", 8),
            network("10.128.0.0", 9),
            network("0.0.0.0", 0),
            network("fd00::", 8),
            network("::", 0),
        ]),
    ];
    let ports = prop_oneof![
        1 => select(PORTS.to_vec()).prop_map(|port| (port, port)),
        2 => (select(PORTS.to_vec()), select(PORTS.to_vec())).prop_map(|(one, other)| (one.min(other), one.max(other))),
        1 => Just((1, u16::MAX)),
    ];
    (select(vec!["https", "tcp"]), hosts, ports)
        .prop_map(|(scheme, hosts, (first, last))| Endpoint::pattern(scheme, hosts, first, last).unwrap())
}

const HOSTS: [&str; 7] = [
    "com",
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "10.1.2.3",
    "10.200.0.1",
    "fd00::1",
];
const PORTS: [u16; 6] = [1, 80, 443, 444, 8080, 65535];

/// Generates an origin near the patterns of [`endpoint`].
fn origin() -> impl Strategy<Value = String> {
    (
        select(vec!["https", "tcp"]),
        select(HOSTS.to_vec()),
        select(PORTS.to_vec()),
    )
        .prop_map(|(scheme, host, port)| {
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.to_owned()
            };
            format!("{scheme}://{host}:{port}")
        })
}

/// Returns an origin in the pattern, at its first port or at its last.
fn inside(endpoint: &Endpoint, choice: u64) -> String {
    let host = match endpoint.hosts() {
        Hosts::One(host) if host.contains(':') => format!("[{host}]"),
        Hosts::One(host) => host.clone(),
        Hosts::Below(suffix) => format!("x{suffix}"),
        Hosts::Network(network) if network.address().is_ipv6() => format!("[{}]", network.address()),
        Hosts::Network(network) => network.address().to_string(),
    };
    let port = if choice.is_multiple_of(2) {
        endpoint.first()
    } else {
        endpoint.last()
    };
    format!("{}://{host}:{port}", endpoint.scheme())
}

fn action() -> impl Strategy<Value = (FamilyName, ActionName)> {
    // The choices are few and often the first one, so that two of them are often the same.
    prop_oneof![
        6 => Just((FamilyName::FS, ActionName::READ)),
        1 => Just((FamilyName::FS, ActionName::WRITE)),
        2 => Just((FamilyName::NET, ActionName::CONNECT)),
        1 => Just((FamilyName::NET, ActionName::LISTEN)),
    ]
}

pub(crate) fn right() -> impl Strategy<Value = Right> {
    (action(), pattern(), endpoint()).prop_map(|((family, action), pattern, endpoint)| Right {
        family,
        action,
        pattern: if (family, action) == (FamilyName::NET, ActionName::CONNECT) {
            endpoint
        } else {
            pattern
        },
    })
}

pub(crate) fn rights() -> impl Strategy<Value = Rights> {
    vec(right(), 0..8).prop_map(|rights| Rights::new(rights).unwrap())
}

/// Times and holders are few, so that questions often fall exactly on a limit.
const TIMES: std::ops::Range<u64> = 0..6;

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![
        3 => Just(Holder::Module([1; 32])),
        1 => Just(Holder::Module([2; 32])),
        1 => Just(Holder::Key([1; 32])),
    ]
}

pub(crate) fn block() -> impl Strategy<Value = Block> {
    let rights = prop_oneof![
        1 => Just(None),
        3 => vec(right(), 0..8).prop_map(|rights| Some(Rights::new(rights).unwrap())),
        // This block keeps most rights. Without it, a chain of several blocks would allow almost nothing.
        3 => vec(right(), 0..4).prop_map(|mut rights| {
            rights.push(Right { family: FamilyName::FS, action: ActionName::READ, pattern: Pattern::prefix("") });
            rights.extend(["https", "tcp"].into_iter().flat_map(|scheme| {
                ["0.0.0.0", "::"].map(|address| Right {
                    family: FamilyName::NET,
                    action: ActionName::CONNECT,
                    pattern: Endpoint::pattern(
                        scheme,
                        Hosts::Network(Network::new(address.parse().unwrap(), 0).unwrap()),
                        1,
                        u16::MAX,
                    )
                    .unwrap(),
                })
            }));
            Some(Rights::new(rights).unwrap())
        }),
    ];
    (
        rights,
        option::weighted(0.2, 2..TIMES.end),
        option::weighted(0.2, 0..4u64),
        option::weighted(0.1, holder()),
        option::weighted(0.06, 0..AUDITORS),
    )
        .prop_map(|(rights, expires, not_before, holder, auditor)| Block {
            rights,
            expires,
            not_before,
            holder,
            attested_by: auditor.map(|auditor| self::auditor(auditor).public()),
            attestation: None,
        })
}

/// The number of third parties.
const AUDITORS: u8 = 2;

pub(crate) fn auditor(number: u8) -> KeyPair {
    KeyPair::from_secret(&[number + 100; 32]).unwrap()
}

/// Generates an attestation: the number of the block before it, the third party, and the modules.
pub(crate) fn attestation() -> impl Strategy<Value = (usize, u8, Vec<[u8; 32]>)> {
    let modules = vec((1..3u8).prop_map(|module| [module; 32]), 1..3);
    (0..5usize, 0..AUDITORS, modules)
}

pub(crate) fn chain() -> impl Strategy<Value = Vec<Block>> {
    vec(block(), 1..5)
}

/// A random question, not yet adapted to a chain.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    action: (FamilyName, ActionName),
    text: String,
    origin: String,
    chosen: prop::sample::Index,
    bend: u8,
    now: u64,
    holders: Vec<Holder>,
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let holders = vec(holder(), 0..4);
    (
        action(),
        text(),
        origin(),
        any::<prop::sample::Index>(),
        0..14u8, // 0 to 4 miss the right, or nearly
        TIMES,
        holders,
    )
        .prop_map(|(action, text, origin, chosen, bend, now, holders)| Question {
            action,
            text,
            origin,
            chosen,
            bend,
            now,
            holders,
        })
}

/// A family whose resources are any text, for questions about the strings of patterns.
struct Any(FamilyName, [Action; 1]);

impl Family for Any {
    fn name(&self) -> FamilyName {
        self.0
    }

    fn actions(&self) -> &[Action] {
        &self.1
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![Pattern::exact(text)])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(text.to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

pub(crate) fn operation_on(family: FamilyName, action: ActionName, resource: &str) -> Operation<'static> {
    let family = Any(
        family,
        [Action {
            name: action,
            summary: "anything",
        }],
    );
    Operation::new(&family, action.as_str(), resource, &crate::base()).unwrap()
}

impl Question {
    fn text(&self) -> &str {
        if self.action.0 == FamilyName::NET {
            &self.origin
        } else {
            &self.text
        }
    }

    /// Returns the operation and its context. Most questions are about a resource of a remaining right, or
    /// about one that narrowly misses it.
    pub(crate) fn about(&self, rights: &Rights) -> (Operation<'static>, u64, &[Holder]) {
        let target = rights.iter().nth(self.chosen.index(rights.len().max(1)));
        let Some(target) = target.filter(|_| self.bend != 0) else {
            return (
                operation_on(self.action.0, self.action.1, self.text()),
                self.now,
                &self.holders,
            );
        };
        let mut resource = match &target.pattern {
            Pattern::Exact(text) => text.clone(),
            Pattern::Affix { prefix, suffix } if self.bend == 1 => format!("{prefix}{suffix}"),
            Pattern::Affix { prefix, suffix } => format!("{prefix}{}{suffix}", self.text),
            Pattern::Endpoint(_) if self.bend == 1 => self.origin.clone(),
            Pattern::Endpoint(endpoint) => inside(endpoint, self.now),
        };
        match self.bend {
            2 => drop(resource.pop()),
            3 => resource.push('x'),
            4 => resource.insert(0, 'x'),
            _ => {}
        }
        (
            operation_on(target.family, target.action, &resource),
            self.now,
            &self.holders,
        )
    }
}
