//! The forms of blocks in the profile, and their meaning. The Datalog is read leniently: the encoding of the
//! meaning must then equal the block byte for byte (TOK-14).
use super::Refusal;
use super::block::Block;
use super::datalog::{Check, Instruction, Operator, Predicate, Query, Term};
use super::keys::Key;
use super::rights::{Pattern, Place, Right, check_number};

/// The meaning of a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meaning {
    /// The grants of the authority block, or the rights that a later block keeps, if it narrows rights.
    pub(crate) rights: Option<Vec<Right>>,
    pub(crate) not_before: Option<u64>,
    pub(crate) expires: Option<u64>,
    pub(crate) holder: Option<String>,
    /// The key of the third party that must have attested the module.
    pub(crate) demands: Option<Key>,
    /// The modules that a third party attests.
    pub(crate) attested: Vec<String>,
}

/// The position of a block, which determines the forms that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Authority,
    Later,
    ThirdParty,
}

/// The last second of the year 9999.
const LAST_TIME: u64 = 253_402_300_799;
const MOST_ATTESTED: usize = 1_024;

impl Meaning {
    /// Returns the meaning of a block, if each of its parts has a form of the profile.
    pub(crate) fn of(block: &Block, position: Position) -> Result<Self, Refusal> {
        let mut meaning = Self::default();
        match position {
            Position::Authority => {
                let grants = block.facts.iter().map(|fact| {
                    grant(fact).ok_or_else(|| outside(format!("the fact {}/{}", fact.name, fact.terms.len())))
                });
                meaning.rights = Some(grants.collect::<Result<_, _>>()?);
            }
            Position::Later if block.facts.is_empty() => {}
            Position::Later => return Err(outside("a fact")),
            Position::ThirdParty => {
                let modules = block.facts.iter().map(attested);
                meaning.attested = modules
                    .collect::<Option<_>>()
                    .ok_or_else(|| outside("a third party's fact"))?;
            }
        }
        for check in &block.checks {
            meaning
                .add(check, position)
                .ok_or_else(|| outside(format!("the check {check:?}")))?;
        }
        meaning.check(position)?;
        Ok(meaning)
    }

    /// Adds the meaning of a check, if its form is allowed at this position and is the first of its kind.
    fn add(&mut self, check: &Check, position: Position) -> Option<()> {
        let first = check.0.first()?;
        let names: Vec<_> = first
            .body
            .iter()
            .map(|predicate| predicate.name.as_str())
            .collect();
        match (names.as_slice(), position) {
            (_, Position::ThirdParty) => None,
            (["time"], _) => match first.expressions.as_slice().first()?.as_slice() {
                [
                    _,
                    Instruction::Push(Term::Date(time)),
                    Instruction::Apply(operator),
                ] => match operator {
                    Operator::GreaterOrEqual => set(&mut self.not_before, *time),
                    Operator::LessThan => set(&mut self.expires, *time),
                    _ => None,
                },
                _ => None,
            },
            (["holder"], _) => set(&mut self.holder, text(first.body.first()?.terms.first()?)?),
            (["holder", "attested"], _) => set(&mut self.demands, first.trusting?),
            ([], Position::Later) => set(&mut self.rights, Vec::new()),
            (_, Position::Later) => set(
                &mut self.rights,
                check.0.iter().map(alternative).collect::<Option<_>>()?,
            ),
            (_, Position::Authority) => None,
        }
    }

    /// Checks the conditions on a meaning that do not depend on its encoding.
    fn check(&self, position: Position) -> Result<(), Refusal> {
        if let Some(rights) = &self.rights {
            rights.iter().try_for_each(Right::check)?;
            if !rights.is_sorted_by(|left, right| left < right) {
                return Err(outside("rights that are not sorted"));
            }
            let covered = |right: &Right| rights.iter().any(|other| other != right && other.covers(right));
            if let Some(right) = rights.iter().find(|right| covered(right)) {
                return Err(outside(format!("{right:?}, which another right covers")));
            }
            check_number(rights)?;
        }
        if [self.not_before, self.expires]
            .into_iter()
            .flatten()
            .any(|time| time > LAST_TIME)
        {
            return Err(outside("a time after the year 9999"));
        }
        if let Some(holder) = &self.holder {
            let is_holder = match holder.split_once(':') {
                // A holder's key is not checked here, but by the proof of possession (TOK-39).
                Some(("blake3" | "ed25519", digits)) => is_hexadecimal(digits),
                _ => false,
            };
            if !is_holder {
                return Err(outside(format!("the holder {holder:?}")));
            }
        }
        if position == Position::ThirdParty
            && (!(1..=MOST_ATTESTED).contains(&self.attested.len())
                || !self.attested.is_sorted_by(|left, right| left < right))
        {
            return Err(outside("no sorted list of modules"));
        }
        Ok(())
    }
}

