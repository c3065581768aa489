//! `log`: structured log records, which the host gets.

use super::WHOLE;
use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem, describe_pattern};

/// Writing log records. A grant is `true`.
#[derive(Debug, Clone, Copy)]
pub struct Log;

fn whole(text: &str) -> Result<String, Problem> {
    match text {
        WHOLE | "*" => Ok(WHOLE.to_owned()),
        _ => Err(Problem::Whole),
    }
}

impl Family for Log {
    fn name(&self) -> FamilyName {
        FamilyName::LOG
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::WRITE,
            summary: "write log records, which the host gets with the module's name",
        }]
    }

    fn default_action(&self) -> Option<ActionName> {
        Some(ActionName::WRITE)
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![Pattern::exact(whole(text)?)])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        whole(text)
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TOK-49.
    #[test]
    fn the_only_resource_is_true() {
        let base = Base::new("/").unwrap();
        let patterns = Log.parse_scope(ActionName::WRITE, "true", &base).unwrap();
        assert!(patterns[0].matches(&Log.parse_resource(ActionName::WRITE, "*", &base).unwrap()));
        assert_eq!(Log.describe(ActionName::WRITE, &patterns, &base), ["true"]);
        for text in ["", "false", "info"] {
            assert!(Log.parse_scope(ActionName::WRITE, text, &base).is_err(), "{text}");
        }
    }
}
