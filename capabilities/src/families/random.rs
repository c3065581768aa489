//! `random`: random bytes from the operating system, or pseudorandom bytes that are the same in every run.

use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem};

/// Random bytes. A grant is `true`, or `seeded` for bytes derived from the module's own hash, which reveal
/// nothing to the module.
#[derive(Debug, Clone, Copy)]
pub struct Random;

/// A source of random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RandomSource {
    /// The operating system.
    OperatingSystem,
    /// A generator seeded with the hash of the calling module. Its bytes are not secret.
    Seeded,
}

impl RandomSource {
    /// Returns the canonical resource, `os` or `seeded`.
    pub fn as_str(self) -> &'static str {
        match self {
            RandomSource::OperatingSystem => "os",
            RandomSource::Seeded => "seeded",
        }
    }
}

fn source(text: &str) -> Result<RandomSource, Problem> {
    match text {
        "true" | "*" | "os" => Ok(RandomSource::OperatingSystem),
        "seeded" => Ok(RandomSource::Seeded),
        _ => Err(Problem::Source),
    }
}

impl Family for Random {
    fn name(&self) -> FamilyName {
        FamilyName::RANDOM
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::READ,
            summary: "get random bytes",
        }]
    }

    fn default_action(&self) -> Option<ActionName> {
        Some(ActionName::READ)
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        let included: &[RandomSource] = match source(text)? {
            RandomSource::OperatingSystem => &[RandomSource::OperatingSystem, RandomSource::Seeded],
            RandomSource::Seeded => &[RandomSource::Seeded],
        };
        Ok(included
            .iter()
            .map(|source| Pattern::exact(source.as_str()))
            .collect())
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(source(text)?.as_str().to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let [os, seeded] = [RandomSource::OperatingSystem, RandomSource::Seeded].map(RandomSource::as_str);
        let has_os = patterns.contains(&Pattern::exact(os));
        patterns
            .iter()
            .filter(|pattern| !(has_os && pattern.matches(seeded)))
            .map(|pattern| match pattern {
                Pattern::Exact(text) if text == os => "true".to_owned(),
                pattern => crate::describe_pattern(pattern),
            })
            .collect()
    }
}
