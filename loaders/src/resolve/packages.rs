//! The packages of a program, and which of their files a specifier means.

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

/// The packages that were found, which grow as imports lead to further ones.
pub(super) struct Packages<'a> {
    pub(super) project: &'a Project,
    found: Vec<FoundPackage>,
    /// The packages of `[imports]`, by their names there.
    pub(super) direct: BTreeMap<String, PackageIndex>,
    indices: HashMap<Home, PackageIndex>,
    package_jsons: HashMap<PathBuf, Option<Rc<PackageJson>>>,
    /// Whether what is located is only looked at, so that it is no dependency yet.
    pub(super) is_probing: bool,
}

pub(super) struct FoundPackage {
    pub(super) home: Home,
    /// The other packages that its modules import, by the name that they use.
    pub(super) dependencies: BTreeMap<String, PackageIndex>,
}

impl<'a> Packages<'a> {
    /// The program itself and the packages of `[imports]`.
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

    /// The program itself alone, for what adds packages as far as they are there.
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

    /// The packages in the order of their indices.
    pub(super) fn all(&self) -> &[FoundPackage] {
        &self.found
    }

    /// The home of the package with index `package`.
    pub(super) fn home(&self, package: PackageIndex) -> Result<&Home, ImportProblem> {
        self.found
            .get(package)
            .map(|package| &package.home)
            .ok_or(ImportProblem::Empty)
    }

    /// The index of the package in `home`, which is new or known.
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

    /// [`Self::locate`] but for what takes the place of something else.
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

    /// The file that `path` of `package` means by the rules of Node's `require`, and of the bundlers for which many
    /// packages write their ECMAScript modules: the file itself, with an ending, or what the folder offers.
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
            // Only a package.json of a package is heeded: above all others it is that of the project.
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

    /// The file that the folder `folder` of a package offers: the one that its package.json names, else its index.
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

    /// What `#…` means in `folder` of a package: its package.json says.
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

    /// What a bare name means in `package`.
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
                // Also gives the error with a suggestion.
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

    /// Whether `name` is the package's own, which it may import where it has `exports`.
    fn is_self_reference(&mut self, package: PackageIndex, name: &str) -> Result<bool, ImportProblem> {
        let home = self.home(package)?;
        if home.is_single_file() {
            return Ok(false);
        }
        let folder = home.path().to_owned();
        let package_json = self.package_json(&folder)?;
        Ok(package_json.is_some_and(|json| json.name() == Some(name) && json.exports().is_some()))
    }

    /// The file that a package offers as `subpath` (`.` or `./…`).
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
        // `require("name/")`, with which packages get around a module of Node's that has the same name.
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

    /// The path, without symbolic links, of the file `path` of `package`, of which the package has
    /// the right to make a module.
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
        // Else a module would have its importer's grants instead of its own package's.
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

    /// The package.json that governs `folder` of a package, and its folder below the package's.
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

    /// The version in the package's package.json.
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

/// The file `path` of the package in `home`, as written or with one of the endings that Node's `require` adds.
pub(super) fn with_ending(home: &Home, path: &str) -> Option<String> {
    let candidates = [path.to_owned(), format!("{path}.js"), format!("{path}.json")];
    candidates
        .into_iter()
        .find(|candidate| home.file(candidate).is_file())
}

/// The index file of the folder `folder` of the package in `home`.
fn index(home: &Home, folder: &str) -> Option<String> {
    let file = |name: &str| match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    [file("index.js"), file("index.json")]
        .into_iter()
        .find(|candidate| home.file(candidate).is_file())
}
