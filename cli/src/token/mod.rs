//! `token`: Biscuit tokens, compatible with other Biscuit tools.

mod attenuate;
mod attest;
mod inspect;
mod mint;
mod prove;
mod revocations;
mod revoke;
mod seal;
mod verify;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{Block, DurationError, Token, parse_duration};

use super::credentials;
use super::failure::Failure;
use super::project;
use super::reason::shown_time;
use crate::host;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a token from grants, signed with a private key
    Mint(mint::Arguments),
    /// Create a token with fewer rights; needs no private key
    Attenuate(attenuate::Arguments),
    /// Create a token that only one holder can use, and that cannot be extended
    Seal(seal::Arguments),
    /// Let a third party attest modules: request, sign, add
    #[command(subcommand)]
    Attest(attest::Command),
    /// Create a challenge for a prover: the holder of a key answers it once
    Challenge,
    /// Answer a challenge, to prove possession of the private key of a token's holder
    Prove(prove::Arguments),
    /// Create a signed revocation list, or add tokens to one
    Revoke(revoke::Arguments),
    /// Print the ids in a revocation list, and how long it is current
    Revocations(revocations::Arguments),
    /// Verify a token and print what it allows, block by block
    Inspect(inspect::Arguments),
    /// Verify a token, and optionally check an operation: exits with 0, 3 (denied) or 4 (not a valid token)
    Verify(verify::Arguments),
}

pub(super) fn token(command: &Command) -> Result<String, Failure> {
    match command {
        Command::Mint(arguments) => mint::mint(arguments),
        Command::Attenuate(arguments) => attenuate::attenuate(arguments),
        Command::Seal(arguments) => seal::seal(arguments),
        Command::Attest(command) => attest::attest(command),
        Command::Challenge => prove::challenge(),
        Command::Prove(arguments) => prove::prove(arguments),
        Command::Revoke(arguments) => revoke::revoke(arguments),
        Command::Revocations(arguments) => revocations::revocations(arguments),
        Command::Inspect(arguments) => inspect::inspect(arguments),
        Command::Verify(arguments) => verify::verify(arguments),
    }
}

/// The arguments of `mint` and `attenuate` that describe a block.
#[derive(Debug, clap::Args)]
struct BlockArguments {
    /// A grant, such as 'fs.read=./data/**' or 'net.connect=https://example.com' (repeatable)
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,

    /// The end of validity: a duration from now, such as 1h, or a time such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,

    /// The start of validity: a duration from now, or a time
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,

    /// The only holder that may use it: blake3:HASH of a module, or a public key
    #[arg(long, value_name = "HOLDER")]
    holder: Option<String>,

    /// Only modules that the owner of this public key attested may use the token: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    attested_by: Option<String>,

    /// The folder that relative paths in grants refer to
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,

    #[command(flatten)]
    out: Out,
}

/// The destination of a new token.
#[derive(Debug, clap::Args)]
struct Out {
    /// The new file for the token, readable only by you; without it, the token is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Out {
    /// Writes the token to the given file, or returns it for standard output.
    fn give(&self, token: &Token) -> Result<String, Failure> {
        let text = format!("{}\n", token.to_text().as_str());
        project::write_or_give(self.out.as_deref(), text, "the token")
    }
}

/// The arguments for an existing token: its file, and the key that it must be signed under.
#[derive(Debug, clap::Args)]
struct Given {
    /// The file of the token (- is standard input)
    file: PathBuf,

    /// The public key that the token must be signed under: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    root_key: String,
}

impl Given {
    /// Reads and verifies the token.
    fn read(&self) -> Result<Token, Failure> {
        let root = credentials::public_key(&self.root_key, "--root-key")?;
        credentials::token(&self.file, "the token", &root)
    }
}

impl BlockArguments {
    /// Returns the block. `rights` is `None` if there is no grant. A new token without rights allows nothing; an
    /// attenuated one keeps its rights.
    fn block(&self) -> Result<Block, Failure> {
        let base = project::base_of(&self.base)?;
        let rights = if self.grants.is_empty() {
            None
        } else {
            Some(host::families().parse_grants(&self.grants, &base)?)
        };
        let time = |text: &Option<String>| {
            text.as_deref()
                .map(|text| time(text, SystemTime::now()))
                .transpose()
        };
        let holder = self.holder.as_deref();
        let holder = holder.map(|text| credentials::holder(text, "--holder"));
        let attested_by = self.attested_by.as_deref();
        let attested_by = attested_by.map(|text| credentials::public_key(text, "--attested-by"));
        Ok(Block {
            rights,
            expires: time(&self.expires)?,
            not_before: time(&self.not_before)?,
            holder: holder.transpose()?,
            attested_by: attested_by.transpose()?,
            ..Block::default()
        })
    }
}

/// Parses a duration from now or a time in RFC 3339, and returns Unix seconds.
fn time(text: &str, now: SystemTime) -> Result<u64, Failure> {
    let fault = || {
        Failure::usage(format!(
            "{} is not a time",
            super::text::one_line(&format!("{text:?}"))
        ))
        .help("write a duration from now such as 90m, 1h or 7days, or a time such as 2030-01-31T12:00:00Z")
    };
    let time = match parse_duration(text) {
        // The same text in lower case would mean another duration.
        Err(error @ DurationError::Capitals { .. }) => {
            return Err(
                Failure::usage(error.to_string()).help("write a duration from now such as 90m, 1h or 7days")
            );
        }
        Ok(duration) => now.checked_add(duration).ok_or_else(fault)?,
        Err(_) => humantime::parse_rfc3339(text).map_err(|_| fault())?,
    };
    time.duration_since(UNIX_EPOCH)
        .map(|since| since.as_secs())
        .map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_durations_or_rfc_3339() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(time("1h", now).unwrap(), 4_600);
        assert_eq!(time("2030-01-31T12:00:00Z", now).unwrap(), 1_896_091_200);
        assert_eq!(shown_time(1_896_091_200), "2030-01-31T12:00:00Z");
        for wrong in ["", "soon", "-1h", "1969-01-01T00:00:00Z", "99999999999999999999y"] {
            assert!(time(wrong, now).is_err(), "{wrong}");
        }
    }
}
