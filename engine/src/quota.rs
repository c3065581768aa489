//! Quotas: counting of the operations of a program and its packages.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::limits::{Limit, LimitHit, LimitScope, Quotas};
use crate::termination::{Run, Stopped, Termination};

/// The quota usage of a program or a package. After a quota was exceeded, every further request is refused.
pub(crate) struct UnitUse {
    unit: LimitScope,
    quotas: Quotas,
    /// The second that `operations` belong to.
    second: AtomicU64,
    operations: AtomicU64,
    handles: Arc<AtomicU64>,
    pending: Arc<AtomicU64>,
    timers: Arc<AtomicU64>,
    output: AtomicU64,
    read: AtomicU64,
    fetched: AtomicU64,
    hit: OnceLock<LimitHit>,
    /// The run or isolate that ends with the unit. A package that shares an isolate has none. Instead, everything that
    /// it requests is refused.
    stop: OnceLock<Stop>,
}

enum Stop {
    Run(Arc<Run>),
    Isolate(Termination),
}

/// Things that are counted while they exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    Handle,
    Pending,
    Timer,
}

/// Kinds of counted bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    Output,
    Read,
    Fetched,
}

impl UnitUse {
    fn new(unit: LimitScope, quotas: Quotas) -> Arc<Self> {
        Arc::new(UnitUse {
            unit,
            quotas,
            second: AtomicU64::new(0),
            operations: AtomicU64::new(0),
            handles: Arc::default(),
            pending: Arc::default(),
            timers: Arc::default(),
            output: AtomicU64::new(0),
            read: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            hit: OnceLock::new(),
            stop: OnceLock::new(),
        })
    }

    /// Counts one operation in this second of Unix time.
    fn operation(&self, second: u64) -> Result<(), LimitHit> {
        self.going()?;
        let Some(most) = self.quotas.operations else {
            return Ok(());
        };
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.operations.store(0, Ordering::Relaxed);
        }
        self.within(&self.operations, 1, most, Limit::Operations)
    }

    fn bytes(&self, kind: Bytes, count: u64) -> Result<(), LimitHit> {
        self.going()?;
        let (used, most, limit): (_, _, fn(u64) -> Limit) = match kind {
            Bytes::Output => (&self.output, self.quotas.output, Limit::Output),
            Bytes::Read => (&self.read, self.quotas.read, Limit::Read),
            Bytes::Fetched => (&self.fetched, self.quotas.fetched, Limit::Fetched),
        };
        most.map_or(Ok(()), |most| self.within(used, count, most, limit))
    }

    fn begin(&self, kind: InFlight) -> Result<UnitPermit, LimitHit> {
        self.going()?;
        let (used, most, limit): (_, _, fn(u64) -> Limit) = match kind {
            InFlight::Handle => (&self.handles, self.quotas.handles, Limit::Handles),
            InFlight::Pending => (&self.pending, self.quotas.pending, Limit::Pending),
            InFlight::Timer => (&self.timers, self.quotas.timers, Limit::Timers),
        };
        self.within(used, 1, most.unwrap_or(u64::MAX), limit)?;
        Ok(UnitPermit(used.clone()))
    }

    fn within(
        &self,
        used: &AtomicU64,
        count: u64,
        most: u64,
        limit: fn(u64) -> Limit,
    ) -> Result<(), LimitHit> {
        let before = used.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count) <= most {
            return Ok(());
        }
        let hit = LimitHit {
            unit: self.unit.clone(),
            limit: limit(most),
        };
        let hit = self.hit.get_or_init(|| hit);
        match self.stop.get() {
            Some(Stop::Run(run)) => run.stop(&Stopped::Limit(hit.clone())),
            Some(Stop::Isolate(termination)) => termination.terminate(Stopped::Limit(hit.clone())),
            None => {}
        }
        Err(hit.clone())
    }

    fn going(&self) -> Result<(), LimitHit> {
        self.hit.get().map_or(Ok(()), |hit| Err(hit.clone()))
    }
}

/// A thing that is counted until this is dropped.
pub(crate) struct UnitPermit(Arc<AtomicU64>);

impl Drop for UnitPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thing that is counted for the program and, if it has quotas, for the package, until this is dropped.
pub(crate) struct Permit {
    _by: [Option<UnitPermit>; 2],
}

/// The quotas that a module's operations count against: those of its package, if it has some, and the program's.
#[derive(Clone)]
pub(crate) struct Account {
    package: Option<Arc<UnitUse>>,
    program: Arc<UnitUse>,
}

impl Account {
    /// Counts one operation in this second of Unix time.
    pub(crate) fn operation(&self, second: u64) -> Result<(), LimitHit> {
        self.each(|unit| unit.operation(second))
    }

