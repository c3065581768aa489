//! `sign`: signs a program or one of its packages with an Ed25519 key.

use std::path::PathBuf;

use secure_runtime_capabilities::{Claim, Statement, StatementError};
use secure_runtime_loaders::ContentHash;
use serde::Serialize;

use super::credentials;
use super::failure::Failure;
use super::project;
use super::text;
use super::verify::{self, VerifiedProgram};
use secure_runtime::signatures;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder with the secure.toml and the secure.lock
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// The file of the private key to sign with (- is standard input)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// An additional claim, such as reviewed or built-from=TEXT (repeatable)
    #[arg(long, value_name = "CLAIM")]
    claim: Vec<String>,

    /// Sign this package instead of the program; the signature is valid in every program that uses the same content
    #[arg(long, value_name = "NAME")]
    package: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    subject: String,
    key: String,
    claims: Vec<String>,
    store: String,
}

/// Verifies the program before signing, so that no signature covers bytes that differ from the lock.
pub(super) fn sign(arguments: &Arguments) -> Result<String, Failure> {
    let key = credentials::private_key(&arguments.key, "--key")?;
    let claims: Result<Vec<Claim>, StatementError> =
        arguments.claim.iter().map(|text| text.parse()).collect();
    let claims = claims?;
    let VerifiedProgram { graph, .. } = verify::verified(&arguments.dir)?;
    let subject = match &arguments.package {
        None => signatures::program(&graph),
        Some(name) => signatures::package(&graph, name).ok_or_else(|| {
            Failure::usage(format!("the lock has no package {:?}", text::one_line(name)))
                .help("`secure-runtime graph show` names the packages")
        })?,
    };
    let statement = Statement::new(subject, Some(signatures::now()), claims)?;
    let bytes = statement.sign(&key)?;
    let store = project::open_local_store()?;
    store.put_signature(
        &ContentHash::from_bytes(*subject.hash()),
        key.public().as_bytes(),
        &bytes,
    )?;
    let report = Report {
        subject: subject.to_string(),
        key: key.public().to_string(),
        claims: statement.claims().iter().map(ToString::to_string).collect(),
        store: store.folder().display().to_string(),
    };
    if arguments.json {
        return text::json(&report);
    }
    let claims = match report.claims.as_slice() {
        [] => String::new(),
        claims => format!(", claiming {}", claims.join(", ")),
    };
    Ok(format!(
        "signed the {}\n  as {}{claims}\n  in the store {}\n",
        report.subject, report.key, report.store
    ))
}
