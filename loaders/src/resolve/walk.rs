//! Following a program's imports from its entry.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bytes::Bytes;

use super::LockWarning;
use super::error::{ImportProblem, LockError, Place};
use super::exports::{self, Target};
use super::package_json::PackageJson;
use super::project::{Home, Project};
use super::scan::{self, Import, Scan};
use super::specifier::{self, Specifier};
use crate::files;
use crate::graph::{self, ModuleKind, limits};

/// The index of a package in [`Walk::packages`]; 0 is the program itself.
pub(super) type PackageIndex = usize;
/// The index of a module in [`Walk::modules`].
pub(super) type ModuleIndex = usize;

/// Everything that was found by following imports.
pub(super) struct Walk<'a> {
    project: &'a Project,
    pub(super) packages: Vec<FoundPackage>,
    pub(super) modules: Vec<FoundModule>,
    pub(super) warnings: Vec<LockWarning>,
    /// The packages of `[imports]`, by their names there.
    pub(super) direct: BTreeMap<String, PackageIndex>,
    module_indices: HashMap<(PackageIndex, String), ModuleIndex>,
    package_jsons: HashMap<std::path::PathBuf, Option<PackageJson>>,
}

pub(super) struct FoundPackage {
    pub(super) home: Home,
    /// The other packages that its modules import, by the name that they use.
    pub(super) dependencies: BTreeMap<String, PackageIndex>,
}

pub(super) struct FoundModule {
    pub(super) package: PackageIndex,
    /// The path of its file below its package's folder.
    pub(super) path: String,
    pub(super) bytes: Bytes,
    pub(super) kind: ModuleKind,
    pub(super) imports: BTreeMap<String, ModuleIndex>,
    pub(super) globals: Vec<String>,
}

impl<'a> Walk<'a> {
    /// A walk that has found nothing but the packages of `[imports]`.
    pub(super) fn new(project: &'a Project) -> Result<Self, LockError> {
        let mut walk = Self {
            project,
            packages: vec![FoundPackage {
                home: project.app(),
                dependencies: BTreeMap::new(),
            }],
            modules: Vec::new(),
            warnings: Vec::new(),
            direct: BTreeMap::new(),
            module_indices: HashMap::new(),
            package_jsons: HashMap::new(),
        };
        for alias in project.map.packages.keys() {
            let in_map = |problem| LockError::ImportMap {
                key: alias.clone(),
                problem: Box::new(problem),
            };
            let home = project.direct(alias).map_err(in_map)?;
            project.check_version(alias, &home).map_err(in_map)?;
            let index = walk.package(home);
            if let Some((first, _)) = walk.direct.iter().find(|(_, other)| **other == index) {
                return Err(LockError::SameFiles {
                    first: first.clone(),
                    second: alias.clone(),
                });
            }
            walk.direct.insert(alias.clone(), index);
        }
        Ok(walk)
    }

    /// Finds the module `entry` of the program and all that it imports.
    pub(super) fn run(&mut self, entry: &str) -> Result<ModuleIndex, LockError> {
        let mut waiting = Vec::new();
        let first = self
            .entry(entry, &mut waiting)
            .map_err(|problem| LockError::Entry {
                entry: entry.to_owned(),
                problem: Box::new(problem),
            })?;
        while let Some((importer, scan)) = waiting.pop() {
            let file = self.label(importer);
            for place in scan.computed {
                self.warnings.push(LockWarning::ComputedImport {
                    place: public_place(&file, place),
                });
            }
            for import in scan.imports {
                match self.follow(importer, &import, &mut waiting) {
                    Ok(()) => {}
                    Err(problem) => self.failed(importer, &file, import, problem)?,
                }
            }
        }
        Ok(first)
    }

    fn entry(
        &mut self,
        entry: &str,
        waiting: &mut Vec<(ModuleIndex, Scan)>,
    ) -> Result<ModuleIndex, ImportProblem> {
        let path = entry.strip_prefix("./").unwrap_or(entry);
        if path.is_empty() {
            return Err(ImportProblem::Empty);
        }
        if path.starts_with('/') {
            return Err(ImportProblem::Absolute);
        }
        let path = self.inside(0, &specifier::join("", path)?)?;
        self.module(0, path, false, waiting)
    }

    /// What happens where an import names no module: an error, but a package may import what it can
    /// do without, by `import()` in a `try`. Such an import then fails when it runs.
    fn failed(
        &mut self,
        importer: ModuleIndex,
        file: &str,
        import: Import,
        problem: ImportProblem,
    ) -> Result<(), LockError> {
        let place = public_place(file, import.place);
        let in_package = self
            .modules
            .get(importer)
            .is_some_and(|module| module.package != 0);
        if import.dynamic && in_package {
            self.warnings.push(LockWarning::UnresolvedImport {
                place,
                specifier: import.specifier,
                problem,
            });
            Ok(())
        } else {
            Err(LockError::Import {
                place,
                specifier: import.specifier,
                problem: Box::new(problem),
            })
        }
    }

