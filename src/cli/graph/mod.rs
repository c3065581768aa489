//! `graph`: look at the modules of a program, and at what changed from one to another.

mod diff;
mod dot;
mod page;
mod picture;
mod show;

use secure_runtime_loaders::{Graph, Module, Package};

use super::failure::Failure;
use super::text::size;
use crate::Limits;
use crate::bounds::Bounds;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the packages and modules of a program, with sizes and grants
    Show(show::Arguments),
    /// Print what changed from one program to another: modules, imports, grants, and who may now do what
    Diff(diff::Arguments),
}

pub(super) fn graph(command: &Command) -> Result<String, Failure> {
    match command {
        Command::Show(arguments) => show::show(arguments),
        Command::Diff(arguments) => diff::diff(arguments),
    }
}

/// The modules of the package with this index.
fn modules_of(graph: &Graph, package: u32) -> impl Iterator<Item = &Module> {
    let modules = graph.modules().iter();
    modules.filter(move |module| module.package == package)
}

/// `the program`, `marked 15.0.0`
fn title(package: &Package) -> String {
    match (package.name.as_str(), &package.version) {
        ("", _) => "the program".to_owned(),
        (name, Some(version)) => format!("{name} {version}"),
        (name, None) => name.to_owned(),
    }
}

/// What a package has: its grants, its globals, its isolate, and its bounds as far as they are not the defaults.
fn holds(package: &Package) -> String {
    let mut holds = grants(&package.grants);
    if !package.globals.is_empty() {
        holds.push_str(&format!("; finds {}", package.globals.join(", ")));
    }
    if package.isolate {
        holds.push_str("; in an isolate of its own");
    }
    let usual = Bounds::of_program(&Limits::default(), None).lines();
    let bounds = package.bounds.iter().filter(|line| !usual.contains(line));
    let bounds: Vec<&str> = bounds.map(String::as_str).collect();
    if !bounds.is_empty() {
        holds.push_str(&format!("; {}", bounds.join(", ")));
    }
    holds
}

/// `812.3 KiB`
fn total_size<'a>(modules: impl Iterator<Item = &'a Module>) -> String {
    size(modules.map(|module| module.size).sum())
}

/// `fs.read=./data/**, random=true`
fn grants(grants: &[String]) -> String {
    if grants.is_empty() {
        "no grants".to_owned()
    } else {
        grants.join(", ")
    }
}

/// A program whose names, versions and specifiers would do harm in markup that does not escape them.
#[cfg(test)]
fn hostile() -> Graph {
    use std::collections::BTreeMap;

    use secure_runtime_loaders::{ContentHash, ModuleKind};

    let package = |name: &str, version: &str, grants: &[&str]| Package {
        name: name.to_owned(),
        version: Some(version.to_owned()).filter(|version| !version.is_empty()),
        grants: grants.iter().map(|line| (*line).to_owned()).collect(),
        ..Package::default()
    };
    let module = |name: &str, package: u32, imports: &[(&str, u32)]| Module {
        name: name.to_owned(),
        package,
        hash: ContentHash::of(name.as_bytes()),
        size: 10,
        kind: ModuleKind::JavaScript,
        origin: None,
        imports: imports
            .iter()
            .map(|(specifier, to)| ((*specifier).to_owned(), *to))
            .collect::<BTreeMap<_, _>>(),
        globals: Vec::new(),
        grants: None,
    };
    let packages = vec![
        package("", "", &["fs.read=./<b>&\"'</b>/**"]),
        package("p", "<script>alert(1)</script>\"; evil [", &[]),
        package("p>q", "", &[]),
    ];
    let modules = vec![
        module("app:/main.js", 0, &[("\" onload=\"alert(1)", 1), ("p", 2)]),
        module("app:/x\" -> \"y<img src=x onerror=alert(1)>.js", 0, &[]),
        module("p/a&b'.js", 1, &[("q", 3), ("./a", 2)]),
        module("p>q/c.js", 2, &[("p", 2)]),
    ];
    Graph::new(0, packages, modules).unwrap_or_else(|error| unreachable!("{error}"))
}
