//! `graph show`: shows the packages and modules of a program, with sizes and grants.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secure_runtime_loaders::{Graph, Module};
use serde::Serialize;

use super::super::console;
use super::super::failure::Failure;
use super::super::project::Project;
use super::super::text::{self, count, size};
use super::{dot, grants, holds, modules_of, page, picture, title, total_size};
use secure_runtime::review::look_alikes;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder with the secure.toml
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// The output format: a tree for terminals, JSON, DOT for Graphviz, a picture of packages, a page for browsers,
    /// or the text of the lock
    #[arg(long, value_enum, default_value_t = Format::Tree)]
    format: Format,

    /// Print JSON: the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Tree,
    Json,
    Dot,
    Svg,
    Html,
    Text,
}

pub(super) fn show(arguments: &Arguments) -> Result<String, Failure> {
    let project = Project::read(&arguments.dir)?;
    look_alikes(&[&project.graph])
        .iter()
        .for_each(|warning| console::warn(warning));
    let format = if arguments.json {
        Format::Json
    } else {
        arguments.format
    };
    if !project.is_locked && format != Format::Json {
        console::note("no secure.lock: this is what `secure-runtime lock` would write");
    }
    let (name, graph) = (&project.manifest.name, &project.graph);
    match format {
        Format::Tree => Ok(tree(name, graph)),
        Format::Json => text::json(&Shown::of(graph)),
        Format::Dot => Ok(dot::dot(name, graph)),
        Format::Svg => Ok(picture::svg(name, graph)),
        Format::Html => Ok(page::html(name, graph)),
        Format::Text => Ok(graph.to_text()),
    }
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
    isolate: bool,
    bounds: &'a [String],
    modules: Vec<ShownModule<'a>>,
}

#[derive(Serialize)]
struct ShownModule<'a> {
    name: &'a str,
    hash: String,
    size: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<ShownOrigin<'a>>,
    grants: Option<&'a [String]>,
    imports: BTreeMap<&'a str, &'a str>,
}

/// The source that a module was transformed from.
#[derive(Serialize)]
struct ShownOrigin<'a> {
    transformation: &'static str,
    hash: String,
    size: u64,
    exports: &'a [String],
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
            origin: module.origin.as_ref().map(|origin| ShownOrigin {
                transformation: origin.transformation.as_str(),
                hash: origin.hash.to_string(),
                size: origin.size,
                exports: &origin.exports,
            }),
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
                    isolate: package.isolate,
                    bounds: &package.bounds,
                    modules: modules_of(graph, index).map(module).collect(),
                })
                .collect(),
        }
    }
}

fn tree(name: &str, graph: &Graph) -> String {
    let mut tree = format!(
        "{name}: {}, {}, {}\ngraph hash {}\n",
        count(graph.packages().len().saturating_sub(1), "package"),
        count(graph.modules().len(), "module"),
        total_size(graph.modules().iter()),
        graph.hash(),
    );
    let entry = graph.module(graph.entry()).map(|module| module.name.as_str());
    let last = graph.packages().len().saturating_sub(1);
    for (index, package) in (0..).zip(graph.packages()) {
        let is_last = index as usize == last;
        let (branch, trunk) = if is_last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        tree.push_str(&format!(
            "{branch} {}, {}: {}\n",
            title(package),
            total_size(modules_of(graph, index)),
            holds(package)
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
                "{trunk} {twig} {}  {}{}{}{}\n",
                module.name,
                size(module.size),
                match &module.origin {
                    Some(origin) => format!(", {}", origin.transformation.as_str()),
                    None => String::new(),
                },
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
