//! Rights: actions on sets of resources.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    ops::Range,
    sync::{Arc, OnceLock},
};

use thiserror::Error;

use crate::{ActionName, FamilyName, Pattern, index::Index, origin, text::quoted};

/// Maximum number of rights in one set.
///
/// Guests can narrow capabilities without limit, so this bounds time and memory. A 16 KiB token holds fewer.
pub const MAX_RIGHTS: usize = 16_384;

/// Maximum number of endpoints and affixes with a suffix in one set. The intersection of two sets can have as
/// many of these as the product of both sizes.
pub const MAX_COMPLEX_RIGHTS: usize = 1_024;

/// Error returned when rights cannot form a set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RightsError {
    /// The set has more than [`MAX_RIGHTS`] rights.
    #[error(
        "a set of rights holds at most {MAX_RIGHTS}; grant a folder or a wildcard in place of single names"
    )]
    TooMany,
    /// The set has more than [`MAX_COMPLEX_RIGHTS`] rights that are neither one resource nor a prefix.
    #[error(
        "a set of rights holds at most {MAX_COMPLEX_RIGHTS} wildcards, networks and ranges of ports; grant larger ones"
    )]
    TooManyComplex,
    /// The action of the family does not have patterns of this kind.
    #[error("rights of `{family}.{action}` have no patterns of the kind `{kind}`")]
    Kind {
        /// The family.
        family: FamilyName,
        /// The action.
        action: ActionName,
        /// The name of the kind in tokens.
        kind: &'static str,
    },
    /// An exact right of the family `net` to connect whose text is not a canonical origin.
    #[error("{} is not an origin in canonical form, `scheme://host:port`", quoted(text))]
    Origin {
        /// The text.
        text: String,
    },
}

/// One action of one family on the resources of one pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// The family, such as `fs`.
    pub family: FamilyName,
    /// The action, such as `read`.
    pub action: ActionName,
    /// The resources.
    pub pattern: Pattern,
}

impl Right {
    fn key(&self) -> (FamilyName, ActionName) {
        (self.family, self.action)
    }

    fn is_exact(&self) -> bool {
        matches!(self.pattern, Pattern::Exact(_))
    }

    /// Returns true if the right is neither one resource nor a prefix of resources.
    fn is_complex(&self) -> bool {
        match &self.pattern {
            Pattern::Exact(_) => false,
            Pattern::Affix { suffix, .. } => !suffix.is_empty(),
            Pattern::Endpoint(_) => true,
        }
    }

    fn covers(&self, other: &Right) -> bool {
        self.key() == other.key() && self.pattern.covers(&other.pattern)
    }
}

/// A set of rights in its canonical form: sorted, and no right is covered by another.
///
/// Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Rights(Arc<Sorted>);

#[derive(Debug, Default)]
struct Sorted {
    rights: Vec<Right>,
    actions: Vec<OfAction>,
}

/// The range of one action's rights.
#[derive(Debug)]
struct OfAction {
    family: FamilyName,
    action: ActionName,
    range: Range<usize>,
    /// Built when first used, because most sets are never queried.
    index: OnceLock<Index>,
}

impl PartialEq for Rights {
    fn eq(&self, other: &Rights) -> bool {
        self.0.rights == other.0.rights
    }
}

impl Eq for Rights {}

impl Hash for Rights {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.rights.hash(state);
    }
}

impl Rights {
    /// Returns the set that allows nothing.
    pub fn none() -> Rights {
        Rights::default()
    }

