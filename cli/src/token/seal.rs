//! `token seal`

use secure_runtime_capabilities::TokenError;

use super::{Given, Out};
use crate::credentials;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: Given,

    /// The only holder that may use it: blake3:HASH of a module, or the public key of a prover
    #[arg(long, value_name = "HOLDER")]
    holder: String,

    #[command(flatten)]
    out: Out,
}

pub(super) fn seal(arguments: &Arguments) -> Result<String, Failure> {
    let holder = credentials::holder(&arguments.holder, "--holder")?;
    let token = arguments.token.read()?;
    let sealed = token.seal_for(holder).map_err(|error| match error {
        TokenError::Sealed => Failure::usage("the token is sealed already: nothing can be added to it")
            .help("pass it on as it is to its holder, or seal the token that it was made from"),
        error => Failure::usage(error.to_string()).help("start from a token nearer to the root"),
    })?;
    arguments.out.give(&sealed)
}
