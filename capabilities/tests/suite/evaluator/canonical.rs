//! The canonical Datalog for the meaning of a block (TOK-8 to TOK-14, TOK-32, TOK-33).
use super::block::Block;
use super::datalog::{Check, Instruction, Operator, Predicate, Query, Term};
use super::profile::{Meaning, Position};
use super::rights::{Pattern, Place, Right};

impl Meaning {
    /// Returns the Datalog for this meaning, in canonical order.
    pub(crate) fn write(&self, position: Position) -> Block {
        let mut block = Block {
            version: match position {
                Position::ThirdParty => 5,
                _ if self.demands.is_some() => 4,
                _ => 3,
            },
            ..Block::default()
        };
        let rights = self.rights.as_ref();
        if position == Position::Later {
            block.checks.extend(rights.map(|rights| kept(rights)));
        } else {
            block.facts.extend(rights.into_iter().flatten().map(granted));
        }
        block.facts.extend(
            self.attested
                .iter()
                .map(|module| predicate("attested", [constant(module)])),
        );
        for (time, operator) in [
            (self.not_before, Operator::GreaterOrEqual),
            (self.expires, Operator::LessThan),
        ] {
            block.checks.extend(time.map(|time| {
                Check(vec![Query {
                    body: vec![predicate("time", [variable("time")])],
                    expressions: vec![test("time", Term::Date(time), operator)],
                    trusting: None,
                }])
            }));
        }
        block.checks.extend(self.holder.as_ref().map(|holder| {
            Check(vec![Query {
                body: vec![predicate("holder", [constant(holder)])],
                ..Query::default()
            }])
        }));
        block.checks.extend(self.demands.map(|key| {
            Check(vec![Query {
                body: vec![
                    predicate("holder", [variable("module")]),
                    predicate("attested", [variable("module")]),
                ],
                expressions: Vec::new(),
                trusting: Some(key),
            }])
        }));
        block
    }
}

fn granted(right: &Right) -> Predicate {
    let (kind, rest) = match &right.pattern {
        Pattern::Exact(resource) => ("exact", vec![constant(resource)]),
        Pattern::Affix(prefix, suffix) => ("affix", vec![constant(prefix), constant(suffix)]),
        Pattern::Host(place) => ("host", place_terms(place)),
        Pattern::Below(place) => ("below", place_terms(place)),
        Pattern::Network(place) => ("network", place_terms(place)),
    };
    let terms = [&right.family, &right.action, kind].map(constant);
    predicate("grant", terms.into_iter().chain(rest))
}

fn place_terms(place: &Place) -> Vec<Term> {
    vec![
        constant(&place.scheme),
        constant(&place.text),
        Term::Integer(place.first),
        Term::Integer(place.last),
    ]
}

/// Returns the check that keeps exactly these rights (TOK-10, TOK-11).
fn kept(rights: &[Right]) -> Check {
    if rights.is_empty() {
        let never = vec![Instruction::Push(Term::Truth(false))];
        return Check(vec![Query {
            expressions: vec![never],
            ..Query::default()
        }]);
    }
    Check(rights.iter().map(kept_right).collect())
}

fn kept_right(right: &Right) -> Query {
    let mut expressions = Vec::new();
    let of = [constant(&right.family), constant(&right.action)];
    let (name, rest) = match &right.pattern {
        Pattern::Exact(resource) => ("operation", vec![constant(resource)]),
        Pattern::Affix(prefix, suffix) => {
            for (part, operator) in [(prefix, Operator::StartsWith), (suffix, Operator::EndsWith)] {
                if !part.is_empty() {
                    expressions.push(test("resource", constant(part), operator));
                }
            }
            ("operation", vec![variable("resource")])
        }
        Pattern::Host(place) | Pattern::Below(place) | Pattern::Network(place) => {
            let host = match &right.pattern {
                Pattern::Host(_) => constant(&place.text),
                Pattern::Below(_) => {
                    expressions.push(test("host", constant(&place.text), Operator::EndsWith));
                    variable("host")
                }
                _ => {
                    expressions.push(test("address", constant(&place.text), Operator::StartsWith));
                    variable("host")
                }
            };
            let port = if place.first == place.last {
                Term::Integer(place.first)
            } else {
                let (first, last) = (Term::Integer(place.first), Term::Integer(place.last));
                expressions.push(test("port", first, Operator::GreaterOrEqual));
                expressions.push(test("port", last, Operator::LessOrEqual));
                variable("port")
            };
            (
                "endpoint",
                vec![constant(&place.scheme), host, variable("address"), port],
            )
        }
    };
    Query {
        body: vec![predicate(name, of.into_iter().chain(rest))],
        expressions,
        trusting: None,
    }
}

pub(crate) fn constant(text: impl AsRef<str>) -> Term {
    Term::Text(text.as_ref().to_owned())
}

pub(crate) fn variable(name: &str) -> Term {
    Term::Variable(name.to_owned())
}

pub(crate) fn predicate(name: &str, terms: impl IntoIterator<Item = Term>) -> Predicate {
    Predicate {
        name: name.to_owned(),
        terms: terms.into_iter().collect(),
    }
}

/// Returns the expression `$variable operator constant`.
fn test(name: &str, constant: Term, operator: Operator) -> Vec<Instruction> {
    vec![
        Instruction::Push(variable(name)),
        Instruction::Push(constant),
        Instruction::Apply(operator),
    ]
}
