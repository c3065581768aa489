//! `module`: importable modules, by name or by content.

use secure_runtime_text::forbidden_in_names;
use std::fmt;

use crate::{Action, ActionName, Base, Family, FamilyName, MAX_PATH, Pattern, Problem, hexadecimal};

/// The separator between a module's name and its hash.
const CONTENT: &str = "#blake3:";

/// Modules. A scope is a hash (`blake3:…`), a name (`app:/plugins/a.js`), or both
/// (`app:/plugins/a.js#blake3:…`). It may also be all names below one (`marked/**`).
#[derive(Debug, Clone, Copy)]
pub struct Module;

/// A module, as a resource: `NAME#blake3:HASH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(String);

impl ModuleId {
    /// Returns the module with this name, whose bytes have this BLAKE3 hash.
    ///
    /// # Errors
    /// [`Problem::ModuleName`].
    pub fn new(name: &str, hash: &[u8; 32]) -> Result<ModuleId, Problem> {
        check_name(name)?;
        Ok(ModuleId(format!("{name}{CONTENT}{}", hex::encode(hash))))
    }

    /// Parses a module.
    ///
    /// # Errors
    /// [`Problem::Module`] and [`Problem::ModuleName`].
    pub fn parse(text: &str) -> Result<ModuleId, Problem> {
        let (name, digits) = text.split_once(CONTENT).ok_or(Problem::Module)?;
        ModuleId::new(name, &hexadecimal::decode(digits).ok_or(Problem::Module)?)
    }

    /// Returns the canonical resource.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    let is_name = !name.is_empty()
        && name.len() <= MAX_PATH
        && !name.contains(|character: char| matches!(character, '#' | '*') || character.is_whitespace())
        && forbidden_in_names(name).is_none()
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    is_name.then_some(()).ok_or(Problem::ModuleName)
}

impl Family for Module {
    fn name(&self) -> FamilyName {
        FamilyName::MODULE
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::IMPORT,
            summary: "import modules",
        }]
    }

    fn default_action(&self) -> Option<ActionName> {
        Some(ActionName::IMPORT)
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        if let Some(digits) = text.strip_prefix("blake3:") {
            hexadecimal::decode::<32>(digits).ok_or(Problem::Module)?;
            return Ok(vec![Pattern::affix("", format!("#{text}"))]);
        }
        if text.contains(CONTENT) {
            return Ok(vec![Pattern::exact(ModuleId::parse(text)?.0)]);
        }
        if let Some(folder) = text.strip_suffix("/**") {
            check_name(folder)?;
            return Ok(vec![Pattern::prefix(format!("{folder}/"))]);
        }
        check_name(text)?;
        Ok(vec![Pattern::prefix(format!("{text}{CONTENT}"))])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(ModuleId::parse(text)?.0)
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_module).collect()
    }
}

fn describe_module(pattern: &Pattern) -> String {
    let scope = match pattern {
        Pattern::Affix { prefix, suffix } if prefix.is_empty() => suffix.strip_prefix('#').map(str::to_owned),
        Pattern::Affix { prefix, suffix } if suffix.is_empty() => match prefix.strip_suffix(CONTENT) {
            Some(name) => Some(name.to_owned()),
            None => prefix.strip_suffix('/').map(|folder| format!("{folder}/**")),
        },
        _ => None,
    };
    scope.unwrap_or_else(|| crate::describe_pattern(pattern))
}