    /// Returns the canonical set of these rights.
    ///
    /// # Errors
    /// Returns an error if there are too many, or if a pattern's kind does not fit its action. Endpoints are
    /// only for connecting in the family `net`, and affixes are for all others.
    pub fn new(rights: impl IntoIterator<Item = Right>) -> Result<Rights, RightsError> {
        let mut sorted: Vec<Right> = rights.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() > MAX_RIGHTS {
            return Err(RightsError::TooMany);
        }
        for right in &sorted {
            let connects = right.key() == (FamilyName::NET, ActionName::CONNECT);
            if let (true, Pattern::Exact(text)) = (connects, &right.pattern)
                && !origin::is_canonical(text)
            {
                return Err(RightsError::Origin { text: text.clone() });
            }
            let kind = match &right.pattern {
                Pattern::Affix { .. } if connects => "affix",
                Pattern::Endpoint(endpoint) if !connects => endpoint.hosts().kind(),
                _ => continue,
            };
            return Err(RightsError::Kind {
                family: right.family,
                action: right.action,
                kind,
            });
        }
        let mut rights = Vec::with_capacity(sorted.len());
        let mut actions = Vec::new();
        for of_action in sorted.chunk_by(|one, other| one.key() == other.key()) {
            let Some(first) = of_action.first() else {
                continue;
            };
            let start = rights.len();
            rights.extend(not_covered(of_action)?.into_iter().cloned());
            actions.push(OfAction {
                family: first.family,
                action: first.action,
                range: start..rights.len(),
                index: OnceLock::new(),
            });
        }
        // Sets live long and can be many, so the spare capacity is released.
        rights.shrink_to_fit();
        actions.shrink_to_fit();
        Ok(Rights(Arc::new(Sorted { rights, actions })))
    }

    /// Returns an estimate of the bytes that the set takes, including its indexes even if they are not built
    /// yet.
    pub(crate) fn memory(&self) -> usize {
        // Each right is in the list and in an index. The constant covers the largest index entry and the
        // spare capacity of its table.
        const EACH: usize = 2 * size_of::<Right>() + 320;
        let texts: usize = self.iter().map(|right| 3 * right.pattern.text_len()).sum();
        size_of::<Sorted>() + self.0.actions.len() * size_of::<OfAction>() + self.len() * EACH + texts
    }

    /// Returns true if the set allows nothing.
    pub fn is_empty(&self) -> bool {
        self.0.rights.is_empty()
    }

    /// Returns the number of rights.
    pub fn len(&self) -> usize {
        self.0.rights.len()
    }

    /// Returns the rights, sorted by family, action and pattern.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Right> {
        self.0.rights.iter()
    }

    fn of_action(&self, family: FamilyName, action: ActionName) -> Option<&OfAction> {
        // A set has few actions. Comparing their names, three machine words each, is faster than any search.
        let mut actions = self.0.actions.iter();
        actions.find(|of| of.action == action && of.family == family)
    }

    /// Returns the rights of one family and action, sorted by pattern.
    pub fn for_action(&self, family: FamilyName, action: ActionName) -> &[Right] {
        self.of_action(family, action)
            .and_then(|of| self.0.rights.get(of.range.clone()))
            .unwrap_or_default()
    }

    fn index(&self, family: FamilyName, action: ActionName) -> Option<&Index> {
        let of = self.of_action(family, action)?;
        Some(of.index.get_or_init(|| {
            let rights = self.0.rights.get(of.range.clone()).unwrap_or_default();
            Index::of(rights.iter().map(|right| &right.pattern))
        }))
    }

    /// Returns true if the action on this canonical resource is allowed. The first call for an action builds
    /// its index.
    pub fn allows(&self, family: FamilyName, action: ActionName, resource: &str) -> bool {
        self.index(family, action)
            .is_some_and(|index| index.matches(resource))
    }

    /// Returns the intersection of both sets.
    ///
    /// # Errors
    /// Returns an error if the result exceeds a limit.
    pub fn meet(&self, other: &Rights) -> Result<Rights, RightsError> {
        // Two exact texts or prefixes are nested or disjoint. So their intersection consists of each right
        // that the other set covers.
        let covered = |of: &Rights, by: &Rights| -> Vec<Right> {
            of.iter()
                .filter(|right| {
                    !right.is_complex() && by.covers_pattern(right.family, right.action, &right.pattern)
                })
                .cloned()
                .collect()
        };
        let mut both = covered(self, other);
        both.extend(covered(other, self));
        let mut met = BTreeSet::new();
        for right in self.iter().filter(|right| !right.is_exact()) {
            for other in other.for_action(right.family, right.action) {
                if other.is_exact() || !right.is_complex() && !other.is_complex() {
                    continue; // handled above
                }
                if let Some(pattern) = right.pattern.meet(&other.pattern) {
                    met.insert(Right {
                        pattern,
                        ..right.clone()
                    });
                }
            }
            // `Rights::new` would return the same error, but only after all rights were allocated.
            if met.len() > MAX_RIGHTS {
                return Err(RightsError::TooMany);
            }
        }
        both.extend(met);
        Rights::new(both)
    }

    /// Returns true if each right of `other` is covered by one right of this set.
    pub fn covers(&self, other: &Rights) -> bool {
        other
            .iter()
            .all(|right| self.covers_pattern(right.family, right.action, &right.pattern))
    }

    /// Returns true if one right of the set covers the pattern.
    pub fn covers_pattern(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        let Some(index) = self.index(family, action) else {
            return false;
        };
        let by_complex = || {
            let rights = self.for_action(family, action);
            rights
                .iter()
                .any(|right| right.is_complex() && right.pattern.covers(pattern))
        };
        match pattern {
            Pattern::Exact(text) => index.matches(text),
            Pattern::Affix { prefix, suffix } => {
                index.covers_prefix(prefix) || !suffix.is_empty() && by_complex()
            }
            Pattern::Endpoint(_) => by_complex(),
        }
    }

    /// Returns true if at least one resource of the pattern is allowed.
    pub fn intersects(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        self.for_action(family, action)
            .iter()
            .any(|right| right.pattern.meet(pattern).is_some())
    }
}

