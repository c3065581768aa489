//! From signed bytes back to blocks.

use biscuit_auth::{
    builder::{Binary, Check, Convert, Expression, Fact, Op, Predicate, Rule, Term},
    datalog::SymbolTable,
    format::{
        convert::{proto_check_to_token_check, proto_fact_to_token_fact},
        schema,
    },
};
use prost::Message;

use super::{
    AFFIX, EXACT, GRANT, HOLDER, OPERATION, Place, ProfileError, TIME, VERSION,
    write::{alternative, encode, never},
};
use crate::{Block, Holder, Pattern, Right, Rights};

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
        if check.queries.iter().any(|query| !query.scope.is_empty()) {
            return Err(ProfileError::Trusting);
        }
        let check = proto_check_to_token_check(check, VERSION).map_err(undecodable)?;
        let check = Check::convert_from(&check, symbols).map_err(undecodable)?;
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
