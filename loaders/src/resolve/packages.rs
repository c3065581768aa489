//! The packages of a program, and the resolution of specifiers to their files.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{ImportProblem, LockError};
use super::exports::{self, Conditions, Target};
use super::package_json::PackageJson;
use super::project::{Home, Project};
use super::specifier::{self, Specifier};

/// The index of a package in [`Packages`]; 0 is the program itself.
pub(super) type PackageIndex = usize;

/// The packages that were found so far. Following imports adds more.
pub(super) struct Packages<'a> {
    pub(super) project: &'a Project,
    found: Vec<FoundPackage>,
    /// The packages of `[imports]`, by their names there.
    pub(super) direct: BTreeMap<String, PackageIndex>,
    indices: HashMap<Home, PackageIndex>,
    package_jsons: HashMap<PathBuf, Option<Rc<PackageJson>>>,
    /// True during a trial resolution, which must not record dependencies.
    pub(super) is_probing: bool,
}

pub(super) struct FoundPackage {
    pub(super) home: Home,
    /// The other packages that its modules import, by the names that they use.
    pub(super) dependencies: BTreeMap<String, PackageIndex>,
}

impl<'a> Packages<'a> {
    /// Creates the list with the program itself and the packages of `[imports]`.
    pub(super) fn new(project: &'a Project) -> Result<Self, LockError> {
        let mut packages = Self::of_program(project);
        for alias in project.map.packages.keys() {
            let in_map = |problem| LockError::ImportMap {
                key: alias.clone(),
                problem: Box::new(problem),
            };
            let home = project.direct(alias).map_err(in_map)?;
            project.check_version(alias, &home).map_err(in_map)?;
            let index = packages.index(home);
            if let Some((first, _)) = packages.direct.iter().find(|(_, other)| **other == index) {
                return Err(LockError::SameFiles {
                    first: first.clone(),
                    second: alias.clone(),
                });
            }
            packages.direct.insert(alias.clone(), index);
        }
        Ok(packages)
    }

    /// Creates the list with the program itself only, for callers that add the packages that exist.
    pub(super) fn of_program(project: &'a Project) -> Self {
        let mut packages = Self {
            project,
            found: Vec::new(),
            direct: BTreeMap::new(),
            indices: HashMap::new(),
            package_jsons: HashMap::new(),
            is_probing: false,
        };
        packages.index(project.app());
        packages
    }

    /// Adds the package that `[imports]` calls `alias`.
    pub(super) fn add_direct(&mut self, alias: &str, home: Home) {
        let index = self.index(home);
        self.direct.insert(alias.to_owned(), index);
    }

    /// Returns the packages in the order of their indices.
    pub(super) fn all(&self) -> &[FoundPackage] {
        &self.found
    }

    /// Returns the home of the package with this index.
    pub(super) fn home(&self, package: PackageIndex) -> Result<&Home, ImportProblem> {
        self.found
            .get(package)
            .map(|package| &package.home)
            .ok_or(ImportProblem::Empty)
    }

    /// Returns the index of the package in `home`, and adds the package if it is new.
    pub(super) fn index(&mut self, home: Home) -> PackageIndex {
        let next = self.found.len();
        let index = *self.indices.entry(home.clone()).or_insert(next);
        if index == next {
            self.found.push(FoundPackage {
                home,
                dependencies: BTreeMap::new(),
            });
        }
        index
    }

