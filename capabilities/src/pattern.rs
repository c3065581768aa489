//! String patterns over canonical resources. All scopes compile to them.

use crate::Endpoint;

/// A set of canonical resource strings.
///
/// The kinds are few and closed, so that decisions, intersections and the Datalog of tokens share their code
/// across all families. The first two kinds mean exactly the same as Biscuit's `==`, `starts_with` and
/// `ends_with`. Endpoints exist only for connecting in the family `net`, which has no affixes there. Therefore the
/// intersection of two patterns of one action is a pattern or empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// One string.
    Exact(String),
    /// Every string that starts with `prefix` and ends with `suffix`. Both may be empty, and they may overlap
    /// in the string.
    Affix {
        /// The start of the string.
        prefix: String,
        /// The end of the string.
        suffix: String,
    },
    /// Connections of the family `net`, by host and port.
    Endpoint(Endpoint),
}

impl Pattern {
    /// Returns the length of the pattern's texts in bytes.
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Pattern::Exact(text) => text.len(),
            Pattern::Affix { prefix, suffix } => prefix.len() + suffix.len(),
            Pattern::Endpoint(endpoint) => endpoint.hosts().text_len(),
        }
    }

    /// Returns the pattern of one string.
    pub fn exact(text: impl Into<String>) -> Pattern {
        Pattern::Exact(text.into())
    }

    /// Returns the pattern of all strings that start with `prefix`.
    pub fn prefix(prefix: impl Into<String>) -> Pattern {
        Pattern::affix(prefix, "")
    }

    /// Returns the pattern of all strings that start with `prefix` and end with `suffix`.
    pub fn affix(prefix: impl Into<String>, suffix: impl Into<String>) -> Pattern {
        Pattern::Affix {
            prefix: prefix.into(),
            suffix: suffix.into(),
        }
    }

    /// Returns true if `resource` is in the set.
    pub fn matches(&self, resource: &str) -> bool {
        match self {
            Pattern::Exact(text) => text == resource,
            Pattern::Affix { prefix, suffix } => {
                resource.starts_with(prefix.as_str()) && resource.ends_with(suffix.as_str())
            }
            Pattern::Endpoint(endpoint) => endpoint.matches(resource),
        }
    }

    /// Returns the intersection of both sets, or `None` if it is empty.
    pub fn meet(&self, other: &Pattern) -> Option<Pattern> {
        match (self, other) {
            (Pattern::Exact(text), pattern) | (pattern, Pattern::Exact(text)) => {
                pattern.matches(text).then(|| Pattern::Exact(text.clone()))
            }
            (
                Pattern::Affix { prefix, suffix },
                Pattern::Affix {
                    prefix: other_prefix,
                    suffix: other_suffix,
                },
            ) => Some(Pattern::Affix {
                prefix: longer(prefix, other_prefix, |long, short| long.starts_with(short))?,
                suffix: longer(suffix, other_suffix, |long, short| long.ends_with(short))?,
            }),
            (Pattern::Endpoint(endpoint), Pattern::Endpoint(other)) => endpoint.meet(other),
            // Not in the same family: see `Rights::new`.
            (Pattern::Affix { .. }, Pattern::Endpoint(_)) | (Pattern::Endpoint(_), Pattern::Affix { .. }) => {
                None
            }
        }
    }

    /// Returns true if every string of `other` is in this set.
    ///
    /// Comparing the affixes is complete, not only sound. The strings of an affix have any text in the middle.
    /// So if `other` does not extend this affix, one of its strings is not in this set. The same holds for
    /// hosts and ports.
    pub fn covers(&self, other: &Pattern) -> bool {
        match (self, other) {
            (_, Pattern::Exact(text)) => self.matches(text),
            (Pattern::Exact(_), _) => false,
            (
                Pattern::Affix { prefix, suffix },
                Pattern::Affix {
                    prefix: other_prefix,
                    suffix: other_suffix,
                },
            ) => other_prefix.starts_with(prefix.as_str()) && other_suffix.ends_with(suffix.as_str()),
            (Pattern::Endpoint(endpoint), Pattern::Endpoint(other)) => endpoint.covers(other),
            (Pattern::Affix { .. }, Pattern::Endpoint(_)) | (Pattern::Endpoint(_), Pattern::Affix { .. }) => {
                false
            }
        }
    }
}

/// Returns the longer affix, if it extends the shorter one.
fn longer(left: &str, right: &str, extends: impl Fn(&str, &str) -> bool) -> Option<String> {
    let (long, short) = if left.len() >= right.len() {
        (left, right)
    } else {
        (right, left)
    };
    extends(long, short).then(|| long.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TOK-17, TOK-27
    #[test]
    fn prefixes_are_string_prefixes_so_families_end_them_with_a_separator() {
        let folder = Pattern::prefix("/data/");
        assert!(folder.matches("/data/a") && !folder.matches("/data") && !folder.matches("/data-secret/x"));
    }

    #[test]
    fn meets_are_the_longer_affixes() {
        let host = Pattern::affix("https://", ".example.com:443");
        assert_eq!(
            host.meet(&Pattern::affix("https://", ".api.example.com:443")),
            Some(Pattern::affix("https://", ".api.example.com:443"))
        );
        assert_eq!(host.meet(&Pattern::affix("tcp://", "")), None);
        assert_eq!(
            host.meet(&Pattern::exact("https://a.example.com:443")),
            Some(Pattern::exact("https://a.example.com:443"))
        );
        assert_eq!(host.meet(&Pattern::exact("https://example.com:443")), None);
    }

    /// TOK-17
    #[test]
    fn affixes_may_overlap_as_they_do_in_datalog() {
        assert!(Pattern::affix("ab", "bc").matches("abc"));
        assert!(Pattern::affix("ab", "bc").covers(&Pattern::exact("abc")));
    }
}
