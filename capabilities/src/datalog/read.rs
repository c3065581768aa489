//! The reader: decodes signed bytes into blocks.

use biscuit_auth::format::schema::{
    self, Check, Predicate, Rule, Term, op, op_binary::Kind, public_key::Algorithm, scope, term::Content,
};
use prost::Message;

use super::{
    ADDRESS, AFFIX, ATTESTED, BELOW, ENDPOINT, EXACT, GRANT, HOLDER, HOST, MODULE, NETWORK, OPERATION, PORT,
    Place, ProfileError, RESOURCE, Symbols, TIME,
    write::{Test, Value, encode, version},
};
use crate::{Attestation, Block, Endpoint, Holder, Hosts, Network, Pattern, PublicKey, Right, Rights};

/// Decodes a block from signed bytes. `symbols` holds the symbols of the blocks before it, and the block's
/// own are added.
pub(crate) fn decode(bytes: &[u8], place: Place, symbols: &mut Symbols) -> Result<Block, ProfileError> {
    let schema =
        schema::Block::decode(bytes).map_err(|error| ProfileError::Undecodable { cause: error.into() })?;
    let none = Symbols::default();
    let shared = match place {
        Place::ThirdParty(_) => &none,
        _ => &*symbols,
    };
    let block = read(&schema, place, shared)?;
    if encode(&block, place, symbols) != bytes {
        return Err(ProfileError::NotCanonical);
    }
    Ok(block)
}

