//! The token profile: how a block is written in Biscuit's Datalog, and read back.
//!
//! The reader picks a block's parts out of decoded Datalog; then the writer writes that block again, and
//! its bytes must be the bytes that were signed. So every block has one encoding, and nothing that the
//! reader overlooked can be in a token. spec/tokens.md is the normative text; TOK numbers refer to it.

use biscuit_auth::{
    builder::{
        Binary, Check, CheckKind, Convert, Expression, Fact, Op, Policy, PolicyKind, Predicate, Rule, Term,
        constrained_rule, fact, pred, string, var,
    },
    datalog::SymbolTable,
    format::{
        convert::{
            proto_check_to_token_check, proto_fact_to_token_fact, token_check_to_proto_check,
            token_fact_to_proto_fact,
        },
        schema,
    },
};
use prost::Message;
use thiserror::Error;

use crate::{Block, Context, Holder, Operation, Pattern, Right, Rights, TooManyRights, text::quoted};

/// The Datalog version of every block: 3.0, the oldest that is current, so that all tools read it.
const VERSION: u32 = 3;

const GRANT: &str = "grant";
const EXACT: &str = "exact";
const AFFIX: &str = "affix";
const OPERATION: &str = "operation";
const TIME: &str = "time";
const HOLDER: &str = "holder";
const RESOURCE: &str = "resource";

/// Why a block with valid signatures is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The signed bytes are no Datalog block.
    #[error("it cannot be decoded: {}", quoted(cause))]
    Undecodable {
        /// What the decoder says.
        cause: String,
    },
    /// Another Datalog version than 3.0.
    #[error("it declares Datalog version number {version}; the profile is {VERSION} (Datalog 3.0)")]
    Version {
        /// The declared number.
        version: u32,
    },
    /// A context text.
    #[error("it holds a context text")]
    Context,
    /// Rules.
    #[error("it holds a rule; blocks hold only grants and checks")]
    Rule,
    /// A `trusting` scope.
    #[error("it says `trusting`; blocks trust only the authority block")]
    Trusting,
    /// A table of public keys.
    #[error("it lists public keys, which only third-party blocks need")]
    PublicKeys,
    /// A fact in a block after the authority block.
    #[error("it holds a fact; only the authority block grants")]
    FactOutsideAuthority,
    /// A fact that is not a grant.
    #[error("it holds the fact {}; the authority block holds only grants", quoted(name))]
    Fact {
        /// The fact's predicate.
        name: String,
    },
    /// `check all` or `reject if`.
    #[error("its check {check} is not a `check if`")]
    CheckKind {
        /// The check's number in the block, from 0.
        check: usize,
    },
    /// A check of a form that the profile does not have.
    #[error(
        "its check {check} is none of the profile's: one operation's resources, one time limit, or one holder"
    )]
    Check {
        /// The check's number in the block, from 0.
        check: usize,
    },
    /// Two checks of one kind.
    #[error("its check {check} repeats an earlier kind of check")]
    Repeated {
        /// The second check's number in the block, from 0.
        check: usize,
    },
    /// More rights than one block may hold.
    #[error(transparent)]
    TooManyRights(#[from] TooManyRights),
    /// It means something that is written otherwise.
    #[error("it is not in canonical form: rights sorted, none covered by another, and nothing unused")]
    NotCanonical,
}

/// Where in the chain a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first block, which grants.
    Authority,
    /// Any other, which only checks.
    Later,
}

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

