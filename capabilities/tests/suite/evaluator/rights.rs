//! Rights: order, coverage and intersection (TOK-14, TOK-15, TOK-17).
use super::Refusal;
use super::hosts::{Endpoint, SCHEMES, address_bits, is_host};
use std::collections::BTreeSet;

/// A right. The derived order is that of TOK-14.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) family: String,
    pub(crate) action: String,
    pub(crate) pattern: Pattern,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pattern {
    Exact(String),
    Affix(String, String),
    Host(Place),
    Below(Place),
    Network(Place),
}

/// A scheme, the kind's own text (a host, a suffix or bits), and the first and the last port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) scheme: String,
    pub(crate) text: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

const LONGEST_NAME: usize = 24;
const MOST_RIGHTS: usize = 16_384;
const MOST_COSTLY_RIGHTS: usize = 1_024;

impl Right {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        for name in [&self.family, &self.action] {
            if !is_name(name) {
                return Err(Refusal::envelope(format!("{name:?} is not a name")));
            }
        }
        let connects = self.family == "net" && self.action == "connect";
        match (&self.pattern, connects) {
            (Pattern::Exact(text), true) if Endpoint::of(text).is_none() => {
                Err(Refusal::envelope(format!("{text:?} is not a resource of `net`")))
            }
            (Pattern::Exact(_), _) | (Pattern::Affix(..), false) => Ok(()),
            (Pattern::Host(place) | Pattern::Below(place) | Pattern::Network(place), true) => {
                let text = place.text.as_str();
                let (is_text, shortest) = match &self.pattern {
                    Pattern::Host(_) => (is_host(text), place.first == place.last),
                    Pattern::Below(_) => (is_suffix(text), false),
                    _ => (is_network(text), matches!(text.len(), 34 | 130)),
                };
                let is_range = 1 <= place.first && place.first <= place.last && place.last <= 65_535;
                if !is_text || !is_range || !SCHEMES.contains(&place.scheme.as_str()) {
                    return Err(Refusal::envelope(format!("{place:?} is not a set of endpoints")));
                }
                if shortest {
                    return Err(Refusal::envelope(format!("{place:?} has a shorter kind")));
                }
                Ok(())
            }
            _ => Err(Refusal::envelope(format!(
                "the family {:?} has no such pattern",
                self.family
            ))),
        }
    }

    /// Returns true if everything that `other` allows is allowed by this right.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.meet(other).as_ref() == Some(other)
    }

    /// Returns the intersection, which is a right or empty.
    pub(crate) fn meet(&self, other: &Self) -> Option<Self> {
        if (&self.family, &self.action) != (&other.family, &other.action) {
            return None;
        }
        let (less, more) = if self.pattern <= other.pattern {
            (&self.pattern, &other.pattern)
        } else {
            (&other.pattern, &self.pattern)
        };
        Some(Self {
            family: self.family.clone(),
            action: self.action.clone(),
            pattern: meet(less, more)?,
        })
    }
}

impl Pattern {
    /// Returns true if the pattern counts for the second limit of TOK-15.
    fn is_costly(&self) -> bool {
        match self {
            Self::Exact(_) => false,
            Self::Affix(_, suffix) => !suffix.is_empty(),
            _ => true,
        }
    }

    fn matches(&self, resource: &str) -> bool {
        match self {
            Self::Exact(text) => text == resource,
            Self::Affix(prefix, suffix) => resource.starts_with(prefix) && resource.ends_with(suffix),
            Self::Host(place) => at(place, resource).is_some_and(|at| at.host == place.text),
            Self::Below(place) => at(place, resource).is_some_and(|at| at.host.ends_with(&place.text)),
            Self::Network(place) => at(place, resource).is_some_and(|at| at.address.starts_with(&place.text)),
        }
    }
}

/// Returns the resource's endpoint, if its scheme and port match the pattern.
fn at(place: &Place, resource: &str) -> Option<Endpoint> {
    Endpoint::of(resource)
        .filter(|at| at.scheme == place.scheme && (place.first..=place.last).contains(&at.port))
}