fn read(schema: &schema::Block, place: Place, shared: &Symbols) -> Result<Block, ProfileError> {
    // The most helpful errors come first: content that is outside the profile, then its encoding.
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

    let reader = Reader {
        shared,
        symbols: &schema.symbols,
        keys: keys(&schema.public_keys)?,
    };
    let mut block = Block::default();
    match place {
        Place::Authority => {
            let mut rights = Vec::with_capacity(schema.facts.len());
            for fact in &schema.facts {
                let (name, terms) = reader.predicate(&fact.predicate)?;
                let right = read_grant(name, &terms);
                rights.push(right.ok_or_else(|| ProfileError::Fact {
                    name: name.to_owned(),
                })?);
            }
            block.rights = Some(Rights::new(rights)?);
        }
        Place::Later => {}
        Place::ThirdParty(by) => {
            let mut modules = Vec::with_capacity(schema.facts.len());
            for fact in &schema.facts {
                let (name, terms) = reader.predicate(&fact.predicate)?;
                modules.push(read_attested(name, &terms).ok_or(ProfileError::Attestation)?);
            }
            block.attestation = Some(Attestation::new(by, modules).map_err(|_| ProfileError::Attestation)?);
        }
    }
    for (number, check) in schema.checks.iter().enumerate() {
        if !matches!(check.kind, None | Some(0)) {
            return Err(ProfileError::CheckKind { check: number });
        }
        let part = match reader.check(check, place)? {
            Some(part) => part,
            None if check.queries.iter().any(|query| !query.scope.is_empty()) => {
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
    if reader.keys.iter().any(|key| block.attested_by != Some(*key)) {
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

/// Reads the public keys that a block lists.
fn keys(listed: &[schema::PublicKey]) -> Result<Vec<PublicKey>, ProfileError> {
    let read = |key: &schema::PublicKey| {
        let is_ours = key.algorithm == Algorithm::Ed25519 as i32;
        let bytes = key.key.as_slice().try_into().ok().filter(|_| is_ours)?;
        PublicKey::from_bytes(bytes).ok()
    };
    listed
        .iter()
        .map(|key| read(key).ok_or(ProfileError::PublicKeys))
        .collect()
}

/// The meaning of one check.
enum Part {
    Rights(Vec<Right>),
    NotBefore(u64),
    Expires(u64),
    Holder(Holder),
    AttestedBy(PublicKey),
}

/// The tables that resolve the numbers in a block.
struct Reader<'a> {
    shared: &'a Symbols,
    symbols: &'a [String],
    keys: Vec<PublicKey>,
}

/// A predicate's name and its terms. A term is `None` if the profile does not have its type.
type Named<'a> = (&'a str, Vec<Option<Value<'a>>>);

impl<'a> Reader<'a> {
    fn text(&self, number: u64) -> Result<&'a str, ProfileError> {
        self.shared
            .text(self.symbols, number)
            .ok_or(ProfileError::Symbol { number })
    }

    fn predicate(&self, predicate: &Predicate) -> Result<Named<'a>, ProfileError> {
        let terms = predicate
            .terms
            .iter()
            .map(|term| self.term(term))
            .collect::<Result<_, _>>()?;
        Ok((self.text(predicate.name)?, terms))
    }

    fn term(&self, term: &Term) -> Result<Option<Value<'a>>, ProfileError> {
        Ok(match term.content {
            Some(Content::String(number)) => Some(Value::Text(self.text(number)?)),
            Some(Content::Variable(number)) => Some(Value::Variable(self.text(number.into())?)),
            Some(Content::Integer(number)) => Some(Value::Integer(number)),
            Some(Content::Date(seconds)) => Some(Value::Date(seconds)),
            _ => None,
        })
    }

    /// Reads the tests of a query. Returns `None` if one of them is not in the profile.
    fn tests(&self, query: &Rule) -> Result<Option<Vec<Test<'a>>>, ProfileError> {
        let mut tests = Vec::with_capacity(query.expressions.len());
        for expression in &query.expressions {
            let mut contents = expression.ops.iter().map(|op| op.content.as_ref());
            let (
                Some(Some(op::Content::Value(variable))),
                Some(Some(op::Content::Value(value))),
                Some(Some(op::Content::Binary(binary))),
                None,
            ) = (contents.next(), contents.next(), contents.next(), contents.next())
            else {
                return Ok(None);
            };
            let (Some(Value::Variable(variable)), Some(value)) = (self.term(variable)?, self.term(value)?)
            else {
                return Ok(None);
            };
            let Some(kind) = Kind::from_i32(binary.kind) else {
                return Ok(None);
            };
            tests.push(Test {
                variable,
                kind,
                value,
            });
        }
        Ok(Some(tests))
    }

    fn check(&self, check: &Check, place: Place) -> Result<Option<Part>, ProfileError> {
        if let [query] = check.queries.as_slice()
            && let Some(part) = self.single(query, place)?
        {
            return Ok(Some(part));
        }
        if place != Place::Later || check.queries.is_empty() {
            return Ok(None);
        }
        let mut rights = Vec::with_capacity(check.queries.len());
        for query in &check.queries {
            match self.alternative(query)? {
                Some(right) => rights.push(right),
                None => return Ok(None),
            }
        }
        Ok(Some(Part::Rights(rights)))
    }

    /// Reads a check of one query: `false`, a time, a holder, or an attestation. Returns `None` for any other
    /// query, such as an alternative of rights.
    fn single(&self, query: &Rule, place: Place) -> Result<Option<Part>, ProfileError> {
        let mut body = Vec::with_capacity(query.body.len());
        for predicate in &query.body {
            body.push(self.predicate(predicate)?);
        }
        if is_false(query) {
            return Ok((place == Place::Later).then_some(Part::Rights(vec![])));
        }
        let Some(tests) = self.tests(query)? else {
            return Ok(None);
        };
        let named: Vec<(&str, &[Option<Value<'_>>])> = body
            .iter()
            .map(|(name, terms)| (*name, terms.as_slice()))
            .collect();
        if let [scope] = query.scope.as_slice() {
            let module = [Some(Value::Variable(MODULE))];
            let is_demand = named == [(HOLDER, &module[..]), (ATTESTED, &module[..])] && tests.is_empty();
            return Ok(match scope.content {
                Some(scope::Content::PublicKey(number)) if is_demand => {
                    self.shared.key(&self.keys, number).map(Part::AttestedBy)
                }
                _ => None,
            });
        }
        Ok(
            match (named.as_slice(), tests.as_slice(), query.scope.as_slice()) {
                (
                    [(TIME, [Some(Value::Variable(TIME))])],
                    [
                        Test {
                            variable: TIME,
                            kind,
                            value: Value::Date(seconds),
                        },
                    ],
                    [],
                ) => match kind {
                    Kind::LessThan => Some(Part::Expires(*seconds)),
                    Kind::GreaterOrEqual => Some(Part::NotBefore(*seconds)),
                    _ => None,
                },
                ([(HOLDER, [Some(Value::Text(text))])], [], []) => text.parse().ok().map(Part::Holder),
                _ => None,
            },
        )
    }

    fn alternative(&self, query: &Rule) -> Result<Option<Right>, ProfileError> {
        let ([predicate], []) = (query.body.as_slice(), query.scope.as_slice()) else {
            return Ok(None);
        };
        let (name, terms) = self.predicate(predicate)?;
        let Some(tests) = self.tests(query)? else {
            return Ok(None);
        };
        let [Some(Value::Text(family)), Some(Value::Text(action)), rest @ ..] = terms.as_slice() else {
            return Ok(None);
        };
        let pattern = match (name, rest) {
            (OPERATION, [Some(Value::Text(text))]) if tests.is_empty() => Some(Pattern::exact(*text)),
            (OPERATION, [Some(Value::Variable(RESOURCE))]) => affix(&tests),
            (
                ENDPOINT,
                [
                    Some(Value::Text(scheme)),
                    Some(host),
                    Some(Value::Variable(ADDRESS)),
                    Some(port),
                ],
            ) => endpoint(scheme, *host, *port, &tests),
            _ => None,
        };
        Ok(pattern.and_then(|pattern| right(family, action, pattern)))
    }
}

fn is_false(query: &Rule) -> bool {
    let [expression] = query.expressions.as_slice() else {
        return false;
    };
    let [op] = expression.ops.as_slice() else {
        return false;
    };
    let is_value =
        matches!(&op.content, Some(op::Content::Value(term)) if term.content == Some(Content::Bool(false)));
    is_value && query.body.is_empty() && query.scope.is_empty()
}

fn read_attested(name: &str, terms: &[Option<Value<'_>>]) -> Option<[u8; 32]> {
    match (name, terms) {
        (ATTESTED, [Some(Value::Text(text))]) => match text.parse() {
            Ok(Holder::Module(hash)) => Some(hash),
            _ => None,
        },
        _ => None,
    }
}

fn read_grant(name: &str, terms: &[Option<Value<'_>>]) -> Option<Right> {
    let [
        Some(Value::Text(family)),
        Some(Value::Text(action)),
        Some(Value::Text(kind)),
        rest @ ..,
    ] = terms
    else {
        return None;
    };
    let pattern = match (name, *kind, rest) {
        (GRANT, EXACT, [Some(Value::Text(text))]) => Pattern::exact(*text),
        (GRANT, AFFIX, [Some(Value::Text(prefix)), Some(Value::Text(suffix))]) => {
            Pattern::affix(*prefix, *suffix)
        }
        (
            GRANT,
            kind,
            [
                Some(Value::Text(scheme)),
                Some(Value::Text(text)),
                Some(Value::Integer(first)),
                Some(Value::Integer(last)),
            ],
        ) => {
            let hosts = match kind {
                HOST => Hosts::One((*text).to_owned()),
                BELOW => Hosts::Below((*text).to_owned()),
                NETWORK => Hosts::Network(Network::from_bits(text)?),
                _ => return None,
            };
            Endpoint::pattern(scheme, hosts, port(*first)?, port(*last)?)?
        }
        _ => return None,
    };
    right(family, action, pattern)
}

fn right(family: &str, action: &str, pattern: Pattern) -> Option<Right> {
    Some(Right {
        family: family.parse().ok()?,
        action: action.parse().ok()?,
        pattern,
    })
}

fn port(number: i64) -> Option<u16> {
    number.try_into().ok()
}

/// Accepts tests in any order, and duplicates: encoding the block again reveals both.
fn affix(tests: &[Test<'_>]) -> Option<Pattern> {
    let (mut prefix, mut suffix) = ("", "");
    for test in tests {
        match (test.variable, test.kind, test.value) {
            (RESOURCE, Kind::Prefix, Value::Text(text)) => prefix = text,
            (RESOURCE, Kind::Suffix, Value::Text(text)) => suffix = text,
            _ => return None,
        }
    }
    Some(Pattern::affix(prefix, suffix))
}

fn endpoint(scheme: &str, host: Value<'_>, ports: Value<'_>, tests: &[Test<'_>]) -> Option<Pattern> {
    let mut hosts = match host {
        Value::Text(text) => Some(Hosts::One(text.to_owned())),
        Value::Variable(HOST) => None,
        _ => return None,
    };
    let (mut first, mut last) = match ports {
        Value::Integer(number) => (Some(number), Some(number)),
        Value::Variable(PORT) => (None, None),
        _ => return None,
    };
    for test in tests {
        match (test.variable, test.kind, test.value) {
            (HOST, Kind::Suffix, Value::Text(text)) => hosts = Some(Hosts::Below(text.to_owned())),
            (ADDRESS, Kind::Prefix, Value::Text(bits)) => {
                hosts = Some(Hosts::Network(Network::from_bits(bits)?))
            }
            (PORT, Kind::GreaterOrEqual, Value::Integer(number)) => first = Some(number),
            (PORT, Kind::LessOrEqual, Value::Integer(number)) => last = Some(number),
            _ => return None,
        }
    }
    Endpoint::pattern(scheme, hosts?, port(first?)?, port(last?)?)
}
