//! The writer: encodes blocks into the bytes that are signed.

use biscuit_auth::format::schema::{
    self, Check, Expression, Fact, Op, OpBinary, Predicate, Rule, Scope, Term, op, op_binary::Kind,
    public_key::Algorithm, scope, term::Content,
};
use prost::Message;

use super::{
    ADDRESS, AFFIX, ATTESTED, ENDPOINT, EXACT, GRANT, HOLDER, HOST, MODULE, OPERATION, PORT, Place, QUERY,
    RESOURCE, Symbols, TIME, VERSION, VERSION_OF_DEMANDS, VERSION_OF_THIRD_PARTIES,
};
use crate::{Block, Endpoint, Holder, Hosts, Pattern, PublicKey, Right};

/// A term of a predicate, of a type that the profile has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Variable(&'a str),
    Integer(i64),
    Date(u64),
    Bool(bool),
}

/// `$variable.kind(value)`, or `$variable kind value`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Test<'a> {
    pub(super) variable: &'a str,
    pub(super) kind: Kind,
    pub(super) value: Value<'a>,
}

/// Returns the Datalog version that the form of a block needs.
pub(super) fn version(block: &Block, place: Place) -> u32 {
    match place {
        Place::ThirdParty(_) => VERSION_OF_THIRD_PARTIES,
        _ if block.attested_by.is_some() => VERSION_OF_DEMANDS,
        _ => VERSION,
    }
}

/// Encodes a block. `symbols` holds the symbols of the blocks before it, and the block's own are added. A
/// third-party block does not share them.
pub(crate) fn encode(block: &Block, place: Place, symbols: &mut Symbols) -> Vec<u8> {
    write(block, place, symbols).encode_to_vec()
}

/// Returns the block in the types of the Biscuit schema, with facts and checks in canonical order (TOK-14).
pub(crate) fn write(block: &Block, place: Place, symbols: &mut Symbols) -> schema::Block {
    let mut own = Symbols::default();
    let symbols = match place {
        Place::ThirdParty(_) => &mut own,
        _ => symbols,
    };
    let known = symbols.count();
    let mut writer = Writer {
        symbols,
        facts: Vec::new(),
        checks: Vec::new(),
        keys: Vec::new(),
    };
    writer.block(block, place);
    let Writer {
        facts, checks, keys, ..
    } = writer;
    schema::Block {
        symbols: symbols.after(known),
        context: None,
        version: Some(version(block, place)),
        facts,
        rules: vec![],
        checks,
        scope: vec![],
        public_keys: keys,
    }
}

/// The state of writing one block. Symbols are numbered in the order of their first use, so the order of all
/// calls below matters.
struct Writer<'a> {
    symbols: &'a mut Symbols,
    facts: Vec<Fact>,
    checks: Vec<Check>,
    /// The keys that no earlier block lists.
    keys: Vec<schema::PublicKey>,
}

