//! Drift: differences between a lock and the current files and `[imports]` of a project.
//!
//! A lock fixes the bytes and the targets of imports, so drift does not change what runs. But a reviewer of the project
//! would read other code than the code that runs.

use std::collections::BTreeSet;
use std::fmt;

use super::error::ImportProblem;
use super::exports::Conditions;
use super::locate::Located;
use super::packages::{PackageIndex, Packages};
use super::project::Project;
use super::recorded_version;
use crate::graph::{Graph, Module};
use crate::syntax;
use crate::text::printable;
use crate::transform::commonjs::{self, CommonJs};

/// One difference between a lock and a project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drift {
    /// An entry of `[imports]` differs from the locked one.
    ImportMap {
        /// The key in `[imports]`.
        key: String,
        /// The locked value.
        locked: Option<String>,
        /// The current value.
        now: Option<String>,
    },
    /// An entry of `[imports]` is invalid.
    Entry {
        /// The key in `[imports]`.
        key: String,
        /// The reason.
        problem: ImportProblem,
    },
    /// The package.json of a package states another version.
    Version {
        /// The package's name.
        package: String,
        /// The locked version.
        locked: Option<String>,
        /// The installed version.
        now: Option<String>,
    },
    /// An import resolves to another module, or to none.
    Import {
        /// The importing module.
        module: String,
        /// The specifier.
        specifier: String,
        /// The locked module. `None` if the module was left out.
        locked: Option<String>,
        /// The path of the file that the import now resolves to, or the reason why there is none.
        now: Result<String, ImportProblem>,
    },
}

impl Drift {
    /// Returns the key in `[imports]` if the difference concerns one.
    #[must_use]
    pub fn import_map_key(&self) -> Option<&str> {
        match self {
            Self::ImportMap { key, .. } | Self::Entry { key, .. } => Some(key),
            Self::Version { .. } | Self::Import { .. } => None,
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |text: &Option<String>| match text {
            Some(text) => format!("\"{}\"", printable(text)),
            None => "nothing".to_owned(),
        };
        match self {
            Self::ImportMap { key, locked, now } => write!(
                formatter,
                "[imports] \"{}\" is {}, and the lock records {}",
                printable(key),
                said(now),
                said(locked)
            ),
            Self::Entry { key, problem } => {
                write!(formatter, "[imports] \"{}\": {problem}", printable(key))
            }
            Self::Version { package, locked, now } => write!(
                formatter,
                "package {} has the version {}, and the lock records {}",
                printable(package),
                said(now),
                said(locked)
            ),
            Self::Import {
                module,
                specifier,
                locked,
                now,
            } => {
                write!(
                    formatter,
                    "{}: \"{}\" was locked as {}, and now ",
                    printable(module),
                    printable(specifier),
                    said(locked)
                )?;
                match now {
                    Ok(file) => write!(formatter, "resolves to {}", printable(file)),
                    Err(problem) => write!(formatter, "resolves to nothing: {problem}"),
                }
            }
        }
    }
}

/// Compares the current targets of the imports of `graph` in `project` with the locked ones.
///
/// It reads package.json files and file names, but no modules. So it finds every import that resolves to another file,
/// and does not find imports that were added to a file.
///
/// Packages and files that the project does not have are skipped, because stores may have them.
#[must_use]
pub fn drift(graph: &Graph, project: &Project) -> Vec<Drift> {
    let mut found = import_map(graph, project);
    let mut check = Check::new(graph, project, &mut found);
    check.versions(&mut found);
    for module in graph.modules() {
        check.module(module, &mut found);
    }
    found
}

/// Finds packages that CommonJS modules require, that the lock does not have, and that are installed in `project` now.
///
/// `bytes` are those of the modules of `graph`, in the same order. A lock does not record a package that was required
/// in vain, so their text is searched.
#[must_use]
pub fn installed_since<'a>(
    graph: &Graph,
    project: &Project,
    bytes: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Drift> {
    let mut found = Vec::new();
    let mut check = Check::new(graph, project, &mut Vec::new());
    for (module, bytes) in graph.modules().iter().zip(bytes) {
        check.required(module, bytes, &mut found);
    }
    found
}

/// Returns the literals behind `require(` in a text, including those in comments. Callers must parse the text then.
fn literals_behind_require(text: &str) -> BTreeSet<&str> {
    let calls = text.match_indices("require(").filter_map(|(position, call)| {
        let rest = text.get(position + call.len()..)?.trim_start();
        let quote = rest.chars().next().filter(|quote| "\"'`".contains(*quote))?;
        let (literal, _) = rest.get(1..)?.split_once(quote)?;
        (literal.len() <= 256).then_some(literal)
    });
    calls.collect()
}

/// Returns true if the project has a file for each module of `graph`, so that the project can be locked again and
/// compared.
#[must_use]
pub fn is_complete(graph: &Graph, project: &Project) -> bool {
    let check = Check::new(graph, project, &mut Vec::new());
    let mut modules = graph.modules().iter();
    modules.all(|module| check.is_file(check.place(module).as_ref()))
}

fn is_absent(problem: &ImportProblem) -> bool {
    matches!(
        problem,
        ImportProblem::NotInstalled { .. } | ImportProblem::NotFound { .. } | ImportProblem::NoEntry { .. }
    )
}

/// Returns the entries of `[imports]` whose canonical forms differ.
fn import_map(graph: &Graph, project: &Project) -> Vec<Drift> {
    let (locked, now) = (graph.import_map(), project.map.canonical());
    let keys: BTreeSet<&String> = locked.keys().chain(now.keys()).collect();
    let differing = keys.into_iter().filter(|key| locked.get(*key) != now.get(*key));
    let drift = differing.map(|key| Drift::ImportMap {
        key: key.clone(),
        locked: locked.get(key).cloned(),
        now: now.get(key).cloned(),
    });
    drift.collect()
}

struct Check<'a> {
    graph: &'a Graph,
    packages: Packages<'a>,
    /// The location of each package of the graph. `None` for packages that are not installed.
    places: Vec<Option<PackageIndex>>,
}

