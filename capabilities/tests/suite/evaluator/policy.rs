//! The policy of TOK-24.
use super::canonical::{constant, predicate, variable};
use super::datalog::{Check, Instruction, Operator, Predicate, Query, Term};

/// Returns the policy's alternatives as a check of the authorizer, which is equivalent to a policy that
/// allows.
pub(crate) fn allow() -> Check {
    let operation = || variables("operation", &["family", "action", "resource"]);
    let endpoint = || {
        variables(
            "endpoint",
            &["family", "action", "scheme", "host", "address", "port"],
        )
    };
    let ports = [
        ("port", Operator::GreaterOrEqual, "first"),
        ("port", Operator::LessOrEqual, "last"),
    ];
    let [from, to] = ports;
    Check(vec![
        query(operation(), grant("exact", &["resource"]), &[]),
        query(
            operation(),
            grant("affix", &["prefix", "suffix"]),
            &[
                ("resource", Operator::StartsWith, "prefix"),
                ("resource", Operator::EndsWith, "suffix"),
            ],
        ),
        query(
            endpoint(),
            grant("host", &["scheme", "host", "first", "last"]),
            &ports,
        ),
        query(
            endpoint(),
            grant("below", &["scheme", "suffix", "first", "last"]),
            &[("host", Operator::EndsWith, "suffix"), from, to],
        ),
        query(
            endpoint(),
            grant("network", &["scheme", "bits", "first", "last"]),
            &[("address", Operator::StartsWith, "bits"), from, to],
        ),
    ])
}

fn variables(name: &str, terms: &[&str]) -> Predicate {
    predicate(name, terms.iter().map(|term| variable(term)))
}

/// Returns the predicate `grant($family, $action, "kind", …)`.
fn grant(kind: &str, rest: &[&str]) -> Predicate {
    let mut terms = vec![variable("family"), variable("action"), constant(kind)];
    terms.extend(rest.iter().map(|term| variable(term)));
    predicate("grant", terms)
}

/// Returns a query of two predicates, with tests that compare two variables each.
fn query(asked: Predicate, granted: Predicate, tests: &[(&str, Operator, &str)]) -> Query {
    let push = |name: &str| Instruction::Push(Term::Variable(name.to_owned()));
    Query {
        body: vec![asked, granted],
        expressions: tests
            .iter()
            .map(|(left, operator, right)| vec![push(left), push(right), Instruction::Apply(*operator)])
            .collect(),
        trusting: None,
    }
}