/// Returns the right that a fact of the authority block grants (TOK-8).
fn grant(fact: &Predicate) -> Option<Right> {
    let [family, action, kind, rest @ ..] = fact.terms.as_slice() else {
        return None;
    };
    let pattern = match (fact.name.as_str(), text(kind)?.as_str(), rest) {
        ("grant", "exact", [resource]) => Pattern::Exact(text(resource)?),
        ("grant", "affix", [prefix, suffix]) => Pattern::Affix(text(prefix)?, text(suffix)?),
        ("grant", kind, [scheme, part, Term::Integer(first), Term::Integer(last)]) => {
            let kind = match kind {
                "host" => Pattern::Host,
                "below" => Pattern::Below,
                "network" => Pattern::Network,
                _ => return None,
            };
            kind(Place {
                scheme: text(scheme)?,
                text: text(part)?,
                first: *first,
                last: *last,
            })
        }
        _ => return None,
    };
    Some(Right {
        family: text(family)?,
        action: text(action)?,
        pattern,
    })
}

/// Returns the right that an alternative keeps (TOK-10).
fn alternative(query: &Query) -> Option<Right> {
    let [predicate] = query.body.as_slice() else {
        return None;
    };
    let tests: Vec<(Operator, &Term)> = query
        .expressions
        .iter()
        .map(|expression| match expression.as_slice() {
            [_, Instruction::Push(term), Instruction::Apply(operator)] => Some((*operator, term)),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let tested = |operator| {
        tests
            .iter()
            .find(|(other, _)| *other == operator)
            .map(|(_, term)| *term)
    };
    let (family, action, pattern) = match (predicate.name.as_str(), predicate.terms.as_slice()) {
        ("operation", [family, action, Term::Text(resource)]) => {
            (family, action, Pattern::Exact(resource.clone()))
        }
        ("operation", [family, action, Term::Variable(_)]) => {
            let part = |operator| tested(operator).map_or(Some(String::new()), text);
            let pattern = Pattern::Affix(part(Operator::StartsWith)?, part(Operator::EndsWith)?);
            (family, action, pattern)
        }
        ("endpoint", [family, action, scheme, host, _, port]) => {
            let port = |operator| match port {
                Term::Integer(port) => Some(*port),
                _ => match tested(operator) {
                    Some(Term::Integer(port)) => Some(*port),
                    _ => None,
                },
            };
            let (kind, part): (fn(Place) -> Pattern, _) = match (host, tested(Operator::EndsWith)) {
                (Term::Text(_), _) => (Pattern::Host, host),
                (_, Some(suffix)) => (Pattern::Below, suffix),
                _ => (Pattern::Network, tested(Operator::StartsWith)?),
            };
            let place = Place {
                scheme: text(scheme)?,
                text: text(part)?,
                first: port(Operator::GreaterOrEqual)?,
                last: port(Operator::LessOrEqual)?,
            };
            (family, action, kind(place))
        }
        _ => return None,
    };
    Some(Right {
        family: text(family)?,
        action: text(action)?,
        pattern,
    })
}

fn attested(fact: &Predicate) -> Option<String> {
    let [module] = fact.terms.as_slice() else {
        return None;
    };
    text(module).filter(|module| {
        fact.name == "attested" && module.strip_prefix("blake3:").is_some_and(is_hexadecimal)
    })
}

fn is_hexadecimal(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| c.is_ascii_digit() || matches!(c, 'a'..='f'))
}

fn outside(what: impl AsRef<str>) -> Refusal {
    Refusal::envelope(format!("{} is outside the profile", what.as_ref()))
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn text(term: &Term) -> Option<String> {
    match term {
        Term::Text(text) => Some(text.clone()),
        _ => None,
    }
}
