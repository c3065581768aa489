//! `graph show`: the packages and modules of a program, with sizes and grants.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secure_runtime_loaders::{Graph, Module};
use serde::Serialize;

use super::failure::Failure;
use super::project::Project;
use super::text::{self, count, size};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the packages and modules of a program, with sizes and grants
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The folder with the secure.toml
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn graph(command: &Command) -> Result<String, Failure> {
    match command {
        Command::Show(arguments) => show(arguments),
    }
}

fn show(arguments: &Show) -> Result<String, Failure> {
    let project = Project::read(&arguments.dir)?;
    if !project.is_locked && !arguments.json {
        text::note("no secure.lock: this is what `secure-runtime lock` would write");
    }
    if arguments.json {
        return text::json(&Shown::of(&project.graph));
    }
    Ok(tree(&project.manifest.name, &project.graph))
}

#[derive(Serialize)]
struct Shown<'a> {
    graph: String,
    entry: &'a str,
    packages: Vec<ShownPackage<'a>>,
}

#[derive(Serialize)]
struct ShownPackage<'a> {
    name: &'a str,
    version: Option<&'a str>,
    grants: &'a [String],
    modules: Vec<ShownModule<'a>>,
}

#[derive(Serialize)]
struct ShownModule<'a> {
    name: &'a str,
    hash: String,
    size: u64,
    kind: &'static str,
    grants: Option<&'a [String]>,
    imports: BTreeMap<&'a str, &'a str>,
}

impl<'a> Shown<'a> {
    fn of(graph: &'a Graph) -> Self {
        let name_of = |index: u32| {
            graph
                .module(index)
                .map(|module| module.name.as_str())
                .unwrap_or_default()
        };
        let module = |module: &'a Module| ShownModule {
            name: &module.name,
            hash: module.hash.to_string(),
            size: module.size,
            kind: module.kind.as_str(),
            grants: module.grants.as_deref(),
            imports: module
                .imports
                .iter()
                .map(|(specifier, index)| (specifier.as_str(), name_of(*index)))
                .collect(),
        };
        let packages = graph.packages().iter().zip(0..);
        Shown {
            graph: graph.hash().to_string(),
            entry: name_of(graph.entry()),
            packages: packages
                .map(|(package, index)| ShownPackage {
                    name: &package.name,
                    version: package.version.as_deref(),
                    grants: &package.grants,
                    modules: modules_of(graph, index).map(module).collect(),
                })
                .collect(),
        }
    }
}

fn modules_of(graph: &Graph, package: u32) -> impl Iterator<Item = &Module> {
    graph
        .modules()
        .iter()
        .filter(move |module| module.package == package)
}

fn tree(name: &str, graph: &Graph) -> String {
    let bytes = |modules: &mut dyn Iterator<Item = &Module>| size(modules.map(|module| module.size).sum());
    let mut tree = format!(
        "{name}: {}, {}, {}\ngraph hash {}\n",
        count(graph.packages().len().saturating_sub(1), "package"),
        count(graph.modules().len(), "module"),
        bytes(&mut graph.modules().iter()),
        graph.hash(),
    );
    let entry = graph.module(graph.entry()).map(|module| module.name.as_str());
    let last = graph.packages().len().saturating_sub(1);
    for (index, package) in (0..).zip(graph.packages()) {
        let is_last = index as usize == last;
        let owner = match (package.name.as_str(), &package.version) {
            ("", _) => "the program".to_owned(),
            (name, Some(version)) => format!("{name} {version}"),
            (name, None) => name.to_owned(),
        };
        let (branch, trunk) = if is_last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        tree.push_str(&format!(
            "{branch} {owner}, {}: {}\n",
            bytes(&mut modules_of(graph, index)),
            grants(&package.grants)
        ));
        let modules: Vec<&Module> = modules_of(graph, index).collect();
        for (number, module) in modules.iter().enumerate() {
            let twig = if number + 1 == modules.len() {
                "└─"
            } else {
                "├─"
            };
            let is_entry = entry == Some(module.name.as_str());
            tree.push_str(&format!(
                "{trunk} {twig} {}  {}{}{}\n",
                module.name,
                size(module.size),
                if is_entry { ", the entry" } else { "" },
                match &module.grants {
                    Some(own) => format!(", only: {}", grants(own)),
                    None => String::new(),
                }
            ));
        }
    }
    tree
}

fn grants(grants: &[String]) -> String {
    if grants.is_empty() {
        "no grants".to_owned()
    } else {
        grants.join(", ")
    }
}
