//! `token challenge` and `token prove`: proof of possession of a private key.

use std::path::PathBuf;

use secure_runtime_capabilities::{Challenge, KeyPair};

use super::Given;
use crate::failure::Failure;
use crate::project;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: Given,

    /// The file of the private key of the presenter (- is standard input)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The challenge of the verifier, created with `token challenge`
    #[arg(long)]
    challenge: String,
}

pub(super) fn challenge() -> Result<String, Failure> {
    Ok(format!("{}\n", Challenge::generate()?))
}

pub(super) fn prove(arguments: &Arguments) -> Result<String, Failure> {
    let challenge: Challenge = arguments.challenge.parse()?;
    let token = arguments.token.read()?;
    let pair: KeyPair = project::read_text(&arguments.key, "the private key")?.parse()?;
    Ok(format!("{}\n", pair.prove(&token, &challenge)))
}
