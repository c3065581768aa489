//! `fs`: files and folders, by absolute path.

use crate::{Action, ActionName, Base, Family, FamilyName, FsPath, Pattern, Problem, describe_pattern};

/// Files and folders. A scope is an exact path, or a folder with everything below it (`./data/**`).
#[derive(Debug, Clone, Copy)]
pub struct Fs;

const WILDCARD: Problem = Problem::Wildcard {
    hint: "`*` is allowed only at the end, for a folder with its content: `./data/**`",
};

impl Family for Fs {
    fn name(&self) -> FamilyName {
        FamilyName::FS
    }

    fn actions(&self) -> &[Action] {
        &[
            Action {
                name: ActionName::READ,
                summary: "read files, list folders, see sizes and dates",
            },
            Action {
                name: ActionName::WRITE,
                summary: "create, change, rename and remove files and folders",
            },
        ]
    }

    fn parse_scope(&self, _: ActionName, text: &str, base: &Base) -> Result<Vec<Pattern>, Problem> {
        let folder = match text {
            "**" => Some("."),
            "/**" => Some("/"),
            _ => text.strip_suffix("/**"),
        };
        let path = folder.unwrap_or(text);
        if path.contains('*') {
            return Err(WILDCARD);
        }
        let path = FsPath::parse(path, base)?;
        Ok(match folder {
            // The folder itself is included, because listing it is reading it.
            Some(_) => vec![Pattern::exact(path.as_str()), Pattern::prefix(path.below())],
            None => vec![Pattern::exact(path.as_str())],
        })
    }

    fn parse_resource(&self, _: ActionName, text: &str, base: &Base) -> Result<String, Problem> {
        Ok(FsPath::parse(text, base)?.as_str().to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], base: &Base) -> Vec<String> {
        let below = |path: &str| {
            Pattern::prefix(if path == "/" {
                "/".to_owned()
            } else {
                format!("{path}/")
            })
        };
        patterns
            .iter()
            .filter_map(|pattern| match pattern {
                // The next pattern describes both the folder and everything below it; patterns are sorted.
                Pattern::Exact(path) if patterns.binary_search(&below(path)).is_ok() => None,
                Pattern::Exact(path) => Some(base.relative(path)),
                Pattern::Affix { prefix, suffix } if suffix.is_empty() && prefix.ends_with('/') => {
                    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
                    Some(match base.relative(folder).as_str() {
                        "" => "/**".to_owned(),
                        folder => format!("{folder}/**"),
                    })
                }
                Pattern::Affix { .. } | Pattern::Endpoint(_) => Some(describe_pattern(pattern)),
            })
            .collect()
    }
}
