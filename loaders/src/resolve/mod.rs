//! Locking: building a graph from a project's files without running them.
//!
//! spec/graph.md defines how specifiers are resolved.

mod asked;
mod browser;
mod circles;
mod document;
mod drift;
mod error;
mod exports;
mod import_map;
mod literals;
mod locate;
mod name;
mod package_json;
mod packages;
mod project;
mod scan;
mod specifier;
mod static_imports;
mod walk;

pub use crate::syntax::SyntaxProblem;
pub use drift::{Drift, drift, installed_since, is_complete};
pub use error::{ImportProblem, LockError, Place};
pub use literals::Literal;
pub use project::Project;
pub use static_imports::{StaticImport, StaticImports, static_imports};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::ContentHash;
use crate::graph::{Graph, Module, Origin, Package};
use crate::syntax;
use crate::text::{forbidden_character, printable};
use packages::Packages;
use walk::Walk;

/// The input of [`lock`], which comes from a manifest.
#[derive(Debug, Clone, Default)]
pub struct LockInput {
    /// The manifest's folder.
    pub root: PathBuf,
    /// The entry module, relative to `root`.
    pub entry: String,
    /// The entries of `[imports]` as given.
    pub imports: BTreeMap<String, String>,
    /// The grants of the program, as canonical lines.
    pub app_grants: Vec<String>,
    /// The grants of packages, by their names in the graph.
    pub package_grants: BTreeMap<String, Vec<String>>,
    /// The packages that run in their own isolate, by their names in the graph.
    pub isolated: BTreeSet<String>,
    /// The limits and required signatures as canonical lines, by the packages' names in the graph. The program itself
    /// has the name `""`.
    pub bounds: BTreeMap<String, Vec<String>>,
    /// The grants of first-party modules that hold fewer grants than the program: `./plugins/x.js`.
    pub module_grants: BTreeMap<String, Vec<String>>,
}

/// The result of locking a program.
#[derive(Debug, Clone)]
pub struct Locked {
    /// The graph.
    pub graph: Graph,
    /// The file of each module, in the order of [`Graph::modules`].
    pub sources: Vec<PathBuf>,
    /// The bytes of each module, in the order of [`Graph::modules`]. Each file was read once. These bytes are the ones
    /// whose hash the graph records, after the transformation if there is one.
    pub bytes: Vec<Bytes>,
    /// Warnings for the user.
    pub warnings: Vec<LockWarning>,
}

/// A finding that is not an error but may surprise the user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockWarning {
    /// No module imports a package of `[imports]`. It is not in the graph.
    UnusedPackage {
        /// The package's name.
        name: String,
    },
    /// The specifier of an `import()` is computed. It can load only modules that the importing module also imports by a
    /// literal.
    ComputedImport {
        /// The position.
        place: Place,
    },
    /// An `import()` in a package cannot be resolved. It fails if it is executed.
    UnresolvedImport {
        /// The position.
        place: Place,
        /// The specifier.
        specifier: String,
        /// The reason.
        problem: ImportProblem,
    },
    /// A name is imported from a CommonJS module whose text does not contain it.
    UnknownName {
        /// The importing file.
        file: String,
        /// The specifier.
        specifier: String,
        /// The name.
        name: String,
    },
    /// A `require` in a package cannot be resolved. It throws if it is executed.
    UnresolvedRequire {
        /// The position.
        place: Place,
        /// The specifier.
        specifier: String,
        /// The reason.
        problem: ImportProblem,
    },
}

impl fmt::Display for LockWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnusedPackage { name } => {
                write!(
                    formatter,
                    "[imports] \"{}\" is not imported by any module",
                    printable(name)
                )
            }
            Self::ComputedImport { place } => {
                write!(
                    formatter,
                    "{place}: a computed import() loads only modules that the module also imports by a literal, and those of its `module` grants"
                )
            }
            Self::UnresolvedImport {
                place,
                specifier,
                problem,
            } => {
                write!(
                    formatter,
                    "{place}: import(\"{}\") will fail if it runs: {problem}",
                    printable(specifier)
                )
            }
            Self::UnknownName {
                file,
                specifier,
                name,
            } => {
                write!(
                    formatter,
                    "{}: \"{}\" has the name `{}` nowhere in its text; it is undefined unless that module makes it when it runs",
                    printable(file),
                    printable(specifier),
                    printable(name)
                )
            }
            Self::UnresolvedRequire {
                place,
                specifier,
                problem,
            } => {
                write!(
                    formatter,
                    "{place}: require(\"{}\") will throw if it runs: {problem}",
                    printable(specifier)
                )
            }
        }
    }
}

/// Finds all modules of a program and builds its graph, without running any of them.
///
/// # Errors
/// Returns an error if an import cannot be resolved to a module that this runtime supports. The error has the position,
/// the reason and a hint.
pub fn lock(input: &LockInput) -> Result<Locked, LockError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(syntax::STACK_SIZE)
            .spawn_scoped(scope, || lock_here(input));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(LockError::Panicked),
            Err(error) => Err(LockError::Thread(error.into())),
        }
    })
}

