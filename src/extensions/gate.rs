//! The gate: the one place where an operation is decided, recorded, and turned into a refusal.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use secure_runtime_capabilities::{
    Authority, Base, Context, Decision, Denial, Families, Holder, Operation, Reason, Revocations, TokenError,
};

use super::error::{OpError, Refused, clipped};
use super::fs::Roots;
use super::marks::{Mark, Marks};
use super::room::{Room, Taken};
use crate::audit::{AuditRecord, AuditSink, Verdict};
use crate::modules::{LinkPlan, Principal};
use crate::runtime::{Account, DenialReport, LimitHit, Memory, Meters};

/// Bytes that a capability takes besides its chain: its holders, and the objects of its family and of the engine.
const BESIDES: usize = 1024;

/// How the host presents its token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presentation {
    /// The keys that the host has, as holders.
    pub(crate) keys: Vec<Holder>,
    /// What is to be heeded; None where the host has no revocation list.
    pub(crate) revocations: Option<Revocations>,
}

/// What the gates of all isolates of a program decide by.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) families: Families,
    pub(crate) base: Base,
    pub(crate) plan: Arc<LinkPlan>,
    /// What the files of all its modules are opened beneath, as long as the program runs.
    pub(crate) files: Weak<Roots>,
    pub(crate) presentation: Presentation,
    /// The graph hash of the program.
    pub(crate) program: String,
    pub(crate) audit: AuditSink,
    pub(crate) meters: Arc<Meters>,
    /// What the errors of all isolates stand for.
    pub(crate) marks: Arc<Marks>,
}

impl Rules {
    /// A refusal of what was going on, because a quota does not cover it: `action` as family and action.
    pub(crate) fn over(&self, hit: &LimitHit, action: (&str, &str), resource: &str, module: &str) -> OpError {
        let error = OpError::over(hit, action, resource, module);
        error.marked(&self.marks, Mark::Limit(hit.clone()))
    }
}

/// What every operation of one isolate goes through.
pub(crate) struct Gate {
    pub(crate) rules: Rules,
    /// The latest second that was seen: a clock that is set back does not revive what expired.
    latest: Cell<u64>,
    /// For the isolate's capabilities.
    pub(super) room: Rc<Room>,
    /// What is held for the isolate outside the engine's heap.
    pub(crate) memory: Memory,
}

/// What a guest's capability object stands for: one family's operations under one authority.
pub(crate) struct Capability {
    pub(crate) principal: Arc<Principal>,
    pub(crate) authority: Authority,
    /// Whether somebody in the program can revoke it.
    pub(crate) is_revocable: bool,
    /// Who asks: the module, and whoever's keys the host has proven to hold.
    pub(crate) holders: Rc<[Holder]>,
    /// What its doings are counted against.
    pub(crate) account: Account,
    pub(crate) gate: Rc<Gate>,
    _room: Taken,
}

impl Gate {
    /// The gate of an isolate for which this account is kept.
    pub(crate) fn new(rules: Rules, memory: Memory) -> Rc<Self> {
        Rc::new(Gate {
            rules,
            latest: Cell::new(0),
            room: Room::new(&memory),
            memory,
        })
    }

    /// The capability of one module.
    ///
    /// # Errors
    /// Its token cannot be signed.
    pub(crate) fn capability(self: &Rc<Self>, principal: &Arc<Principal>) -> Result<Capability, TokenError> {
        Ok(self.capability_of(principal, self.rules.plan.authority(principal)?, false))
    }

    /// A capability of this principal under this authority: one that comes from another isolate of the program, say.
    pub(crate) fn capability_of(
        self: &Rc<Self>,
        principal: &Arc<Principal>,
        authority: Authority,
        is_revocable: bool,
    ) -> Capability {
        let room = self
            .room
            .take(size_of::<Capability>() + BESIDES + authority.memory());
        Capability {
            principal: principal.clone(),
            authority,
            is_revocable,
            holders: self.holders(Holder::Module(*principal.hash.as_bytes())),
            account: self.account(&principal.package),
            gate: self.clone(),
            _room: room,
        }
    }

    /// What the modules of this package are counted against.
    pub(crate) fn account(&self, package: &str) -> Account {
        self.rules.meters.account(package)
    }

    /// Who asks in the name of this module.
    fn holders(&self, module: Holder) -> Rc<[Holder]> {
        [module]
            .into_iter()
            .chain(self.rules.presentation.keys.iter().copied())
            .collect()
    }

    /// Seconds since the Unix epoch; never less than before.
    pub(super) fn now(&self) -> u64 {
        latest(&self.latest, seconds())
    }
}

impl Capability {
    /// Decides one operation, records the decision, and refuses where it is denied. `shown` is the resource as the
    /// guest wrote it: what an error may repeat.
    pub(crate) fn check(&self, operation: &Operation<'_>, shown: &str) -> Result<(), OpError> {
        self.check_at(operation, shown, seconds())
    }