    pub(crate) fn bytes(&self, kind: Bytes, count: usize) -> Result<(), LimitHit> {
        self.each(|unit| unit.bytes(kind, count as u64))
    }

    pub(crate) fn begin(&self, kind: InFlight) -> Result<Permit, LimitHit> {
        let package = self.package.as_ref().map(|unit| unit.begin(kind)).transpose()?;
        let program = self.program.begin(kind)?;
        Ok(Permit {
            _by: [package, Some(program)],
        })
    }

    fn each(&self, count: impl Fn(&UnitUse) -> Result<(), LimitHit>) -> Result<(), LimitHit> {
        if let Some(package) = &self.package {
            count(package)?;
        }
        count(&self.program)
    }
}

/// The quotas of one run.
pub(crate) struct QuotaUse {
    program: Arc<UnitUse>,
    packages: HashMap<String, Arc<UnitUse>>,
}

impl QuotaUse {
    pub(crate) fn new(limits: &super::Limits, run: &Arc<Run>) -> Self {
        let packages = limits.packages.iter().map(|(name, limits)| {
            let unit = LimitScope::Package(name.clone());
            (name.clone(), UnitUse::new(unit, limits.quotas.clone()))
        });
        let program = UnitUse::new(LimitScope::Program, limits.quotas.clone());
        let _ = program.stop.set(Stop::Run(run.clone()));
        QuotaUse {
            program,
            packages: packages.collect(),
        }
    }

    /// Lets the quotas of a package stop the package's own isolate.
    pub(crate) fn stop_isolate(&self, package: &str, termination: &Termination) {
        if let Some(unit) = self.packages.get(package) {
            let _ = unit.stop.set(Stop::Isolate(termination.clone()));
        }
    }

    /// Returns the account for the modules of this package. The program's own modules have the program's account.
    pub(crate) fn account(&self, package: &str) -> Account {
        Account {
            package: self.packages.get(package).cloned(),
            program: self.program.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Limits, PackageLimits};

    fn quotas_used() -> (QuotaUse, Arc<Run>) {
        let quotas = Quotas {
            operations: Some(3),
            handles: Some(2),
            read: Some(10),
            ..Quotas::default()
        };
        let mut limits = Limits {
            quotas: Quotas {
                operations: Some(4),
                ..Quotas::default()
            },
            ..Limits::default()
        };
        let package = PackageLimits {
            quotas,
            ..PackageLimits::default()
        };
        limits.packages.insert("p".to_owned(), package);
        let run = Arc::new(Run::default());
        (QuotaUse::new(&limits, &run), run)
    }

    #[test]
    fn operations_are_counted_by_the_second() {
        let (quotas_used, _run) = quotas_used();
        let account = quotas_used.account("p");
        for second in 1..5 {
            for _ in 0..3 {
                account.operation(second).unwrap();
            }
        }
        let hit = account.operation(4).unwrap_err();
        assert_eq!(
            hit.to_string(),
            "package p hit its limit of 3 operations a second"
        );
        // An exceeded quota stays exceeded, also in the next second. Other operations are refused as well.
        assert_eq!(account.operation(9), Err(hit.clone()));
        assert_eq!(account.bytes(Bytes::Read, 1), Err(hit));
        // Other packages continue.
        quotas_used.account("q").operation(9).unwrap();
    }

    #[test]
    fn permits_are_counted_until_they_are_dropped() {
        let (quotas_used, _run) = quotas_used();
        let account = quotas_used.account("p");
        let first = account.begin(InFlight::Handle).unwrap();
        let second = account.begin(InFlight::Handle).unwrap();
        drop(first);
        let third = account.begin(InFlight::Handle).unwrap();
        assert!(account.begin(InFlight::Handle).is_err());
        drop((second, third));
    }

    #[test]
    fn bytes_add_up() {
        let (quotas_used, _run) = quotas_used();
        let account = quotas_used.account("p");
        account.bytes(Bytes::Read, 10).unwrap();
        assert_eq!(
            account.bytes(Bytes::Read, 1).unwrap_err().to_string(),
            "package p hit its limit of 10 B read"
        );
    }

    /// The quota of the program counts all its packages together.
    #[test]
    fn packages_count_against_the_program() {
        let (quotas_used, run) = quotas_used();
        for package in ["p", "p", "q", ""] {
            quotas_used.account(package).operation(1).unwrap();
        }
        let hit = quotas_used.account("r").operation(1).unwrap_err();
        assert_eq!(hit.unit, LimitScope::Program);
        assert_eq!(quotas_used.account("p").operation(2), Err(hit));
        drop(run);
    }
}
