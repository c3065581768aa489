//! Who may now do what that it could not before: by what grants mean, not by how they are written.

use std::collections::BTreeMap;

use secure_runtime_capabilities::{Base, Families, Rights, ScopeError};
use secure_runtime_loaders::Graph;
use serde::Serialize;

use super::{module_owner, package_owner};

/// What one owner may do that it could not do before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Growth {
    /// `the program`, `package marked`, `module app:/main.js`
    pub(crate) owner: String,
    /// The lines that grant it in `secure.toml`.
    pub(crate) gained: Vec<String>,
}

/// Grants of a graph that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{owner}: {source}")]
pub(crate) struct GrowthError {
    owner: String,
    source: Box<ScopeError>,
}

impl GrowthError {
    fn new(owner: String, source: impl Into<ScopeError>) -> Self {
        GrowthError {
            owner,
            source: Box::new(source.into()),
        }
    }
}

/// Whose authority grew from `old` to `new`: each package against the one of its name, each module that has grants of its
/// own, or had, against the one of its name. What is new had nothing before; a new module had what its package had.
///
/// What a right allows counts as had where one right of before covers it; a right that several of before cover only
/// together counts as gained. `base` is what relative scopes of both graphs mean.
///
/// # Errors
/// A grant that this version does not understand.
pub(crate) fn growth(
    old: &Graph,
    new: &Graph,
    families: &Families,
    base: &Base,
) -> Result<Vec<Growth>, GrowthError> {
    let (before, after) = (Held::of(old, families, base)?, Held::of(new, families, base)?);
    let none = Rights::none();
    let mut grown = Vec::new();
    let mut compare = |owner: String, had: &Rights, has: &Rights| -> Result<(), GrowthError> {
        let gained = has
            .iter()
            .filter(|right| !had.covers_pattern(right.family, right.action, &right.pattern));
        let gained = Rights::new(gained.cloned()).map_err(|error| GrowthError::new(owner.clone(), error))?;
        if !gained.is_empty() {
            let lines = families.describe(&gained, base);
            let gained = lines.iter().map(|line| line.manifest_line()).collect();
            grown.push(Growth { owner, gained });
        }
        Ok(())
    };
    for (name, has) in &after.packages {
        compare(
            package_owner(name),
            before.packages.get(name).unwrap_or(&none),
            has,
        )?;
    }
    for module in new.modules() {
        let package = new
            .package_of(module)
            .map(|package| package.name.as_str())
            .unwrap_or_default();
        let of_package = |held: &Held<'_>| held.packages.get(package).cloned().unwrap_or_default();
        let name = module.name.as_str();
        let (had, has) = (before.modules.get(name), after.modules.get(name));
        if had.is_none() && has.is_none() {
            continue; // as its package, in both
        }
        let had = had.cloned().unwrap_or_else(|| of_package(&before));
        let has = has.cloned().unwrap_or_else(|| of_package(&after));
        compare(module_owner(name), &had, &has)?;
    }
    // Who shares an isolate again may use up the others' time and memory.
    for package in new.packages().iter().filter(|package| !package.isolate) {
        let before = old.packages().iter().find(|before| before.name == package.name);
        if before.is_some_and(|before| before.isolate) {
            let gained = vec!["isolate = false".to_owned()];
            grown.push(Growth {
                owner: package_owner(&package.name),
                gained,
            });
        }
    }
    Ok(grown)
}

/// What the parts of one program may do: what their grants say, within what the program's say, as when it is linked.
struct Held<'a> {
    packages: BTreeMap<&'a str, Rights>,
    /// Those that have grants of their own.
    modules: BTreeMap<&'a str, Rights>,
}

impl<'a> Held<'a> {
    fn of(graph: &'a Graph, families: &Families, base: &Base) -> Result<Self, GrowthError> {
        let parse = |owner: String, grants: &[String]| {
            let rights = families.parse_grants(grants, base);
            rights.map_err(|error| GrowthError::new(owner, error))
        };
        let ceiling = match graph.packages().first() {
            Some(program) => parse(package_owner(&program.name), &program.grants)?,
            None => Rights::none(),
        };
        let within = |owner: String, grants: &[String]| {
            let met = parse(owner.clone(), grants)?.meet(&ceiling);
            met.map_err(|error| GrowthError::new(owner, error))
        };
        let mut held = Held {
            packages: BTreeMap::new(),
            modules: BTreeMap::new(),
        };
        for package in graph.packages() {
            let rights = within(package_owner(&package.name), &package.grants)?;
            held.packages.insert(&package.name, rights);
        }
        for module in graph.modules() {
            if let Some(grants) = &module.grants {
                let rights = within(module_owner(&module.name), grants)?;
                held.modules.insert(&module.name, rights);
            }
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use secure_runtime_loaders::{ContentHash, Module, ModuleKind, Package};

    use super::*;

    /// A name, grants, and those of its module `a.js` where it has its own.
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

    /// CLI-25: by meaning, not by text.
    #[test]
    fn other_words_for_the_same_or_less_are_no_growth() {
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

    /// CLI-25: what a package's own grants say counts within the program's.
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

    /// CLI-25: a module that is no longer held to less has gained, though its package has not.
    #[test]
    fn a_module_grows_against_itself() {
        let all: &[&str] = &["fs.read=./**"];
        let narrow = program(&[("", all, Some(&["fs.read=./a"]))]);
        let free = program(&[("", all, None)]);
        assert_eq!(grown(&narrow, &free), ["module app:/a.js: fs.read = [\"./**\"]"]);
        assert_eq!(grown(&free, &narrow), Vec::<String>::new());
        // A lock can say of a package's module what the manifest cannot: more than its package.
        let none: &[&str] = &[];
        let old = program(&[("", all, None), ("p", none, None)]);
        let new = program(&[("", all, None), ("p", none, Some(all))]);
        assert_eq!(grown(&old, &new), ["module p/a.js: fs.read = [\"./**\"]"]);
    }

    #[test]
    fn a_grant_that_is_not_understood_is_no_grant_of_nothing() {
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
}
