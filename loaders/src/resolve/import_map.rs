//! The `[imports]` table of a manifest.

use std::collections::BTreeMap;

use super::error::{ImportProblem, LockError};
use super::specifier::{self, Specifier};
use crate::graph::package_name_is_good;

/// The manifest's `[imports]`. Their form was checked, but their targets were not resolved.
#[derive(Debug, Clone, Default)]
pub(super) struct ImportMap {
    /// Bare names: packages, each with its own authority.
    pub(super) packages: BTreeMap<String, PackageSource>,
    /// `#` names: first-party files (`#name`) and folders (`#name/`), relative to the project.
    internal: BTreeMap<String, String>,
}

/// The location of a package in `[imports]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PackageSource {
    /// `npm:name@version`: in the project's node_modules.
    Npm {
        /// The name of the folder in node_modules.
        name: String,
        /// The exact version that must be installed. If there is none, any version is accepted, because the lock fixes
        /// its bytes.
        version: Option<String>,
    },
    /// `./vendor/name/` or `./vendor/name.js`: relative to the project, without the `./`.
    Path(String),
}

impl ImportMap {
    pub(super) fn parse(entries: &BTreeMap<String, String>) -> Result<Self, LockError> {
        let mut map = Self::default();
        for (key, value) in entries {
            map.add(key, value).map_err(|problem| LockError::ImportMap {
                key: key.clone(),
                problem: Box::new(problem),
            })?;
        }
        Ok(map)
    }

    fn add(&mut self, key: &str, value: &str) -> Result<(), ImportProblem> {
        if key.starts_with('#') {
            let path = relative(value.trim_end_matches('/'))?;
            if key.ends_with('/') != value.ends_with('/') || key == "#" {
                return Err(ImportProblem::Value);
            }
            self.internal.insert(key.to_owned(), path);
        } else if package_name_is_good(key) {
            let source = match value.strip_prefix("npm:") {
                Some(package) => npm(package)?,
                None => PackageSource::Path(relative(value.trim_end_matches('/'))?),
            };
            self.packages.insert(key.to_owned(), source);
        } else {
            return Err(ImportProblem::PackageName);
        }
        Ok(())
    }

    /// Returns the entries in canonical form. Paths have no `.` and `..`, and end with `/` exactly if the key does.
    pub(super) fn canonical(&self) -> BTreeMap<String, String> {
        let internal = self.internal.iter().map(|(key, path)| {
            let end = if key.ends_with('/') && !path.is_empty() {
                "/"
            } else {
                ""
            };
            (key.clone(), format!("./{path}{end}"))
        });
        let packages = self.packages.iter().map(|(key, source)| {
            let value = match source {
                PackageSource::Npm { name, version: None } => format!("npm:{name}"),
                PackageSource::Npm {
                    name,
                    version: Some(version),
                } => format!("npm:{name}@{version}"),
                PackageSource::Path(path) => format!("./{path}"),
            };
            (key.clone(), value)
        });
        internal.chain(packages).collect()
    }

    /// Returns the path, relative to the project, of a first-party `#…` specifier. The longest key wins, like in the
    /// web's import maps.
    pub(super) fn internal(&self, specifier: &str) -> Result<String, ImportProblem> {
        if let Some(path) = self.internal.get(specifier) {
            return Ok(path.clone());
        }
        let folders = self.internal.iter().filter(|(key, _)| key.ends_with('/'));
        let found = folders
            .filter_map(|(key, folder)| Some((key.len(), folder, specifier.strip_prefix(key.as_str())?)))
            .max_by_key(|(length, ..)| *length);
        match found {
            Some((_, folder, rest)) => {
                let rest = specifier::decode_path(rest)?;
                // The rest of the specifier must not leave the folder of the key.
                specifier::join("", &rest).and_then(|rest| specifier::join(folder, &rest))
            }
            None => Err(ImportProblem::NotInternal {
                specifier: specifier.to_owned(),
                conditions: &[],
            }),
        }
    }
}

fn npm(package: &str) -> Result<PackageSource, ImportProblem> {
    let at = package
        .char_indices()
        .skip(1)
        .find(|(_, character)| *character == '@');
    let (name, version) = match at.and_then(|(at, _)| package.split_at_checked(at)) {
        Some((name, version)) => (name, Some(version.trim_start_matches('@'))),
        None => (package, None),
    };
    match specifier::bare(name) {
        Ok(Specifier::Bare { subpath, .. }) if subpath == "." => {}
        _ => return Err(ImportProblem::Value),
    }
    if let Some(version) = version
        && !is_exact(version)
    {
        return Err(ImportProblem::VersionRange {
            range: version.to_owned(),
            installed: None,
        });
    }
    Ok(PackageSource::Npm {
        name: name.to_owned(),
        version: version.map(str::to_owned),
    })
}