/// Returns the rights that no other right covers. The input must be sorted, unique, and of one action.
///
/// Since there are no duplicates, two rights never cover each other. So at least one of every pair is kept.
fn not_covered(rights: &[Right]) -> Result<Vec<&Right>, RightsError> {
    let (complex, simple): (Vec<&Right>, Vec<&Right>) = rights.iter().partition(|right| right.is_complex());
    // Comparing all pairs takes quadratic time.
    if complex.len() > 4 * MAX_COMPLEX_RIGHTS {
        return Err(RightsError::TooManyComplex);
    }
    let by_complex = |right: &Right| complex.iter().any(|other| *other != right && other.covers(right));

    // In sorted order, all texts that begin with a prefix follow it directly.
    let mut by_text: Vec<(&str, bool, &Right)> = simple
        .iter()
        .map(|right| match &right.pattern {
            Pattern::Affix { prefix, .. } => (prefix.as_str(), false, *right),
            Pattern::Exact(text) => (text.as_str(), true, *right),
            Pattern::Endpoint(_) => ("", true, *right), // not reached: endpoints are complex
        })
        .collect();
    by_text.sort_unstable_by_key(|(text, is_exact, _)| (*text, *is_exact));
    let mut last: Option<&str> = None;
    let mut prefixes = Vec::new();
    let mut kept = Vec::new();
    for (text, is_exact, right) in by_text {
        if last.is_some_and(|prefix| text.starts_with(prefix)) {
            continue;
        }
        if !is_exact {
            last = Some(text);
            prefixes.push(right);
        }
        if !by_complex(right) {
            kept.push(right);
        }
    }

    let simple = kept.len();
    kept.extend(
        complex
            .iter()
            .filter(|right| !by_complex(right) && !prefixes.iter().any(|prefix| prefix.covers(right))),
    );
    if kept.len() - simple > MAX_COMPLEX_RIGHTS {
        return Err(RightsError::TooManyComplex);
    }
    kept.sort_unstable();
    Ok(kept)
}

impl<'a> IntoIterator for &'a Rights {
    type Item = &'a Right;
    type IntoIter = std::slice::Iter<'a, Right>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.rights.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Endpoint, Hosts};

    fn right(pattern: Pattern) -> Right {
        Right {
            family: FamilyName::FS,
            action: ActionName::READ,
            pattern,
        }
    }

    #[test]
    fn covered_rights_are_absorbed() {
        let rights = Rights::new([
            right(Pattern::exact("/a/b")),
            right(Pattern::prefix("/a/")),
            right(Pattern::prefix("/a/c/")),
            right(Pattern::prefix("/a/")),
        ]);
        assert_eq!(rights, Rights::new([right(Pattern::prefix("/a/"))]));
        assert_eq!(rights.unwrap().len(), 1);
    }

