//! The reference monitor: the only place where operations are decided, recorded and refused.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use secure_runtime_capabilities::{
    Authority, Base, Context, Decision, Denial, Families, Holder, Operation, Reason, Revocations, TokenError,
};

use super::error::{OperationError, Refused, clipped};
use super::external_memory::{ExternalMemory, TakenMemory};
use super::handle::Extensions;
use super::host_objects::HandOffs;
use super::marks::{Mark, Marks};
use super::resource_table::ResourceTable;
use crate::audit::{AuditRecord, AuditSink};
use crate::limits::LimitHit;
use crate::memory::Memory;
use crate::modules::{LinkPlan, Principal};
use crate::outcome::DenialReport;
use crate::quota::{Account, QuotaUse};
use crate::serving::Calls;

/// Bytes that a capability takes besides its chain: its holders, and the objects of its family and of the engine.
const BESIDES: usize = 1024;

/// The credentials that the host presents with its token.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The keys that the host holds.
    pub keys: Vec<Holder>,
    /// The revocations to check, or None if the host has no revocation list.
    pub revocations: Option<Revocations>,
}

/// The inputs of the decisions in all isolates of a program.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) families: Families,
    pub(crate) base: Base,
    pub(crate) plan: Arc<LinkPlan>,
    /// The extensions, in the order of realm/families.js.
    pub(crate) extensions: Extensions,
    pub(crate) credentials: Credentials,
    /// The graph hash of the program.
    pub(crate) program: String,
    pub(crate) audit: AuditSink,
    pub(crate) quotas_used: Arc<QuotaUse>,
    /// The marks of the errors in all isolates.
    pub(crate) marks: Arc<Marks>,
}

impl Rules {
    /// Returns the refusal of a running operation that exceeds a quota. `action` is the family and the action.
    pub(crate) fn over(
        &self,
        hit: &LimitHit,
        action: (&str, &str),
        resource: &str,
        module: &str,
    ) -> OperationError {
        let error = OperationError::over(hit, action, resource, module);
        error.marked(&self.marks, Mark::Limit(hit.clone()))
    }
}

/// The reference monitor of one isolate. Every operation of the isolate passes it.
pub(crate) struct Monitor {
    pub(crate) rules: Rules,
    /// The latest time that was seen, in seconds. If the clock is set back, expired capabilities stay expired.
    latest: Cell<u64>,
    /// The external memory of the isolate's capabilities.
    pub(super) external_memory: Rc<ExternalMemory>,
    /// The account of the isolate's memory outside of the engine's heap.
    pub(crate) memory: Memory,
    /// The open resources of the isolate.
    pub(crate) open: ResourceTable,
    /// The results of asynchronous ops for which realm code has created no objects yet.
    pub(crate) hand_offs: HandOffs,
    /// The requests that the isolate is answering.
    pub(crate) calls: RefCell<Calls>,
}

/// The Rust object behind a guest's capability: the operations of one family under one authority.
pub(crate) struct Capability {
    pub(crate) principal: Arc<Principal>,
    pub(crate) authority: Authority,
    /// True if code of the program can revoke it.
    pub(crate) is_revocable: bool,
    /// The holders: the module, and the keys whose possession the host has proved.
    pub(crate) holders: Rc<[Holder]>,
    /// The account that its operations are counted against.
    pub(crate) account: Account,
    pub(crate) monitor: Rc<Monitor>,
    _taken: TakenMemory,
}

impl Monitor {
    /// Creates the monitor of an isolate with this memory account.
    pub(crate) fn new(rules: Rules, memory: Memory) -> Rc<Self> {
        Rc::new(Monitor {
            rules,
            latest: Cell::new(0),
            external_memory: ExternalMemory::new(&memory),
            memory,
            open: ResourceTable::default(),
            hand_offs: HandOffs::default(),
            calls: RefCell::default(),
        })
    }

