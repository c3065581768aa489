//! Review: the differences between two graphs, in code and in authority.
//!
//! `spec/cli.md` defines differences and growth.

mod growth;
mod look_alike;
#[cfg(test)]
mod property;
mod side;

use std::collections::{BTreeMap, BTreeSet};

use secure_runtime_loaders::{Graph, Module};
use serde::Serialize;

pub use self::growth::{Growth, growth};
pub use self::look_alike::look_alikes;

/// The differences between two graphs. Growth of authority is computed separately, by [`growth`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Packages that were added or removed, or whose version changed.
    pub packages: Vec<PackageChange>,
    /// Modules that were added or removed, or whose bytes or source changed.
    pub modules: Vec<ModuleChange>,
    /// Imports that are new, or that mean another module than before.
    pub imports: Vec<NewImport>,
    /// Global names that modules did not use before.
    pub globals: Vec<NewGlobals>,
    /// Grants that were added or removed.
    pub grants: Vec<GrantChange>,
    /// Other changed settings of the program and of packages: isolation, limits, demanded signatures.
    pub settings: Vec<GrantChange>,
    /// Entries of `[imports]` that were added or removed.
    pub import_map: Vec<GrantChange>,
    /// The new entry module, if it changed.
    pub entry: Option<String>,
}

/// A package that was added or removed, or whose version changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// The package's name.
    pub name: String,
    /// The kind of change.
    pub change: Change,
    /// The version before, if it has one.
    pub old_version: Option<String>,
    /// The version now, if it has one.
    pub new_version: Option<String>,
}

/// A module that was added or removed, or whose bytes or source changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModuleChange {
    /// The module's name.
    pub name: String,
    /// The kind of change.
    pub change: Change,
    /// The content before, unless the module was added.
    pub old: Option<Content>,
    /// The content now, unless the module was removed.
    pub new: Option<Content>,
    /// The difference of the two texts, if it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The content of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// The content hash, as text.
    pub hash: String,
    /// The size in bytes.
    pub size: u64,
    /// The hash of the source, if the module was transformed from one. Different sources can produce the same module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// An import that is new or means another module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewImport {
    /// The importing module.
    pub module: String,
    /// The specifier in its source.
    pub specifier: String,
    /// The module that the import meant before.
    pub old: Option<String>,
    /// The module that the import means now.
    pub new: String,
}

/// Free names that a module did not use before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewGlobals {
    /// The module.
    pub module: String,
    /// The names.
    pub names: Vec<String>,
}

/// Grants that were added or removed, as lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantChange {
    /// The program, package or module that holds the grants.
    pub owner: String,
    /// The added lines.
    pub added: Vec<String>,
    /// The removed lines.
    pub removed: Vec<String>,
}

/// The kind of change of a package or module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It did not exist before.
    Added,
    /// It no longer exists.
    Removed,
    /// It exists with another value.
    Changed,
}

impl Change {
    /// Returns the kind of change between two values, or `None` if they are equal.
    fn of<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> Option<Change> {
        match (old, new) {
            (None, Some(_)) => Some(Change::Added),
            (Some(_), None) => Some(Change::Removed),
            (Some(old), Some(new)) if old != new => Some(Change::Changed),
            _ => None,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }

    /// Returns `+`, `-` or `~`.
    pub fn sign(self) -> char {
        match self {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Changed => '~',
        }
    }
}

impl Difference {
    /// Returns the differences from `old` to `new`.
    pub fn between(old: &Graph, new: &Graph) -> Difference {
        let (before, after) = (modules(old), modules(new));
        Difference {
            packages: packages_changed(old, new),
            modules: modules_changed(&before, &after),
            imports: imports_new((old, &before), (new, &after)),
            globals: globals_new(&before, &after),
            grants: lines_changed(&grants(old), &grants(new)),
            settings: lines_changed(&settings(old), &settings(new)),
            import_map: lines_changed(&import_map(old), &import_map(new)),
            entry: (name_of(old, old.entry()) != name_of(new, new.entry()))
                .then(|| name_of(new, new.entry()).to_owned()),
        }
    }

    /// Describes each change in a line of text. Returns nothing if none of the described parts changed.
    pub fn lines(&self) -> Vec<String> {
        let packages =
            self.packages
                .iter()
                .map(|package| match (&package.old_version, &package.new_version) {
                    (Some(old), Some(new)) => format!("{} {old} is now {new}", package_owner(&package.name)),
                    _ => format!("{} {}", package.change.verb(), package_owner(&package.name)),
                });
        let modules = self.modules.iter();
        let modules = modules.map(|module| format!("{} {}", module.change.verb(), module.name));
        let grants = self.grants.iter().flat_map(|grants| {
            let owner = &grants.owner;
            let added = grants
                .added
                .iter()
                .map(move |line| format!("grant to {owner}: {line}"));
            let removed = grants.removed.iter();
            added.chain(removed.map(move |line| format!("no grant to {owner} any more: {line}")))
        });
        let settings = self.settings.iter().flat_map(|settings| {
            let owner = &settings.owner;
            let added = settings.added.iter();
            let added = added.map(move |line| format!("{owner} now has {line}"));
            let removed = settings.removed.iter();
            added.chain(removed.map(move |line| format!("{owner} no longer has {line}")))
        });
        let entries = self.import_map.iter().flat_map(|entries| {
            let added = entries
                .added
                .iter()
                .map(|line| format!("[imports] now has {line}"));
            let removed = entries.removed.iter();
            added.chain(removed.map(|line| format!("[imports] no longer has {line}")))
        });
        let imports = self.imports.iter().filter(|import| import.old.is_some());
        let imports = imports.map(|import| {
            let before = import.old.as_deref().unwrap_or_default();
            format!(
                "{} imports {} as \"{}\", before {before}",
                import.module, import.new, import.specifier
            )
        });
        let entry = self.entry.iter().map(|entry| format!("{entry} runs first"));
        let lines = packages.chain(modules).chain(grants).chain(settings);
        lines.chain(entries).chain(imports).chain(entry).collect()
    }
}

/// Returns the description of an owner, for example `the program` or `package marked`.
pub fn package_owner(name: &str) -> String {
    match name {
        "" => "the program".to_owned(),
        name => format!("package {name}"),
    }
}

/// Returns the description of an owner, for example `module app:/main.js`.
pub fn module_owner(name: &str) -> String {
    format!("module {name}")
}

type Modules<'a> = BTreeMap<&'a str, &'a Module>;

fn modules(graph: &Graph) -> Modules<'_> {
    let modules = graph.modules().iter();
    modules.map(|module| (module.name.as_str(), module)).collect()
}