    /// As [`Capability::check`], by somebody who has just looked at the time: in seconds since the Unix epoch.
    pub(super) fn check_at(
        &self,
        operation: &Operation<'_>,
        shown: &str,
        seconds: u64,
    ) -> Result<(), OpError> {
        let now = latest(&self.gate.latest, seconds);
        self.count(operation, shown, now)?;
        match self.authority.decide(operation, &self.context(now)) {
            Decision::Allowed => self
                .record(operation, |record| record)
                .map_err(|_| self.refuse_otherwise(operation, shown, "its audit record cannot be written")),
            Decision::Denied(denial) => Err(self.refuse(operation, shown, denial)),
        }
    }

    /// As [`Capability::check`], for an operation on many resources, of which only those are given that are allowed each by
    /// itself: it goes ahead where `some` of them may be.
    pub(crate) fn check_some(
        &self,
        operation: &Operation<'_>,
        shown: &str,
        some: bool,
    ) -> Result<(), OpError> {
        if !some {
            return self.check(operation, shown);
        }
        self.count(operation, shown, self.gate.now())?;
        if let Some(denial) = self.lapse() {
            return Err(self.refuse(operation, shown, denial));
        }
        self.record(operation, |record| record)
            .map_err(|_| self.refuse_otherwise(operation, shown, "its audit record cannot be written"))
    }

    /// Counts one operation; what its quota does not cover is refused, whatever is granted.
    fn count(&self, operation: &Operation<'_>, shown: &str, now: u64) -> Result<(), OpError> {
        let counted = self.account.operation(now);
        counted.map_err(|hit| {
            let error = self.refuse_at_limit(operation, shown, &hit.to_string());
            error.marked(&self.gate.rules.marks, Mark::Limit(hit))
        })
    }

    /// A refusal of what was going on, because a quota does not cover it.
    pub(crate) fn over(&self, hit: &LimitHit, action: (&str, &str), shown: &str) -> OpError {
        self.gate.rules.over(hit, action, shown, &self.principal.name)
    }

    /// The decision alone, for questions that are not yet operations; nothing is recorded.
    pub(crate) fn decide(&self, operation: &Operation<'_>) -> Decision {
        self.authority.decide(operation, &self.context(self.gate.now()))
    }

    fn context(&self, now: u64) -> Context<'_> {
        Context {
            now,
            holders: &self.holders,
            revocations: self.gate.rules.presentation.revocations.as_ref(),
        }
    }

    /// What refuses every operation now, whatever is granted.
    pub(super) fn lapse(&self) -> Option<Denial> {
        self.authority.lapse(&self.context(self.gate.now()))
    }

    pub(crate) fn allows(&self, operation: &Operation<'_>) -> bool {
        matches!(self.decide(operation), Decision::Allowed)
    }

    /// A refusal that no block of the chain decided: a special file system, an address that no grant names.
    pub(crate) fn refuse_otherwise(&self, operation: &Operation<'_>, shown: &str, why: &str) -> OpError {
        self.refused(operation, shown, None, why.to_owned(), "denied")
    }

    /// A refusal of what is granted, because there is no more room for it.
    pub(crate) fn refuse_at_limit(&self, operation: &Operation<'_>, shown: &str, why: &str) -> OpError {
        self.refused(operation, shown, None, why.to_owned(), "limit")
    }

    pub(super) fn refuse(&self, operation: &Operation<'_>, shown: &str, denial: Denial) -> OpError {
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
    ) -> OpError {
        // A refusal that cannot be recorded is still a refusal.
        let _ = self.record(operation, |record| record.refusal(denial, why.clone()));
        let error = OpError::Refused(Box::new(Refused {
            code,
            family: operation.family().to_string(),
            action: operation.action().to_string(),
            resource: clipped(shown).into_owned(),
            module: self.principal.name.clone(),
            why,
            mark: None,
        }));
        let report = DenialReport {
            module: self.principal.name.clone(),
            package: self.principal.package.clone(),
            operation: operation.clone().into_owned(),
            denial,
            authority: self.authority.clone(),
            block_names: self.principal.block_names.clone(),
        };
        error.marked(&self.gate.rules.marks, Mark::Denied(Arc::new(report)))
    }

    /// Writes the record of a decision, an allowed one unless `complete` says otherwise.
    pub(super) fn record(
        &self,
        operation: &Operation<'_>,
        complete: impl FnOnce(AuditRecord) -> AuditRecord,
    ) -> std::io::Result<()> {
        if !self.gate.rules.audit.is_on() {
            return Ok(());
        }
        let record = AuditRecord {
            time: AuditRecord::now(),
            program: self.gate.rules.program.clone(),
            module: self.principal.name.clone(),
            hash: AuditRecord::hash_text(&self.principal.hash),
            family: operation.family().to_string(),
            action: operation.action().to_string(),
            resource: operation.resource().to_owned(),
            verdict: Verdict::Allowed,
            block: None,
            reason: None,
            sealed: None,
        };
        self.gate.rules.audit.write(&complete(record))
    }
}

/// Seconds since the Unix epoch, as the kernel knew them at its last tick, a few milliseconds ago: to look at the time itself takes
/// longer than to decide an operation.
#[cfg(target_os = "linux")]
fn seconds() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    u64::try_from(time.tv_sec).unwrap_or(0)
}

/// Seconds since the Unix epoch.
#[cfg(not(target_os = "linux"))]
fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The time, or the latest that was seen.
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