/// Returns true if `version` is `1.2.3`, with optional `-pre.release` and `+build`.
fn is_exact(version: &str) -> bool {
    let (core, suffix) = match version
        .find(['-', '+'])
        .and_then(|at| version.split_at_checked(at))
    {
        Some((core, suffix)) => (core, suffix),
        None => (version, ""),
    };
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers
            .iter()
            .all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        && suffix
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-+.".contains(&byte))
}

/// Converts `./a/b` to `a/b`.
fn relative(value: &str) -> Result<String, ImportProblem> {
    match specifier::classify(value) {
        Ok(Specifier::Relative(path)) => specifier::join("", &specifier::decode_path(path)?),
        Ok(_) => Err(ImportProblem::Value),
        Err(ImportProblem::Absolute) if value == "." => Err(ImportProblem::WholeProject),
        Err(error @ (ImportProblem::Absolute | ImportProblem::Character)) => Err(error),
        Err(_) => Err(ImportProblem::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, value: &str) -> Result<ImportMap, LockError> {
        ImportMap::parse(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    /// GRAPH-36: the values that name a package.
    #[test]
    fn packages() {
        let npm = |name: &str, version: Option<&str>| {
            Some(PackageSource::Npm {
                name: name.to_owned(),
                version: version.map(str::to_owned),
            })
        };
        let table = [
            ("marked", "npm:marked@15.0.0", npm("marked", Some("15.0.0"))),
            (
                "md",
                "npm:marked@15.0.0-rc.1+x",
                npm("marked", Some("15.0.0-rc.1+x")),
            ),
            ("marked", "npm:marked", npm("marked", None)),
            ("@a/b", "npm:@a/b@1.2.3", npm("@a/b", Some("1.2.3"))),
            ("@a/b", "npm:@a/b", npm("@a/b", None)),
            ("x", "./vendor/x/", Some(PackageSource::Path("vendor/x".into()))),
            (
                "x",
                "./vendor/x.js",
                Some(PackageSource::Path("vendor/x.js".into())),
            ),
            ("marked", "npm:marked@^15", None),
            ("marked", "npm:marked@15", None),
            ("marked", "npm:marked@latest", None),
            ("marked", "npm:marked@", None),
            ("marked", "npm:", None),
            ("marked", "npm:@a", None),
            ("marked", "npm:../x", None),
            ("marked", "npm:marked/lib@1.2.3", None),
            ("marked", "https://example.com/", None),
            ("marked", "marked", None),
            ("marked", "/etc/", None),
            ("marked", "../outside/", None),
            ("marked", "./", None),
            ("marked", "", None),
            ("marked/lib", "npm:marked@15.0.0", None),
            ("marked/", "npm:marked@15.0.0", None),
            ("./a", "./b", None),
            ("", "./b", None),
            ("cap:self", "./b", None),
            ("https://example.com/a.js", "./b", None),
        ];
        for (key, value, expected) in table {
            match (parse(key, value), expected) {
                (Ok(map), Some(expected)) => assert_eq!(map.packages[key], expected, "{key} = {value}"),
                (Err(_), None) => {}
                (found, _) => panic!("{key} = {value}: {found:?}"),
            }
        }
    }

    /// GRAPH-31: the longest key wins, and the rest of the specifier stays below its folder.
    #[test]
    fn internal_names() {
        let entries = [
            ("#fmt/", "./lib/fmt/"),
            ("#fmt/deep/", "./deep/"),
            ("#one", "./lib/one.js"),
            ("#/", "./src/"),
        ];
        let map = ImportMap::parse(
            &entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
        .unwrap();
        assert_eq!(map.internal("#fmt/a.js"), Ok("lib/fmt/a.js".into()));
        assert_eq!(map.internal("#fmt/x/../a.js"), Ok("lib/fmt/a.js".into()));
        assert_eq!(map.internal("#fmt/deep/a.js"), Ok("deep/a.js".into()));
        assert_eq!(map.internal("#one"), Ok("lib/one.js".into()));
        assert_eq!(map.internal("#/a/b.js"), Ok("src/a/b.js".into()));
        assert_eq!(map.internal("#/../secret.js"), Err(ImportProblem::LeavesPackage));
        assert!(matches!(
            map.internal("#two"),
            Err(ImportProblem::NotInternal { .. })
        ));
        assert!(matches!(
            map.internal("#one/x"),
            Err(ImportProblem::NotInternal { .. })
        ));
        assert_eq!(
            map.internal("#fmt/../secret.js"),
            Err(ImportProblem::LeavesPackage)
        );
        assert_eq!(
            map.internal("#fmt/%2e%2e/secret.js"),
            Err(ImportProblem::LeavesPackage)
        );
        for (key, value) in [
            ("#a/", "./a"),
            ("#a", "./a/"),
            ("#", "./a"),
            ("#/", "./a"),
            ("#a", "npm:a@1.2.3"),
            ("#a", "../a"),
        ] {
            assert!(parse(key, value).is_err(), "{key} = {value}");
        }
    }
}
