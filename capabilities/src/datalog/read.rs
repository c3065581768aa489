//! From signed bytes back to blocks.

use biscuit_auth::{
    PublicKey as LibraryKey,
    builder::{Binary, Check, Convert, Expression, Fact, Op, Predicate, Rule, Scope, Term},
    datalog::SymbolTable,
    format::{
        convert::{proto_check_to_token_check, proto_fact_to_token_fact},
        schema::{self, public_key::Algorithm},
    },
};
use prost::Message;

use super::{
    AFFIX, ATTESTED, BELOW, ENDPOINT, EXACT, GRANT, HOLDER, HOST, NETWORK, OPERATION, Place, ProfileError,
    Symbols, TIME, VERSION_OF_DEMANDS,
    write::{alternative, demand, encode, never, version},
};
use crate::{Attestation, Block, Endpoint, Holder, Hosts, Network, Pattern, PublicKey, Right, Rights};

/// The block that signed bytes stand for. `symbols` are those of the blocks before it, and grow by its own.
pub(crate) fn decode(bytes: &[u8], place: Place, symbols: &mut Symbols) -> Result<Block, ProfileError> {
    let schema = schema::Block::decode(bytes).map_err(|error| undecodable(&error))?;
    let shared = match place {
        Place::ThirdParty(_) => SymbolTable::new(),
        _ => symbols.table.clone(),
    };
    let block = read(&schema, place, shared)?;
    if encode(&block, place, symbols) != bytes {
        return Err(ProfileError::NotCanonical);
    }
    Ok(block)
}

fn undecodable(cause: &dyn ToString) -> ProfileError {
    ProfileError::Undecodable {
        cause: cause.to_string(),
    }
}

fn read(schema: &schema::Block, place: Place, mut symbols: SymbolTable) -> Result<Block, ProfileError> {
    let undecodable = |error: biscuit_auth::error::Format| undecodable(&error);
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
    if schema.context.is_some() {
        return Err(ProfileError::Context);
    }
    if !schema.checks.is_empty() && matches!(place, Place::ThirdParty(_)) {
        return Err(ProfileError::Attestation);
    }

    SymbolTable::from(schema.symbols.clone())
        .and_then(|own| symbols.extend(&own))
        .map_err(undecodable)?;
    let keys = keys(&schema.public_keys, &mut symbols)?;

    let facts = schema.facts.iter().map(|fact| {
        let fact = proto_fact_to_token_fact(fact).map_err(undecodable)?;
        Ok(Fact::convert_from(&fact, &symbols)
            .map_err(undecodable)?
            .predicate)
    });
    let facts: Vec<Predicate> = facts.collect::<Result<_, ProfileError>>()?;
    let mut block = Block::default();
    match place {
        Place::Authority => {
            let mut rights = Vec::new();
            for fact in facts {
                rights.push(read_grant(&fact).ok_or(ProfileError::Fact { name: fact.name })?);
            }
            block.rights = Some(Rights::new(rights)?);
        }
        Place::Later => {}
        Place::ThirdParty(by) => {
            let modules: Option<Vec<[u8; 32]>> = facts.iter().map(read_attested).collect();
            let attestation = modules.and_then(|modules| Attestation::new(by, modules).ok());
            block.attestation = Some(attestation.ok_or(ProfileError::Attestation)?);
        }
    }
    for (number, check) in schema.checks.iter().enumerate() {
        if !matches!(check.kind, None | Some(0)) {
            return Err(ProfileError::CheckKind { check: number });
        }
        let check = proto_check_to_token_check(check, VERSION_OF_DEMANDS).map_err(undecodable)?;
        let check = Check::convert_from(&check, &symbols).map_err(undecodable)?;
        let part = match read_check(&check, place) {
            Some(part) => part,
            None if check.queries.iter().any(|query| !query.scopes.is_empty()) => {
                return Err(ProfileError::Trusting);
            }
            None => return Err(ProfileError::Check { check: number }),
        };
        let repeated = match part {
            Part::Rights(rights) => block.rights.replace(Rights::new(rights)?).is_some(),
            Part::NotBefore(from) => block.not_before.replace(from).is_some(),
            Part::Expires(at) => block.expires.replace(at).is_some(),
            Part::Holder(holder) => block.holder.replace(holder).is_some(),
            Part::AttestedBy(by) => block.attested_by.replace(by).is_some(),
        };
        if repeated {
            return Err(ProfileError::Repeated { check: number });
        }
    }
    if keys.iter().any(|key| block.attested_by != Some(*key)) {
        return Err(ProfileError::PublicKeys);
    }
    let expected = version(&block, place);
    match schema.version {
        Some(version) if version == expected => Ok(block),
        version => Err(ProfileError::Version {
            version: version.unwrap_or_default(),
            expected,
        }),
    }
}

