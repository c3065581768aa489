//! Errors in the signatures of a program.

use std::time::{Duration, UNIX_EPOCH};

use secure_runtime_capabilities::{Claim, PublicKey, StatementError, Subject};
use secure_runtime_loaders::StoreError;

/// The reason why the signatures of a program are not sufficient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There are fewer signatures than demanded.
    #[error(
        "{owner}: {found} of the {needed} signatures that are demanded for {subject}; missing:\n  {}\n  help: have \
         one of them sign with `secure-runtime sign`, and name the store that has the signature with --store",
        lacking.iter().map(|(key, lack)| format!("{key}: {lack}")).collect::<Vec<_>>().join("\n  ")
    )]
    NotEnough {
        /// The owner: `the program`, or a package.
        owner: String,
        /// The subject that must be signed.
        subject: Subject,
        /// Number of demanded signatures.
        needed: usize,
        /// Number of valid signatures that were found.
        found: usize,
        /// The keys without a valid signature, with the reasons.
        lacking: Vec<(PublicKey, MissingSignature)>,
    },
    /// A signature is invalid.
    #[error(
        "the signature of {key} for {subject} is wrong: {error}\n  help: delete {location}, and get it again from the signer"
    )]
    Wrong {
        /// The key that should have signed.
        key: PublicKey,
        /// The subject that it should have signed.
        subject: Subject,
        /// The file or address that contains the signature.
        location: String,
        /// The error in it.
        #[source]
        error: Box<StatementError>,
    },
    /// A store failed or returned a wrong answer.
    #[error("{0}")]
    Store(#[source] Box<StoreError>),
}

impl From<StoreError> for SignatureError {
    fn from(error: StoreError) -> Self {
        SignatureError::Store(Box::new(error))
    }
}

/// The reason why a key has no valid signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MissingSignature {
    /// There is no signature.
    #[error("no signature: {error}")]
    Signature {
        /// The error of the stores.
        #[source]
        error: Box<StoreError>,
    },
    /// The key is not trusted yet.
    #[error("the key is trusted from {} on", shown(*from))]
    NotYet {
        /// The time from which the key is trusted, in Unix seconds.
        from: u64,
    },
    /// The key is no longer trusted.
    #[error("the key was trusted until {}", shown(*until))]
    Expired {
        /// The time until which the key was trusted, in Unix seconds.
        until: u64,
    },
    /// The signature does not contain a demanded claim.
    #[error("it signed, but does not claim {claim}")]
    Claim {
        /// The missing claim.
        claim: Claim,
    },
}

/// Formats a time in RFC 3339, or in seconds if RFC 3339 cannot express it.
fn shown(seconds: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds < 253_402_300_800 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("second {seconds}"),
    }
}
