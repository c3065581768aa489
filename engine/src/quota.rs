//! Quotas: counting of the operations of a program and its packages.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::limits::{Limit, LimitHit, Quotas, Unit};
use crate::termination::{Brake, Run, Stopped};

/// The quota usage of a program or a package. After a quota was exceeded, every further request is refused.
pub(crate) struct Meter {
    unit: Unit,
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
    Isolate(Brake),
}

/// Things that are counted while they exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
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

impl Meter {
    fn new(unit: Unit, quotas: Quotas) -> Arc<Self> {
        Arc::new(Meter {
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

    fn begin(&self, kind: Lasting) -> Result<Held, LimitHit> {
        self.going()?;
        let (used, most, limit): (_, _, fn(u64) -> Limit) = match kind {
            Lasting::Handle => (&self.handles, self.quotas.handles, Limit::Handles),
            Lasting::Pending => (&self.pending, self.quotas.pending, Limit::Pending),
            Lasting::Timer => (&self.timers, self.quotas.timers, Limit::Timers),
        };
        self.within(used, 1, most.unwrap_or(u64::MAX), limit)?;
        Ok(Held(used.clone()))
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
            Some(Stop::Isolate(brake)) => brake.pull(Stopped::Limit(hit.clone())),
            None => {}
        }
        Err(hit.clone())
    }

    fn going(&self) -> Result<(), LimitHit> {
        self.hit.get().map_or(Ok(()), |hit| Err(hit.clone()))
    }
}

/// A thing that is counted until this is dropped.
pub(crate) struct Held(Arc<AtomicU64>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thing that is counted for the program and, if it has quotas, for the package, until this is dropped.
pub(crate) struct HeldByAll {
    _by: [Option<Held>; 2],
}

/// The quotas that a module's operations count against: those of its package, if it has some, and the program's.
#[derive(Clone)]
pub(crate) struct Account {
    package: Option<Arc<Meter>>,
    program: Arc<Meter>,
}

impl Account {
    /// Counts one operation in this second of Unix time.
    pub(crate) fn operation(&self, second: u64) -> Result<(), LimitHit> {
        self.each(|meter| meter.operation(second))
    }

    pub(crate) fn bytes(&self, kind: Bytes, count: usize) -> Result<(), LimitHit> {
        self.each(|meter| meter.bytes(kind, count as u64))
    }

    pub(crate) fn begin(&self, kind: Lasting) -> Result<HeldByAll, LimitHit> {
        let package = self.package.as_ref().map(|meter| meter.begin(kind)).transpose()?;
        let program = self.program.begin(kind)?;
        Ok(HeldByAll {
            _by: [package, Some(program)],
        })
    }

    fn each(&self, count: impl Fn(&Meter) -> Result<(), LimitHit>) -> Result<(), LimitHit> {
        if let Some(package) = &self.package {
            count(package)?;
        }
        count(&self.program)
    }
}

/// The quotas of one run.
pub(crate) struct Meters {
    program: Arc<Meter>,
    packages: HashMap<String, Arc<Meter>>,
}

impl Meters {
    pub(crate) fn new(limits: &super::Limits, run: &Arc<Run>) -> Self {
        let packages = limits.packages.iter().map(|(name, limits)| {
            let unit = Unit::Package(name.clone());
            (name.clone(), Meter::new(unit, limits.quotas.clone()))
        });
        let program = Meter::new(Unit::Program, limits.quotas.clone());
        let _ = program.stop.set(Stop::Run(run.clone()));
        Meters {
            program,
            packages: packages.collect(),
        }
    }

    /// Lets the quotas of a package stop the package's own isolate.
    pub(crate) fn stop_isolate(&self, package: &str, brake: &Brake) {
        if let Some(meter) = self.packages.get(package) {
            let _ = meter.stop.set(Stop::Isolate(brake.clone()));
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

    fn meters() -> (Meters, Arc<Run>) {
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
        (Meters::new(&limits, &run), run)
    }

    #[test]
    fn operations_are_counted_by_the_second() {
        let (meters, _run) = meters();
        let account = meters.account("p");
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
        meters.account("q").operation(9).unwrap();
    }

    #[test]
    fn permits_are_counted_until_they_are_dropped() {
        let (meters, _run) = meters();
        let account = meters.account("p");
        let first = account.begin(Lasting::Handle).unwrap();
        let second = account.begin(Lasting::Handle).unwrap();
        drop(first);
        let third = account.begin(Lasting::Handle).unwrap();
        assert!(account.begin(Lasting::Handle).is_err());
        drop((second, third));
    }

    #[test]
    fn bytes_add_up() {
        let (meters, _run) = meters();
        let account = meters.account("p");
        account.bytes(Bytes::Read, 10).unwrap();
        assert_eq!(
            account.bytes(Bytes::Read, 1).unwrap_err().to_string(),
            "package p hit its limit of 10 B read"
        );
    }

    /// The quota of the program counts all its packages together.
    #[test]
    fn packages_count_against_the_program() {
        let (meters, run) = meters();
        for package in ["p", "p", "q", ""] {
            meters.account(package).operation(1).unwrap();
        }
        let hit = meters.account("r").operation(1).unwrap_err();
        assert_eq!(hit.unit, Unit::Program);
        assert_eq!(meters.account("p").operation(2), Err(hit));
        drop(run);
    }
}
