//! From blocks to Datalog and to the bytes that are signed.

use biscuit_auth::{
    Algorithm,
    builder::{
        Binary, Check, CheckKind, Convert, Expression, Fact, Op, Predicate, Rule, Scope, Term,
        constrained_rule, fact, int, pred, string, var,
    },
    format::{
        convert::{token_check_to_proto_check, token_fact_to_proto_fact},
        schema,
    },
};
use prost::Message;

use super::{
    ADDRESS, AFFIX, ATTESTED, ENDPOINT, EXACT, GRANT, HOLDER, HOST, MODULE, OPERATION, PORT, Place, RESOURCE,
    Symbols, TIME, VERSION, VERSION_OF_DEMANDS, VERSION_OF_THIRD_PARTIES,
};
use crate::{Block, Endpoint, Holder, Hosts, Pattern, PublicKey, Right};

/// The facts and checks that stand for a block, in their one order.
pub(crate) fn write(block: &Block, place: Place) -> (Vec<Fact>, Vec<Check>) {
    let mut facts = Vec::new();
    let mut checks = Vec::new();
    match (&block.rights, place) {
        (Some(rights), Place::Authority) => facts.extend(rights.iter().map(grant)),
        (Some(rights), _) if rights.is_empty() => checks.push(check(vec![never()])),
        (Some(rights), _) => checks.push(check(rights.iter().map(alternative).collect())),
        (None, _) => {}
    }
    if let Some(from) = block.not_before {
        checks.push(check(vec![time(Binary::GreaterOrEqual, from)]));
    }
    if let Some(at) = block.expires {
        checks.push(check(vec![time(Binary::LessThan, at)]));
    }
    if let Some(holder) = &block.holder {
        checks.push(check(vec![query(
            pred(HOLDER, &[string(&holder.to_string())]),
            vec![],
        )]));
    }
    if let Some(by) = block.attested_by {
        checks.extend(demand(by).map(|query| check(vec![query])));
    }
    if let Some(attestation) = &block.attestation {
        let modules = attestation.modules().iter().copied().map(Holder::Module);
        facts.extend(modules.map(|module| fact(ATTESTED, &[string(&module.to_string())])));
    }
    (facts, checks)
}

fn grant(right: &Right) -> Fact {
    let mut terms = vec![string(right.family.as_str()), string(right.action.as_str())];
    match &right.pattern {
        Pattern::Exact(text) => terms.extend([string(EXACT), string(text)]),
        Pattern::Affix { prefix, suffix } => terms.extend([string(AFFIX), string(prefix), string(suffix)]),
        Pattern::Endpoint(endpoint) => terms.extend([
            string(endpoint.hosts().kind()),
            string(endpoint.scheme()),
            string(&hosts(endpoint)),
            int(endpoint.first().into()),
            int(endpoint.last().into()),
        ]),
    }
    fact(GRANT, &terms)
}

/// The host, the suffix, or the bits.
fn hosts(endpoint: &Endpoint) -> String {
    match endpoint.hosts() {
        Hosts::One(text) | Hosts::Below(text) => text.clone(),
        Hosts::Network(network) => network.to_bits(),
    }
}

pub(super) fn alternative(right: &Right) -> Rule {
    let (family, action) = (string(right.family.as_str()), string(right.action.as_str()));
    let operation = |resource| pred(OPERATION, &[&family, &action, &resource]);
    match &right.pattern {
        Pattern::Exact(text) => query(operation(string(text)), vec![]),
        Pattern::Affix { prefix, suffix } => {
            let mut tests = Vec::new();
            if !prefix.is_empty() {
                tests.push(test(RESOURCE, string(prefix), Binary::Prefix));
            }
            if !suffix.is_empty() {
                tests.push(test(RESOURCE, string(suffix), Binary::Suffix));
            }
            query(operation(var(RESOURCE)), tests)
        }
        Pattern::Endpoint(endpoint) => {
            let mut tests = Vec::new();
            let text = string(&hosts(endpoint));
            let host = match endpoint.hosts() {
                Hosts::One(_) => text,
                Hosts::Below(_) => {
                    tests.push(test(HOST, text, Binary::Suffix));
                    var(HOST)
                }
                Hosts::Network(_) => {
                    tests.push(test(ADDRESS, text, Binary::Prefix));
                    var(HOST)
                }
            };
            let (first, last) = (int(endpoint.first().into()), int(endpoint.last().into()));
            let port = if first == last {
                first
            } else {
                tests.push(test(PORT, first, Binary::GreaterOrEqual));
                tests.push(test(PORT, last, Binary::LessOrEqual));
                var(PORT)
            };
            let scheme = string(endpoint.scheme());
            query(
                pred(
                    ENDPOINT,
                    &[&family, &action, &scheme, &host, &var(ADDRESS), &port],
                ),
                tests,
            )
        }
    }
}

