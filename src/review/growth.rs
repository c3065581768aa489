//! Growth of authority between two graphs. It compares the meaning of grants and bounds, not their text.
//!
//! A name alone does not identify code. A module that is renamed is found by its hash and compared with its old version
//! (CLI-48). A new module is also compared with removed modules that had fewer rights, because it may replace one of
//! them.

use std::collections::BTreeSet;

use secure_runtime_capabilities::{Base, Families, Rights, ScopeError};
use secure_runtime_loaders::{Graph, Module, Package};
use serde::Serialize;

use super::side::Side;
use super::{module_owner, package_owner};
use crate::bounds::{BoundsError, wider};

/// The authority that one owner gained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// The owner, for example `the program`, `package marked` or `module app:/main.js`.
    pub owner: String,
    /// The gained rights, in the form of `secure.toml`.
    pub gained: Vec<String>,
    /// The old owner of the same code, or of the code that it replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// The reason why two graphs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrowthError {
    /// This version does not understand a grant.
    #[error("{owner}: {source}")]
    Grant { owner: String, source: Box<ScopeError> },
    /// This version does not understand a bound.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}

impl GrowthError {
    pub(super) fn new(owner: String, source: impl Into<ScopeError>) -> Self {
        GrowthError::Grant {
            owner,
            source: Box::new(source.into()),
        }
    }
}

/// Returns the owners whose authority grew from `old` to `new`, by the rules of CLI-25 and CLI-48.
///
/// A right is not growth if a single old right covers it. If only several old rights together cover it, it counts as
/// growth. `base` is the base of relative scopes in both graphs.
///
/// # Errors
/// This version does not understand a grant or a bound.
pub fn growth(
    old: &Graph,
    new: &Graph,
    families: &Families,
    base: &Base,
) -> Result<Vec<Growth>, GrowthError> {
    let (old, new) = (Side::of(old, families, base)?, Side::of(new, families, base)?);
    let mut comparison = Comparison {
        old: &old,
        new: &new,
        families,
        base,
        grown: Vec::new(),
    };
    for index in 0..new.graph.packages().len() {
        comparison.package(index)?;
    }
    for index in 0..new.graph.modules().len() {
        comparison.module(index)?;
    }
    for index in 0..new.graph.packages().len() {
        comparison.bounds(index);
    }
    Ok(comparison.grown)
}

struct Comparison<'a> {
    old: &'a Side<'a>,
    new: &'a Side<'a>,
    families: &'a Families,
    base: &'a Base,
    grown: Vec<Growth>,
}

