//! Delegation: attenuation, revocation and sealing. Every capability supports them beside its family's operations.

use std::rc::Rc;

use deno_core::{op2, v8};
use secure_runtime_capabilities::{
    Action, ActionName, Base, Block, BlockError, Family, FamilyName, Holder, NameError, Operation, Pattern,
    Problem, Rights, Token, parse_duration,
};

use super::error::OperationError;
use super::handle::{Handle, Source};
use super::host_objects::{host_object, object};
use super::monitor::Capability;
use crate::audit::Sealed;

/// The token chain of a module. Realm code creates the capabilities of the families from it.
pub(crate) struct Chain(pub(crate) Rc<Capability>);

host_object!(Chain);

/// Returns the capability with one more block: the given scopes of one family, until the given time. A right that is
/// not in the scopes is lost.
#[op2]
pub(crate) fn op_sr_attenuate<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] handle: &Handle,
    #[serde] grants: Vec<(String, Vec<String>)>,
    #[string] expires: Option<String>,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    let capability = &handle.capability;
    let monitor = &capability.monitor;
    let family = handle.family();
    monitor.external_memory.look(scope)?;
    let refused = |error: &dyn std::fmt::Display| OperationError::type_error(format!("attenuate: {error}"));
    let mut rights = Vec::new();
    for (action, scopes) in &grants {
        for scope in scopes {
            let parsed =
                monitor
                    .rules
                    .families
                    .parse_scope(family.as_str(), Some(action), scope, &monitor.rules.base);
            rights.extend(parsed.map_err(|error| refused(&error))?);
        }
    }
    // `{ expires }` alone limits the time and keeps the rights. If any scope is given, only the given scopes remain.
    let rights = if grants.is_empty() {
        None
    } else {
        Some(Rights::new(rights).map_err(|error| refused(&error))?)
    };
    let expires = match &expires {
        None => None,
        Some(text) => {
            let duration = parse_duration(text).map_err(|error| refused(&format!("expires: {error}")))?;
            Some(monitor.now().saturating_add(duration.as_secs()))
        }
    };
    let block = Block {
        rights,
        expires,
        ..Block::default()
    };
    let narrower = capability.narrow(&block, capability.is_revocable);
    let narrower = narrower.map_err(|error| refused(&error))?;
    object(scope, handle.narrowed(narrower)?)
}

/// Returns the capability with one more block that restricts nothing. [`op_sr_revoke`] can revoke it.
#[op2]
pub(crate) fn op_sr_revocable<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] handle: &Handle,
) -> Result<v8::Local<'s, v8::Object>, OperationError> {
    handle.monitor().external_memory.look(scope)?;
    let revocable = handle.capability.narrow(&Block::default(), true);
    let revocable = revocable.map_err(|error| OperationError::type_error(format!("revocable: {error}")))?;
    object(scope, handle.narrowed(revocable)?)
}

/// Revokes a capability that [`op_sr_revocable`] returned, and all capabilities that were narrowed from it.
#[op2(fast)]
pub(crate) fn op_sr_revoke(#[cppgc] handle: &Handle) {
    if let Some(revoker) = handle.capability.authority.revoker() {
        revoker.revoke();
    }
}

/// Returns the bytes of a token that delegates one family of the capability to a holder outside of the program.
#[op2]
#[buffer]
pub(crate) fn op_sr_seal(
    #[cppgc] handle: &Handle,
    #[string] holder: &str,
) -> Result<Vec<u8>, OperationError> {
    let refused = |error: &dyn std::fmt::Display| OperationError::type_error(format!("seal: {error}"));
    let holder: Holder = holder.parse().map_err(|error| refused(&error))?;
    let capability = &handle.capability;
    let sealing = Sealing::of(handle.family()).map_err(|error| refused(&error))?;
    let shown = holder.to_string();
    let operation = Operation::new(&sealing, SEAL, &shown, &capability.monitor.rules.base);
    let operation = operation.map_err(|error| refused(&error))?;
    capability.seal(&operation, holder, &shown)
}

impl Handle {
    /// Returns the handle of a capability that was narrowed from this one.
    fn narrowed(&self, capability: Capability) -> Result<Handle, OperationError> {
        let source = Source::Narrowed(&*self.state);
        Handle::new(Rc::new(capability), self.extension.clone(), source)
    }
}

