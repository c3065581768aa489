//! Locking: from a project's files to a graph, without running any of them.
//!
//! spec/graph.md lists the rules by which a specifier means a file.

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

/// What a manifest says about the program that is to be locked.
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
    /// The names beyond the standard's that packages find in their environment, by the packages' names in the graph.
    pub package_globals: BTreeMap<String, Vec<String>>,
    /// The packages that run in isolates of their own, by their names in the graph.
    pub isolated: BTreeSet<String>,
    /// The limits and demanded signatures of the program (`""`) and of packages, by their names in the graph, as canonical
    /// lines.
    pub bounds: BTreeMap<String, Vec<String>>,
    /// The grants of first-party modules that hold less than the program: `./plugins/x.js`.
    pub module_grants: BTreeMap<String, Vec<String>>,
}

/// A program that was locked.
#[derive(Debug, Clone)]
pub struct Locked {
    /// Its graph.
    pub graph: Graph,
    /// The file of each module, in the order of [`Graph::modules`].
    pub sources: Vec<PathBuf>,
    /// The bytes of each module, in the order of [`Graph::modules`]. Each file was read once: these
    /// are the bytes whose hash the graph has, or what they were transformed to.
    pub bytes: Vec<Bytes>,
    /// What people should know though it is no error.
    pub warnings: Vec<LockWarning>,
}

/// Something about a program that is no error but may surprise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockWarning {
    /// A package in `[imports]` that nothing imports; it is not in the graph.
    UnusedPackage {
        /// Its name.
        name: String,
    },
    /// An `import()` whose specifier is computed: it can load only what the module also imports
    /// by a literal.
    ComputedImport {
        /// Where it stands.
        place: Place,
    },
    /// An `import()` in a package that means no module, and fails if it is executed.
    UnresolvedImport {
        /// Where it stands.
        place: Place,
        /// What it imports.
        specifier: String,
        /// Why that is nothing.
        problem: ImportProblem,
    },
    /// A name that is imported of CommonJS whose text has it nowhere.
    UnknownName {
        /// The importing file.
        file: String,
        /// What it imports from.
        specifier: String,
        /// The name.
        name: String,
    },
    /// A `require` in a package that means no module, and throws if it is executed.
    UnresolvedRequire {
        /// Where it stands.
        place: Place,
        /// What it requires.
        specifier: String,
        /// Why that is nothing.
        problem: ImportProblem,
    },
}

impl fmt::Display for LockWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnusedPackage { name } => {
                write!(
                    formatter,
                    "[imports] \"{}\" is imported by nothing",
                    printable(name)
                )
            }
            Self::ComputedImport { place } => {
                write!(
                    formatter,
                    "{place}: a computed import() loads only what the module also imports by a literal"
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

/// Finds all modules of a program and makes its graph. Runs none of them.
///
/// # Errors
/// When an import means no module that this runtime runs, with the place, the reason and a hint.
pub fn lock(input: &LockInput) -> Result<Locked, LockError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(syntax::STACK_SIZE)
            .spawn_scoped(scope, || lock_here(input));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(LockError::Thread {
                message: "it ended early".to_owned(),
            }),
            Err(error) => Err(LockError::Thread {
                message: error.to_string(),
            }),
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
            globals: canonical(input.package_globals.get(&name)),
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

/// The version of a package as a graph records it, if it can be recorded.
fn recorded_version(version: String) -> Option<String> {
    let is_good = !version.is_empty() && version.len() <= 256 && forbidden_character(&version).is_none();
    is_good.then_some(version)
}

/// Lines in ascending order, each once.
fn canonical(lines: Option<&Vec<String>>) -> Vec<String> {
    lines
        .into_iter()
        .flatten()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect()
}

/// Holds that the packages that the manifest speaks of exist: what it says of others would silently mean nothing.
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
    let said = input.package_grants.keys().chain(input.package_globals.keys());
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
    // Grants of a package that is not imported yet do no harm; a bound that holds nothing would be taken for one that does.
    match bounded.difference(&in_graph).next() {
        None => Ok(()),
        Some(name) => Err(LockError::PackageNotImported {
            name: (*name).clone(),
        }),
    }
}

/// The grants of modules by their names in the graph.
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