impl Comparison<'_> {
    /// Compares the grants of a package with those of the old package with the same name. A new package had no grants.
    fn package(&mut self, index: usize) -> Result<(), GrowthError> {
        let Some(package) = self.new.graph.packages().get(index) else {
            return Ok(());
        };
        let had = self
            .old
            .package(&package.name)
            .map(|index| self.old.package_rights(index));
        let had = had.unwrap_or_else(Rights::none);
        let has = self.new.package_rights(index);
        self.compare(package_owner(&package.name), None, &had, &has)
    }

    /// Compares the grants of a module with those of the old module with its name, and of old modules with its code.
    fn module(&mut self, index: usize) -> Result<(), GrowthError> {
        let Some(module) = self.new.graph.modules().get(index) else {
            return Ok(());
        };
        let (owner, has) = (module_owner(&module.name), self.new.module_rights(index));
        let named = self.old.module(&module.name);
        let before = named.and_then(|index| self.old.graph.modules().get(index));
        // If the module has no grants of its own in both graphs, the comparison of its package is sufficient.
        if module.grants.is_some() || before.is_some_and(|before| before.grants.is_some()) {
            let had = match named {
                Some(index) => self.old.module_rights(index),
                None => self.old_package_of(module),
            };
            self.compare(owner.clone(), None, &had, &has)?;
        }
        if before.is_some_and(|before| Side::is_same_code(before, module)) {
            return Ok(());
        }
        for (was, had) in self.predecessors(module, named.is_some())? {
            let was = self.old.name_of(was).map(module_owner);
            self.compare(owner.clone(), was, &had, &has)?;
        }
        Ok(())
    }

    fn old_package_of(&self, module: &Module) -> Rights {
        let package = self.new.graph.package_of(module);
        let before = package.and_then(|package| self.old.package(&package.name));
        before.map_or_else(Rights::none, |index| self.old.package_rights(index))
    }

    /// Returns the old modules whose rights this module must not exceed, with their rights.
    ///
    /// If old modules with the same code have lost their names, each of them may have been renamed to this one. If all
    /// still exist, this module is a copy, and their rights count together. If the code is new as well, the result is
    /// the removed modules of the package that had fewer rights than the package. This module may be an edited version
    /// of one of them.
    fn predecessors(&self, module: &Module, is_named: bool) -> Result<Vec<(usize, Rights)>, GrowthError> {
        let same = self.old.same_code(module);
        let is_gone = |index: &usize| {
            self.old
                .name_of(*index)
                .is_some_and(|name| self.new.module(name).is_none())
        };
        let gone = |indices: &[usize]| -> Vec<(usize, Rights)> {
            let gone = indices.iter().filter(|index| is_gone(index));
            gone.map(|index| (*index, self.old.module_rights(*index)))
                .collect()
        };
        let renamed = gone(&same);
        if let (true, Some(first)) = (renamed.is_empty(), same.first()) {
            let rights: Vec<Rights> = same.iter().map(|index| self.old.module_rights(*index)).collect();
            let together = Rights::new(rights.iter().flatten().cloned());
            let together = together.map_err(|error| GrowthError::new(module_owner(&module.name), error))?;
            return Ok(vec![(*first, together)]);
        }
        if !renamed.is_empty() || is_named || !Side::is_code(module) {
            return Ok(renamed);
        }
        let package = self
            .new
            .graph
            .package_of(module)
            .map(|package| package.name.as_str());
        Ok(gone(&self.old.narrowed(package.unwrap_or_default())))
    }

    fn compare(
        &mut self,
        owner: String,
        was: Option<String>,
        had: &Rights,
        has: &Rights,
    ) -> Result<(), GrowthError> {
        let gained = has
            .iter()
            .filter(|right| !had.covers_pattern(right.family, right.action, &right.pattern));
        let gained = Rights::new(gained.cloned()).map_err(|error| GrowthError::new(owner.clone(), error))?;
        let lines = self.families.describe(&gained, self.base);
        self.add(
            owner,
            was,
            lines.iter().map(|line| line.manifest_line()).collect(),
        );
        Ok(())
    }

    fn add(&mut self, owner: String, was: Option<String>, gained: Vec<String>) {
        let known = |growth: &Growth| growth.owner == owner && growth.gained == gained;
        if !gained.is_empty() && !self.grown.iter().any(known) {
            self.grown.push(Growth { owner, gained, was });
        }
    }

    /// Compares the limits, the isolation and the demanded signatures of a package or of the program.
    fn bounds(&mut self, index: usize) {
        let Some(package) = self.new.graph.packages().get(index) else {
            return;
        };
        for before in self.earlier_packages(index, package) {
            let Some(was) = self.old.graph.packages().get(before) else {
                continue;
            };
            let mut gained = Vec::new();
            // A package that shares an isolate again can use up the time and memory of others.
            if was.isolate && !package.isolate {
                gained.push("isolate = false".to_owned());
            }
            if let (Some(then), Some(now)) = (self.old.within(before), self.new.within(index)) {
                gained.extend(wider(then, now));
            }
            let other = (was.name != package.name).then(|| package_owner(&was.name));
            self.add(package_owner(&package.name), other, gained);
        }
    }

    /// Returns the old packages whose bounds this package must not exceed. These are the package with its name, and
    /// those that contained its code. If there are none, the result is all removed packages.
    fn earlier_packages(&self, index: usize, package: &Package) -> BTreeSet<usize> {
        let named = self.old.package(&package.name);
        let mut earlier: BTreeSet<usize> = named.into_iter().collect();
        let modules = self.new.graph.modules().iter();
        for module in modules.filter(|module| module.package as usize == index) {
            let same = self.old.same_code(module);
            let packages: BTreeSet<usize> = same
                .iter()
                .filter_map(|index| self.old.package_index(*index))
                .collect();
            if !named.is_some_and(|named| packages.contains(&named)) {
                // The bounds of the program already apply to all its packages.
                earlier.extend(packages.into_iter().filter(|package| *package != 0));
            }
        }
        if earlier.is_empty() {
            let packages = self.old.graph.packages().iter().enumerate().skip(1);
            let gone = packages.filter(|(_, was)| self.new.package(&was.name).is_none());
            earlier.extend(gone.map(|(index, _)| index));
        }
        earlier
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secure_runtime_loaders::{ContentHash, ModuleKind};

    use super::*;

    /// A package name, its grants, and the grants of its module `a.js` if that has its own.
    type Described<'a> = (&'a str, &'a [&'a str], Option<&'a [&'a str]>);

    fn program(packages: &[Described<'_>]) -> Graph {
        let lines = |grants: &[&str]| grants.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let package = |(name, grants, _): &Described<'_>| Package {
            name: (*name).to_owned(),
            version: None,
            grants: lines(grants),
            ..Package::default()
        };
        let packages_of: Vec<Package> = packages.iter().map(package).collect();
        let modules = (0..).zip(packages).map(|(index, (name, _, own))| Module {
            name: format!("{}/a.js", if name.is_empty() { "app:" } else { name }),
            package: index,
            hash: ContentHash::of(name.as_bytes()),
            size: 0,
            kind: ModuleKind::JavaScript,
            origin: None,
            imports: BTreeMap::new(),
            globals: Vec::new(),
            grants: own.map(lines),
        });
        let modules = modules.collect();
        Graph::new(0, packages_of, modules).unwrap()
    }

    fn grown(old: &Graph, new: &Graph) -> Vec<String> {
        let base = Base::new("/srv/app").unwrap();
        let grown = growth(old, new, &Families::builtin(), &base).unwrap();
        let line = |growth: &Growth| format!("{}: {}", growth.owner, growth.gained.join(", "));
        grown.iter().map(line).collect()
    }

    /// CLI-25: growth depends on the meaning of grants, not on their text.
    #[test]
    fn equivalent_or_fewer_rights_are_no_growth() {
        let old = program(&[("", &["fs.read=./**", "net.connect=https://*.example.com"], None)]);
        for same_or_less in [
            ["fs.read=./**", "net.connect=https://*.example.com"],
            ["fs.read=/srv/app/**", "net.connect=https://*.example.com:443"],
            ["fs.read=./data/x", "net.connect=https://api.example.com"],
        ] {
            let mut lines = same_or_less;
            lines.sort_unstable();
            assert_eq!(grown(&old, &program(&[("", &lines, None)])), Vec::<String>::new());
        }
        let more = program(&[("", &["fs.read=../**"], None)]);
        assert_eq!(grown(&old, &more), ["the program: fs.read = [\"/srv/**\"]"]);
        let other = program(&[("", &["fs.write=./**"], None)]);
        assert_eq!(grown(&old, &other), ["the program: fs.write = [\"./**\"]"]);
    }

    /// CLI-25: the rights of the program limit the grants of a package.
    #[test]
    fn a_package_grows_with_its_grants_or_with_the_program() {
        let all: &[&str] = &["fs.read=./**"];
        let data: &[&str] = &["fs.read=./data/**"];
        let old = program(&[("", all, None), ("p", data, None)]);
        let wider = program(&[("", all, None), ("p", all, None)]);
        assert_eq!(grown(&old, &wider), ["package p: fs.read = [\"./**\"]"]);
        assert_eq!(grown(&wider, &old), Vec::<String>::new());
        let new = program(&[("", all, None), ("q", data, None)]);
        assert_eq!(grown(&old, &new), ["package q: fs.read = [\"./data/**\"]"]);
        let held_back = program(&[("", data, None), ("p", all, None)]);
        assert_eq!(
            grown(&held_back, &wider),
            [
                "the program: fs.read = [\"./**\"]",
                "package p: fs.read = [\"./**\"]"
            ]
        );
    }

    /// CLI-25: a module gains authority if its own restriction is removed, even if its package does not.
    #[test]
    fn a_module_grows_against_itself() {
        let all: &[&str] = &["fs.read=./**"];
        let narrow = program(&[("", all, Some(&["fs.read=./a"]))]);
        let free = program(&[("", all, None)]);
        assert_eq!(grown(&narrow, &free), ["module app:/a.js: fs.read = [\"./**\"]"]);
        assert_eq!(grown(&free, &narrow), Vec::<String>::new());
        // A lock, unlike a manifest, can contain a module of a package with more rights than the package.
        let none: &[&str] = &[];
        let old = program(&[("", all, None), ("p", none, None)]);
        let new = program(&[("", all, None), ("p", none, Some(all))]);
        assert_eq!(grown(&old, &new), ["module p/a.js: fs.read = [\"./**\"]"]);
    }

    #[test]
    fn an_unknown_grant_is_an_error() {
        let (good, bad) = (
            program(&[("", &[], None)]),
            program(&[("", &["fs.fly=./x"], None)]),
        );
        let base = Base::new("/srv/app").unwrap();
        for (old, new) in [(&good, &bad), (&bad, &good)] {
            let error = growth(old, new, &Families::builtin(), &base).unwrap_err();
            assert!(error.to_string().starts_with("the program: "), "{error}");
        }
    }

    /// Returns a program that may read everything, with these modules, each with its code and its own grants.
    fn of_modules(modules: &[(&str, &str, Option<&[&str]>)]) -> Graph {
        let lines = |grants: &[&str]| grants.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let package = Package {
            grants: lines(&["fs.read=./**"]),
            ..Package::default()
        };
        let module = |(name, code, own): &(&str, &str, Option<&[&str]>)| Module {
            name: format!("app:/{name}"),
            package: 0,
            hash: ContentHash::of(code.as_bytes()),
            size: 0,
            kind: ModuleKind::JavaScript,
            origin: None,
            imports: BTreeMap::new(),
            globals: Vec::new(),
            grants: own.map(lines),
        };
        Graph::new(0, vec![package], modules.iter().map(module).collect()).unwrap()
    }

    /// A module in a test: its path, its text, and its own grants if it has some.
    type Written<'a> = (&'a str, &'a str, Option<&'a [&'a str]>);

    /// CLI-48: code is identified by its hash, whatever its name is.
    #[test]
    fn code_is_compared_with_its_old_version() {
        let (none, data): (&[&str], &[&str]) = (&[], &["fs.read=./data/**"]);
        let old = of_modules(&[
            ("a.js", "one", Some(none)),
            ("b.js", "two", None),
            ("c.js", "one", Some(data)),
        ]);
        let table: [(&str, &[Written<'_>], &[&str]); 7] = [
            (
                "names that were exchanged",
                &[("a.js", "two", Some(none)), ("b.js", "one", None)],
                &["module app:/b.js"],
            ),
            (
                "renamed, and held to as little",
                &[("b.js", "two", None), ("d.js", "one", Some(none))],
                &[],
            ),
            (
                "renamed, from the narrower of two",
                &[("b.js", "two", None), ("d.js", "one", Some(data))],
                &["module app:/d.js"],
            ),
            (
                "a copy of what could do as much",
                &[
                    ("a.js", "one", Some(none)),
                    ("b.js", "two", None),
                    ("c.js", "one", Some(data)),
                    ("d.js", "one", Some(data)),
                ],
                &[],
            ),
            (
                "a copy that can do more",
                &[
                    ("a.js", "one", Some(none)),
                    ("b.js", "two", None),
                    ("c.js", "one", Some(data)),
                    ("d.js", "one", None),
                ],
                &["module app:/d.js"],
            ),
            (
                "new code in the place of narrowed code",
                &[("b.js", "two", None), ("d.js", "new", None)],
                &["module app:/d.js"],
            ),
            (
                "new code beside it",
                &[
                    ("a.js", "one", Some(none)),
                    ("b.js", "two", None),
                    ("c.js", "one", Some(data)),
                    ("d.js", "new", None),
                ],
                &[],
            ),
        ];
        for (name, modules, expected) in table {
            let base = Base::new("/srv/app").unwrap();
            let grown = growth(&old, &of_modules(modules), &Families::builtin(), &base).unwrap();
            let mut owners: Vec<&str> = grown.iter().map(|growth| growth.owner.as_str()).collect();
            owners.dedup();
            assert_eq!(owners, expected, "{name}: {grown:?}");
        }
    }

    /// CLI-48, CLI-49: a renamed package, and a package that replaces another one.
    #[test]
    fn a_renamed_package_keeps_its_bounds() {
        let program = |name: &str, code: &str, isolate: bool, bounds: &[&str]| {
            let package = Package {
                name: name.to_owned(),
                isolate,
                bounds: bounds.iter().map(|line| (*line).to_owned()).collect(),
                ..Package::default()
            };
            let module = |name: String, package: u32, code: &str| Module {
                name,
                package,
                hash: ContentHash::of(code.as_bytes()),
                size: 0,
                kind: ModuleKind::JavaScript,
                origin: None,
                imports: BTreeMap::new(),
                globals: Vec::new(),
                grants: None,
            };
            let modules = vec![
                module("app:/main.js".to_owned(), 0, "main"),
                module(format!("{name}/a.js"), 1, code),
            ];
            Graph::new(0, vec![Package::default(), package], modules).unwrap()
        };
        let bounds = ["limits.heap=16MiB", "limits.operations=10"];
        let old = program("p", "code", true, &bounds);
        for code in ["code", "edited"] {
            assert_eq!(
                grown(&old, &program("q", code, false, &[])),
                ["package q: isolate = false, no limits.heap, before 16MiB, no limits.operations, before 10"]
            );
            assert_eq!(
                grown(&old, &program("q", code, true, &bounds[..1])),
                ["package q: no limits.operations, before 10"]
            );
            assert_eq!(
                grown(&old, &program("q", code, true, &bounds)),
                Vec::<String>::new()
            );
        }
        let unknown = program("p", "code", true, &["limits.breath=1"]);
        let base = Base::new("/srv/app").unwrap();
        let error = growth(&old, &unknown, &Families::builtin(), &base).unwrap_err();
        assert!(error.to_string().contains("limits.breath=1"), "{error}");
    }
}
