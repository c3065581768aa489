//! `token mint`

use std::path::PathBuf;

use secure_runtime_capabilities::Token;

use super::BlockArguments;
use crate::credentials;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file of the private key that signs the token (- is standard input)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    #[command(flatten)]
    block: BlockArguments,
}

pub(super) fn mint(arguments: &Arguments) -> Result<String, Failure> {
    let block = arguments.block.block()?;
    if block.rights.is_none() {
        return Err(Failure::usage("a token without grants allows nothing")
            .help("name at least one grant: --grant 'fs.read=./data/**'"));
    }
    let pair = credentials::private_key(&arguments.key, "--key")?;
    let token =
        Token::mint(&pair, &block).map_err(|error| Failure::usage(error.to_string()).help("ask for less"))?;
    arguments.block.out.give(&token)
}
