//! Credentials of a program or a question: a token, the key of its holder, and a revocation list.

use std::ffi::OsString;
use std::path::PathBuf;

use secure_runtime_capabilities::{KeyPair, PublicKey, Token};

use super::failure::Failure;
use super::{console, credentials, project};
use secure_runtime::{Refresher, RevocationFeed, RevocationsLoaded};

/// The arguments of `run` and `explain` that describe the token of the program.
#[derive(Debug, clap::Args)]
pub(super) struct PresentedArguments {
    /// The token that limits the rights of the program (- is standard input)
    #[arg(long, value_name = "FILE", requires = "root_key")]
    token: Option<PathBuf>,

    /// The public key that the token must be signed under: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY", requires = "token")]
    root_key: Option<String>,

    /// The file of the private key that the token is bound to; the token is presented as its holder
    #[arg(long, value_name = "FILE", requires = "token")]
    holder_key: Option<PathBuf>,

    #[command(flatten)]
    revocations: RevocationArguments,
}

/// The arguments that select the revocation list.
#[derive(Debug, clap::Args)]
pub(super) struct RevocationArguments {
    /// The revocation list to use: a file, or an http: or https: address
    #[arg(long, value_name = "FILE or URL", requires = "root_key")]
    revocations: Option<OsString>,

    /// The public key that signs the revocation list; without it, the root key
    #[arg(long, value_name = "PUBLIC_KEY", requires = "revocations")]
    revocation_key: Option<String>,
}

/// A verified token with the holder key and the revocations that are used with it.
pub(super) struct Presented {
    pub(super) token: Token,
    pub(super) holder_key: Option<KeyPair>,
    pub(super) revocations: Option<RevocationFeed>,
}

impl PresentedArguments {
    /// Reads and verifies the token and the revocation list. Returns `None` if no token was given.
    pub(super) async fn read(&self) -> Result<Option<Presented>, Failure> {
        let (Some(path), Some(key)) = (&self.token, &self.root_key) else {
            return Ok(None);
        };
        let key = credentials::public_key(key, "--root-key")?;
        let token = credentials::token(path, "--token", &key)?;
        let holder_key = match &self.holder_key {
            Some(path) => Some(credentials::private_key(path, "--holder-key")?),
            None => None,
        };
        Ok(Some(Presented {
            token,
            holder_key,
            revocations: self.revocations.load(&key).await?,
        }))
    }
}

impl RevocationArguments {
    /// Loads a current revocation list. Returns `None` if no list was given.
    pub(super) async fn load(&self, root_key: &PublicKey) -> Result<Option<RevocationFeed>, Failure> {
        let Some(place) = &self.revocations else {
            return Ok(None);
        };
        let key = match &self.revocation_key {
            Some(key) => credentials::public_key(key, "--revocation-key")?,
            None => *root_key,
        };
        let feed = RevocationFeed::new(place, key)?.kept_in(&project::revocation_folder()?);
        if let RevocationsLoaded::Kept(problem) = feed.load().await? {
            console::warn(&format!("{problem}; the previous list is still current"));
        }
        Ok(Some(feed))
    }
}

/// Starts a thread that looks for newer lists until the returned value is dropped.
pub(super) fn keep_fresh(feed: RevocationFeed) -> Result<Refresher, Failure> {
    let fresh = feed.keep_fresh(|problem| console::warn(&problem.to_string()));
    fresh.map_err(|error| Failure::bug(format!("no thread to look for revocations: {error}")))
}