    /// Returns the capability of one module.
    ///
    /// # Errors
    /// The module's token cannot be signed.
    pub(crate) fn capability(self: &Rc<Self>, principal: &Arc<Principal>) -> Result<Capability, TokenError> {
        Ok(self.capability_of(principal, self.rules.plan.authority(principal)?, false))
    }

    /// Returns a capability of this principal with this authority, for example one that arrived from another isolate.
    pub(crate) fn capability_of(
        self: &Rc<Self>,
        principal: &Arc<Principal>,
        authority: Authority,
        is_revocable: bool,
    ) -> Capability {
        let taken = self
            .external_memory
            .take(size_of::<Capability>() + BESIDES + authority.memory());
        Capability {
            principal: principal.clone(),
            authority,
            is_revocable,
            holders: self.holders(Holder::Module(*principal.hash.as_bytes())),
            account: self.account(&principal.package),
            monitor: self.clone(),
            _taken: taken,
        }
    }

    /// Returns the account of this package's modules.
    pub(crate) fn account(&self, package: &str) -> Account {
        self.rules.quotas_used.account(package)
    }

    /// Returns the holders that act for this module.
    fn holders(&self, module: Holder) -> Rc<[Holder]> {
        [module]
            .into_iter()
            .chain(self.rules.credentials.keys.iter().copied())
            .collect()
    }

    /// Returns the seconds since the Unix epoch. They never decrease.
    pub(super) fn now(&self) -> u64 {
        latest(&self.latest, seconds())
    }
}

impl Capability {
    /// Decides one operation, records the decision, and returns an error if it is denied. `shown` is the resource in
    /// the guest's own words, which an error may repeat.
    pub(crate) fn check(&self, operation: &Operation<'_>, shown: &str) -> Result<(), OperationError> {
        let now = self.monitor.now();
        self.count(operation, shown, now)?;
        match self.authority.decide(operation, &self.context(now)) {
            Decision::Allowed => self
                .record(operation, |record| record)
                .map_err(|_| self.refuse_otherwise(operation, shown, "its audit record cannot be written")),
            Decision::Denied(denial) => Err(self.refuse(operation, shown, denial)),
        }
    }

    /// Like [`Capability::check`], for an operation on many resources that returns only those that are allowed each.
    ///
    /// If `some` is true, some of them may be allowed, and the operation proceeds.
    pub(crate) fn check_some(
        &self,
        operation: &Operation<'_>,
        shown: &str,
        some: bool,
    ) -> Result<(), OperationError> {
        if !some {
            return self.check(operation, shown);
        }
        self.count(operation, shown, self.monitor.now())?;
        if let Some(denial) = self.lapse() {
            return Err(self.refuse(operation, shown, denial));
        }
        self.record(operation, |record| record)
            .map_err(|_| self.refuse_otherwise(operation, shown, "its audit record cannot be written"))
    }

    /// Counts one operation. If the quota is exceeded, the operation is refused, regardless of grants.
    fn count(&self, operation: &Operation<'_>, shown: &str, now: u64) -> Result<(), OperationError> {
        let counted = self.account.operation(now);
        counted.map_err(|hit| {
            let error = self.refuse_at_limit(operation, shown, &hit.to_string());
            error.marked(&self.monitor.rules.marks, Mark::Limit(hit))
        })
    }

    /// Returns the refusal of a running operation that exceeds a quota.
    pub(crate) fn over(&self, hit: &LimitHit, action: (&str, &str), shown: &str) -> OperationError {
        self.monitor.rules.over(hit, action, shown, &self.principal.name)
    }

    /// Returns the decision only, for checks that are not yet operations. Nothing is recorded.
    pub(crate) fn decide(&self, operation: &Operation<'_>) -> Decision {
        self.authority
            .decide(operation, &self.context(self.monitor.now()))
    }

