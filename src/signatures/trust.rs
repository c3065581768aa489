//! A trust policy: k of n keys, each with a period of validity, and the claims that they must make.

use std::collections::BTreeSet;

use secure_runtime_capabilities::{Claim, PublicKey, Statement};

use super::MissingSignature;

/// The demanded signatures: a threshold, the keys, and the claims that each signature must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    keys: Vec<TrustedKey>,
    threshold: usize,
    claims: Vec<Claim>,
}

/// A key with its period of validity. The time of the check counts, not the time in the signature, because a thief of
/// an old key can choose that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// The first second in which the key counts, in Unix seconds.
    pub from: Option<u64>,
    /// The first second in which the key no longer counts.
    pub until: Option<u64>,
}

/// The reason why a policy is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There are no keys.
    #[error("it names no key")]
    NoKeys,
    /// A key would count twice.
    #[error("it names {key} twice")]
    Twice {
        /// The key.
        key: PublicKey,
    },
    /// The threshold is zero or exceeds the number of keys.
    #[error("the threshold is {threshold}, and must be from 1 to the number of keys, {keys}")]
    Threshold {
        /// The demanded number of signatures.
        threshold: usize,
        /// The number of keys.
        keys: usize,
    },
    /// A key never counts.
    #[error("{key}: `until` is not after `from`")]
    Times {
        /// The key.
        key: PublicKey,
    },
}

impl Trust {
    /// Creates a policy that demands signatures of `threshold` of these keys, each with these claims.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(keys: Vec<TrustedKey>, threshold: usize, claims: Vec<Claim>) -> Result<Trust, TrustError> {
        if keys.is_empty() {
            return Err(TrustError::NoKeys);
        }
        let mut seen = BTreeSet::new();
        for trusted in &keys {
            let key = trusted.key;
            if !seen.insert(key) {
                return Err(TrustError::Twice { key });
            }
            if let (Some(from), Some(until)) = (trusted.from, trusted.until)
                && until <= from
            {
                return Err(TrustError::Times { key });
            }
        }
        if threshold == 0 || threshold > keys.len() {
            return Err(TrustError::Threshold {
                threshold,
                keys: keys.len(),
            });
        }
        Ok(Trust {
            keys,
            threshold,
            claims,
        })
    }

    /// Returns the keys.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// Returns the number of keys that must have signed.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Returns the claims that each signature must contain.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// Returns true if all signatures that meet this policy also meet the other one, at any time.
    pub fn implies(&self, other: &Trust) -> bool {
        let counts_there = |trusted: &&TrustedKey| {
            let mut there = other.keys.iter();
            there.any(|known| known.key == trusted.key && known.counts_whenever(trusted))
        };
        // In the worst case, the signatures come from as many keys as possible that do not count in the other policy.
        let strangers = self.keys.len() - self.keys.iter().filter(counts_there).count();
        let claimed = |claim: &Claim| {
            let mut claims = self.claims.iter();
            claims.any(|own| own == claim || claim.value().is_none() && own.name() == claim.name())
        };
        self.threshold.saturating_sub(strangers) >= other.threshold && other.claims.iter().all(claimed)
    }

    /// Returns the first demanded claim that the statement does not make.
    pub(super) fn lacks_claim(&self, statement: &Statement) -> Option<&Claim> {
        self.claims.iter().find(|claim| !statement.makes(claim))
    }
}

impl TrustedKey {
    /// Returns true if this key counts at every time at which the other one counts.
    fn counts_whenever(&self, other: &TrustedKey) -> bool {
        let begins = self.from.unwrap_or(0) <= other.from.unwrap_or(0);
        let ends = self
            .until
            .is_none_or(|end| other.until.is_some_and(|other| other <= end));
        begins && ends
    }

    /// Returns the reason why the key does not count at this time, or `None` if it counts.
    pub(super) fn lapsed(&self, now: u64) -> Option<MissingSignature> {
        match (self.from, self.until) {
            (Some(from), _) if now < from => Some(MissingSignature::NotYet { from }),
            (_, Some(until)) if now >= until => Some(MissingSignature::Expired { until }),
            _ => None,
        }
    }
}

impl From<PublicKey> for TrustedKey {
    fn from(key: PublicKey) -> Self {
        TrustedKey {
            key,
            from: None,
            until: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use secure_runtime_capabilities::KeyPair;

    use super::*;

    fn key(number: u8) -> TrustedKey {
        KeyPair::from_secret(&[number; 32]).unwrap().public().into()
    }

    /// SIG-8.
    #[test]
    fn a_policy_can_be_met_and_counts_each_key_once() {
        assert!(Trust::new(vec![key(1), key(2)], 2, vec![]).is_ok());
        assert_eq!(Trust::new(vec![], 1, vec![]), Err(TrustError::NoKeys));
        for threshold in [0, 3] {
            assert_eq!(
                Trust::new(vec![key(1), key(2)], threshold, vec![]),
                Err(TrustError::Threshold { threshold, keys: 2 })
            );
        }
        let twice = TrustedKey {
            from: Some(5),
            ..key(1)
        };
        assert_eq!(
            Trust::new(vec![key(1), twice], 2, vec![]),
            Err(TrustError::Twice { key: twice.key })
        );
        let never = TrustedKey {
            until: Some(5),
            ..twice
        };
        assert_eq!(
            Trust::new(vec![never], 1, vec![]),
            Err(TrustError::Times { key: never.key })
        );
    }

    /// SIG-9.
    #[test]
    fn a_key_is_trusted_from_one_second_until_another() {
        let key = TrustedKey {
            from: Some(10),
            until: Some(20),
            ..key(1)
        };
        let lapsed = |now| key.lapsed(now);
        assert_eq!(lapsed(9), Some(MissingSignature::NotYet { from: 10 }));
        assert_eq!((lapsed(10), lapsed(19)), (None, None));
        assert_eq!(lapsed(20), Some(MissingSignature::Expired { until: 20 }));
    }
}
