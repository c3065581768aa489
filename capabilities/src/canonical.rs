//! Canonical grants: the one spelling of each grant, which locks record.

use crate::{Base, Described, Families, FamilyName, PathError, ScopeError};

/// Maximum length of a placeholder name: that of a path component.
const MAX_MARK: usize = crate::MAX_COMPONENT;

impl Families {
    /// Returns the canonical lines of these grants, in ascending order.
    ///
    /// Two lists with the same meaning have the same lines. Each scope has one spelling, and covered scopes
    /// are left out. Relative paths stay relative and absolute paths stay absolute, so the lines do not
    /// depend on where the project is.
    ///
    /// # Errors
    /// Those of [`Families::parse_grants`].
    pub fn canonical_grants(
        &self,
        grants: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Vec<String>, ScopeError> {
        let grants: Vec<String> = grants
            .into_iter()
            .map(|grant| grant.as_ref().to_owned())
            .collect();
        let folder = Stand::for_grants(&grants)?;
        let rights = self.parse_grants(&grants, &folder.base)?;
        let mut lines: Vec<String> = Vec::with_capacity(rights.len());
        for described in self.describe(&rights, &folder.base) {
            let name = name(&described);
            let scopes = described.scopes.iter();
            lines.extend(scopes.map(|scope| format!("{name}={}", folder.as_written(scope))));
        }
        lines.sort_unstable();
        lines.dedup();
        Ok(lines)
    }
}

/// Returns the left side of the line, spelled like in a manifest.
fn name(described: &Described) -> String {
    match described.family {
        FamilyName::CLOCK | FamilyName::RANDOM => described.family.to_string(),
        family => format!("{family}.{}", described.action),
    }
}

/// A placeholder for the project's folder, which lets grants be parsed without knowing that folder. No
/// absolute path of the grants leads into it. It is nested so deep that no `..` of the grants leaves its
/// topmost parent. Therefore every parsed scope still shows whether it was relative, and to which parent.
struct Stand {
    base: Base,
    /// `/` and the name, which the folder and all its parents share.
    component: String,
    depth: usize,
}

impl Stand {
    fn for_grants(grants: &[String]) -> Result<Stand, PathError> {
        let is_free = |mark: &String| !grants.iter().any(|grant| grant.contains(mark.as_str()));
        // Control characters, because no path of a lock contains them. If every length is taken, the grants
        // are longer than a path may be.
        let mark = (1..=MAX_MARK).map(|length| "\u{1}".repeat(length)).find(is_free);
        let component = format!("/{}", mark.ok_or(PathError::TooLong { length: MAX_MARK })?);
        let climbs = |grant: &String| grant.split('/').filter(|part| part.ends_with("..")).count();
        let depth = 1 + grants.iter().map(climbs).max().unwrap_or(0);
        Ok(Stand {
            base: Base::new(&component.repeat(depth))?,
            component,
            depth,
        })
    }

    /// Returns the scope relative to the project's folder: `../shared/**` for a sibling folder.
    fn as_written(&self, scope: &str) -> String {
        let (mut rest, mut shared) = (scope, 0);
        while let Some(below) = rest.strip_prefix(self.component.as_str())
            && (below.is_empty() || below.starts_with('/'))
        {
            (rest, shared) = (below, shared + 1);
        }
        if shared == 0 {
            return scope.to_owned();
        }
        let climbs = vec![".."; self.depth.saturating_sub(shared)];
        format!("{}{rest}", climbs.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(grants: &[&str]) -> Vec<String> {
        Families::builtin().canonical_grants(grants).unwrap()
    }

    /// GRAPH-87: grants with the same meaning have the same lines, and others have different lines.
    #[test]
    fn grants_that_mean_the_same_have_the_same_lines() {
        let same: [(&[&str], &[&str]); 12] = [
            (&["fs.read=data/**"], &["fs.read=./data/**"]),
            (&["fs.read=data/../data//./**"], &["fs.read=./data/**"]),
            (&["fs.read=**"], &["fs.read=./**"]),
            (
                &["fs.read=.", "fs.read=./data/x", "fs.read=./**"],
                &["fs.read=./**"],
            ),
            (&["fs.read=a/../../b/**"], &["fs.read=../b/**"]),
            (&["fs.read=./../..//**"], &["fs.read=../../**"]),
            (&["fs.read=/srv//app/./x"], &["fs.read=/srv/app/x"]),
            (
                &["net.connect=https://API.Example.COM:443"],
                &["net.connect=https://api.example.com"],
            ),
            (
                &["net.connect=HTTPS://api.example.com."],
                &["net.connect=https://api.example.com"],
            ),
            (&["random.read=true", "random=seeded"], &["random=true"]),
            (&["clock=1s", "clock.read=1ms"], &["clock=1ms"]),
            (&["env.read=APP_*", "env.read=APP_KEY"], &["env.read=APP_*"]),
        ];
        for (written, expected) in same {
            assert_eq!(canonical(written), expected, "{written:?}");
            assert_eq!(canonical(expected), expected);
        }
        let different = [
            ["fs.read=./data/**", "fs.read=./data"],
            ["fs.read=./data/**", "fs.read=/data/**"],
            ["fs.read=./data", "fs.read=../data"],
            ["fs.read=./Data", "fs.read=./data"],
            [
                "net.connect=https://a.example",
                "net.connect=https://a.example:444",
            ],
            ["net.connect=https://a.example", "net.connect=http://a.example"],
        ];
        for [one, other] in different {
            assert_ne!(canonical(&[one]), canonical(&[other]));
        }
    }

    /// GRAPH-87: an absolute path that contains the placeholder's name is not mistaken for a relative one.
    #[test]
    fn an_absolute_path_stays_absolute() {
        for path in ["/\u{1}/x", "/\u{1}\u{1}/\u{1}/x", "/\u{1}"] {
            let grant = format!("fs.read={path}");
            assert_eq!(canonical(&[grant.as_str()]), std::slice::from_ref(&grant));
            assert_eq!(
                canonical(&[grant.as_str(), "fs.read=../x"]),
                ["fs.read=../x".to_owned(), grant]
            );
        }
    }
}
