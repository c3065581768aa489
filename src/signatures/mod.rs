//! Signatures that a program and its packages need, and their verification.
//!
//! `spec/signatures.md` defines the content and the rules. The capabilities crate implements the format, and the
//! loaders crate the storage.

mod error;
mod trust;

use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{PublicKey, Statement, StatementError, Subject};
use secure_runtime_loaders::Graph;
use secure_runtime_loaders::store::{Layered, Store};

pub use self::error::{MissingSignature, SignatureError};
pub use self::trust::{Trust, TrustError, TrustedKey};

use crate::Manifest;

/// A valid signature that counts.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The owner, for example `the program` or `package marked`.
    pub owner: String,
    /// The key that signed.
    pub key: PublicKey,
    /// The signed statement.
    pub statement: Statement,
}

/// Checks all signatures that the manifest demands, at this time in Unix seconds. `graph` must be that of the lock,
/// because it is what was signed.
///
/// # Errors
/// [`SignatureError`]: the first demand that is not met.
pub async fn require(
    manifest: &Manifest,
    graph: &Graph,
    stores: &Layered,
    now: u64,
) -> Result<Vec<Signed>, SignatureError> {
    let mut signed = Vec::new();
    if let Some(trust) = &manifest.trust {
        signed.extend(check(trust, "the program", program(graph), stores, now).await?);
    }
    for (name, trust) in &manifest.package_trust {
        // A package that is not part of the program does not run, so its signature is not needed.
        if let Some(subject) = package(graph, name) {
            signed.extend(check(trust, &format!("package {name}"), subject, stores, now).await?);
        }
    }
    Ok(signed)
}

/// Returns the current time in Unix seconds. If the clock is before 1970 and therefore wrong, it returns the maximum,
/// so that keys with an end time do not count.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(u64::MAX, |since| since.as_secs())
}

/// Returns the subject of the program's signatures.
pub fn program(graph: &Graph) -> Subject {
    Subject::Graph(*graph.hash().as_bytes())
}

/// Returns the subject of the signatures of this package.
pub fn package(graph: &Graph, name: &str) -> Option<Subject> {
    let index = (0..)
        .zip(graph.packages())
        .find(|(_, package)| package.name == name)?
        .0;
    graph
        .package_content(index)
        .map(|hash| Subject::Package(*hash.as_bytes()))
}

/// Returns enough valid signatures of the subject to meet the policy. `owner` is used in messages.
///
/// An invalid signature is an error and not the same as a missing one, because it was put there deliberately.
///
/// # Errors
/// [`SignatureError`].
pub async fn check(
    trust: &Trust,
    owner: &str,
    subject: Subject,
    stores: &Layered,
    now: u64,
) -> Result<Vec<Signed>, SignatureError> {
    let (mut signed, mut lacking) = (Vec::new(), Vec::new());
    for trusted in trust.keys() {
        if signed.len() == trust.threshold() {
            break;
        }
        let found = match trusted.lapsed(now) {
            Some(lack) => Err(lack),
            None => find(trusted.key, subject, stores).await?,
        };
        let counted = found.and_then(|statement| match trust.lacks_claim(&statement) {
            Some(claim) => Err(MissingSignature::Claim { claim: claim.clone() }),
            None => Ok(statement),
        });
        match counted {
            Ok(statement) => signed.push(Signed {
                owner: owner.to_owned(),
                key: trusted.key,
                statement,
            }),
            Err(lack) => lacking.push((trusted.key, lack)),
        }
    }
    if signed.len() < trust.threshold() {
        return Err(SignatureError::NotEnough {
            owner: owner.to_owned(),
            subject,
            needed: trust.threshold(),
            found: signed.len(),
            lacking,
        });
    }
    Ok(signed)
}

/// Finds the statement that this key signed about the subject. If another store provides it, the local store keeps it.
async fn find(
    key: PublicKey,
    subject: Subject,
    stores: &Layered,
) -> Result<Result<Statement, MissingSignature>, SignatureError> {
    let hash = secure_runtime_loaders::ContentHash::from_bytes(*subject.hash());
    let found = match stores.signature(&hash, key.as_bytes()).await {
        Ok(found) => found,
        Err(error) if error.is_absence() => {
            return Ok(Err(MissingSignature::Signature {
                error: Box::new(error),
            }));
        }
        Err(error) => return Err(error.into()),
    };
    let statement = Statement::verify(&found.bytes, &key, subject).map_err(|error: StatementError| {
        SignatureError::Wrong {
            key,
            subject,
            location: found.location.clone(),
            error: Box::new(error),
        }
    })?;
    if let Some(local) = stores.local()
        && local.read_signature(&hash, key.as_bytes()).is_err()
    {
        local.put_signature(&hash, key.as_bytes(), &found.bytes)?;
    }
    Ok(Ok(statement))
}
