//! `lock`: finds every module of a program, records its hash, and adds its bytes to the local store.
//!
//! The lock is written as bytes, and as a text for reviewers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secure_runtime_loaders::{Graph, lockfile, secrets};
use serde::Serialize;

use super::console;
use super::failure::{Code, Failure};
use super::project;
use super::stores::StoreTokens;
use super::text::{self, Working, count, size};
use super::verify;
use crate::host;
use secure_runtime::Manifest;
use secure_runtime::program::{self, LOCK, LOCK_TEXT};
use secure_runtime::reachable;
use secure_runtime::review::{Difference, look_alikes};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder with the secure.toml
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Write nothing, and exit with 4 if the lock or its text would change
    #[arg(long)]
    frozen: bool,

    /// With --frozen, an additional store to get the signatures from that [trust] demands (repeatable)
    #[arg(long, value_name = "DIR or URL", requires = "frozen")]
    store: Vec<OsString>,

    #[command(flatten)]
    store_tokens: StoreTokens,

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
    let stores = arguments.store_tokens.of(&arguments.store)?;
    let folder = Manifest::folder_of(&arguments.dir);
    let manifest = Manifest::read(&folder, host::families())?;
    let locked = {
        let _working = Working::on("finding modules");
        program::lock(&folder, &manifest)?
    };
    let mut warnings: Vec<String> = locked.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(look_alikes(&[&locked.graph]));
    warnings.extend(reachable::own_files(&locked.graph, host::families(), &folder).iter().map(|file| {
        let file = file.display();
        format!("the program may write {file}, and so change its own restrictions: `run` refuses it without --allow-self-write")
    }));
    if !arguments.json {
        warnings.iter().for_each(|warning| console::warn(warning));
    }

    let path = folder.join(LOCK);
    let old = path.exists().then(|| lockfile::read_lock(&path));
    if arguments.frozen {
        let old = old.transpose()?.ok_or_else(|| {
            Failure::new(
                Code::Integrity,
                format!(
                    "{}: there is no lock, and --frozen does not write one",
                    path.display()
                ),
            )
            .help("run `secure-runtime lock`, and commit secure.lock and secure.lock.txt")
        })?;
        let changes = changes(&old, &locked.graph);
        if !changes.is_empty() {
            let what = format!(
                "{}: the lock would change\n  {}",
                path.display(),
                changes.join("\n  ")
            );
            return Err(Failure::new(Code::Integrity, what).with_help(
                "review the difference, then run `secure-runtime lock` without --frozen to accept it",
            ));
        }
        lockfile::check_lock_text(&folder.join(LOCK_TEXT), &old)?;
        verify::signatures(&manifest, &old, None, stores)?;
        return report(arguments, &path, &locked.graph, Vec::new(), warnings);
    }
    let changes = match &old {
        None => vec!["new".to_owned()],
        Some(Ok(old)) => changes(old, &locked.graph),
        Some(Err(error)) => vec![format!("the old lock is replaced: {error}")],
    };
    let store = project::open_local_store()?;
    // Modules are stored before the lock is written, so that every module of a new lock is available.
    let working = Working::steps("storing", locked.bytes.len());
    for bytes in &locked.bytes {
        store.put(bytes)?;
        working.step();
    }
    drop(working);
    // The text is written first. If that fails, the lock is still the old one, which its reviewers know.
    lockfile::write_lock_text(&folder.join(LOCK_TEXT), &locked.graph)?;
    lockfile::write_lock(&path, &locked.graph)?;

    report(arguments, &path, &locked.graph, changes, warnings)
}

fn report(
    arguments: &Arguments,
    path: &Path,
    graph: &Graph,
    changes: Vec<String>,
    warnings: Vec<String>,
) -> Result<String, Failure> {
    let report = Report {
        // An address can have been given as the folder.
        lock: secrets::hide(&path.display().to_string()).into_owned(),
        graph: graph.hash().to_string(),
        packages: graph.packages().len().saturating_sub(1),
        modules: graph.modules().len(),
        bytes: graph.modules().iter().map(|module| module.size).sum(),
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

/// Returns the differences, one per line, or nothing if the graphs are equal.
fn changes(old: &Graph, new: &Graph) -> Vec<String> {
    /// Maximum number of changes that are listed. The rest is counted, and `graph diff` shows all of them.
    const SHOWN: usize = 40;
    if old.hash() == new.hash() {
        return Vec::new();
    }
    let difference = Difference::between(old, new);
    let mut lines = difference.lines();
    if lines.is_empty() {
        lines.push("some imports now resolve to other modules".to_owned());
    }
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.truncate(SHOWN);
        lines.push(format!("and {}", count(more, "more change")));
    }
    lines
}
