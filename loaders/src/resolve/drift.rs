//! Drift: what a project's files and `[imports]` mean now, where it is not what was locked.
//!
//! A lock pins bytes and what imports mean, so drift changes nothing of what runs. But what is reviewed in the project is
//! then not what runs.

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
    /// An entry of `[imports]` that is not the one that was locked.
    ImportMap {
        /// The key in `[imports]`.
        key: String,
        /// The value that was locked.
        locked: Option<String>,
        /// The value that stands there.
        now: Option<String>,
    },
    /// An entry of `[imports]` that cannot be used.
    Entry {
        /// The key in `[imports]`.
        key: String,
        /// What is wrong with it.
        problem: ImportProblem,
    },
    /// A package whose package.json says another version.
    Version {
        /// The package's name.
        package: String,
        /// The version that was locked.
        locked: Option<String>,
        /// The version that is installed.
        now: Option<String>,
    },
    /// An import that means another module, or none.
    Import {
        /// The module that imports.
        module: String,
        /// What it imports.
        specifier: String,
        /// The module that was locked; None: the package did without.
        locked: Option<String>,
        /// The file that it means, as shown to people; Err: why it means none.
        now: Result<String, ImportProblem>,
    },
}

impl Drift {
    /// The key in `[imports]` that the difference is about, if it is about one.
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
                "[imports] \"{}\" is {}, and the lock was made with {}",
                printable(key),
                said(now),
                said(locked)
            ),
            Self::Entry { key, problem } => {
                write!(formatter, "[imports] \"{}\": {problem}", printable(key))
            }
            Self::Version { package, locked, now } => write!(
                formatter,
                "package {} has the version {}, and the lock was made with {}",
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
                    Ok(file) => write!(formatter, "means {}", printable(file)),
                    Err(problem) => write!(formatter, "means nothing: {problem}"),
                }
            }
        }
    }
}

/// Compares what the imports of `graph` mean in `project` with what was locked. Reads package.json files and the names
/// of files, and no module: so it finds every import that means another file, and not one that is new in a file.
///
/// Packages and files that the project does not have are passed over: stores have them.
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

/// Compares what CommonJS modules require and the lock does not have with what is installed in `project` now. `bytes` are those of
/// the modules of `graph`, in their order: a lock does not say what a module requires in vain.
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

/// The literals that stand behind `require(` in a text, also in its comments. What is found must be parsed.
fn literals_behind_require(text: &str) -> BTreeSet<&str> {
    let calls = text.match_indices("require(").filter_map(|(position, call)| {
        let rest = text.get(position + call.len()..)?.trim_start();
        let quote = rest.chars().next().filter(|quote| "\"'`".contains(*quote))?;
        let (literal, _) = rest.get(1..)?.split_once(quote)?;
        (literal.len() <= 256).then_some(literal)
    });
    calls.collect()
}

/// Whether the project has a file for each module of `graph`, so that locking it again can be compared.
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

/// The entries of `[imports]` that differ, by their canonical forms.
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
    /// For each package of the graph where it is; None for what is not installed.
    places: Vec<Option<PackageIndex>>,
}

impl<'a> Check<'a> {
    /// What is there to be compared. Entries of `[imports]` that are wrong are added to `found`.
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

    /// The versions that package.json files say.
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

    /// The imports of a module, and what its package does without.
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
            // A graph does not say whether CommonJS requires a module or imports it, nor whether a file for browsers was passed over
            // because it needs a document: each may be what was locked.
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
                // Stores have what is not there.
                Some(Err(problem)) if is_absent(&problem) && !self.is_file(locked.as_ref()) => continue,
                Some(Err(problem)) => Err(problem),
                // The host answers: nothing that a graph could have recorded.
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

    /// What a CommonJS module requires, was not there when it was locked, and is there now.
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

    /// Where the module's file would be; None where its package is not installed.
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