    /// Resolves `import` of the module `importer` and records what it means.
    fn follow(
        &mut self,
        importer: ModuleIndex,
        import: &Import,
        waiting: &mut Vec<(ModuleIndex, Scan)>,
    ) -> Result<(), ImportProblem> {
        if let Some(problem) = &import.problem {
            return Err(problem.clone());
        }
        let Some(module) = self.modules.get(importer) else {
            return Ok(());
        };
        let (package, path) = (module.package, module.path.clone());
        let Some((package, path)) = self.locate(package, &path, &import.specifier)? else {
            return Ok(());
        };
        let target = self.module(package, path, import.json, waiting)?;
        if let Some(module) = self.modules.get_mut(importer) {
            module.imports.insert(import.specifier.clone(), target);
        }
        Ok(())
    }

    /// The package and path that `specifier` means in the module `path` of `package`. `None` for
    /// what the host answers.
    fn locate(
        &mut self,
        package: PackageIndex,
        path: &str,
        specifier: &str,
    ) -> Result<Option<(PackageIndex, String)>, ImportProblem> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        match specifier::classify(specifier)? {
            Specifier::Host => Ok(None),
            Specifier::Relative(relative) => {
                if self.home(package)?.is_single_file() {
                    return Err(ImportProblem::SingleFile);
                }
                let path = specifier::join(folder, &specifier::decode_path(relative)?)?;
                Ok(Some((package, self.inside(package, &path)?)))
            }
            Specifier::Internal(name) if package == 0 => {
                let path = self.project.map.internal(name)?;
                Ok(Some((0, self.inside(0, &path)?)))
            }
            Specifier::Internal(name) => self.internal(package, folder, name).map(Some),
            Specifier::Bare { name, subpath } => self.bare(package, name, &subpath).map(Some),
        }
    }

    /// What `#…` means in `folder` of a package: its package.json says.
    fn internal(
        &mut self,
        package: PackageIndex,
        folder: &str,
        name: &str,
    ) -> Result<(PackageIndex, String), ImportProblem> {
        let refused = || ImportProblem::NotInternal {
            specifier: name.to_owned(),
        };
        let (scope, package_json) = self.nearest_package_json(package, folder)?.ok_or_else(refused)?;
        match exports::internal(package_json.imports().ok_or_else(refused)?, name)? {
            Target::File(path) => {
                let path = specifier::join(&scope, &specifier::decode_path(&path)?)?;
                Ok((package, self.inside(package, &path)?))
            }
            Target::Package(target) => match specifier::classify(&target)? {
                Specifier::Bare { name, subpath } => self.bare(package, name, &subpath),
                _ => Err(ImportProblem::ExportTarget {
                    target: target.clone(),
                }),
            },
        }
    }

    /// What a bare name means in `package`.
    fn bare(
        &mut self,
        package: PackageIndex,
        name: &str,
        subpath: &str,
    ) -> Result<(PackageIndex, String), ImportProblem> {
        let target = if package == 0 {
            match self.direct.get(name) {
                Some(index) => *index,
                // Also gives the error with a suggestion.
                None => {
                    let home = self.project.direct(name)?;
                    self.package(home)
                }
            }
        } else if self.is_self_reference(package, name)? {
            package
        } else {
            let home = self.project.dependency(self.home(package)?, name)?;
            let target = self.package(home);
            if let Some(found) = self.packages.get_mut(package) {
                found.dependencies.insert(name.to_owned(), target);
            }
            target
        };
        let path = self.package_file(target, subpath)?;
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
    fn package_file(&mut self, package: PackageIndex, subpath: &str) -> Result<String, ImportProblem> {
        let home = self.home(package)?.clone();
        if home.is_single_file() {
            let file = home.path_of(home.path()).ok_or(ImportProblem::Character)?;
            return if subpath == "." {
                Ok(file.to_owned())
            } else {
                Err(ImportProblem::SingleFile)
            };
        }
        let package_json = self.package_json(home.path())?.unwrap_or_default();
        let path = match package_json.exports() {
            Some(exports) => match exports::exported(exports, subpath)? {
                Target::File(path) | Target::Package(path) => path,
            },
            None if subpath == "." => return self.main_file(package, &home, &package_json),
            None => subpath.to_owned(),
        };
        let path = specifier::join("", &specifier::decode_path(&path)?)?;
        self.inside(package, &path)
    }

    /// The file that a package without `exports` offers.
    fn main_file(
        &self,
        package: PackageIndex,
        home: &Home,
        package_json: &PackageJson,
    ) -> Result<String, ImportProblem> {
        for main in [package_json.module(), package_json.main()].into_iter().flatten() {
            let path = specifier::join("", &specifier::decode_path(main.trim_end_matches('/'))?)?;
            for candidate in [path.clone(), format!("{path}.js"), format!("{path}/index.js")] {
                if home.file(&candidate).is_file() {
                    return self.inside(package, &candidate);
                }
            }
        }
        if home.file("index.js").is_file() {
            return self.inside(package, "index.js");
        }
        Err(ImportProblem::NoEntry {
            path: self.project.shown(home.path()),
        })
    }

    /// The path, without symbolic links, of the file `path` of `package`, of which the package has
    /// the right to make a module.
    fn inside(&self, package: PackageIndex, path: &str) -> Result<String, ImportProblem> {
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

    /// The module with `path` in `package`, read and scanned if it is new.
    fn module(
        &mut self,
        package: PackageIndex,
        path: String,
        announced_as_json: bool,
        waiting: &mut Vec<(ModuleIndex, Scan)>,
    ) -> Result<ModuleIndex, ImportProblem> {
        let file = self.home(package)?.file(&path);
        let shown = self.project.shown(&file);
        let kind = kind(&shown)?;
        match (kind, announced_as_json) {
            (ModuleKind::Json, false) => return Err(ImportProblem::JsonNeedsAttribute),
            (ModuleKind::JavaScript, true) => return Err(ImportProblem::NotJson),
            _ => {}
        }
        let key = (package, path);
        if let Some(index) = self.module_indices.get(&key) {
            return Ok(*index);
        }
        graph::file_path(&key.1, &key.1).map_err(|error| ImportProblem::FileName { error })?;
        let bytes = files::read_regular(&file, limits::MODULE_SIZE).map_err(|error| ImportProblem::File {
            path: shown.clone(),
            error,
        })?;
        let Ok(source) = std::str::from_utf8(&bytes) else {
            return Err(ImportProblem::NotText { path: shown });
        };
        let mut scan = match kind {
            ModuleKind::JavaScript => self.scan(package, &key.1, &shown, source)?,
            ModuleKind::Json => Scan::default(),
        };
        let index = self.modules.len();
        self.modules.push(FoundModule {
            package,
            path: key.1.clone(),
            bytes,
            kind,
            imports: BTreeMap::new(),
            globals: std::mem::take(&mut scan.globals),
        });
        self.module_indices.insert(key, index);
        waiting.push((index, scan));
        Ok(index)
    }

    /// Scans a file of JavaScript, which is not CommonJS.
    ///
    /// A file of a package is a module by its ending, by the package's declaration, or because it
    /// has `import` or `export`. First-party files always are.
    fn scan(
        &mut self,
        package: PackageIndex,
        path: &str,
        shown: &Path,
        source: &str,
    ) -> Result<Scan, ImportProblem> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let declared = package == 0 || path.ends_with(".mjs") || {
            let nearest = self.nearest_package_json(package, folder)?;
            nearest.is_some_and(|(_, package_json)| package_json.is_module())
        };
        match scan::scan(source) {
            Ok(scan) if declared || scan.has_module_syntax => Ok(scan),
            // Sloppy-mode code may be CommonJS without being a module's syntax.
            Err(_) if !declared && !source.contains("import") && !source.contains("export ") => {
                Err(ImportProblem::CommonJs {
                    path: shown.to_owned(),
                })
            }
            Err(problem) => Err(ImportProblem::Syntax {
                path: shown.to_owned(),
                problem,
            }),
            Ok(_) => Err(ImportProblem::CommonJs {
                path: shown.to_owned(),
            }),
        }
    }

    /// The package.json that governs `folder` of a package, and its folder below the package's.
    fn nearest_package_json(
        &mut self,
        package: PackageIndex,
        folder: &str,
    ) -> Result<Option<(String, PackageJson)>, ImportProblem> {
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

    fn package_json(&mut self, folder: &Path) -> Result<Option<PackageJson>, ImportProblem> {
        if let Some(known) = self.package_jsons.get(folder) {
            return Ok(known.clone());
        }
        let read = PackageJson::read(folder)?;
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

    /// The index of the package in `home`, which is new or known.
    fn package(&mut self, home: Home) -> PackageIndex {
        if let Some(index) = self.packages.iter().position(|package| package.home == home) {
            return index;
        }
        self.packages.push(FoundPackage {
            home,
            dependencies: BTreeMap::new(),
        });
        self.packages.len() - 1
    }

    fn home(&self, package: PackageIndex) -> Result<&Home, ImportProblem> {
        self.packages
            .get(package)
            .map(|package| &package.home)
            .ok_or(ImportProblem::Empty)
    }

    /// The path of a module's file, as shown to people.
    fn label(&self, index: ModuleIndex) -> String {
        let file = self
            .modules
            .get(index)
            .and_then(|module| Some(self.home(module.package).ok()?.file(&module.path)));
        file.map(|file| self.project.shown(&file).display().to_string())
            .unwrap_or_default()
    }
}

fn public_place(file: &str, place: scan::Place) -> Place {
    Place {
        file: file.to_owned(),
        line: place.line,
        column: place.column,
    }
}

fn kind(path: &Path) -> Result<ModuleKind, ImportProblem> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("js" | "mjs") => Ok(ModuleKind::JavaScript),
        Some("json") => Ok(ModuleKind::Json),
        Some("cjs") => Err(ImportProblem::CommonJs {
            path: path.to_owned(),
        }),
        _ => Err(ImportProblem::Extension {
            path: path.to_owned(),
        }),
    }
}
