//! `token attenuate`

use secure_runtime_capabilities::Block;

use super::{BlockArguments, Given};
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: Given,

    #[command(flatten)]
    block: BlockArguments,
}

pub(super) fn attenuate(arguments: &Arguments) -> Result<String, Failure> {
    let block = arguments.block.block()?;
    if block == Block::default() {
        return Err(Failure::usage("there is nothing to narrow").help(
            "say what to keep (--grant), until when (--expires), or for whom (--holder, --attested-by)",
        ));
    }
    let token = arguments.token.read()?;
    let narrower = token
        .attenuate(&block)
        .map_err(|error| Failure::usage(error.to_string()).help("start from a token nearer to the root"))?;
    arguments.block.out.give(&narrower)
}