impl Capability {
    fn narrow(&self, block: &Block, is_revocable: bool) -> Result<Capability, BlockError> {
        let authority = self.authority.narrow(block)?;
        Ok(self
            .monitor
            .capability_of(&self.principal, authority, is_revocable))
    }

    /// Decides whether the operation's family of this capability may leave the program. Records the decision and
    /// returns the token.
    ///
    /// The chain inside the program is bound to the module, and no external holder can be that module. So the exported
    /// chain is the token that was given to the program, and one more block. That block contains the effective rights
    /// of the family, the expiry, and the holder. It does not exceed the capability, because it contains all
    /// restrictions of the later blocks. Only their holder is replaced.
    fn seal(
        &self,
        operation: &Operation<'_>,
        holder: Holder,
        shown: &str,
    ) -> Result<Vec<u8>, OperationError> {
        if let Some(denial) = self.lapse() {
            return Err(self.refuse(operation, shown, denial));
        }
        let refuse = |why: &str| self.refuse_otherwise(operation, shown, why);
        if self.is_revocable {
            return Err(refuse(
                "a revocation in this program does not reach a token outside of it; seal a capability that is not revocable, and set an expiry",
            ));
        }
        let Some(given) = self.monitor.rules.plan.given() else {
            return Err(refuse(
                "the program runs without a token, so nobody else could verify a sealed token; run it with a token and its root key",
            ));
        };
        if let Some(bound) = given
            .blocks()
            .iter()
            .filter_map(|block| block.holder)
            .find(|bound| *bound != holder)
        {
            return Err(refuse(&format!(
                "the program's token is bound to {bound}, so no other holder could use a token derived from it; run it with a token that is not bound"
            )));
        }
        let rights = self.authority.effective_rights().iter();
        let rights = Rights::new(rights.filter(|right| right.family == operation.family()).cloned());
        let rights = rights.map_err(|error| refuse(&error.to_string()))?;
        if rights.is_empty() {
            return Err(refuse("no grant is left that could be sealed"));
        }
        let block = self.exported(given, rights, holder);
        let sealed = given.attenuate(&block).and_then(|token| token.seal());
        let sealed = sealed.map_err(|error| refuse(&error.to_string()))?;
        let recorded = self.record(operation, |record| record.sealing(self.sealed(&sealed)));
        recorded.map_err(|_| refuse("its audit record cannot be written"))?;
        Ok(sealed.as_bytes().to_vec())
    }

    /// Returns one block with the combined restrictions of all blocks that the program added to the given token.
    fn exported(&self, given: &Token, rights: Rights, holder: Holder) -> Block {
        let own = || self.authority.blocks().iter().skip(given.blocks().len());
        Block {
            rights: Some(rights),
            expires: own().filter_map(|block| block.expires).min(),
            not_before: own().filter_map(|block| block.not_before).max(),
            holder: Some(holder),
            ..Block::default()
        }
    }

    fn sealed(&self, token: &Token) -> Sealed {
        let authority = token.authority();
        let described = self
            .monitor
            .rules
            .families
            .describe(authority.effective_rights(), &self.monitor.rules.base);
        Sealed {
            token: token.id().to_string(),
            grants: described.iter().map(|grant| grant.manifest_line()).collect(),
            expires: authority.expires(),
        }
    }
}

/// The action name for decisions and records of sealing.
pub const SEAL: &str = "seal";

/// A family for the decision on sealing. No token grants the action, because holding the capability is sufficient. The
/// resource is the holder.
pub(super) struct Sealing {
    family: FamilyName,
    actions: [Action; 1],
}

impl Sealing {
    pub(super) fn of(family: FamilyName) -> Result<Sealing, NameError> {
        let name: ActionName = SEAL.parse()?;
        Ok(Sealing {
            family,
            actions: [Action {
                name,
                summary: "give a capability to a holder outside the program",
            }],
        })
    }
}

impl Family for Sealing {
    fn name(&self) -> FamilyName {
        self.family
    }

    fn actions(&self) -> &[Action] {
        &self.actions
    }

    fn parse_scope(&self, _: ActionName, _: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Err(Problem::Other("it cannot be granted".to_owned()))
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        let holder: Result<Holder, _> = text.parse();
        holder
            .map(|holder| holder.to_string())
            .map_err(|error| Problem::Other(error.to_string()))
    }

    fn describe(&self, _: ActionName, _: &[Pattern], _: &Base) -> Vec<String> {
        Vec::new()
    }
}
