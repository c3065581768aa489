//! Drift: the difference between a lock and the result of locking the project now.

use std::path::Path;

use bytes::Bytes;
use secure_runtime_loaders::resolve::{self, Drift, Project};
use secure_runtime_loaders::{Graph, Module, Package};

use crate::manifest::{MANIFEST, Manifest};
use crate::program::ProgramError;
use crate::review::Difference;
use crate::within_lock::lock_input;

/// Maximum number of lines that are shown.
const SHOWN: usize = 20;

/// Compares the current targets of imports with the locked ones, without reading a module. Returns a line for each
/// difference.
pub fn of_imports(graph: &Graph, manifest: &Manifest, project: &Project) -> Vec<String> {
    let drift = resolve::drift(graph, project);
    let mut lines: Vec<String> = drift.iter().map(|drift| described(drift, manifest)).collect();
    shorten(&mut lines);
    lines
}

/// Returns a line for each package that a CommonJS module of the lock requires in vain, and that is installed now.
/// `bytes` are those of the modules, in the same order.
pub fn of_requires(graph: &Graph, manifest: &Manifest, project: &Project, bytes: &[Bytes]) -> Vec<String> {
    let drift = resolve::installed_since(graph, project, bytes.iter().map(AsRef::as_ref));
    let mut lines: Vec<String> = drift.iter().map(|drift| described(drift, manifest)).collect();
    shorten(&mut lines);
    lines
}

/// Locks the project again in memory, and compares the results. If files of modules are missing, because only stores
/// have them, it checks nothing more than [`of_imports`].
///
/// # Errors
/// The manifest cannot be locked at all.
pub fn of_everything(
    graph: &Graph,
    manifest: &Manifest,
    folder: &Path,
    project: &Project,
) -> Result<Vec<String>, ProgramError> {
    if !resolve::is_complete(graph, project) {
        return Ok(Vec::new());
    }
    let locked = match resolve::lock(&lock_input(folder, manifest)?) {
        Ok(locked) => locked.graph,
        Err(error) => return Ok(vec![error.to_string()]),
    };
    // The manifest may have fewer grants and narrower bounds than the lock. `within_lock` checks them.
    let (old, new) = (without_authority(graph)?, without_authority(&locked)?);
    if old == new {
        return Ok(Vec::new());
    }
    let mut lines = Difference::between(&old, &new).lines();
    if lines.is_empty() {
        lines.push("some imports now resolve to other modules".to_owned());
    }
    shorten(&mut lines);
    Ok(lines)
}

fn without_authority(graph: &Graph) -> Result<Graph, ProgramError> {
    let packages = graph.packages().iter().map(|package| Package {
        name: package.name.clone(),
        version: package.version.clone(),
        ..Package::default()
    });
    let modules = graph.modules().iter().map(|module| Module {
        grants: None,
        ..module.clone()
    });
    let bare = Graph::new(graph.entry(), packages.collect(), modules.collect())?;
    Ok(bare.with_import_map(graph.import_map().clone())?)
}

/// Describes the difference, prefixed with the manifest line that it concerns.
fn described(drift: &Drift, manifest: &Manifest) -> String {
    let key = drift.import_map_key();
    match key.and_then(|key| manifest.import_lines.get(key)) {
        Some(line) => format!("{MANIFEST}:{line}: {drift}"),
        None => drift.to_string(),
    }
}

fn shorten(lines: &mut Vec<String>) {
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.truncate(SHOWN);
        lines.push(format!("and {more} more"));
    }
}
