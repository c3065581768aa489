//! Resolution of a specifier in a module, including the replacements that packages declare for environments without
//! Node.js.

use super::browser::{self, Replacement};
use super::error::ImportProblem;
use super::exports::Conditions;
use super::packages::{PackageIndex, Packages, with_ending};
use super::specifier;
use crate::transform;

/// The folder of modules that are left out. No file of a package may be in a folder with this name.
pub(super) const LEFT_OUT: &str = "browser:false";

/// The result of resolving a specifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Located {
    /// A module that the host provides. It is in no graph.
    Host,
    /// The file with this path in a package.
    File(PackageIndex, String),
    /// An empty module, because the package's `browser` field is `false` for it. The path is that of the empty module.
    Nothing(PackageIndex, String),
}

impl Located {
    /// Returns the package and the path of the module, or `None` if the host provides it.
    pub(super) fn place(self) -> Option<(PackageIndex, String)> {
        match self {
            Located::Host => None,
            Located::File(package, path) | Located::Nothing(package, path) => Some((package, path)),
        }
    }
}

impl Packages<'_> {
    /// Resolves `specifier` in the module `path` of `package`.
    pub(super) fn locate(
        &mut self,
        package: PackageIndex,
        path: &str,
        specifier: &str,
        conditions: Conditions,
    ) -> Result<Located, ImportProblem> {
        let folder = folder_of(path);
        let is_path = specifier::is_relative_for_require(specifier);
        let located = match self.name_in_map(package, folder, specifier, conditions)? {
            Some((_, Replacement::Nothing)) => {
                let name = specifier.strip_prefix("node:").unwrap_or(specifier);
                return Ok(Located::Nothing(package, left_out(name)));
            }
            Some((scope, replacement)) => self.replaced(package, &scope, &replacement, conditions),
            None => self.locate_as_written(package, path, specifier, conditions),
        };
        let (package, path) = match located {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Located::Host),
            // The file may not exist and have only a replacement.
            Err(problem @ ImportProblem::NotFound { .. }) if is_path => {
                let Ok(path) = specifier::join(folder, specifier) else {
                    return Err(problem);
                };
                let paths = [path.clone(), format!("{path}.js"), format!("{path}/index.js")];
                for path in paths {
                    if let Some(found) = self.file_in_map(package, &path, conditions)? {
                        return Ok(found);
                    }
                }
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        };
        let replaced = self.file_in_map(package, &path, conditions)?;
        Ok(replaced.unwrap_or(Located::File(package, path)))
    }

    /// Returns true if the package.json of `package` mentions browsers.
    pub(super) fn names_browser(&mut self, package: PackageIndex) -> bool {
        let Ok(home) = self.home(package).cloned() else {
            return false;
        };
        let package_json = (!home.is_single_file()).then(|| self.package_json(home.path()));
        matches!(package_json, Some(Ok(Some(json))) if json.names_browser())
    }

    /// Returns the replacement for a package specifier in a module in `folder` of `package`, with the folder of the
    /// package.json that declares it.
    fn name_in_map(
        &mut self,
        package: PackageIndex,
        folder: &str,
        specifier: &str,
        conditions: Conditions,
    ) -> Result<Option<(String, Replacement)>, ImportProblem> {
        // A package must not replace modules that the host provides.
        if specifier::is_relative_for_require(specifier) || specifier.starts_with(transform::HOST) {
            return Ok(None);
        }
        let Some((scope, map)) = self.browser_map(package, folder, conditions)? else {
            return Ok(None);
        };
        let found = map.browser_map().map(|map| browser::of_name(map, specifier));
        Ok(found.transpose()?.flatten().map(|found| (scope, found)))
    }

    /// Returns the replacement for the file `path` of `package`.
    fn file_in_map(
        &mut self,
        package: PackageIndex,
        path: &str,
        conditions: Conditions,
    ) -> Result<Option<Located>, ImportProblem> {
        let Some((scope, json)) = self.browser_map(package, folder_of(path), conditions)? else {
            return Ok(None);
        };
        let below = match scope.as_str() {
            "" => path,
            scope => path.strip_prefix(scope).unwrap_or(path).trim_start_matches('/'),
        };
        let found = json.browser_map().map(|map| browser::of_file(map, below));
        match found.transpose()?.flatten() {
            None => Ok(None),
            Some(Replacement::Nothing) => Ok(Some(Located::Nothing(package, left_out(path)))),
            Some(replacement) => {
                let found = self.replaced(package, &scope, &replacement, conditions)?;
                Ok(found.map(|(package, path)| Located::File(package, path)))
            }
        }
    }

    /// Returns the file of a replacement that the package.json in `scope` of `package` declares.
    fn replaced(
        &mut self,
        package: PackageIndex,
        scope: &str,
        replacement: &Replacement,
        conditions: Conditions,
    ) -> Result<Option<(PackageIndex, String)>, ImportProblem> {
        let path = match replacement {
            Replacement::File(path) => specifier::join(scope, path)?,
            Replacement::Package(name) => {
                let path = specifier::join(scope, name)?;
                let is_file =
                    browser::looks_like_a_file(name) && with_ending(self.home(package)?, &path).is_some();
                if !is_file {
                    let importer = specifier::join(scope, "package.json")?;
                    return self.locate_as_written(package, &importer, name, conditions);
                }
                path
            }
            Replacement::Nothing => return Ok(None),
        };
        let found = self.search(package, &path, false, conditions)?;
        Ok(Some((package, found)))
    }

    /// Returns the nearest package.json at or above `folder` of `package` whose `browser` is an object, with its
    /// folder.
    fn browser_map(
        &mut self,
        package: PackageIndex,
        folder: &str,
        conditions: Conditions,
    ) -> Result<Option<(String, std::rc::Rc<super::package_json::PackageJson>)>, ImportProblem> {
        // The program's own modules use `[imports]` instead.
        if package == 0 || !conditions.takes_browser {
            return Ok(None);
        }
        let mut folder = folder;
        while let Some((scope, json)) = self.nearest_package_json(package, folder)? {
            if json.browser_map().is_some() {
                return Ok(Some((scope, json)));
            }
            if scope.is_empty() {
                break;
            }
            folder = folder_of(folder.get(..scope.len()).unwrap_or_default());
        }
        Ok(None)
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn left_out(path: &str) -> String {
    format!("{LEFT_OUT}/{path}")
}