/// Returns the intersection of two patterns. `less` must not sort after `more`.
fn meet(less: &Pattern, more: &Pattern) -> Option<Pattern> {
    Some(match (less, more) {
        (Pattern::Exact(resource), pattern) => {
            return pattern.matches(resource).then(|| less.clone());
        }
        (Pattern::Affix(prefix, suffix), Pattern::Affix(other_prefix, other_suffix)) => Pattern::Affix(
            longer(prefix, other_prefix, |long, short| long.starts_with(short))?,
            longer(suffix, other_suffix, |long, short| long.ends_with(short))?,
        ),
        (Pattern::Host(a), Pattern::Host(b)) => {
            host(overlap(a, b, (a.text == b.text).then(|| a.text.clone())?)?)
        }
        (Pattern::Host(a), Pattern::Below(b)) => {
            host(overlap(a, b, a.text.ends_with(&b.text).then(|| a.text.clone())?)?)
        }
        (Pattern::Host(a), Pattern::Network(b)) => {
            let inside = address_bits(&a.text).starts_with(&b.text);
            host(overlap(a, b, inside.then(|| a.text.clone())?)?)
        }
        (Pattern::Below(a), Pattern::Below(b)) => Pattern::Below(overlap(
            a,
            b,
            longer(&a.text, &b.text, |long, short| long.ends_with(short))?,
        )?),
        (Pattern::Network(a), Pattern::Network(b)) => Pattern::Network(overlap(
            a,
            b,
            longer(&a.text, &b.text, |long, short| long.starts_with(short))?,
        )?),
        _ => return None,
    })
}

fn longer(a: &str, b: &str, extends: fn(&str, &str) -> bool) -> Option<String> {
    if extends(a, b) {
        Some(a.to_owned())
    } else {
        extends(b, a).then(|| b.to_owned())
    }
}

/// Returns the ports in both ranges, if the schemes are the same.
fn overlap(a: &Place, b: &Place, text: String) -> Option<Place> {
    let (first, last) = (a.first.max(b.first), a.last.min(b.last));
    (a.scheme == b.scheme && first <= last).then(|| Place {
        scheme: a.scheme.clone(),
        text,
        first,
        last,
    })
}

/// Returns the pattern of one host, in its shortest kind.
fn host(place: Place) -> Pattern {
    if place.first < place.last {
        return Pattern::Host(place);
    }
    let Place {
        scheme, text, first, ..
    } = place;
    Pattern::Exact(if text.contains(':') {
        format!("{scheme}://[{text}]:{first}")
    } else {
        format!("{scheme}://{text}:{first}")
    })
}

/// Returns the intersection of two sets: that of each pair, without covered rights.
pub(crate) fn meet_all(left: &BTreeSet<Right>, right: &BTreeSet<Right>) -> BTreeSet<Right> {
    let together: BTreeSet<_> = left
        .iter()
        .flat_map(|one| right.iter().filter_map(|other| one.meet(other)))
        .collect();
    together
        .iter()
        .filter(|right| {
            !together
                .iter()
                .any(|other| other != *right && other.covers(right))
        })
        .cloned()
        .collect()
}

pub(crate) fn check_number<'a>(rights: impl IntoIterator<Item = &'a Right>) -> Result<(), Refusal> {
    let costly: Vec<_> = rights
        .into_iter()
        .map(|right| right.pattern.is_costly())
        .collect();
    if costly.len() > MOST_RIGHTS || costly.iter().filter(|costly| **costly).count() > MOST_COSTLY_RIGHTS {
        return Err(Refusal::envelope("there are too many rights"));
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Returns true for a dot and a host name whose last label is not a number. The name must be short enough for
/// a host to end with it.
fn is_suffix(text: &str) -> bool {
    text.strip_prefix('.')
        .is_some_and(|name| is_host(name) && address_bits(name).is_empty() && is_host(&format!("a{text}")))
}

fn is_network(text: &str) -> bool {
    let longest = match text.get(..2) {
        Some("4:") => 32,
        Some("6:") => 128,
        _ => return false,
    };
    text.get(2..)
        .is_some_and(|bits| bits.len() <= longest && bits.chars().all(|bit| matches!(bit, '0' | '1')))
}