impl Writer<'_> {
    fn block(&mut self, block: &Block, place: Place) {
        match (&block.rights, place) {
            (Some(rights), Place::Authority) => rights.iter().for_each(|right| self.grant(right)),
            (Some(rights), _) if rights.is_empty() => {
                let never = self.query(&[], &[]);
                let value = op::Content::Value(self.term(Value::Bool(false)));
                let ops = vec![Op { content: Some(value) }];
                self.check(vec![Rule {
                    expressions: vec![Expression { ops }],
                    ..never
                }]);
            }
            (Some(rights), _) => {
                let queries = rights.iter().map(|right| self.alternative(right)).collect();
                self.check(queries);
            }
            (None, _) => {}
        }
        for (kind, limit) in [
            (Kind::GreaterOrEqual, block.not_before),
            (Kind::LessThan, block.expires),
        ] {
            if let Some(seconds) = limit {
                let test = Test {
                    variable: TIME,
                    kind,
                    value: Value::Date(seconds),
                };
                let query = self.query(&[(TIME, &[Value::Variable(TIME)])], &[test]);
                self.check(vec![query]);
            }
        }
        if let Some(holder) = &block.holder {
            let query = self.query(&[(HOLDER, &[Value::Text(&holder.to_string())])], &[]);
            self.check(vec![query]);
        }
        if let Some(by) = block.attested_by {
            let module = [Value::Variable(MODULE)];
            let query = self.query(&[(HOLDER, &module), (ATTESTED, &module)], &[]);
            let scope = vec![self.trusting(by)];
            self.check(vec![Rule { scope, ..query }]);
        }
        if let Some(attestation) = &block.attestation {
            for module in attestation.modules() {
                self.fact(ATTESTED, &[Value::Text(&Holder::Module(*module).to_string())]);
            }
        }
    }

    fn grant(&mut self, right: &Right) {
        let (family, action) = (
            Value::Text(right.family.as_str()),
            Value::Text(right.action.as_str()),
        );
        match &right.pattern {
            Pattern::Exact(text) => {
                self.fact(GRANT, &[family, action, Value::Text(EXACT), Value::Text(text)])
            }
            Pattern::Affix { prefix, suffix } => self.fact(
                GRANT,
                &[
                    family,
                    action,
                    Value::Text(AFFIX),
                    Value::Text(prefix),
                    Value::Text(suffix),
                ],
            ),
            Pattern::Endpoint(endpoint) => self.fact(
                GRANT,
                &[
                    family,
                    action,
                    Value::Text(endpoint.hosts().kind()),
                    Value::Text(endpoint.scheme()),
                    Value::Text(&hosts(endpoint)),
                    Value::Integer(endpoint.first().into()),
                    Value::Integer(endpoint.last().into()),
                ],
            ),
        }
    }

    fn alternative(&mut self, right: &Right) -> Rule {
        let (family, action) = (
            Value::Text(right.family.as_str()),
            Value::Text(right.action.as_str()),
        );
        let test = |variable, kind, value| Test {
            variable,
            kind,
            value,
        };
        match &right.pattern {
            Pattern::Exact(text) => self.query(&[(OPERATION, &[family, action, Value::Text(text)])], &[]),
            Pattern::Affix { prefix, suffix } => {
                let mut tests = Vec::new();
                if !prefix.is_empty() {
                    tests.push(test(RESOURCE, Kind::Prefix, Value::Text(prefix)));
                }
                if !suffix.is_empty() {
                    tests.push(test(RESOURCE, Kind::Suffix, Value::Text(suffix)));
                }
                self.query(
                    &[(OPERATION, &[family, action, Value::Variable(RESOURCE)])],
                    &tests,
                )
            }
            Pattern::Endpoint(endpoint) => {
                let text = hosts(endpoint);
                let text = Value::Text(&text);
                let (host, mut tests) = match endpoint.hosts() {
                    Hosts::One(_) => (text, vec![]),
                    Hosts::Below(_) => (Value::Variable(HOST), vec![test(HOST, Kind::Suffix, text)]),
                    Hosts::Network(_) => (Value::Variable(HOST), vec![test(ADDRESS, Kind::Prefix, text)]),
                };
                let first = Value::Integer(endpoint.first().into());
                let last = Value::Integer(endpoint.last().into());
                let port = if first == last {
                    first
                } else {
                    tests.push(test(PORT, Kind::GreaterOrEqual, first));
                    tests.push(test(PORT, Kind::LessOrEqual, last));
                    Value::Variable(PORT)
                };
                let scheme = Value::Text(endpoint.scheme());
                let terms = [family, action, scheme, host, Value::Variable(ADDRESS), port];
                self.query(&[(ENDPOINT, &terms)], &tests)
            }
        }
    }

    fn fact(&mut self, name: &str, terms: &[Value<'_>]) {
        let predicate = self.predicate(name, terms);
        self.facts.push(Fact { predicate });
    }

    fn check(&mut self, queries: Vec<Rule>) {
        self.checks.push(Check { queries, kind: None });
    }

    fn query(&mut self, body: &[(&str, &[Value<'_>])], tests: &[Test<'_>]) -> Rule {
        Rule {
            head: self.predicate(QUERY, &[]),
            body: body
                .iter()
                .map(|(name, terms)| self.predicate(name, terms))
                .collect(),
            expressions: tests.iter().map(|test| self.expression(test)).collect(),
            scope: vec![],
        }
    }

    fn predicate(&mut self, name: &str, terms: &[Value<'_>]) -> Predicate {
        Predicate {
            name: self.symbols.number(name),
            terms: terms.iter().map(|value| self.term(*value)).collect(),
        }
    }

    fn expression(&mut self, test: &Test<'_>) -> Expression {
        let variable = self.term(Value::Variable(test.variable));
        let value = self.term(test.value);
        let ops = [
            op::Content::Value(variable),
            op::Content::Value(value),
            op::Content::Binary(OpBinary {
                kind: test.kind as i32,
                ffi_name: None,
            }),
        ];
        Expression {
            ops: ops
                .map(|content| Op {
                    content: Some(content),
                })
                .into(),
        }
    }

    fn term(&mut self, value: Value<'_>) -> Term {
        let content = match value {
            Value::Text(text) => Content::String(self.symbols.number(text)),
            // Variable numbers have 32 bits and symbol numbers 64. No token is large enough to exceed 32.
            Value::Variable(name) => {
                Content::Variable(u32::try_from(self.symbols.number(name)).unwrap_or(u32::MAX))
            }
            Value::Integer(number) => Content::Integer(number),
            Value::Date(seconds) => Content::Date(seconds),
            Value::Bool(truth) => Content::Bool(truth),
        };
        Term {
            content: Some(content),
        }
    }

    fn trusting(&mut self, key: PublicKey) -> Scope {
        let (number, is_new) = self.symbols.key_number(key);
        if is_new {
            self.keys.push(schema::PublicKey {
                algorithm: Algorithm::Ed25519 as i32,
                key: key.as_bytes().to_vec(),
            });
        }
        Scope {
            content: Some(scope::Content::PublicKey(number)),
        }
    }
}

/// Returns the host, the suffix, or the bits of the network.
fn hosts(endpoint: &Endpoint) -> String {
    match endpoint.hosts() {
        Hosts::One(text) | Hosts::Below(text) => text.clone(),
        Hosts::Network(network) => network.to_bits(),
    }
}
