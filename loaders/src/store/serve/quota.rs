//! Quotas for unverified bytes that clients upload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ServeOptions;
use crate::ContentHash;

/// The account that uploads count for. All tokens that were derived from one token have the same account, however they
/// were attenuated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account(ContentHash);

impl Account {
    /// Returns the account with this name, which may be any bytes.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        Self(ContentHash::of(name))
    }
}

/// The error for an upload that cannot start or continue now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Busy {
    #[error("this store accepts {0} blobs at one time; try again later")]
    Server(usize),
    #[error("this store accepts {0} blobs at one time with one token; try again later")]
    Account(usize),
    #[error(
        "with this token, {0} bytes are unverified or did not match their hash, which is the most in an hour; try again later"
    )]
    Unproven(u64),
}

/// The uploads in progress, and the failed uploads.
#[derive(Debug)]
pub(super) struct Quotas {
    adds: usize,
    adds_per_account: usize,
    unproven: u64,
    accounts: Mutex<HashMap<Account, Use>>,
}

#[derive(Debug)]
struct Use {
    adds: usize,
    /// The number of unverified bytes: those of uploads in progress, and those of failed uploads, which expire within
    /// an hour.
    unproven: u64,
    since: Instant,
}

/// The time after which the bytes of failed uploads expire.
const HOUR: Duration = Duration::from_secs(3600);

impl Quotas {
    pub(super) fn new(options: &ServeOptions) -> Arc<Self> {
        Arc::new(Self {
            adds: options.adds,
            adds_per_account: options.adds_per_account,
            unproven: options.unproven,
            accounts: Mutex::default(),
        })
    }

    /// Begins an upload.
    pub(super) fn begin(self: &Arc<Self>, account: Account) -> Result<Adding, Busy> {
        self.begin_at(account, Instant::now())
    }

    fn begin_at(self: &Arc<Self>, account: Account, now: Instant) -> Result<Adding, Busy> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        // Remove accounts without unverified bytes, so that the map stays small.
        accounts.retain(|_, used| {
            used.forget(now, self.unproven);
            used.adds > 0 || used.unproven > 0
        });
        if accounts.values().map(|used| used.adds).sum::<usize>() >= self.adds {
            return Err(Busy::Server(self.adds));
        }
        let used = accounts.entry(account).or_insert(Use {
            adds: 0,
            unproven: 0,
            since: now,
        });
        if used.adds >= self.adds_per_account {
            return Err(Busy::Account(self.adds_per_account));
        }
        if used.unproven >= self.unproven {
            return Err(Busy::Unproven(self.unproven));
        }
        used.adds += 1;
        Ok(Adding {
            quotas: self.clone(),
            account,
            bytes: 0,
            is_proven: false,
            is_refused: false,
        })
    }

    fn with<T>(&self, account: Account, change: impl FnOnce(&mut Use) -> T) -> Option<T> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.get_mut(&account).map(change)
    }
}

impl Use {
    /// Expires bytes of failed uploads in proportion to the time that passed.
    fn forget(&mut self, now: Instant, quota: u64) {
        // During an upload, it is not known which bytes will turn out to be wrong.
        if self.adds > 0 {
            self.since = now;
            return;
        }
        let passed = now.saturating_duration_since(self.since).as_secs();
        let forgotten = u128::from(quota) * u128::from(passed) / u128::from(HOUR.as_secs());
        if forgotten > 0 {
            let forgotten = u64::try_from(forgotten).unwrap_or(u64::MAX);
            self.unproven = self.unproven.saturating_sub(forgotten);
            self.since = now;
        }
    }
}

/// An upload in progress.
#[derive(Debug)]
pub(super) struct Adding {
    quotas: Arc<Quotas>,
    account: Account,
    bytes: u64,
    is_proven: bool,
    is_refused: bool,
}

impl Adding {
    /// Counts bytes before they are written.
    pub(super) fn write(&mut self, bytes: usize) -> Result<(), Busy> {
        let (bytes, quota) = (bytes as u64, self.quotas.unproven);
        let is_within = self.quotas.with(self.account, |used| {
            let unproven = used.unproven.saturating_add(bytes);
            let is_within = unproven <= quota;
            if is_within {
                used.unproven = unproven;
            }
            is_within
        });
        if is_within != Some(true) {
            self.is_refused = true;
            return Err(Busy::Unproven(quota));
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Releases the bytes, because the hash was verified.
    pub(super) fn prove(mut self) {
        self.is_proven = true;
    }
}

impl Drop for Adding {
    fn drop(&mut self) {
        let quota = self.quotas.unproven;
        self.quotas.with(self.account, |used| {
            used.adds = used.adds.saturating_sub(1);
            match (self.is_proven, self.is_refused) {
                (true, _) => used.unproven = used.unproven.saturating_sub(self.bytes),
                // Bytes beyond the quota were received, too.
                (false, true) => used.unproven = quota,
                (false, false) => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas() -> Arc<Quotas> {
        Quotas::new(&ServeOptions {
            adds: 3,
            adds_per_account: 2,
            unproven: 1000,
            ..ServeOptions::default()
        })
    }

    /// STORE-24: limits on concurrent uploads, for one account and for all.
    #[test]
    fn concurrent_uploads_are_limited() {
        let quotas = quotas();
        let (one, two) = (Account::new(b"1"), Account::new(b"2"));
        let first = quotas.begin(one).unwrap();
        let _second = quotas.begin(one).unwrap();
        assert_eq!(quotas.begin(one).unwrap_err(), Busy::Account(2));
        let _third = quotas.begin(two).unwrap();
        assert_eq!(quotas.begin(two).unwrap_err(), Busy::Server(3));
        drop(first);
        assert!(quotas.begin(two).is_ok());
    }

    /// STORE-24: bytes of failed uploads count for up to an hour, and verified bytes do not count.
    #[test]
    fn failed_uploads_count_for_an_hour() {
        let quotas = quotas();
        let (one, start) = (Account::new(b"1"), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut adding = quotas.begin_at(one, start).unwrap();
        adding.write(900).unwrap();
        assert_eq!(adding.write(101), Err(Busy::Unproven(1000)));
        adding.prove();
        let mut adding = quotas.begin_at(one, start).unwrap();
        adding.write(600).unwrap();
        let mut other = quotas.begin_at(one, start).unwrap();
        assert_eq!(other.write(401), Err(Busy::Unproven(1000)), "together");
        other.write(400).unwrap();
        drop(adding);
        other.prove();
        let mut adding = quotas.begin_at(one, start).unwrap();
        adding.write(400).unwrap();
        drop(adding);
        assert_eq!(quotas.begin_at(one, at(2)).unwrap_err(), Busy::Unproven(1000));
        assert!(quotas.begin_at(Account::new(b"2"), start).is_ok());
        let mut adding = quotas.begin_at(one, at(1800)).unwrap();
        assert_eq!(adding.write(501), Err(Busy::Unproven(1000)));
        assert_eq!(adding.write(500), Ok(()));
        drop(adding);
        let mut adding = quotas.begin_at(one, at(10_000)).unwrap();
        assert_eq!(adding.write(1000), Ok(()));
    }

    /// STORE-24: accounts without unverified bytes use no memory.
    #[test]
    fn accounts_without_unverified_bytes_use_no_memory() {
        let quotas = quotas();
        for number in 0..1000_u32 {
            let mut adding = quotas.begin(Account::new(&number.to_le_bytes())).unwrap();
            adding.write(10).unwrap();
            adding.prove();
        }
        assert!(quotas.accounts.lock().unwrap().len() <= 1);
    }
}
