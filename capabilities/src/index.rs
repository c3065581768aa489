//! An index of one action's patterns. Lookup time hardly grows with the number of patterns.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use crate::{
    Endpoint, Hosts, Pattern,
    endpoint::{Parts, parts},
};

/// The patterns of one family and action. None of them is covered by another.
#[derive(Debug, Default)]
pub(crate) struct Index {
    texts: Texts,
    /// Affixes with a suffix. The keys are the suffix's length, then the suffix; the values are the prefixes.
    suffixes: BTreeMap<usize, HashMap<Box<str>, Vec<Box<str>>>>,
    endpoints: Endpoints,
}

impl Index {
    pub(crate) fn of<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Index {
        let mut index = Index::default();
        let mut texts = Vec::new();
        for pattern in patterns {
            match pattern {
                Pattern::Exact(text) => texts.push((text.as_str(), false)),
                Pattern::Affix { prefix, suffix } if suffix.is_empty() => texts.push((prefix.as_str(), true)),
                Pattern::Affix { prefix, suffix } => {
                    let of_length = index.suffixes.entry(suffix.len()).or_default();
                    let prefixes = of_length.entry(suffix.as_str().into()).or_default();
                    prefixes.push(prefix.as_str().into());
                }
                Pattern::Endpoint(endpoint) => index.endpoints.add(endpoint),
            }
        }
        index.texts = Texts::of(texts);
        index
    }

    pub(crate) fn matches(&self, resource: &str) -> bool {
        self.texts.covering(resource).is_some()
            || self.ends_well(resource)
            || self.endpoints.matches(resource)
    }

    /// Returns true if a prefix in the index covers all texts that begin with this one.
    pub(crate) fn covers_prefix(&self, prefix: &str) -> bool {
        self.texts.covering(prefix).is_some_and(|text| text.is_prefix)
    }

    fn ends_well(&self, resource: &str) -> bool {
        self.suffixes.iter().any(|(length, of_length)| {
            let start = resource.len().checked_sub(*length);
            let prefixes = start
                .and_then(|start| resource.get(start..))
                .and_then(|suffix| of_length.get(suffix));
            prefixes.is_some_and(|prefixes| prefixes.iter().any(|prefix| resource.starts_with(&**prefix)))
        })
    }
}

/// Exact texts and prefixes, in one sorted list.
///
/// No text here begins with one of the prefixes, because it would be covered. Therefore only one text can
/// match a resource: the last one that does not sort after it. Proof: any text between a prefix and a
/// resource that begins with it would also begin with that prefix.
#[derive(Debug, Default)]
struct Texts {
    /// The longest prefix that all texts share.
    common: Box<str>,
    /// The next eight bytes of each text, as numbers. Comparing them decides most lookups, and they are
    /// contiguous in memory.
    keys: Vec<u64>,
    /// The texts, in the same order.
    texts: Vec<Text>,
}

#[derive(Debug)]
struct Text {
    /// The text without the prefix that all texts share.
    rest: Box<[u8]>,
    is_prefix: bool,
}

impl Text {
    #[inline]
    fn covers(&self, rest: &[u8]) -> bool {
        if self.is_prefix {
            rest.starts_with(&self.rest)
        } else {
            rest == &*self.rest
        }
    }
}

impl Texts {
    fn of(mut texts: Vec<(&str, bool)>) -> Texts {
        texts.sort_unstable();
        let common = match (texts.first(), texts.last()) {
            (Some((first, _)), Some((last, _))) => common(first, last),
            _ => "",
        };
        let texts: Vec<Text> = texts
            .iter()
            .map(|(text, is_prefix)| Text {
                rest: text.as_bytes().get(common.len()..).unwrap_or_default().into(),
                is_prefix: *is_prefix,
            })
            .collect();
        Texts {
            common: common.into(),
            keys: texts.iter().map(|text| key(&text.rest)).collect(),
            texts,
        }
    }

    /// Returns the text that matches this resource.
    #[inline]
    fn covering(&self, resource: &str) -> Option<&Text> {
        let rest = resource.strip_prefix(&*self.common)?.as_bytes();
        let wanted = key(rest);
        let after = self.keys.partition_point(|key| *key <= wanted);
        let last = after.checked_sub(1)?;
        let text = self.texts.get(last)?;
        if text.covers(rest) {
            return Some(text);
        }
        // If several texts share these eight bytes, the match may be an earlier one. They are compared as a
        // whole.
        if self.keys.get(last) != Some(&wanted) {
            return None;
        }
        let first = self.keys.partition_point(|key| *key < wanted);
        let candidates = self.texts.get(first..after)?;
        let after = candidates.partition_point(|text| *text.rest <= *rest);
        candidates
            .get(after.checked_sub(1)?)
            .filter(|text| text.covers(rest))
    }
}

