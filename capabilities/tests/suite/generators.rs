//! Random patterns, blocks and questions, biased so that they often touch: uniform strings never would.

use proptest::{collection::vec, option, prelude::*, sample::select};
use secure_runtime_capabilities::*;

/// Pieces that patterns and resources are glued from: some are prefixes of others, or end as others begin.
const PIECES: [&str; 14] = [
    "", "/", "/a", "/ab", "/a/", "/a/b", "/a/b/c", "b", "b/c", ".csv", ":443", "é", "\"\\\n", "x",
];

fn text() -> impl Strategy<Value = String> {
    vec(select(&PIECES), 0..4).prop_map(|pieces| pieces.concat())
}

pub(crate) fn pattern() -> impl Strategy<Value = Pattern> {
    let piece = || select(&PIECES).prop_map(str::to_owned);
    prop_oneof![
        2 => text().prop_map(Pattern::Exact),
        3 => piece().prop_map(Pattern::prefix),
        1 => piece().prop_map(|suffix| Pattern::affix("", suffix)),
        2 => (piece(), piece()).prop_map(|(prefix, suffix)| Pattern::affix(prefix, suffix)),
        1 => (text(), text()).prop_map(|(prefix, suffix)| Pattern::affix(prefix, suffix)),
    ]
}

fn action() -> impl Strategy<Value = (FamilyName, ActionName)> {
    // Few, and often the first, so that two choices are often the same.
    prop_oneof![
        6 => Just((FamilyName::FS, ActionName::READ)),
        1 => Just((FamilyName::FS, ActionName::WRITE)),
        1 => Just((FamilyName::NET, ActionName::CONNECT)),
    ]
}

pub(crate) fn right() -> impl Strategy<Value = Right> {
    (action(), pattern()).prop_map(|((family, action), pattern)| Right {
        family,
        action,
        pattern,
    })
}

pub(crate) fn rights() -> impl Strategy<Value = Rights> {
    vec(right(), 0..8).prop_map(|rights| Rights::new(rights).unwrap())
}

/// Times and holders are few, so that limits and questions meet at their boundaries.
const TIMES: std::ops::Range<u64> = 0..6;

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![
        3 => Just(Holder::Module([1; 32])),
        1 => Just(Holder::Module([2; 32])),
        1 => Just(Holder::Key([1; 32])),
    ]
}

pub(crate) fn block() -> impl Strategy<Value = Block> {
    let rights = prop_oneof![
        1 => Just(None),
        3 => vec(right(), 0..8).prop_map(|rights| Some(Rights::new(rights).unwrap())),
        // A block that keeps most: chains of several would else allow almost nothing.
        3 => vec(right(), 0..4).prop_map(|mut rights| {
            rights.push(Right { family: FamilyName::FS, action: ActionName::READ, pattern: Pattern::prefix("") });
            Some(Rights::new(rights).unwrap())
        }),
    ];
    (
        rights,
        option::weighted(0.2, 2..TIMES.end),
        option::weighted(0.2, 0..4u64),
        option::weighted(0.15, holder()),
    )
        .prop_map(|(rights, expires, not_before, holder)| Block {
            rights,
            expires,
            not_before,
            holder,
        })
}

pub(crate) fn chain() -> impl Strategy<Value = Vec<Block>> {
    vec(block(), 1..5)
}

/// A question, still to be bent towards a chain.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    action: (FamilyName, ActionName),
    text: String,
    chosen: prop::sample::Index,
    bend: u8,
    now: u64,
    holder: Option<Holder>,
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let holder = prop_oneof![1 => Just(None), 4 => holder().prop_map(Some)];
    (
        action(),
        text(),
        any::<prop::sample::Index>(),
        0..10u8,
        TIMES,
        holder,
    )
        .prop_map(|(action, text, chosen, bend, now, holder)| Question {
            action,
            text,
            chosen,
            bend,
            now,
            holder,
        })
}

/// A family whose resources are any text, to ask about the strings that patterns are made of.
struct Any(FamilyName, [Action; 1]);

impl Family for Any {
    fn name(&self) -> FamilyName {
        self.0
    }

    fn actions(&self) -> &[Action] {
        &self.1
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![Pattern::exact(text)])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(text.to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

pub(crate) fn operation_on(family: FamilyName, action: ActionName, resource: &str) -> Operation<'static> {
    let family = Any(
        family,
        [Action {
            name: action,
            summary: "anything",
        }],
    );
    Operation::new(&family, action.as_str(), resource, &crate::base()).unwrap()
}

impl Question {
    /// The operation and context. Most questions are about a resource of some right that is left, or one
    /// that misses it by little.
    pub(crate) fn about(&self, rights: &Rights) -> (Operation<'static>, u64, Option<Holder>) {
        let target = rights.iter().nth(self.chosen.index(rights.len().max(1)));
        let Some(target) = target.filter(|_| self.bend != 0) else {
            return (
                operation_on(self.action.0, self.action.1, &self.text),
                self.now,
                self.holder,
            );
        };
        let mut resource = match &target.pattern {
            Pattern::Exact(text) => text.clone(),
            Pattern::Affix { prefix, suffix } if self.bend == 1 => format!("{prefix}{suffix}"),
            Pattern::Affix { prefix, suffix } => format!("{prefix}{}{suffix}", self.text),
        };
        match self.bend {
            2 => drop(resource.pop()),
            3 => resource.push('x'),
            4 => resource.insert(0, 'x'),
            _ => {}
        }
        (
            operation_on(target.family, target.action, &resource),
            self.now,
            self.holder,
        )
    }
}
