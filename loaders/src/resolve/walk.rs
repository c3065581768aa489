//! Following a program's imports from its entry.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bytes::Bytes;

use super::LockWarning;
use super::error::{ImportProblem, LockError, Place};
use super::packages::{PackageIndex, Packages};
use super::scan::{self, Import, Scan};
use super::specifier;
use crate::files;
use crate::graph::{self, ModuleKind, limits};

/// The index of a module in [`Walk::modules`].
pub(super) type ModuleIndex = usize;

/// Everything that was found by following imports.
pub(super) struct Walk<'a> {
    pub(super) packages: Packages<'a>,
    pub(super) modules: Vec<FoundModule>,
    pub(super) warnings: Vec<LockWarning>,
    module_indices: HashMap<(PackageIndex, String), ModuleIndex>,
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
    /// A walk that begins with these packages.
    pub(super) fn new(packages: Packages<'a>) -> Self {
        Self {
            packages,
            modules: Vec::new(),
            warnings: Vec::new(),
            module_indices: HashMap::new(),
        }
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
        let path = self.packages.inside(0, &specifier::join("", path)?)?;
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
        let Some((package, path)) = self.packages.locate(package, &path, &import.specifier)? else {
            return Ok(());
        };
        let target = self.module(package, path, import.json, waiting)?;
        if let Some(module) = self.modules.get_mut(importer) {
            module.imports.insert(import.specifier.clone(), target);
        }
        Ok(())
    }

    /// The module with `path` in `package`, read and scanned if it is new.
    fn module(
        &mut self,
        package: PackageIndex,
        path: String,
        announced_as_json: bool,
        waiting: &mut Vec<(ModuleIndex, Scan)>,
    ) -> Result<ModuleIndex, ImportProblem> {
        let file = self.packages.home(package)?.file(&path);
        let shown = self.packages.project.shown(&file);
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
        graph::file_path(&|| key.1.clone(), &key.1).map_err(|error| ImportProblem::FileName { error })?;
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
            let nearest = self.packages.nearest_package_json(package, folder)?;
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

    /// The path of a module's file, as shown to people.
    fn label(&self, index: ModuleIndex) -> String {
        let file = self
            .modules
            .get(index)
            .and_then(|module| Some(self.packages.home(module.package).ok()?.file(&module.path)));
        file.map(|file| self.packages.project.shown(&file).display().to_string())
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
