//! `token attenuate`

use std::path::PathBuf;

use secure_runtime_capabilities::Block;

use super::BlockArguments;
use crate::cli::failure::Failure;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The file of the token (- is standard input)
    file: PathBuf,

    /// The public key that the token must be signed under: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    root_key: String,

    #[command(flatten)]
    block: BlockArguments,
}

pub(super) fn attenuate(arguments: &Arguments) -> Result<String, Failure> {
    let block = arguments.block.block()?;
    if block == Block::default() {
        return Err(Failure::usage("there is nothing to narrow")
            .help("say what to keep (--grant), until when (--expires), or for whom (--holder)"));
    }
    let token = super::read(&arguments.file, &arguments.root_key)?;
    let narrower = token
        .attenuate(&block)
        .map_err(|error| Failure::usage(error.to_string()).help("start from a token nearer to the root"))?;
    arguments.block.give(&narrower)
}
