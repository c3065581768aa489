//! What an authorizer is told: the question, and what grants mean.

use biscuit_auth::builder::{
    Binary, Expression, Fact, Policy, PolicyKind, Term, constrained_rule, fact, pred, string, var,
};

use super::{
    AFFIX, EXACT, GRANT, HOLDER, OPERATION, RESOURCE, TIME,
    write::{NO_TERMS, test},
};
use crate::{Context, Operation};

/// The facts that an authorizer is given about one operation.
pub(crate) fn question(operation: &Operation<'_>, context: &Context<'_>) -> Vec<Fact> {
    let mut facts = vec![
        fact(
            OPERATION,
            &[
                string(operation.family().as_str()),
                string(operation.action().as_str()),
                string(operation.resource()),
            ],
        ),
        fact(TIME, &[Term::Date(context.now)]),
    ];
    facts.extend(
        context
            .holder
            .map(|holder| fact(HOLDER, &[string(&holder.to_string())])),
    );
    facts
}

/// The policy that gives grants their meaning.
pub(crate) fn policy() -> Policy {
    let (family, action, resource) = (var("family"), var("action"), var(RESOURCE));
    let (prefix, suffix) = (var("prefix"), var("suffix"));
    let operation = pred(OPERATION, &[&family, &action, &resource]);
    let no_tests: [Expression; 0] = [];
    let exact = constrained_rule(
        "query",
        &NO_TERMS,
        &[
            operation.clone(),
            pred(GRANT, &[&family, &action, &string(EXACT), &resource]),
        ],
        &no_tests,
    );
    let affix = constrained_rule(
        "query",
        &NO_TERMS,
        &[
            operation,
            pred(GRANT, &[&family, &action, &string(AFFIX), &prefix, &suffix]),
        ],
        &[
            test(RESOURCE, prefix.clone(), Binary::Prefix),
            test(RESOURCE, suffix.clone(), Binary::Suffix),
        ],
    );
    Policy {
        queries: vec![exact, affix],
        kind: PolicyKind::Allow,
    }
}
