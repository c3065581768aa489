//! From blocks to Datalog and to the bytes that are signed.

use biscuit_auth::{
    builder::{
        Binary, Check, CheckKind, Convert, Expression, Fact, Op, Predicate, Rule, Term, constrained_rule,
        fact, pred, string, var,
    },
    datalog::SymbolTable,
    format::{
        convert::{token_check_to_proto_check, token_fact_to_proto_fact},
        schema,
    },
};
use prost::Message;

use super::{AFFIX, EXACT, GRANT, HOLDER, OPERATION, Place, RESOURCE, TIME, VERSION};
use crate::{Block, Pattern, Right};

/// The facts and checks that stand for a block, in their one order.
pub(crate) fn write(block: &Block, place: Place) -> (Vec<Fact>, Vec<Check>) {
    let mut facts = Vec::new();
    let mut checks = Vec::new();
    match (&block.rights, place) {
        (Some(rights), Place::Authority) => facts.extend(rights.iter().map(grant)),
        (Some(rights), Place::Later) if rights.is_empty() => checks.push(check(vec![never()])),
        (Some(rights), Place::Later) => checks.push(check(rights.iter().map(alternative).collect())),
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
    (facts, checks)
}

fn grant(right: &Right) -> Fact {
    let (family, action) = (string(right.family.as_str()), string(right.action.as_str()));
    match &right.pattern {
        Pattern::Exact(text) => fact(GRANT, &[family, action, string(EXACT), string(text)]),
        Pattern::Affix { prefix, suffix } => fact(
            GRANT,
            &[family, action, string(AFFIX), string(prefix), string(suffix)],
        ),
    }
}

pub(super) fn alternative(right: &Right) -> Rule {
    let operation = |resource| {
        pred(
            OPERATION,
            &[
                string(right.family.as_str()),
                string(right.action.as_str()),
                resource,
            ],
        )
    };
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
    }
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

/// The bytes of a block. `symbols` are those of the blocks before it, and grow by its own.
pub(crate) fn encode(block: &Block, place: Place, symbols: &mut SymbolTable) -> Vec<u8> {
    let (facts, checks) = write(block, place);
    let known = symbols.current_offset();
    let facts = facts
        .iter()
        .map(|fact| token_fact_to_proto_fact(&fact.convert(symbols)))
        .collect();
    let checks = checks
        .iter()
        .map(|check| token_check_to_proto_check(&check.convert(symbols)))
        .collect();
    schema::Block {
        symbols: symbols.strings().split_off(known),
        context: None,
        version: Some(VERSION),
        facts,
        rules: vec![],
        checks,
        scope: vec![],
        public_keys: vec![],
    }
    .encode_to_vec()
}
