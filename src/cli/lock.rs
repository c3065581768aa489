//! `lock`: finds every module of a program, pins each by its hash, and keeps their bytes in the local store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secure_runtime_loaders::{Graph, lockfile, resolve};
use serde::Serialize;

use super::failure::Failure;
use super::project;
use super::text::{self, Working, count, size};
use crate::Manifest;
use crate::program::{self, LOCK};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder with the secure.toml
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    lock: String,
    graph: String,
    packages: usize,
    modules: usize,
    bytes: u64,
    changes: Vec<String>,
    warnings: Vec<String>,
}

pub(super) fn lock(arguments: &Arguments) -> Result<String, Failure> {
    let folder = Manifest::folder_of(&arguments.dir);
    let manifest = Manifest::read(&folder)?;
    let store = project::open_local_store()?;
    let locked = {
        let _working = Working::on("finding modules");
        resolve::lock(&program::lock_input(&folder, &manifest))?
    };
    let warnings: Vec<String> = locked.warnings.iter().map(ToString::to_string).collect();
    if !arguments.json {
        warnings.iter().for_each(|warning| text::warn(warning));
    }

    let path = folder.join(LOCK);
    let old = path.exists().then(|| lockfile::read_lock(&path));
    let changes = match &old {
        None => vec!["new".to_owned()],
        Some(Ok(old)) => changes(old, &locked.graph),
        Some(Err(_)) => vec!["the old lock could not be read and is replaced".to_owned()],
    };
    // The modules come before the lock: whoever sees the new lock finds everything that it names.
    let working = Working::steps("storing", locked.bytes.len());
    for bytes in &locked.bytes {
        store.put(bytes)?;
        working.step();
    }
    drop(working);
    lockfile::write_lock(&path, &locked.graph)?;

    let report = Report {
        lock: path.display().to_string(),
        graph: locked.graph.hash().to_string(),
        packages: locked.graph.packages().len().saturating_sub(1),
        modules: locked.graph.modules().len(),
        bytes: locked.graph.modules().iter().map(|module| module.size).sum(),
        changes,
        warnings,
    };
    if arguments.json {
        return text::json(&report);
    }
    let changes = match report.changes.as_slice() {
        [] => "unchanged".to_owned(),
        changes => changes.join("\n  "),
    };
    Ok(format!(
        "{}: {}, {}, {}\n  graph hash {}\n  {changes}\n",
        report.lock,
        count(report.packages, "package"),
        count(report.modules, "module"),
        size(report.bytes),
        report.graph,
    ))
}

/// What differs, a line each. Empty where nothing does.
fn changes(old: &Graph, new: &Graph) -> Vec<String> {
    if old.hash() == new.hash() {
        return Vec::new();
    }
    let modules = |graph: &Graph| -> BTreeMap<String, _> {
        let modules = graph.modules().iter();
        modules.map(|module| (module.name.clone(), module.hash)).collect()
    };
    let (before, after) = (modules(old), modules(new));
    let mut changes = Vec::new();
    for (name, hash) in &after {
        match before.get(name) {
            None => changes.push(format!("added {name}")),
            Some(other) if other != hash => changes.push(format!("changed {name}")),
            Some(_) => {}
        }
    }
    changes.extend(
        before
            .keys()
            .filter(|name| !after.contains_key(*name))
            .map(|name| format!("removed {name}")),
    );
    const SHOWN: usize = 20;
    if let Some(more) = changes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        changes.truncate(SHOWN);
        changes.push(format!("and {} more", count(more, "module")));
    }
    changes.extend(grant_changes(old, new));
    if changes.is_empty() {
        changes.push("what some imports mean changed".to_owned());
    }
    changes
}

fn grant_changes(old: &Graph, new: &Graph) -> Vec<String> {
    let grants = |graph: &Graph| -> BTreeMap<String, Vec<String>> {
        let packages = graph.packages().iter().map(|package| {
            let owner = match package.name.as_str() {
                "" => "the program".to_owned(),
                name => format!("package {name}"),
            };
            (owner, package.grants.clone())
        });
        let modules = graph
            .modules()
            .iter()
            .filter_map(|module| Some((format!("module {}", module.name), module.grants.clone()?)));
        packages.chain(modules).collect()
    };
    let (before, after) = (grants(old), grants(new));
    let none = Vec::new();
    let mut changes = Vec::new();
    for (owner, now) in &after {
        let then = before.get(owner).unwrap_or(&none);
        changes.extend(
            now.iter()
                .filter(|grant| !then.contains(grant))
                .map(|grant| format!("grant to {owner}: {grant}")),
        );
        changes.extend(
            then.iter()
                .filter(|grant| !now.contains(grant))
                .map(|grant| format!("no grant to {owner} any more: {grant}")),
        );
    }
    changes
}
