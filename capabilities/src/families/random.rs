//! `random`: random bytes from the operating system.

use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem};

/// Random bytes. There is one source, so a grant says only `true`.
#[derive(Debug, Clone, Copy)]
pub struct Random;

/// The canonical resource of the one source: the operating system.
pub const RANDOM_SOURCE: &str = "os";

fn source(text: &str) -> Result<&'static str, Problem> {
    if matches!(text, "true" | "*" | RANDOM_SOURCE) {
        Ok(RANDOM_SOURCE)
    } else {
        Err(Problem::Source)
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
        Ok(vec![Pattern::exact(source(text)?)])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        source(text).map(str::to_owned)
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns
            .iter()
            .map(|pattern| match pattern {
                Pattern::Exact(text) if text == RANDOM_SOURCE => "true".to_owned(),
                pattern => crate::describe_pattern(pattern),
            })
            .collect()
    }
}