fn alternative(right: &Right) -> Rule {
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

fn never() -> Rule {
    let no_predicates: [Predicate; 0] = [];
    let never = Expression {
        ops: vec![Op::Value(Term::Bool(false))],
    };
    constrained_rule("query", &NO_TERMS, &no_predicates, &[never])
}

const NO_TERMS: [Term; 0] = [];

fn test(variable: &str, value: Term, comparison: Binary) -> Expression {
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

/// The block that signed bytes stand for. `symbols` are those of the blocks before it, and grow by its own.
pub(crate) fn decode(bytes: &[u8], place: Place, symbols: &mut SymbolTable) -> Result<Block, ProfileError> {
    let undecodable = |cause: &dyn ToString| ProfileError::Undecodable {
        cause: cause.to_string(),
    };
    let schema = schema::Block::decode(bytes).map_err(|error| undecodable(&error))?;
    let mut all_symbols = symbols.clone();
    SymbolTable::from(schema.symbols.clone())
        .and_then(|own| all_symbols.extend(&own))
        .map_err(|error| undecodable(&error))?;
    let block = read(&schema, place, &all_symbols)?;
    if encode(&block, place, symbols) != bytes {
        return Err(ProfileError::NotCanonical);
    }
    Ok(block)
}

fn read(schema: &schema::Block, place: Place, symbols: &SymbolTable) -> Result<Block, ProfileError> {
    let undecodable = |error: biscuit_auth::error::Format| ProfileError::Undecodable {
        cause: error.to_string(),
    };
    // Most telling first: what a block of another purpose holds, then how it is written.
    if !schema.rules.is_empty() {
        return Err(ProfileError::Rule);
    }
    if !schema.facts.is_empty() && place == Place::Later {
        return Err(ProfileError::FactOutsideAuthority);
    }
    if !schema.scope.is_empty() {
        return Err(ProfileError::Trusting);
    }
    if !schema.public_keys.is_empty() {
        return Err(ProfileError::PublicKeys);
    }
    if schema.context.is_some() {
        return Err(ProfileError::Context);
    }

    let mut block = Block::default();
    if place == Place::Authority {
        let mut rights = Vec::new();
        for fact in &schema.facts {
            let fact = proto_fact_to_token_fact(fact).map_err(undecodable)?;
            let predicate = Fact::convert_from(&fact, symbols).map_err(undecodable)?.predicate;
            rights.push(read_grant(&predicate).ok_or(ProfileError::Fact { name: predicate.name })?);
        }
        block.rights = Some(Rights::new(rights)?);
    }
    for (number, check) in schema.checks.iter().enumerate() {
        if !matches!(check.kind, None | Some(0)) {
            return Err(ProfileError::CheckKind { check: number });
        }
        let check = proto_check_to_token_check(check, VERSION).map_err(undecodable)?;
        let check = Check::convert_from(&check, symbols).map_err(undecodable)?;
        if check.queries.iter().any(|query| !query.scopes.is_empty()) {
            return Err(ProfileError::Trusting);
        }
        let part = read_check(&check, place).ok_or(ProfileError::Check { check: number })?;
        let repeated = match part {
            Part::Rights(rights) => block.rights.replace(Rights::new(rights)?).is_some(),
            Part::NotBefore(from) => block.not_before.replace(from).is_some(),
            Part::Expires(at) => block.expires.replace(at).is_some(),
            Part::Holder(holder) => block.holder.replace(holder).is_some(),
        };
        if repeated {
            return Err(ProfileError::Repeated { check: number });
        }
    }
    match schema.version {
        Some(VERSION) => Ok(block),
        version => Err(ProfileError::Version {
            version: version.unwrap_or_default(),
        }),
    }
}

/// What one check says.
enum Part {
    Rights(Vec<Right>),
    NotBefore(u64),
    Expires(u64),
    Holder(Holder),
}

fn read_check(check: &Check, place: Place) -> Option<Part> {
    if let [query] = check.queries.as_slice()
        && same(query, &never())
    {
        return (place == Place::Later).then_some(Part::Rights(vec![]));
    }
    let first = check.queries.first()?;
    match (first.body.as_slice(), check.queries.len()) {
        ([predicate], 1) if predicate.name == TIME => match first.expressions.as_slice() {
            [Expression { ops }] => match ops.as_slice() {
                [_, Op::Value(Term::Date(at)), Op::Binary(Binary::LessThan)] => Some(Part::Expires(*at)),
                [_, Op::Value(Term::Date(from)), Op::Binary(Binary::GreaterOrEqual)] => {
                    Some(Part::NotBefore(*from))
                }
                _ => None,
            },
            _ => None,
        },
        ([Predicate { name, terms }], 1) if name == HOLDER => match terms.as_slice() {
            [Term::Str(text)] => text.parse().ok().map(Part::Holder),
            _ => None,
        },
        _ if place == Place::Later => check
            .queries
            .iter()
            .map(read_alternative)
            .collect::<Option<_>>()
            .map(Part::Rights),
        _ => None,
    }
}

fn read_grant(predicate: &Predicate) -> Option<Right> {
    let (family, action, pattern) = match predicate.terms.as_slice() {
        [
            Term::Str(family),
            Term::Str(action),
            Term::Str(kind),
            Term::Str(text),
        ] if kind == EXACT => (family, action, Pattern::exact(text)),
        [
            Term::Str(family),
            Term::Str(action),
            Term::Str(kind),
            Term::Str(prefix),
            Term::Str(suffix),
        ] if kind == AFFIX => (family, action, Pattern::affix(prefix, suffix)),
        _ => return None,
    };
    if predicate.name != GRANT {
        return None;
    }
    Some(Right {
        family: family.parse().ok()?,
        action: action.parse().ok()?,
        pattern,
    })
}

fn read_alternative(query: &Rule) -> Option<Right> {
    let [Predicate { name, terms }] = query.body.as_slice() else {
        return None;
    };
    let [Term::Str(family), Term::Str(action), resource] = terms.as_slice() else {
        return None;
    };
    if name != OPERATION {
        return None;
    }
    let pattern = match resource {
        Term::Str(text) => Pattern::exact(text),
        _ => {
            let (mut prefix, mut suffix) = (String::new(), String::new());
            for Expression { ops } in &query.expressions {
                match ops.as_slice() {
                    [_, Op::Value(Term::Str(text)), Op::Binary(Binary::Prefix)] => prefix.clone_from(text),
                    [_, Op::Value(Term::Str(text)), Op::Binary(Binary::Suffix)] => suffix.clone_from(text),
                    _ => return None,
                }
            }
            Pattern::affix(prefix, suffix)
        }
    };
    let right = Right {
        family: family.parse().ok()?,
        action: action.parse().ok()?,
        pattern,
    };
    // Anything that was skipped above shows as a difference.
    same(query, &alternative(&right)).then_some(right)
}

/// Whether two queries test the same. Heads mean nothing in a check, and the bytes are compared anyway.
fn same(left: &Rule, right: &Rule) -> bool {
    left.body == right.body && left.expressions == right.expressions
}

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