fn name_of(graph: &Graph, module: u32) -> &str {
    graph
        .module(module)
        .map(|module| module.name.as_str())
        .unwrap_or_default()
}

/// Returns the keys of both maps, sorted.
fn either<'a, T, U>(old: &BTreeMap<&'a str, T>, new: &BTreeMap<&'a str, U>) -> BTreeSet<&'a str> {
    old.keys().chain(new.keys()).copied().collect()
}

fn packages_changed(old: &Graph, new: &Graph) -> Vec<PackageChange> {
    fn versions(graph: &Graph) -> BTreeMap<&str, &Option<String>> {
        let packages = graph.packages().iter();
        packages
            .map(|package| (package.name.as_str(), &package.version))
            .collect()
    }
    let (before, after) = (versions(old), versions(new));
    let change = |name: &str| {
        let (old, new) = (before.get(name), after.get(name));
        Some(PackageChange {
            name: name.to_owned(),
            change: Change::of(old, new)?,
            old_version: old.and_then(|version| (*version).clone()),
            new_version: new.and_then(|version| (*version).clone()),
        })
    };
    either(&before, &after).into_iter().filter_map(change).collect()
}

fn modules_changed(before: &Modules<'_>, after: &Modules<'_>) -> Vec<ModuleChange> {
    let content = |module: &&Module| Content {
        hash: module.hash.to_string(),
        size: module.size,
        source: module.origin.as_ref().map(|origin| origin.hash.to_string()),
    };
    let change = |name: &str| {
        let (old, new) = (before.get(name).map(content), after.get(name).map(content));
        Some(ModuleChange {
            name: name.to_owned(),
            change: Change::of(old.as_ref(), new.as_ref())?,
            old,
            new,
            text: None,
        })
    };
    either(before, after).into_iter().filter_map(change).collect()
}

fn imports_new(old: (&Graph, &Modules<'_>), new: (&Graph, &Modules<'_>)) -> Vec<NewImport> {
    let mut found = Vec::new();
    for (name, module) in new.1 {
        let earlier = old.1.get(name);
        for (specifier, target) in &module.imports {
            let before = earlier.and_then(|module| module.imports.get(specifier));
            let before = before.map(|target| name_of(old.0, *target));
            let now = name_of(new.0, *target);
            if before != Some(now) {
                found.push(NewImport {
                    module: (*name).to_owned(),
                    specifier: specifier.clone(),
                    old: before.map(str::to_owned),
                    new: now.to_owned(),
                });
            }
        }
    }
    found
}

fn globals_new(before: &Modules<'_>, after: &Modules<'_>) -> Vec<NewGlobals> {
    let new = |(name, module): (&&str, &&Module)| {
        let earlier = before
            .get(name)
            .map(|module| module.globals.as_slice())
            .unwrap_or_default();
        let names = added(earlier, &module.globals);
        (!names.is_empty()).then(|| NewGlobals {
            module: (*name).to_owned(),
            names,
        })
    };
    after.iter().filter_map(new).collect()
}

/// Lines by their owner.
type Lines = BTreeMap<String, Vec<String>>;

fn grants(graph: &Graph) -> Lines {
    let packages = graph.packages().iter();
    let packages = packages.map(|package| (package_owner(&package.name), package.grants.clone()));
    let modules = graph.modules().iter();
    let modules = modules.filter_map(|module| Some((module_owner(&module.name), module.grants.clone()?)));
    packages.chain(modules).collect()
}

fn settings(graph: &Graph) -> Lines {
    let packages = graph.packages().iter().map(|package| {
        let isolate = package.isolate.then(|| "an isolate of its own".to_owned());
        let bounds = package.bounds.iter().cloned();
        (
            package_owner(&package.name),
            isolate.into_iter().chain(bounds).collect(),
        )
    });
    packages.collect()
}

fn import_map(graph: &Graph) -> Lines {
    let entries = graph.import_map().iter();
    let lines = entries.map(|(specifier, target)| format!("{specifier} = {target}"));
    [("[imports]".to_owned(), lines.collect())].into()
}

fn lines_changed(before: &Lines, after: &Lines) -> Vec<GrantChange> {
    let owners: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |owner: &String| {
        let lines = |of: &Lines| of.get(owner).cloned().unwrap_or_default();
        let (old, new) = (lines(before), lines(after));
        // If a module loses its own grants, both lists can be empty. That is a change nevertheless, because the module
        // then has the rights of its package.
        let change = GrantChange {
            owner: owner.clone(),
            added: added(&old, &new),
            removed: added(&new, &old),
        };
        (old != new).then_some(change)
    };
    owners.into_iter().filter_map(change).collect()
}

/// Returns the lines that `new` contains and `old` does not.
fn added(old: &[String], new: &[String]) -> Vec<String> {
    let old: BTreeSet<&String> = old.iter().collect();
    new.iter().filter(|line| !old.contains(line)).cloned().collect()
}