impl<'a> Check<'a> {
    /// Prepares the comparison. Invalid entries of `[imports]` are added to `found`.
    fn new(graph: &'a Graph, project: &'a Project, found: &mut Vec<Drift>) -> Self {
        let mut packages = Packages::of_program(project);
        for key in project.map.packages.keys() {
            let added = project.direct(key).and_then(|home| {
                packages.add_direct(key, home.clone());
                project.check_version(key, &home)
            });
            match added {
                Err(problem) if !is_absent(&problem) => found.push(Drift::Entry {
                    key: key.clone(),
                    problem,
                }),
                _ => {}
            }
        }
        let homes = graph.packages().iter().map(|package| project.home(&package.name));
        let places = homes.map(|home| home.ok().map(|home| packages.index(home)));
        Self {
            graph,
            places: places.collect(),
            packages,
        }
    }

    /// Compares the versions in package.json files.
    fn versions(&mut self, found: &mut Vec<Drift>) {
        for (package, place) in self.graph.packages().iter().zip(&self.places).skip(1) {
            let Some(place) = place else { continue };
            let now = self.packages.version(*place).and_then(recorded_version);
            if now != package.version {
                found.push(Drift::Version {
                    package: package.name.clone(),
                    locked: package.version.clone(),
                    now,
                });
            }
        }
    }

