//! The denial that the text of a mark describes, if the denial itself is no longer stored.

use secure_runtime_capabilities::{Denial, Operation, PublicKey, Reason};

use super::delegation::{SEAL, Sealing};
use super::error::OperationError;
use super::marks::{Mark, from_word};
use super::monitor::Rules;
use crate::outcome::DenialReport;

/// Returns the mark of this error, in a program with these rules.
pub(crate) fn mark_of(error: &OperationError, rules: &Rules) -> Option<Mark> {
    mark_of_message(&error.to_string(), rules)
}

/// Returns the mark of the error with this message that Rust created, and that never became an object of a guest.
pub(crate) fn mark_of_message(message: &str, rules: &Rules) -> Option<Mark> {
    mark(&rules.marks.text(message), rules)
}

/// Returns the mark with this text, in a program with these rules.
pub(crate) fn mark(text: &str, rules: &Rules) -> Option<Mark> {
    let described = || {
        let (_number, words) = text.strip_prefix("denied ")?.split_once(' ')?;
        Some(Mark::Denied(report(words.split(' '), rules)?.into()))
    };
    rules.marks.stored(text).or_else(described)
}

/// Returns the denial from the words that `marks.rs` wrote. Its authority is that of the module, without attenuations.
fn report<'a>(mut words: impl Iterator<Item = &'a str>, rules: &Rules) -> Option<DenialReport> {
    let module = from_word(words.next()?)?;
    let package = from_word(words.next()?)?;
    let (family, action) = (words.next()?, words.next()?);
    let resource = from_word(words.next()?)?;
    let (block, reason) = (words.next()?, words.next()?);

    let family = rules.families.family(family).ok()?;
    let operation = if action == SEAL {
        let sealing = Sealing::of(family.name()).ok()?;
        Operation::new(&sealing, action, &resource, &rules.base)
    } else {
        Operation::new(family, action, &resource, &rules.base)
    };
    let reason = match reason.split_once(':').unwrap_or((reason, "")) {
        ("grant", _) => Some(Reason::NoGrant),
        ("expired", at) => Some(Reason::Expired { at: at.parse().ok()? }),
        ("early", from) => Some(Reason::NotYetValid {
            from: from.parse().ok()?,
        }),
        ("holder", _) => Some(Reason::WrongHolder),
        ("attested", by) => Some(Reason::NotAttested {
            by: by.parse::<PublicKey>().ok()?,
        }),
        ("revoked", _) => Some(Reason::Revoked),
        ("stale", since) => Some(Reason::StaleRevocations {
            since: since.parse().ok()?,
        }),
        _ => None,
    };
    let denial = match reason {
        Some(reason) => Some(Denial {
            block: block.parse().ok()?,
            reason,
        }),
        None => None,
    };
    // A module that was added at run time is not in the plan, so the program's authority is shown.
    let principal = rules.plan.named(&module);
    let authority = principal.and_then(|principal| rules.plan.authority(principal).ok());
    Some(DenialReport {
        module,
        package,
        operation: operation.ok()?.into_owned(),
        denial,
        authority: authority.unwrap_or_else(|| rules.plan.ceiling().clone()),
        block_names: principal
            .map(|principal| principal.block_names.clone())
            .unwrap_or_default(),
    })
}
