//! `graph`: shows the modules of a program, and the changes between two programs.

mod diff;
mod dot;
mod page;
mod picture;
mod show;

use secure_runtime_loaders::{Graph, Module, Package};

use super::failure::Failure;
use super::text::size;
use secure_runtime::Bounds;
use secure_runtime::Limits;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the packages and modules of a program, with sizes and grants
    Show(show::Arguments),
    /// Compare two programs: modules, imports, grants, and which of them gain authority
    Diff(diff::Arguments),
}

pub(super) fn graph(command: &Command) -> Result<String, Failure> {
    match command {
        Command::Show(arguments) => show::show(arguments),
        Command::Diff(arguments) => diff::diff(arguments),
    }
}

/// Returns the modules of the package with this index.
fn modules_of(graph: &Graph, package: u32) -> impl Iterator<Item = &Module> {
    let modules = graph.modules().iter();
    modules.filter(move |module| module.package == package)
}

/// Returns the title of a package, for example `the program` or `marked 15.0.0`.
fn title(package: &Package) -> String {
    match (package.name.as_str(), &package.version) {
        ("", _) => "the program".to_owned(),
        (name, Some(version)) => format!("{name} {version}"),
        (name, None) => name.to_owned(),
    }
}

/// Formats the grants of a package, its isolation, and its limits if they differ from the defaults.
fn holds(package: &Package) -> String {
    let mut holds = grants(&package.grants);
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

/// Formats the total size of modules, for example `812.3 KiB`.
fn total_size<'a>(modules: impl Iterator<Item = &'a Module>) -> String {
    size(modules.map(|module| module.size).sum())
}

/// Formats grants, for example `fs.read=./data/**, random=true`.
fn grants(grants: &[String]) -> String {
    if grants.is_empty() {
        "no grants".to_owned()
    } else {
        grants.join(", ")
    }
}

/// Returns a graph whose names, versions and specifiers would inject markup if they were not escaped.
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
