//! The Datalog of the profile: facts, and queries that are evaluated by trying every combination of facts.
use super::keys::Key;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Term {
    Variable(String),
    Integer(i64),
    Text(String),
    Date(u64),
    Truth(bool),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Predicate {
    pub(crate) name: String,
    pub(crate) terms: Vec<Term>,
}

/// One instruction of an expression in postfix form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    Push(Term),
    Apply(Operator),
}

/// The operators of the profile, with their numbers in the Biscuit schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    LessThan = 0,
    LessOrEqual = 2,
    GreaterOrEqual = 3,
    StartsWith = 6,
    EndsWith = 7,
}

/// The body of a policy, or of an alternative of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) body: Vec<Predicate>,
    pub(crate) expressions: Vec<Vec<Instruction>>,
    /// The key of the third parties whose facts the query reads in place of the authority block's.
    pub(crate) trusting: Option<Key>,
}

/// A check. It is satisfied if one of its queries is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check(pub(crate) Vec<Query>);

/// The origin of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Authorizer,
    Block(usize),
}

/// All facts of a decision, with their origins.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) facts: Vec<(Origin, Predicate)>,
    /// The keys of the third parties, by the number of their block.
    pub(crate) signers: BTreeMap<usize, Key>,
}

type Bindings<'a> = BTreeMap<&'a str, &'a Term>;

impl World {
    /// Returns true if one of the check's queries has an answer.
    pub(crate) fn holds(&self, asker: Origin, check: &Check) -> bool {
        check.0.iter().any(|query| {
            let visible = self.visible(asker, query.trusting.as_ref());
            self.matches(&visible, query, &query.body, &Bindings::new())
        })
    }

    /// Returns the origins whose facts a query reads. A `trusting` scope replaces the authority block, which
    /// is the default.
    fn visible(&self, asker: Origin, trusting: Option<&Key>) -> BTreeSet<Origin> {
        let mut visible = BTreeSet::from([Origin::Authorizer, asker]);
        match trusting {
            None => visible.extend([Origin::Block(0)]),
            Some(key) => visible.extend(
                self.signers
                    .iter()
                    .filter(|(_, signer)| *signer == key)
                    .map(|(index, _)| Origin::Block(*index)),
            ),
        }
        visible
    }

    fn matches<'a>(
        &'a self,
        visible: &BTreeSet<Origin>,
        query: &'a Query,
        body: &'a [Predicate],
        bindings: &Bindings<'a>,
    ) -> bool {
        let Some((first, rest)) = body.split_first() else {
            return query
                .expressions
                .iter()
                .all(|expression| evaluate(expression, bindings) == Some(Term::Truth(true)));
        };
        self.facts
            .iter()
            .filter(|(origin, _)| visible.contains(origin))
            .filter_map(|(_, fact)| unify(first, fact, bindings))
            .any(|bindings| self.matches(visible, query, rest, &bindings))
    }
}

/// Binds the pattern's variables so that it equals this fact. Returns `None` if that is not possible.
fn unify<'a>(pattern: &'a Predicate, fact: &'a Predicate, bindings: &Bindings<'a>) -> Option<Bindings<'a>> {
    if pattern.name != fact.name || pattern.terms.len() != fact.terms.len() {
        return None;
    }
    let mut bindings = bindings.clone();
    for (term, value) in pattern.terms.iter().zip(&fact.terms) {
        let known = match term {
            Term::Variable(name) => bindings.entry(name).or_insert(value),
            constant => constant,
        };
        if known != value {
            return None;
        }
    }
    Some(bindings)
}

/// Evaluates an expression. Returns `None` if that is not possible.
fn evaluate(expression: &[Instruction], bindings: &Bindings) -> Option<Term> {
    let mut stack = Vec::new();
    for instruction in expression {
        let value = match instruction {
            Instruction::Push(Term::Variable(name)) => (*bindings.get(name.as_str())?).clone(),
            Instruction::Push(constant) => constant.clone(),
            Instruction::Apply(operator) => {
                let right = stack.pop()?;
                let left = stack.pop()?;
                Term::Truth(apply(*operator, &left, &right)?)
            }
        };
        stack.push(value);
    }
    let result = stack.pop()?;
    stack.is_empty().then_some(result)
}

fn apply(operator: Operator, left: &Term, right: &Term) -> Option<bool> {
    let order = match (left, right) {
        (Term::Text(left), Term::Text(right)) => {
            return match operator {
                Operator::StartsWith => Some(left.starts_with(right.as_str())),
                Operator::EndsWith => Some(left.ends_with(right.as_str())),
                _ => None,
            };
        }
        (Term::Integer(left), Term::Integer(right)) => left.cmp(right),
        (Term::Date(left), Term::Date(right)) => left.cmp(right),
        _ => return None,
    };
    match operator {
        Operator::LessThan => Some(order.is_lt()),
        Operator::LessOrEqual => Some(order.is_le()),
        Operator::GreaterOrEqual => Some(order.is_ge()),
        Operator::StartsWith | Operator::EndsWith => None,
    }
}
