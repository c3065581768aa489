//! `--signed-by`: signatures that the user demands in addition to those of the manifest.

use secure_runtime_capabilities::StatementError;

use super::credentials;
use super::failure::Failure;
use secure_runtime::{Trust, TrustedKey};

#[derive(Debug, clap::Args)]
pub(super) struct SignedBy {
    /// Demand a signature of this public key, in addition to those that [trust] in secure.toml demands (repeatable)
    #[arg(long, value_name = "PUBLIC KEY")]
    signed_by: Vec<String>,

    /// The number of --signed-by keys that must have signed; without it, all of them
    #[arg(long, value_name = "NUMBER", requires = "signed_by")]
    threshold: Option<usize>,

    /// A claim that each signature of --signed-by must contain, such as reviewed (repeatable)
    #[arg(long, value_name = "CLAIM", requires = "signed_by")]
    claim: Vec<String>,
}

impl SignedBy {
    /// Returns the demanded signatures, or `None` if there are none.
    pub(super) fn trust(&self) -> Result<Option<Trust>, Failure> {
        if self.signed_by.is_empty() {
            return Ok(None);
        }
        let mut keys: Vec<TrustedKey> = Vec::new();
        for text in &self.signed_by {
            keys.push(credentials::public_key(text, "--signed-by")?.into());
        }
        let threshold = self.threshold.unwrap_or(keys.len());
        let claims = self
            .claim
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, StatementError>>()?;
        let trust = Trust::new(keys, threshold, claims);
        trust.map(Some).map_err(|error| {
            Failure::usage(format!("--signed-by: {error}"))
                .help("name each key once, and a --threshold up to their number")
        })
    }
}
