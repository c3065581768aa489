//! What is wrong with the signatures of a program.

use std::time::{Duration, UNIX_EPOCH};

use secure_runtime_capabilities::{Claim, PublicKey, StatementError, Subject};
use secure_runtime_loaders::StoreError;

/// Why the signatures of a program do not suffice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Fewer than are demanded.
    #[error(
        "{owner}: {found} of the {needed} signatures that are demanded for {subject}; what is missing:\n  {}\n  help: have \
         one of them sign with `secure-runtime sign`, and name with --store where the signature is",
        lacking.iter().map(|(key, lack)| format!("{key}: {lack}")).collect::<Vec<_>>().join("\n  ")
    )]
    NotEnough {
        /// `the program`, or a package.
        owner: String,
        /// What is to be signed.
        subject: Subject,
        /// How many signatures are demanded.
        needed: usize,
        /// How many there are.
        found: usize,
        /// Whose are missing, and why.
        lacking: Vec<(PublicKey, Lack)>,
    },
    /// A signature that does not hold.
    #[error(
        "the signature of {key} for {subject} is wrong: {error}\n  help: delete {location}, and get it anew from who signed"
    )]
    Wrong {
        /// Whose it should be.
        key: PublicKey,
        /// What it should be about.
        subject: Subject,
        /// The file or address that has it.
        location: String,
        /// What is wrong with it.
        error: Box<StatementError>,
    },
    /// A store that failed or answered wrongly.
    #[error("{0}")]
    Store(Box<StoreError>),
}

impl From<StoreError> for SignatureError {
    fn from(error: StoreError) -> Self {
        SignatureError::Store(Box::new(error))
    }
}

/// Why the signature of one key does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lack {
    /// There is none.
    #[error("no signature: {reason}")]
    Signature {
        /// What the stores said.
        reason: String,
    },
    /// The key is not trusted yet.
    #[error("the key counts from {} on", shown(*from))]
    NotYet {
        /// From when on it is, in Unix seconds.
        from: u64,
    },
    /// The key is trusted no more.
    #[error("the key counts no more since {}", shown(*until))]
    Expired {
        /// Since when, in Unix seconds.
        until: u64,
    },
    /// It does not claim what is demanded.
    #[error("it signed, but does not claim {claim}")]
    Claim {
        /// The claim.
        claim: Claim,
    },
}

/// RFC 3339; a time that has no such form in seconds.
fn shown(seconds: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds < 253_402_300_800 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("second {seconds}"),
    }
}