    #[test]
    fn sets_are_equal_and_hash_alike_by_their_rights() {
        let set =
            |names: &[&str]| Rights::new(names.iter().map(|name| right(Pattern::exact(*name)))).unwrap();
        let hash = |rights: &Rights| {
            let mut hasher = std::hash::DefaultHasher::new();
            rights.hash(&mut hasher);
            hasher.finish()
        };
        let (one, same, other) = (set(&["/a", "/b"]), set(&["/b", "/a", "/a"]), set(&["/a"]));
        assert!(one == same && hash(&one) == hash(&same));
        assert!(one != other && hash(&one) != hash(&other));
        assert_eq!([one.len(), other.len(), Rights::none().len()], [2, 1, 0]);
    }

    #[test]
    fn actions_do_not_mix() {
        let rights = Rights::new([right(Pattern::prefix("/"))]).unwrap();
        assert!(rights.allows(FamilyName::FS, ActionName::READ, "/a"));
        assert!(!rights.allows(FamilyName::FS, ActionName::WRITE, "/a"));
        assert!(!rights.allows(FamilyName::ENV, ActionName::READ, "/a"));
    }

    /// TOK-15
    #[test]
    fn intersections_beyond_a_limit_are_refused() {
        let prefixes = Rights::new((0..200).map(|n| right(Pattern::prefix(format!("/{n:03}/"))))).unwrap();
        let suffixes = Rights::new((0..200).map(|n| right(Pattern::affix("", format!(".{n:03}"))))).unwrap();
        assert_eq!(prefixes.meet(&suffixes), Err(RightsError::TooMany));
        let few = Rights::new(suffixes.iter().take(10).cloned()).unwrap();
        assert_eq!(prefixes.meet(&few), Err(RightsError::TooManyComplex));
        assert_eq!(
            Rights::new((0..=MAX_RIGHTS).map(|n| right(Pattern::exact(n.to_string())))),
            Err(RightsError::TooMany)
        );
        let most = Rights::new((0..MAX_RIGHTS).map(|n| right(Pattern::exact(format!("{n}x"))))).unwrap();
        assert_eq!(most.meet(&most), Ok(most.clone()));
        assert!(most.covers(&most));
        let suffixes = |count| Rights::new((0..count).map(|n| right(Pattern::affix("", format!("x{n}")))));
        assert!(suffixes(MAX_COMPLEX_RIGHTS).is_ok());
        // Covered rights do not count, up to the limit at which all pairs are compared.
        let nested = |count| {
            let ending = |n: usize| right(Pattern::affix("", format!("{}x", "y".repeat(n))));
            Rights::new((0..count).map(ending)).map(|rights| rights.len())
        };
        assert_eq!(nested(4 * MAX_COMPLEX_RIGHTS), Ok(1));
        assert_eq!(
            nested(4 * MAX_COMPLEX_RIGHTS + 1),
            Err(RightsError::TooManyComplex)
        );
        assert_eq!(nested(5 * MAX_COMPLEX_RIGHTS), Err(RightsError::TooManyComplex));
        assert_eq!(suffixes(MAX_COMPLEX_RIGHTS + 1), Err(RightsError::TooManyComplex));
    }

    /// TOK-17
    #[test]
    fn kinds_of_patterns_belong_to_families() {
        let network = Endpoint::pattern("tcp", Hosts::Below(".a".to_owned()), 5, 5).unwrap();
        assert_eq!(
            Rights::new([right(network.clone())]),
            Err(RightsError::Kind {
                family: FamilyName::FS,
                action: ActionName::READ,
                kind: "below"
            })
        );
        let net = |pattern| Right {
            family: FamilyName::NET,
            action: ActionName::CONNECT,
            pattern,
        };
        assert!(Rights::new([net(network)]).is_ok());
        assert_eq!(
            Rights::new([net(Pattern::prefix("https://"))]),
            Err(RightsError::Kind {
                family: FamilyName::NET,
                action: ActionName::CONNECT,
                kind: "affix"
            })
        );
    }
}