    /// Resolves like [`Self::locate`], but without replacements.
    pub(super) fn locate_as_written(
        &mut self,
        package: PackageIndex,
        path: &str,
        specifier: &str,
        conditions: Conditions,
    ) -> Result<Option<(PackageIndex, String)>, ImportProblem> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if conditions.is_require && specifier::is_relative_for_require(specifier) {
            let path = specifier::join(folder, specifier::plain_path(specifier)?)?;
            let found = self.search(package, &path, specifier::ends_in_folder(specifier), conditions)?;
            return Ok(Some((package, found)));
        }
        match specifier::classify(specifier)? {
            Specifier::Host => Ok(None),
            Specifier::Relative(relative) => {
                if self.home(package)?.is_single_file() {
                    return Err(ImportProblem::SingleFile);
                }
                let path = specifier::join(folder, &specifier::decode_path(relative)?)?;
                let found = if package == 0 {
                    self.inside(package, &path)?
                } else {
                    self.search(package, &path, false, conditions)?
                };
                Ok(Some((package, found)))
            }
            Specifier::Internal(name) if package == 0 => {
                let path = self.project.map.internal(name)?;
                Ok(Some((0, self.inside(0, &path)?)))
            }
            Specifier::Internal(name) => self.internal(package, folder, name, conditions).map(Some),
            Specifier::Bare { name, subpath } => self.bare(package, name, &subpath, conditions).map(Some),
        }
    }

    /// Finds the file for `path` of `package` by the rules of Node's `require`. It is the file itself, the file with an
    /// extension added, or the entry of the folder. Bundlers use these rules for ECMAScript modules too, and many
    /// packages rely on it.
    pub(super) fn search(
        &mut self,
        package: PackageIndex,
        path: &str,
        names_folder: bool,
        conditions: Conditions,
    ) -> Result<String, ImportProblem> {
        let home = self.home(package)?.clone();
        if home.is_single_file() {
            return Err(ImportProblem::SingleFile);
        }
        if !names_folder && let Some(file) = with_ending(&home, path) {
            return self.inside(package, &file);
        }
        let folder = home.file(path);
        if folder.is_dir() && self.project.real(&folder)?.starts_with(home.path()) {
            // For the program itself, ignore package.json files, because those describe the project.
            let package_json = match package {
                0 => None,
                _ => self.package_json(&folder)?,
            };
            let package_json = package_json.unwrap_or_default();
            if let Some(file) = self.folder_file(&home, path, &package_json, conditions)? {
                return self.inside(package, &file);
            }
        }
        self.inside(package, path)
    }

    /// Returns the entry file of the folder `folder` of a package: the one that its package.json names, else its index.
    fn folder_file(
        &self,
        home: &Home,
        folder: &str,
        package_json: &PackageJson,
        conditions: Conditions,
    ) -> Result<Option<String>, ImportProblem> {
        let browser = package_json.browser().filter(|_| conditions.takes_browser);
        let module = package_json.module().filter(|_| !conditions.is_require);
        for main in [browser, module, package_json.main()].into_iter().flatten() {
            let path = specifier::join(folder, &specifier::decode_path(main.trim_end_matches('/'))?)?;
            if let Some(file) = with_ending(home, &path).or_else(|| index(home, &path)) {
                return Ok(Some(file));
            }
        }
        Ok(index(home, folder))
    }

    /// Resolves `#…` in `folder` of a package through its package.json.
    fn internal(
        &mut self,
        package: PackageIndex,
        folder: &str,
        name: &str,
        conditions: Conditions,
    ) -> Result<(PackageIndex, String), ImportProblem> {
        let refused = || ImportProblem::NotInternal {
            specifier: name.to_owned(),
            conditions: &[],
        };
        let (scope, package_json) = self.nearest_package_json(package, folder)?.ok_or_else(refused)?;
        match exports::internal(package_json.imports().ok_or_else(refused)?, name, conditions)? {
            Target::File(path) => {
                let path = specifier::join(&scope, &specifier::decode_path(&path)?)?;
                Ok((package, self.inside(package, &path)?))
            }
            Target::Package(target) => match specifier::classify(&target)? {
                Specifier::Bare { name, subpath } => self.bare(package, name, &subpath, conditions),
                _ => Err(ImportProblem::ExportTarget {
                    target: target.clone(),
                }),
            },
        }
    }

    /// Resolves a bare name in `package`.
    pub(super) fn bare(
        &mut self,
        package: PackageIndex,
        name: &str,
        subpath: &str,
        conditions: Conditions,
    ) -> Result<(PackageIndex, String), ImportProblem> {
        let target = if package == 0 {
            match self.direct.get(name) {
                Some(index) => *index,
                // Also returns the error with a suggestion.
                None => {
                    let home = self.project.direct(name)?;
                    self.index(home)
                }
            }
        } else if self.is_self_reference(package, name)? {
            package
        } else {
            let home = self.project.dependency(self.home(package)?, name)?;
            let target = self.index(home);
            if !self.is_probing
                && let Some(found) = self.found.get_mut(package)
            {
                found.dependencies.insert(name.to_owned(), target);
            }
            target
        };
        let path = self.package_file(target, subpath, conditions)?;
        Ok((target, path))
    }

    /// Returns true if `name` is the package's own name. A package with `exports` may import itself.
    fn is_self_reference(&mut self, package: PackageIndex, name: &str) -> Result<bool, ImportProblem> {
        let home = self.home(package)?;
        if home.is_single_file() {
            return Ok(false);
        }
        let folder = home.path().to_owned();
        let package_json = self.package_json(&folder)?;
        Ok(package_json.is_some_and(|json| json.name() == Some(name) && json.exports().is_some()))
    }

    /// Returns the file that a package provides as `subpath` (`.` or `./…`).
    fn package_file(
        &mut self,
        package: PackageIndex,
        subpath: &str,
        conditions: Conditions,
    ) -> Result<String, ImportProblem> {
        let home = self.home(package)?.clone();
        if home.is_single_file() {
            let file = home.path_of(home.path()).ok_or(ImportProblem::Character)?;
            return if subpath == "." {
                Ok(file.to_owned())
            } else {
                Err(ImportProblem::SingleFile)
            };
        }
        // `require("name/")`: packages write this to avoid a Node.js module with the same name.
        let subpath = match subpath {
            "./" if conditions.is_require => ".",
            subpath => subpath,
        };
        let package_json = self.package_json(home.path())?.unwrap_or_default();
        match package_json.exports() {
            Some(exports) => {
                let (Target::File(path) | Target::Package(path)) =
                    exports::exported(exports, subpath, conditions)?;
                let path = specifier::join("", &specifier::decode_path(&path)?)?;
                self.inside(package, &path)
            }
            None if subpath == "." => match self.folder_file(&home, "", &package_json, conditions)? {
                Some(file) => self.inside(package, &file),
                None => Err(ImportProblem::NoEntry {
                    path: self.project.shown(home.path()),
                }),
            },
            None if conditions.is_require => {
                let path = specifier::join("", specifier::plain_path(subpath)?)?;
                self.search(package, &path, specifier::ends_in_folder(subpath), conditions)
            }
            None => {
                let path = specifier::join("", &specifier::decode_path(subpath)?)?;
                self.search(package, &path, false, conditions)
            }
        }
    }

    /// Returns the path, without symbolic links, of the file `path` of `package`. Checks that the package may use the
    /// file as a module.
    pub(super) fn inside(&self, package: PackageIndex, path: &str) -> Result<String, ImportProblem> {
        let home = self.home(package)?;
        let file = home.file(path);
        let real = self.project.real(&file)?;
        if !real.starts_with(home.path()) {
            let target = self.project.shown(&real);
            return Err(ImportProblem::SymbolicLink {
                path: self.project.shown(&file),
                target,
            });
        }
        let path = home.path_of(&real).ok_or(ImportProblem::Character)?;
        if path.split('/').any(|part| part == "node_modules") {
            return Err(ImportProblem::NodeModules {
                path: self.project.shown(&real),
            });
        }
        if path.split('/').next() == Some(super::locate::LEFT_OUT) {
            return Err(ImportProblem::Reserved {
                path: self.project.shown(&real),
            });
        }
        // Otherwise a module could get its importer's grants instead of its own package's grants.
        for (alias, index) in &self.direct {
            let other = self.home(*index)?;
            if *index != package && other.path().starts_with(home.path()) && real.starts_with(other.path()) {
                return Err(ImportProblem::OtherPackage {
                    package: alias.clone(),
                });
            }
        }
        Ok(path.to_owned())
    }

    /// Returns the package.json that applies to `folder` of a package, and its folder relative to the package.
    pub(super) fn nearest_package_json(
        &mut self,
        package: PackageIndex,
        folder: &str,
    ) -> Result<Option<(String, Rc<PackageJson>)>, ImportProblem> {
        let home = self.home(package)?.clone();
        if home.is_single_file() {
            return Ok(None);
        }
        let mut folder = folder;
        loop {
            if let Some(package_json) = self.package_json(&home.file(folder))? {
                return Ok(Some((folder.to_owned(), package_json)));
            }
            if folder.is_empty() {
                return Ok(None);
            }
            folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        }
    }

    pub(super) fn package_json(&mut self, folder: &Path) -> Result<Option<Rc<PackageJson>>, ImportProblem> {
        if let Some(known) = self.package_jsons.get(folder) {
            return Ok(known.clone());
        }
        let read = PackageJson::read(folder)?.map(Rc::new);
        self.package_jsons.insert(folder.to_owned(), read.clone());
        Ok(read)
    }

    /// Returns the version in the package's package.json.
    pub(super) fn version(&mut self, package: PackageIndex) -> Option<String> {
        let home = self.home(package).ok()?.clone();
        let package_json = if home.is_single_file() {
            None
        } else {
            self.package_json(home.path()).ok()?
        };
        package_json?.version().map(str::to_owned)
    }
}

/// Returns the file `path` of the package in `home`, as written or with an extension that Node's `require` adds.
pub(super) fn with_ending(home: &Home, path: &str) -> Option<String> {
    let candidates = [path.to_owned(), format!("{path}.js"), format!("{path}.json")];
    candidates
        .into_iter()
        .find(|candidate| home.file(candidate).is_file())
}

/// Returns the index file of the folder `folder` of the package in `home`.
fn index(home: &Home, folder: &str) -> Option<String> {
    let file = |name: &str| match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    [file("index.js"), file("index.json")]
        .into_iter()
        .find(|candidate| home.file(candidate).is_file())
}