/// The public keys that a block lists, put into the table that its checks refer to.
fn keys(listed: &[schema::PublicKey], symbols: &mut SymbolTable) -> Result<Vec<PublicKey>, ProfileError> {
    let mut keys = Vec::new();
    for key in listed {
        let is_ours = key.algorithm == Algorithm::Ed25519 as i32;
        let bytes: Option<[u8; 32]> = key.key.as_slice().try_into().ok().filter(|_| is_ours);
        let key = bytes
            .and_then(|bytes| PublicKey::from_bytes(bytes).ok())
            .ok_or(ProfileError::PublicKeys)?;
        let library = key.to_biscuit().map_err(|error| undecodable(&error))?;
        Scope::PublicKey(library).convert(symbols);
        keys.push(key);
    }
    Ok(keys)
}

/// What one check says.
enum Part {
    Rights(Vec<Right>),
    NotBefore(u64),
    Expires(u64),
    Holder(Holder),
    AttestedBy(PublicKey),
}

fn read_check(check: &Check, place: Place) -> Option<Part> {
    if let [query] = check.queries.as_slice() {
        if same(query, &never()) {
            return (place == Place::Later).then_some(Part::Rights(vec![]));
        }
        if let [Scope::PublicKey(key)] = query.scopes.as_slice() {
            let by = read_key(key)?;
            return same(query, &demand(by)?).then_some(Part::AttestedBy(by));
        }
    }
    if check.queries.iter().any(|query| !query.scopes.is_empty()) {
        return None;
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

fn read_key(key: &LibraryKey) -> Option<PublicKey> {
    let bytes = key.to_bytes().try_into().ok();
    bytes.and_then(|bytes| PublicKey::from_bytes(bytes).ok())
}

fn read_attested(predicate: &Predicate) -> Option<[u8; 32]> {
    match (predicate.name.as_str(), predicate.terms.as_slice()) {
        (ATTESTED, [Term::Str(text)]) => match text.parse() {
            Ok(Holder::Module(hash)) => Some(hash),
            _ => None,
        },
        _ => None,
    }
}

fn read_grant(predicate: &Predicate) -> Option<Right> {
    let [Term::Str(family), Term::Str(action), Term::Str(kind), rest @ ..] = predicate.terms.as_slice()
    else {
        return None;
    };
    let pattern = match (kind.as_str(), rest) {
        (EXACT, [Term::Str(text)]) => Pattern::exact(text),
        (AFFIX, [Term::Str(prefix), Term::Str(suffix)]) => Pattern::affix(prefix, suffix),
        (
            kind,
            [
                Term::Str(scheme),
                Term::Str(text),
                Term::Integer(first),
                Term::Integer(last),
            ],
        ) => {
            let hosts = match kind {
                HOST => Hosts::One(text.clone()),
                BELOW => Hosts::Below(text.clone()),
                NETWORK => Hosts::Network(Network::from_bits(text)?),
                _ => return None,
            };
            Endpoint::pattern(scheme, hosts, port(*first)?, port(*last)?)?
        }
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

fn port(number: i64) -> Option<u16> {
    number.try_into().ok()
}

fn read_alternative(query: &Rule) -> Option<Right> {
    let [Predicate { name, terms }] = query.body.as_slice() else {
        return None;
    };
    let [Term::Str(family), Term::Str(action), rest @ ..] = terms.as_slice() else {
        return None;
    };
    let pattern = match (name.as_str(), rest) {
        (OPERATION, [Term::Str(text)]) => Pattern::exact(text),
        (OPERATION, [_]) => {
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
        (ENDPOINT, [Term::Str(scheme), host, _, ports]) => read_endpoint(scheme, host, ports, query)?,
        _ => return None,
    };
    let right = Right {
        family: family.parse().ok()?,
        action: action.parse().ok()?,
        pattern,
    };
    // Anything that was skipped above shows as a difference.
    same(query, &alternative(&right)).then_some(right)
}

fn read_endpoint(scheme: &str, host: &Term, ports: &Term, query: &Rule) -> Option<Pattern> {
    let mut hosts = match host {
        Term::Str(text) => Some(Hosts::One(text.clone())),
        _ => None,
    };
    let (mut first, mut last) = match ports {
        Term::Integer(number) => (Some(*number), Some(*number)),
        _ => (None, None),
    };
    for Expression { ops } in &query.expressions {
        match ops.as_slice() {
            [_, Op::Value(Term::Str(text)), Op::Binary(Binary::Suffix)] => {
                hosts = Some(Hosts::Below(text.clone()));
            }
            [_, Op::Value(Term::Str(bits)), Op::Binary(Binary::Prefix)] => {
                hosts = Some(Hosts::Network(Network::from_bits(bits)?));
            }
            [
                _,
                Op::Value(Term::Integer(number)),
                Op::Binary(Binary::GreaterOrEqual),
            ] => first = Some(*number),
            [
                _,
                Op::Value(Term::Integer(number)),
                Op::Binary(Binary::LessOrEqual),
            ] => last = Some(*number),
            _ => return None,
        }
    }
    Endpoint::pattern(scheme, hosts?, port(first?)?, port(last?)?)
}

/// Whether two queries test the same. Heads mean nothing in a check, and the bytes are compared anyway.
fn same(left: &Rule, right: &Rule) -> bool {
    left.body == right.body && left.expressions == right.expressions && left.scopes == right.scopes
}
