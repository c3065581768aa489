//! Rights: which action, on which resources.

use std::{ops::Range, sync::Arc};

use thiserror::Error;

use crate::{ActionName, FamilyName, Pattern};

/// Most rights that one set may hold.
///
/// The meet of two sets can have as many members as the product of their sizes, and guests narrow
/// capabilities as they like: the limit bounds time and memory. A 16 KiB token holds fewer.
pub const MAX_RIGHTS: usize = 1024;

/// A set of rights would hold more than [`MAX_RIGHTS`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a set of rights holds at most {MAX_RIGHTS}; grant a folder or a wildcard in place of single names")]
#[non_exhaustive]
pub struct TooManyRights;

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

    fn covers(&self, other: &Right) -> bool {
        self.key() == other.key() && self.pattern.covers(&other.pattern)
    }
}

/// A set of rights in its one canonical form: sorted, and no right covered by another.
///
/// Two sets that allow the same operations are equal. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Rights(Arc<Sorted>);

#[derive(Debug, PartialEq, Eq, Hash, Default)]
struct Sorted {
    rights: Vec<Right>,
    /// Where each action's rights are. Decisions begin here: a few comparisons of names, which are
    /// three machine words each, are faster than a binary search through the rights.
    actions: Vec<(FamilyName, ActionName, Range<usize>)>,
}

impl Rights {
    /// The set that allows nothing.
    pub fn none() -> Rights {
        Rights::default()
    }

    /// The canonical set of these rights.
    ///
    /// # Errors
    /// More than [`MAX_RIGHTS`] different ones.
    pub fn new(rights: impl IntoIterator<Item = Right>) -> Result<Rights, TooManyRights> {
        let mut sorted: Vec<Right> = rights.into_iter().collect();
        sorted.sort();
        sorted.dedup();
        if sorted.len() > MAX_RIGHTS {
            return Err(TooManyRights);
        }
        let rights: Vec<Right> = sorted
            .iter()
            // Without duplicates, two rights never cover each other, so this keeps one of every pair.
            .filter(|right| !sorted.iter().any(|other| other != *right && other.covers(right)))
            .cloned()
            .collect();
        let mut actions: Vec<(FamilyName, ActionName, Range<usize>)> = Vec::new();
        for (index, right) in rights.iter().enumerate() {
            match actions.last_mut() {
                Some((family, action, range)) if (*family, *action) == right.key() => range.end = index + 1,
                _ => actions.push((right.family, right.action, index..index + 1)),
            }
        }
        Ok(Rights(Arc::new(Sorted { rights, actions })))
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.rights.is_empty()
    }

    /// How many rights there are.
    pub fn len(&self) -> usize {
        self.0.rights.len()
    }

    /// The rights, sorted by family, action and pattern.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Right> {
        self.0.rights.iter()
    }

    /// The rights of one family and action, sorted by pattern.
    pub fn for_action(&self, family: FamilyName, action: ActionName) -> &[Right] {
        let mut actions = self.0.actions.iter();
        let range = actions.find(|(of_family, of_action, _)| *of_action == action && *of_family == family);
        range
            .and_then(|(.., range)| self.0.rights.get(range.clone()))
            .unwrap_or_default()
    }

    /// Whether the operation on this canonical resource is allowed.
    pub fn allows(&self, family: FamilyName, action: ActionName, resource: &str) -> bool {
        self.for_action(family, action)
            .iter()
            .any(|right| right.pattern.matches(resource))
    }

    /// The rights that both sets allow.
    ///
    /// # Errors
    /// More than [`MAX_RIGHTS`] different ones.
    pub fn meet(&self, other: &Rights) -> Result<Rights, TooManyRights> {
        let mut both = Vec::new();
        for right in self.iter() {
            for other in other.for_action(right.family, right.action) {
                if let Some(pattern) = right.pattern.meet(&other.pattern) {
                    both.push(Right {
                        family: right.family,
                        action: right.action,
                        pattern,
                    });
                }
            }
            // Equal meets are common, so only what is left without them counts; the factor bounds memory.
            if both.len() > 4 * MAX_RIGHTS {
                both.sort();
                both.dedup();
                if both.len() > MAX_RIGHTS {
                    return Err(TooManyRights);
                }
            }
        }
        Rights::new(both)
    }

    /// Whether everything that `other` allows is allowed here.
    pub fn covers(&self, other: &Rights) -> bool {
        other
            .iter()
            .all(|right| self.covers_pattern(right.family, right.action, &right.pattern))
    }

    /// Whether every resource of the pattern is allowed.
    pub fn covers_pattern(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        // One member must cover it alone: see `Pattern::covers`.
        self.for_action(family, action)
            .iter()
            .any(|right| right.pattern.covers(pattern))
    }

    /// Whether some resource of the pattern is allowed.
    pub fn intersects(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        self.for_action(family, action)
            .iter()
            .any(|right| right.pattern.meet(pattern).is_some())
    }
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
    fn actions_do_not_mix() {
        let rights = Rights::new([right(Pattern::prefix("/"))]).unwrap();
        assert!(rights.allows(FamilyName::FS, ActionName::READ, "/a"));
        assert!(!rights.allows(FamilyName::FS, ActionName::WRITE, "/a"));
        assert!(!rights.allows(FamilyName::ENV, ActionName::READ, "/a"));
    }

    /// TOK-15
    #[test]
    fn a_meet_that_explodes_is_refused() {
        let prefixes = Rights::new((0..200).map(|n| right(Pattern::prefix(format!("/{n:03}/"))))).unwrap();
        let suffixes = Rights::new((0..200).map(|n| right(Pattern::affix("", format!(".{n:03}"))))).unwrap();
        assert_eq!(prefixes.meet(&suffixes), Err(TooManyRights));
        assert!(Rights::new((0..=MAX_RIGHTS).map(|n| right(Pattern::exact(n.to_string())))).is_err());
    }
}
