//! `verify`: compares every byte of a locked program with its lock, and the manifest with the locked one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secure_runtime_loaders::Graph;
use secure_runtime_loaders::resolve::Project as Files;
use secure_runtime_loaders::store::LocalStore;
use secure_runtime_loaders::{lockfile, verify as loaders};
use serde::Serialize;

use super::failure::Failure;
use super::project;
use super::reason::shown_time;
use super::signed_by::SignedBy;
use super::stores::StoreTokens;
use super::text::{self, Working, count, size};
use crate::host;
use secure_runtime::drift;
use secure_runtime::program::{self, LOCK, LOCK_TEXT};
use secure_runtime::signatures::{self, Signed};
use secure_runtime::{Manifest, OpenOptions, StorePlace, Trust};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder with the secure.toml and the secure.lock
    #[arg(default_value = ".")]
    dir: PathBuf,

    #[command(flatten)]
    signed_by: SignedBy,

    /// An additional store to get signatures from, after the local store (repeatable); without it, nothing is fetched
    #[arg(long, value_name = "DIR or URL")]
    store: Vec<OsString>,

    #[command(flatten)]
    store_tokens: StoreTokens,

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
    signatures: Vec<Signature>,
}

#[derive(Serialize)]
struct Signature {
    owner: String,
    key: String,
    subject: String,
    signed: Option<String>,
    claims: Vec<String>,
}

/// A program whose bytes were all compared with its lock.
pub(super) struct VerifiedProgram {
    pub(super) manifest: Manifest,
    pub(super) graph: Graph,
    pub(super) found: loaders::Report,
}

pub(super) fn verify(arguments: &Arguments) -> Result<String, Failure> {
    let asked = arguments.signed_by.trust()?;
    let stores = arguments.store_tokens.of(&arguments.store)?;
    let VerifiedProgram {
        manifest,
        graph,
        found,
    } = verified(&arguments.dir)?;
    let signed = signatures(&manifest, &graph, asked.as_ref(), stores)?;
    let report = Report {
        graph: graph.hash().to_string(),
        modules: found.modules,
        bytes: found.bytes,
        in_store: found.in_store,
        in_project: found.in_project,
        signatures: signed.iter().map(shown).collect(),
    };
    if arguments.json {
        return text::json(&report);
    }
    let mut said = format!(
        "verified {}, {}: {} in the local store, {} in the project\n  graph hash {}\n",
        count(report.modules, "module"),
        size(report.bytes),
        report.in_store,
        report.in_project,
        report.graph,
    );
    for signature in &report.signatures {
        let time = signature
            .signed
            .as_ref()
            .map(|time| format!(" at {time}"))
            .unwrap_or_default();
        let claims = match signature.claims.as_slice() {
            [] => String::new(),
            claims => format!(": {}", claims.join(", ")),
        };
        said.push_str(&format!(
            "  {} signed by {}{time}{claims}\n",
            signature.owner, signature.key
        ));
    }
    Ok(said)
}

/// Compares every byte of the program in this folder with its lock, and its manifest with the locked one. The text of
/// the lock must be there, because it is what reviewers have read.
pub(super) fn verified(dir: &Path) -> Result<VerifiedProgram, Failure> {
    let folder = Manifest::folder_of(dir);
    let manifest = Manifest::read(&folder, host::families())?;
    let graph = lockfile::read_lock(&folder.join(LOCK))?;
    // Called only for its errors: the manifest must not allow more than the lock.
    program::within_lock(&graph, &manifest, &folder)?;
    let files = Files::new(&folder, &manifest.imports)?;
    program::refuse_drift(drift::of_imports(&graph, &manifest, &files))?;
    let store = match project::local_store().filter(|place| place.join("blobs").is_dir()) {
        Some(place) => Some(LocalStore::open(place)?),
        None => None,
    };
    lockfile::check_lock_text(&folder.join(LOCK_TEXT), &graph)?;
    let _working = Working::on("verifying");
    let found = loaders::verify(&graph, store.as_ref(), Some(&files))?;
    program::refuse_drift(drift::of_everything(&graph, &manifest, &folder, &files)?)?;
    Ok(VerifiedProgram {
        manifest,
        graph,
        found,
    })
}

/// Checks and returns the signatures that the manifest demands, and those that the user demands in addition.
pub(super) fn signatures(
    manifest: &Manifest,
    graph: &Graph,
    asked: Option<&Trust>,
    stores: Vec<StorePlace>,
) -> Result<Vec<Signed>, Failure> {
    let stores = program::stores(&OpenOptions {
        local_store: project::local_store()
            .filter(|place| !stores.is_empty() || place.join("blobs").is_dir()),
        stores,
        ..OpenOptions::default()
    })?;
    let now = signatures::now();
    project::wait_for(async {
        let mut signed = signatures::require(manifest, graph, &stores, now).await?;
        if let Some(trust) = asked {
            let subject = signatures::program(graph);
            for also in signatures::check(trust, "the program", subject, &stores, now).await? {
                // A signature that the manifest demands as well is listed once.
                if !signed
                    .iter()
                    .any(|known| known.key == also.key && known.statement == also.statement)
                {
                    signed.push(also);
                }
            }
        }
        Ok(signed)
    })
}

fn shown(signed: &Signed) -> Signature {
    Signature {
        owner: signed.owner.clone(),
        key: signed.key.to_string(),
        subject: signed.statement.subject().to_string(),
        signed: signed.statement.signed().map(shown_time),
        claims: signed
            .statement
            .claims()
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}
