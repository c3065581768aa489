//! Facts and the policy in the token library's types: the authorizer evaluates them, and third parties sign
//! them.

use biscuit_auth::builder::{
    Binary, Expression, Fact, Op, Policy, PolicyKind, Term, constrained_rule, fact, int, pred, string, var,
};

use super::{
    ADDRESS, AFFIX, ATTESTED, BELOW, ENDPOINT, EXACT, GRANT, HOLDER, HOST, NETWORK, OPERATION, PORT, QUERY,
    RESOURCE, TIME,
};
use crate::{
    ActionName, Attestation, Context, FamilyName, Holder, Operation,
    endpoint::{bits, parts},
};

/// Returns the facts about one operation, for the authorizer.
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
    let holders = context.holders.iter();
    facts.extend(holders.map(|holder| fact(HOLDER, &[string(&holder.to_string())])));
    if (operation.family(), operation.action()) == (FamilyName::NET, ActionName::CONNECT) {
        facts.extend(parts(operation.resource()).map(|parts| {
            let terms = [
                string(operation.family().as_str()),
                string(operation.action().as_str()),
                string(parts.scheme),
                string(parts.host),
                string(&parts.address.map(bits).unwrap_or_default()),
                int(parts.port.into()),
            ];
            fact(ENDPOINT, &terms)
        }));
    }
    facts
}

/// Returns the facts that a third party signs.
pub(crate) fn attested(attestation: &Attestation) -> Vec<Fact> {
    let modules = attestation.modules().iter().copied().map(Holder::Module);
    modules
        .map(|module| fact(ATTESTED, &[string(&module.to_string())]))
        .collect()
}

/// Returns the authorizer's policy, which defines the meaning of grants.
pub(crate) fn policy() -> Policy {
    let (family, action, resource) = (var("family"), var("action"), var(RESOURCE));
    let (prefix, suffix) = (var("prefix"), var("suffix"));
    let operation = pred(OPERATION, &[&family, &action, &resource]);
    let no_tests: [Expression; 0] = [];
    let exact = constrained_rule(
        QUERY,
        &NO_TERMS,
        &[
            operation.clone(),
            pred(GRANT, &[&family, &action, &string(EXACT), &resource]),
        ],
        &no_tests,
    );
    let affix = constrained_rule(
        QUERY,
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
    let mut queries = vec![exact, affix];
    let (scheme, host, address, port) = (var("scheme"), var(HOST), var(ADDRESS), var(PORT));
    let (first, last) = (var("first"), var("last"));
    let endpoint = pred(ENDPOINT, &[&family, &action, &scheme, &host, &address, &port]);
    for (kind, hosts, tests) in [
        (HOST, &host, vec![]),
        (BELOW, &suffix, vec![test(HOST, suffix.clone(), Binary::Suffix)]),
        (
            NETWORK,
            &var("bits"),
            vec![test(ADDRESS, var("bits"), Binary::Prefix)],
        ),
    ] {
        let grant = pred(
            GRANT,
            &[&family, &action, &string(kind), &scheme, hosts, &first, &last],
        );
        let ports = [
            test(PORT, first.clone(), Binary::GreaterOrEqual),
            test(PORT, last.clone(), Binary::LessOrEqual),
        ];
        let tests: Vec<Expression> = tests.into_iter().chain(ports).collect();
        queries.push(constrained_rule(
            QUERY,
            &NO_TERMS,
            &[endpoint.clone(), grant],
            &tests,
        ));
    }
    Policy {
        queries,
        kind: PolicyKind::Allow,
    }
}

const NO_TERMS: [Term; 0] = [];

fn test(variable: &str, value: Term, comparison: Binary) -> Expression {
    Expression {
        ops: vec![Op::Value(var(variable)), Op::Value(value), Op::Binary(comparison)],
    }
}
