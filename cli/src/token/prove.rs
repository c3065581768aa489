//! `token challenge` and `token prove`: proof of possession of a private key.

use std::path::PathBuf;

use secure_runtime_capabilities::{Challenge, Holder, KeyPair, Token};

use super::Given;
use crate::credentials::{self, shown_holder};
use crate::failure::Failure;
use crate::secrets;

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
    let pair = credentials::private_key(&arguments.key, "--key")?;
    is_a_holder(&pair, &token, &secrets::shown_path(&arguments.key))?;
    Ok(format!("{}\n", pair.prove(&token, &challenge)))
}

/// Checks that the token is bound to the owner of the key, or to nobody. A proof with another key proves nothing.
fn is_a_holder(pair: &KeyPair, token: &Token, file: &str) -> Result<(), Failure> {
    let holders: Vec<Holder> = token.blocks().iter().filter_map(|block| block.holder).collect();
    if holders.is_empty() || holders.contains(&pair.holder()) {
        return Ok(());
    }
    let names = holders.iter().map(|holder| match holder {
        Holder::Key(_) => shown_holder(holder),
        Holder::Module(_) => format!("{}, a module", shown_holder(holder)),
    });
    let what = format!(
        "--key {file}: this is the key {}, and the token is bound to {}",
        pair.public(),
        names.collect::<Vec<_>>().join(" and ")
    );
    let help = if holders.iter().any(|holder| matches!(holder, Holder::Key(_))) {
        "give the private key of a key that the token is bound to: only its owner can prove possession"
    } else {
        "nobody can prove to be a module: get a token that is bound to your key, or to nobody"
    };
    Err(Failure::usage(what).with_help(help))
}