/// The demand for this key's attestation; `None` for a key that the token library refuses, which none of ours is.
pub(super) fn demand(by: PublicKey) -> Option<Rule> {
    let (holder, attested) = (pred(HOLDER, &[var(MODULE)]), pred(ATTESTED, &[var(MODULE)]));
    let no_tests: [Expression; 0] = [];
    let mut rule = constrained_rule("query", &NO_TERMS, &[holder, attested], &no_tests);
    rule.scopes = vec![Scope::PublicKey(by.to_biscuit().ok()?)];
    Some(rule)
}

fn time(comparison: Binary, seconds: u64) -> Rule {
    query(
        pred(TIME, &[var(TIME)]),
        vec![test(TIME, Term::Date(seconds), comparison)],
    )
}

pub(super) fn never() -> Rule {
    let no_predicates: [Predicate; 0] = [];
    let never = Expression {
        ops: vec![Op::Value(Term::Bool(false))],
    };
    constrained_rule("query", &NO_TERMS, &no_predicates, &[never])
}

pub(super) const NO_TERMS: [Term; 0] = [];

pub(super) fn test(variable: &str, value: Term, comparison: Binary) -> Expression {
    Expression {
        ops: vec![Op::Value(var(variable)), Op::Value(value), Op::Binary(comparison)],
    }
}

fn query(predicate: Predicate, tests: Vec<Expression>) -> Rule {
    constrained_rule("query", &NO_TERMS, &[predicate], &tests)
}

fn check(queries: Vec<Rule>) -> Check {
    Check {
        queries,
        kind: CheckKind::One,
    }
}

/// The Datalog version that a block's form needs.
pub(super) fn version(block: &Block, place: Place) -> u32 {
    match place {
        Place::ThirdParty(_) => VERSION_OF_THIRD_PARTIES,
        _ if block.attested_by.is_some() => VERSION_OF_DEMANDS,
        _ => VERSION,
    }
}

/// The bytes of a block. `symbols` are those of the blocks before it, and grow by its own; a third party's are not shared.
pub(crate) fn encode(block: &Block, place: Place, symbols: &mut Symbols) -> Vec<u8> {
    let mut own = Symbols::default();
    let symbols = match place {
        Place::ThirdParty(_) => &mut own,
        _ => symbols,
    };
    let (facts, checks) = write(block, place);
    let known = symbols.table.current_offset();
    let facts = facts
        .iter()
        .map(|fact| token_fact_to_proto_fact(&fact.convert(&mut symbols.table)))
        .collect();
    let checks = checks
        .iter()
        .map(|check| token_check_to_proto_check(&check.convert(&mut symbols.table)))
        .collect();
    let new_key = block.attested_by.filter(|key| !symbols.keys.contains(key));
    symbols.keys.extend(new_key);
    let new_key = new_key.map(|key| schema::PublicKey {
        algorithm: Algorithm::Ed25519 as i32,
        key: key.as_bytes().to_vec(),
    });
    schema::Block {
        symbols: symbols.table.strings().split_off(known),
        context: None,
        version: Some(version(block, place)),
        facts,
        rules: vec![],
        checks,
        scope: vec![],
        public_keys: new_key.into_iter().collect(),
    }
    .encode_to_vec()
}
