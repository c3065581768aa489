//! `key`: Ed25519 key pairs.

use std::path::PathBuf;

use secure_runtime_capabilities::KeyPair;

use super::console;
use super::credentials;
use super::failure::Failure;
use super::project;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a key pair: the private key is written to a file, the public key to standard output
    Generate(Generate),
    /// Print the public key of a private key
    Public(Public),
}

#[derive(Debug, clap::Args)]
pub(super) struct Generate {
    /// The new file for the private key, readable only by you; without it, the private key is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Public {
    /// The file of the private key (- is standard input)
    file: PathBuf,
}

pub(super) fn key(command: &Command) -> Result<String, Failure> {
    match command {
        Command::Generate(arguments) => generate(arguments),
        Command::Public(arguments) => {
            let pair = credentials::private_key(&arguments.file, "the private key")?;
            Ok(format!("{}\n", pair.public()))
        }
    }
}

fn generate(arguments: &Generate) -> Result<String, Failure> {
    let pair = KeyPair::generate()?;
    let secret = pair.to_secret_text();
    match arguments
        .out
        .as_deref()
        .filter(|path| !project::is_standard(path))
    {
        Some(path) => {
            project::write_secret(path, &format!("{}\n", secret.as_str()), "the private key")?;
            Ok(format!("{}\n", pair.public()))
        }
        None => {
            console::warn("this prints the private key; --out FILE keeps it where only you can read it");
            console::note(&format!("the public key is {}", pair.public()));
            Ok(format!("{}\n", secret.as_str()))
        }
    }
}