/// Returns the common prefix of both texts, up to the last whole character.
fn common<'a>(first: &'a str, last: &str) -> &'a str {
    let same = first
        .bytes()
        .zip(last.bytes())
        .take_while(|(one, other)| one == other)
        .count();
    (0..=same)
        .rev()
        .find_map(|end| first.get(..end))
        .unwrap_or_default()
}

/// Returns the first eight bytes as a number that sorts like the text. Shorter texts are padded with zeros.
#[inline]
fn key(text: &[u8]) -> u64 {
    match text.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            for (byte, from) in bytes.iter_mut().zip(text) {
                *byte = *from;
            }
            u64::from_be_bytes(bytes)
        }
    }
}

/// Endpoints, by their hosts.
#[derive(Debug, Default)]
struct Endpoints {
    ones: HashMap<Box<str>, Vec<Ports>>,
    /// Keyed by the suffix's length, then by the suffix.
    below: BTreeMap<usize, HashMap<Box<str>, Vec<Ports>>>,
    /// Keyed by the network's length, then by its address.
    networks: BTreeMap<u8, HashMap<IpAddr, Vec<Ports>>>,
}

#[derive(Debug)]
struct Ports {
    scheme: &'static str,
    first: u16,
    last: u16,
}

impl Endpoints {
    fn add(&mut self, endpoint: &Endpoint) {
        let ports = match endpoint.hosts() {
            Hosts::One(host) => self.ones.entry(host.as_str().into()).or_default(),
            Hosts::Below(suffix) => {
                let of_length = self.below.entry(suffix.len()).or_default();
                of_length.entry(suffix.as_str().into()).or_default()
            }
            Hosts::Network(network) => {
                let of_length = self.networks.entry(network.length()).or_default();
                of_length.entry(network.address()).or_default()
            }
        };
        ports.push(Ports {
            scheme: endpoint.scheme(),
            first: endpoint.first(),
            last: endpoint.last(),
        });
    }

    fn matches(&self, resource: &str) -> bool {
        if self.ones.is_empty() && self.below.is_empty() && self.networks.is_empty() {
            return false;
        }
        let Some(parts) = parts(resource) else {
            return false;
        };
        let one = || self.ones.get(parts.host);
        let below = || {
            self.below.iter().filter_map(|(length, of_length)| {
                let start = parts.host.len().checked_sub(*length)?;
                of_length.get(parts.host.get(start..)?)
            })
        };
        let networks = || {
            self.networks.iter().filter_map(|(length, of_length)| {
                of_length.get(&crate::endpoint::masked(parts.address?, *length)?)
            })
        };
        one().is_some_and(|ports| include(ports, &parts))
            || below().any(|ports| include(ports, &parts))
            || networks().any(|ports| include(ports, &parts))
    }
}

fn include(ports: &[Ports], parts: &Parts<'_>) -> bool {
    ports
        .iter()
        .any(|ports| ports.scheme == parts.scheme && (ports.first..=ports.last).contains(&parts.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(patterns: &[Pattern]) -> Index {
        Index::of(patterns.iter())
    }

    #[test]
    fn the_last_text_that_is_not_after_a_resource_decides() {
        let index = index(&[
            Pattern::exact("/srv/data"),
            Pattern::prefix("/srv/data/"),
            Pattern::exact("/srv/data-secret"),
            Pattern::exact("/srv/é"),
            Pattern::prefix("/srv/è/"),
            Pattern::exact("/srv/longer-than-eight-a"),
            Pattern::prefix("/srv/longer-than-eight-b/"),
            Pattern::exact("/srv/longer-than-eight-c"),
        ]);
        assert_eq!(&*index.texts.common, "/srv/");
        for allowed in [
            "/srv/data",
            "/srv/data/",
            "/srv/data/a",
            "/srv/data-secret",
            "/srv/é",
            "/srv/è/x",
            "/srv/longer-than-eight-a",
            "/srv/longer-than-eight-b/x",
            "/srv/longer-than-eight-c",
        ] {
            assert!(index.matches(allowed), "{allowed}");
        }
        for denied in [
            "",
            "/",
            "/srv",
            "/srv/",
            "/srv/dat",
            "/srv/data-",
            "/srv/data-secret/x",
            "/srv/data0",
            "/srv/è",
            "/srv/longer-than-eight",
            "/srv/longer-than-eight-b",
            "/srv/longer-than-eight-cc",
            "/zzz",
        ] {
            assert!(!index.matches(denied), "{denied}");
        }
        assert!(super::Index::default().texts.texts.is_empty() && !super::Index::default().matches(""));
        assert!(self::index(&[Pattern::prefix("")]).matches(""));
        assert!(
            self::index(&[Pattern::exact("")]).matches("")
                && !self::index(&[Pattern::exact("")]).matches("a")
        );
    }
}
