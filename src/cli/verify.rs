//! `verify`: compares every byte of a locked program with its lock, and the manifest with what was locked.

use std::path::PathBuf;

use secure_runtime_loaders::resolve::Project as Files;
use secure_runtime_loaders::store::LocalStore;
use secure_runtime_loaders::{lockfile, verify as loaders};
use serde::Serialize;

use super::failure::Failure;
use super::project;
use super::text::{self, Working, count, size};
use crate::Manifest;
use crate::program::{self, LOCK};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder with the secure.toml and the secure.lock
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    graph: String,
    modules: usize,
    bytes: u64,
    in_store: usize,
    in_project: usize,
}

pub(super) fn verify(arguments: &Arguments) -> Result<String, Failure> {
    let folder = Manifest::folder_of(&arguments.dir);
    let manifest = Manifest::read(&folder)?;
    let graph = lockfile::read_lock(&folder.join(LOCK))?;
    // For its errors: the manifest must not say more than what was locked.
    program::within_lock(&graph, &manifest, &folder)?;
    let files = Files::new(&folder, &manifest.imports)?;
    let store = match project::local_store().filter(|place| place.join("blobs").is_dir()) {
        Some(place) => Some(LocalStore::open(place)?),
        None => None,
    };
    let found = {
        let _working = Working::on("verifying");
        loaders::verify(&graph, store.as_ref(), Some(&files))?
    };
    let report = Report {
        graph: graph.hash().to_string(),
        modules: found.modules,
        bytes: found.bytes,
        in_store: found.in_store,
        in_project: found.in_project,
    };
    if arguments.json {
        return text::json(&report);
    }
    Ok(format!(
        "verified {}, {}: {} in the local store, {} in the project\n  graph hash {}\n",
        count(report.modules, "module"),
        size(report.bytes),
        report.in_store,
        report.in_project,
        report.graph,
    ))
}