    fn context(&self, now: u64) -> Context<'_> {
        Context {
            now,
            holders: &self.holders,
            revocations: self.monitor.rules.credentials.revocations.as_ref(),
        }
    }

    /// Returns the denial that currently applies to every operation, regardless of grants, if there is one.
    pub(super) fn lapse(&self) -> Option<Denial> {
        self.authority.lapse(&self.context(self.monitor.now()))
    }

    pub(crate) fn allows(&self, operation: &Operation<'_>) -> bool {
        matches!(self.decide(operation), Decision::Allowed)
    }

    /// Returns a refusal that no block of the chain caused, for example of a special file system, or of an address that
    /// no grant names.
    pub(crate) fn refuse_otherwise(
        &self,
        operation: &Operation<'_>,
        shown: &str,
        why: &str,
    ) -> OperationError {
        self.refused(operation, shown, None, why.to_owned(), "denied")
    }

    /// Returns the refusal of a granted operation that exceeds a limit.
    pub(crate) fn refuse_at_limit(
        &self,
        operation: &Operation<'_>,
        shown: &str,
        why: &str,
    ) -> OperationError {
        self.refused(operation, shown, None, why.to_owned(), "limit")
    }

    pub(super) fn refuse(&self, operation: &Operation<'_>, shown: &str, denial: Denial) -> OperationError {
        let (code, why) = match denial.reason {
            Reason::Expired { .. } => ("expired", "the capability has expired"),
            Reason::NotYetValid { .. } => ("denied", "the capability is not valid yet"),
            Reason::WrongHolder => ("denied", "the capability is bound to another holder"),
            Reason::NotAttested { .. } => ("denied", "the capability is only for modules that were attested"),
            Reason::Revoked => ("revoked", "the capability was revoked"),
            Reason::StaleRevocations { .. } => ("revoked", "the revocation list is stale"),
            _ => ("denied", "no grant covers it"),
        };
        self.refused(operation, shown, Some(denial), why.to_owned(), code)
    }

    fn refused(
        &self,
        operation: &Operation<'_>,
        shown: &str,
        denial: Option<Denial>,
        why: String,
        code: &'static str,
    ) -> OperationError {
        // If the refusal cannot be recorded, the operation is still refused.
        let _ = self.record(operation, |record| record.refusal(denial, why.clone()));
        let error = OperationError::refused(Refused {
            code,
            family: operation.family().to_string(),
            action: operation.action().to_string(),
            resource: clipped(shown).into_owned(),
            module: self.principal.name.clone(),
            why,
            mark: None,
        });
        let report = DenialReport {
            module: self.principal.name.clone(),
            package: self.principal.package.clone(),
            operation: operation.clone().into_owned(),
            denial,
            authority: self.authority.clone(),
            block_names: self.principal.block_names.clone(),
        };
        error.marked(&self.monitor.rules.marks, Mark::Denied(Arc::new(report)))
    }

    /// Writes the record of a decision. The record says "allowed" unless `complete` changes it.
    pub(super) fn record(
        &self,
        operation: &Operation<'_>,
        complete: impl FnOnce(AuditRecord) -> AuditRecord,
    ) -> std::io::Result<()> {
        if !self.monitor.rules.audit.is_on() {
            return Ok(());
        }
        let (principal, program) = (&self.principal, self.monitor.rules.program.clone());
        let record = AuditRecord::new(program, principal.name.clone(), &principal.hash, operation);
        self.monitor.rules.audit.write(&complete(record))
    }
}

/// Returns the seconds since the Unix epoch, at the kernel's last tick, a few milliseconds ago. Reading the exact time
/// takes longer than deciding an operation.
#[cfg(target_os = "linux")]
fn seconds() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    u64::try_from(time.tv_sec).unwrap_or(0)
}

/// Returns the seconds since the Unix epoch.
#[cfg(not(target_os = "linux"))]
fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Returns the later of `now` and the latest time that was seen.
fn latest(seen: &Cell<u64>, now: u64) -> u64 {
    let latest = now.max(seen.get());
    seen.set(latest);
    latest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_revives_nothing() {
        let seen = Cell::new(0);
        let times = [10, 20, 5, 0, 19, 21].map(|now| latest(&seen, now));
        assert_eq!(times, [10, 20, 20, 20, 20, 21]);
    }
}