    /// Compares the imports of a module and the modules that are left out.
    fn module(&mut self, module: &Module, found: &mut Vec<Drift>) {
        let Some((package, path)) = self.place(module) else {
            return;
        };
        let is_common_js = module
            .origin
            .as_ref()
            .is_some_and(|origin| origin.transformation.is_common_js());
        for (specifier, target) in &module.imports {
            let Some(target) = self.graph.module(*target) else {
                continue;
            };
            let locked = self.place(target);
            // A graph does not record if CommonJS requires or imports a module. It also does not record if a browser
            // file was avoided because it needs a DOM. So each of these conditions may have been the locked one.
            let both = [Conditions::REQUIRE, Conditions::IMPORT];
            let conditions = if is_common_js { &both[..] } else { &both[1..] };
            let plain = conditions.iter().map(|conditions| conditions.without_browser());
            let mut first = None;
            let is_as_locked = conditions.iter().copied().chain(plain).any(|conditions| {
                let now = self.packages.locate(package, &path, specifier, conditions);
                let now = now.map(Located::place);
                let is_as_locked = matches!(&now, Ok(now) if now.is_some() && *now == locked);
                first.get_or_insert(now);
                is_as_locked
            });
            let now = match first {
                _ if is_as_locked => continue,
                Some(Ok(Some(now))) => Ok(self.shown(&now)),
                // The file is missing, so a store must have it.
                Some(Err(problem)) if is_absent(&problem) && !self.is_file(locked.as_ref()) => continue,
                Some(Err(problem)) => Err(problem),
                // The host provides the module, which a graph never records.
                Some(Ok(None)) | None => continue,
            };
            self.add(module, specifier, Some(target), now, found);
        }
        let omitted = module.origin.iter().flat_map(|origin| &origin.omitted);
        for specifier in omitted {
            let located = self
                .packages
                .locate(package, &path, specifier, Conditions::REQUIRE);
            match located {
                Ok(Located::Nothing(..) | Located::Host) => {}
                Ok(Located::File(package, path)) => {
                    let now = Ok(self.shown(&(package, path)));
                    self.add(module, specifier, None, now, found);
                }
                Err(problem) => self.add(module, specifier, None, Err(problem), found),
            }
        }
    }

    /// Finds the packages that a CommonJS module requires, that were missing when it was locked, and that exist now.
    fn required(&mut self, module: &Module, bytes: &[u8], found: &mut Vec<Drift>) {
        let Some(origin) = module.origin.as_ref() else {
            return;
        };
        if !origin.transformation.is_common_js() {
            return;
        }
        let text = std::str::from_utf8(bytes).ok();
        let (Some(source), Some((package, path))) = (text.and_then(commonjs::source_in), self.place(module))
        else {
            return;
        };
        let mut parsed = None;
        for specifier in literals_behind_require(source) {
            let is_locked = module.imports.contains_key(specifier)
                || origin.omitted.iter().any(|omitted| omitted == specifier);
            if is_locked {
                continue;
            }
            let located = self
                .packages
                .locate(package, &path, specifier, Conditions::REQUIRE);
            let Ok(Located::File(package, path)) = located else {
                continue;
            };
            // Seldom, since parsing takes long: it may stand in a comment.
            let required: &Vec<(String, u32)> = parsed.get_or_insert_with(|| {
                let parsed = syntax::with_stack(source, 0, || CommonJs::parse(source));
                parsed.map(|file| file.required).unwrap_or_default()
            });
            if required.iter().any(|(required, _)| required == specifier) {
                let now = Ok(self.shown(&(package, path)));
                self.add(module, specifier, None, now, found);
            }
        }
    }

    fn add(
        &self,
        module: &Module,
        specifier: &str,
        locked: Option<&Module>,
        now: Result<String, ImportProblem>,
        found: &mut Vec<Drift>,
    ) {
        found.push(Drift::Import {
            module: module.name.clone(),
            specifier: specifier.to_owned(),
            locked: locked.map(|module| module.name.clone()),
            now,
        });
    }

    /// Returns the location of the module's file, or `None` if its package is not installed.
    fn place(&self, module: &Module) -> Option<(PackageIndex, String)> {
        let place = *self.places.get(usize::try_from(module.package).ok()?)?;
        let path = module.path_in(self.graph.package_of(module)?)?;
        Some((place?, path.to_owned()))
    }

    fn is_file(&self, place: Option<&(PackageIndex, String)>) -> bool {
        let home = place.and_then(|(package, path)| Some(self.packages.home(*package).ok()?.file(path)));
        home.is_some_and(|file| file.is_file())
    }

    fn shown(&self, (package, path): &(PackageIndex, String)) -> String {
        match self.packages.home(*package) {
            Ok(home) => self
                .packages
                .project
                .shown(&home.file(path))
                .display()
                .to_string(),
            Err(_) => path.clone(),
        }
    }
}
