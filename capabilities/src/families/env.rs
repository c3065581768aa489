//! `env`: environment variables, by name.

use super::{describe_beginnings, parse_beginning};
use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem};

/// Environment variables. A scope is a name, a prefix of names (`APP_*`), or all names (`*`).
#[derive(Debug, Clone, Copy)]
pub struct Env;

/// The name of an environment variable: not empty, and without `=` and NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VariableName<'a>(&'a str);

impl<'a> VariableName<'a> {
    /// Parses the name of a variable.
    ///
    /// # Errors
    /// [`Problem::Variable`].
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        if text.is_empty() || text.bytes().any(|byte| byte == b'=' || byte == 0) {
            return Err(Problem::Variable);
        }
        Ok(VariableName(text))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl Family for Env {
    fn name(&self) -> FamilyName {
        FamilyName::ENV
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::READ,
            summary: "read environment variables",
        }]
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        parse_beginning(
            text,
            "`*` is allowed only at the end of a name: `APP_*`",
            |name| VariableName::parse(name).map(|_| ()),
        )
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(VariableName::parse(text)?.0.to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        describe_beginnings(patterns)
    }
}