fn lock_here(input: &LockInput) -> Result<Locked, LockError> {
    let project = Project::new(&input.root, &input.imports)?;
    let mut walk = Walk::new(Packages::new(&project)?);
    let entry = walk.run(&input.entry)?;
    let names = name::packages(walk.packages.all(), &walk.packages.direct);

    let used: BTreeSet<usize> = walk.modules.iter().map(|module| module.package).collect();
    let mut order: Vec<usize> = used.iter().copied().filter(|package| *package != 0).collect();
    order.sort_by_key(|package| names.get(package));
    order.insert(0, 0);
    let package_indices: BTreeMap<usize, u32> = order.iter().copied().zip(0..).collect();

    check_packages(input, &walk, &names, &used)?;
    let mut packages = Vec::new();
    for package in &order {
        let name = names.get(package).cloned().unwrap_or_default();
        let grants = if *package == 0 {
            Some(&input.app_grants)
        } else {
            input.package_grants.get(&name)
        };
        let version = if *package == 0 {
            None
        } else {
            walk.packages.version(*package)
        };
        packages.push(Package {
            version: version.and_then(recorded_version),
            grants: canonical(grants),
            globals: Vec::new(),
            isolate: input.isolated.contains(&name),
            bounds: canonical(input.bounds.get(&name)),
            name,
        });
    }

    let mut found: Vec<(u32, String, usize)> = Vec::new();
    for (index, module) in walk.modules.iter().enumerate() {
        let package = package_indices.get(&module.package).copied().unwrap_or_default();
        let prefix = packages
            .get(package as usize)
            .map(Package::module_prefix)
            .unwrap_or_default();
        found.push((package, format!("{prefix}{}", module.path), index));
    }
    found.sort();
    let module_indices: BTreeMap<usize, u32> = found.iter().map(|(.., index)| *index).zip(0..).collect();

    let module_grants = module_grants(input, &found)?;
    let mut modules = Vec::new();
    let (mut sources, mut bytes) = (Vec::new(), Vec::new());
    for (package, name, index) in found {
        let Some(module) = walk.modules.get(index) else {
            continue;
        };
        let imports = module.imports.iter().filter_map(|(specifier, target)| {
            module_indices
                .get(target)
                .map(|target| (specifier.clone(), *target))
        });
        let mut content = module.source.clone();
        let origin = walk.transformed(index).map(|transformed| {
            content = transformed.bytes;
            Origin {
                transformation: transformed.transformation,
                hash: ContentHash::of(&module.source),
                size: module.source.len() as u64,
                exports: transformed.exports,
                omitted: transformed.omitted,
            }
        });
        modules.push(Module {
            package,
            hash: ContentHash::of(&content),
            size: content.len() as u64,
            kind: module.kind,
            origin,
            imports: imports.collect(),
            globals: module.globals.clone(),
            grants: module_grants.get(&name).map(|grants| canonical(Some(grants))),
            name,
        });
        if let Some(package) = walk.packages.all().get(module.package) {
            sources.push(package.home.file(&module.path));
        }
        bytes.push(content);
    }
    let mut warnings = walk.warnings;
    for (name, package) in &walk.packages.direct {
        if !used.contains(package) {
            warnings.push(LockWarning::UnusedPackage { name: name.clone() });
        }
    }
    let entry = module_indices.get(&entry).copied().unwrap_or_default();
    Ok(Locked {
        graph: Graph::new(entry, packages, modules)?.with_import_map(project.map.canonical())?,
        sources,
        bytes,
        warnings,
    })
}

/// Returns the version that a graph records for a package, if the version is valid text.
fn recorded_version(version: String) -> Option<String> {
    let is_good = !version.is_empty() && version.len() <= 256 && forbidden_character(&version).is_none();
    is_good.then_some(version)
}

/// Sorts lines and removes duplicates.
fn canonical(lines: Option<&Vec<String>>) -> Vec<String> {
    lines
        .into_iter()
        .flatten()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect()
}

/// Rejects names of packages that do not exist. Grants for such a package would silently have no effect, for example
/// after a typing error.
fn check_packages(
    input: &LockInput,
    walk: &Walk<'_>,
    names: &BTreeMap<usize, String>,
    used: &BTreeSet<usize>,
) -> Result<(), LockError> {
    let in_graph = used
        .iter()
        .filter(|package| **package != 0)
        .filter_map(|package| names.get(package));
    let in_graph: BTreeSet<&String> = in_graph.collect();
    let known: BTreeSet<&String> = in_graph
        .iter()
        .copied()
        .chain(walk.packages.direct.keys())
        .collect();
    let said = input.package_grants.keys();
    let bounded = input.bounds.keys().filter(|name| !name.is_empty());
    let bounded: BTreeSet<&String> = bounded.chain(&input.isolated).collect();
    if let Some(name) = said
        .chain(bounded.iter().copied())
        .find(|name| !known.contains(name))
    {
        return Err(LockError::UnknownPackage {
            name: name.clone(),
            known: known.into_iter().cloned().collect(),
        });
    }
    // Grants of a package that is not imported yet do no harm. A bound without a package would be mistaken for one that
    // has an effect.
    match bounded.difference(&in_graph).next() {
        None => Ok(()),
        Some(name) => Err(LockError::PackageNotImported {
            name: (*name).clone(),
        }),
    }
}

/// Returns the grants of modules, by the modules' names in the graph.
fn module_grants<'a>(
    input: &'a LockInput,
    found: &[(u32, String, usize)],
) -> Result<BTreeMap<String, &'a Vec<String>>, LockError> {
    let first_party: BTreeSet<&str> = found
        .iter()
        .filter(|(package, ..)| *package == 0)
        .map(|(_, name, _)| name.as_str())
        .collect();
    let mut by_name = BTreeMap::new();
    for (key, grants) in &input.module_grants {
        let name = format!("app:/{}", key.strip_prefix("./").unwrap_or(key));
        if !first_party.contains(name.as_str()) {
            let known = first_party
                .iter()
                .map(|name| name.replacen("app:/", "./", 1))
                .collect();
            return Err(LockError::UnknownModule {
                name: key.clone(),
                known,
            });
        }
        by_name.insert(name, grants);
    }
    Ok(by_name)
}
