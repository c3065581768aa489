//! The registry of families: from the words of grants and operations to rights, and back.

use secure_runtime_text::{is_blank, is_hidden};
use std::{fmt, sync::Arc};

use crate::{
    ActionName, Base, Family, FamilyName, Operation, Pattern, Right, Rights, ScopeError, describe_pattern,
    families,
    family::{action_names, invalid, nearest, parse_action},
};

/// The families that a program knows. Cloning is cheap.
#[derive(Clone)]
pub struct Families(Vec<Arc<dyn Family>>);

impl Families {
    /// The families of this crate: `fs`, `net`, `env`, `clock`, `random`, `kv`, `module`, `store`.
    pub fn builtin() -> Families {
        Families(vec![
            Arc::new(families::Fs),
            Arc::new(families::Net),
            Arc::new(families::Env),
            Arc::new(families::Clock),
            Arc::new(families::Random),
            Arc::new(families::Kv),
            Arc::new(families::Module),
            Arc::new(families::Store),
        ])
    }

    /// These families and one more.
    ///
    /// # Errors
    /// [`ScopeError::Duplicate`] when its name is taken.
    pub fn with(mut self, family: Arc<dyn Family>) -> Result<Families, ScopeError> {
        if self.iter().any(|known| known.name() == family.name()) {
            return Err(ScopeError::Duplicate {
                family: family.name(),
            });
        }
        self.0.push(family);
        Ok(self)
    }

    /// The families, built-in ones first.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Family> {
        self.0.iter().map(Arc::as_ref)
    }

    /// The family of this name.
    pub fn get(&self, name: FamilyName) -> Option<&dyn Family> {
        self.iter().find(|family| family.name() == name)
    }

    /// The family that this text names.
    ///
    /// # Errors
    /// [`ScopeError::UnknownFamily`].
    pub fn family(&self, name: &str) -> Result<&dyn Family, ScopeError> {
        name.parse()
            .ok()
            .and_then(|parsed| self.get(parsed))
            .ok_or_else(|| {
                let known_names: Vec<String> = self.iter().map(|family| family.name().to_string()).collect();
                ScopeError::UnknownFamily {
                    name: name.to_owned(),
                    suggestion: nearest(name, &known_names),
                    known_names,
                }
            })
    }

    /// As [`Families::family`], for the rights of a program.
    ///
    /// # Errors
    /// [`ScopeError::UnknownFamily`], and [`ScopeError::NotForPrograms`] for a family whose rights no program can use.
    pub fn program_family(&self, name: &str) -> Result<&dyn Family, ScopeError> {
        let family = self.family(name)?;
        if family.is_for_programs() {
            Ok(family)
        } else {
            Err(ScopeError::NotForPrograms {
                family: family.name(),
            })
        }
    }

    /// The rights that one scope of a manifest grants. Without an action, the family's default one.
    ///
    /// # Errors
    /// An unknown family or action, or a scope that the family refuses.
    pub fn parse_scope(
        &self,
        family: &str,
        action: Option<&str>,
        scope: &str,
        base: &Base,
    ) -> Result<Vec<Right>, ScopeError> {
        let family = self.family(family)?;
        let action = match action {
            Some(action) => parse_action(family, action)?,
            None => family.default_action().ok_or_else(|| ScopeError::NoAction {
                family: family.name(),
                known_names: action_names(family),
            })?,
        };
        let patterns = family
            .parse_scope(action, scope, base)
            .map_err(|problem| invalid(family, action, scope, problem))?;
        let right = |pattern| Right {
            family: family.name(),
            action,
            pattern,
        };
        Ok(patterns.into_iter().map(right).collect())
    }

    /// The rights of a grant in its command-line form: `fs.read=./data/**`, `clock=1ms`.
    ///
    /// # Errors
    /// A text of another form, and those of [`Families::parse_scope`].
    pub fn parse_grant(&self, text: &str, base: &Base) -> Result<Vec<Right>, ScopeError> {
        let (name, scope) = text.split_once('=').ok_or_else(|| ScopeError::NotAGrant {
            text: text.to_owned(),
        })?;
        match name.split_once('.') {
            Some((family, action)) => self.parse_scope(family, Some(action), scope, base),
            None => self.parse_scope(name, None, scope, base),
        }
    }

    /// The set of rights of several grants in their command-line form.
    ///
    /// # Errors
    /// As [`Families::parse_grant`], and rights that make no set.
    pub fn parse_grants(
        &self,
        grants: impl IntoIterator<Item = impl AsRef<str>>,
        base: &Base,
    ) -> Result<Rights, ScopeError> {
        let mut rights = Vec::new();
        for grant in grants {
            rights.extend(self.parse_grant(grant.as_ref(), base)?);
        }
        Ok(Rights::new(rights)?)
    }

    /// The operation of a text such as `fs read /srv/a.csv`. A family with one action may leave the
    /// action out (`clock 1ms`), and `random` its resource.
    ///
    /// # Errors
    /// A text of another form, an unknown family or action, or a resource that the family refuses.
    pub fn parse_operation(&self, text: &str, base: &Base) -> Result<Operation<'static>, ScopeError> {
        let not_an_operation = || ScopeError::NotAnOperation {
            text: text.to_owned(),
        };
        let (family, rest) = text.split_once(' ').unwrap_or((text, ""));
        let family = self.family(family)?;
        let (action, resource) = rest.split_once(' ').unwrap_or((rest, ""));
        match (parse_action(family, action), family.default_action()) {
            (Ok(action), Some(_)) if resource.is_empty() => {
                Operation::new(family, action.as_str(), families::WHOLE, base)
            }
            (Ok(_), _) if resource.is_empty() => Err(not_an_operation()),
            (Ok(action), _) => Operation::new(family, action.as_str(), resource, base),
            (Err(_), Some(action)) => {
                let resource = if rest.is_empty() { families::WHOLE } else { rest };
                Operation::new(family, action.as_str(), resource, base)
            }
            (Err(_), None) if rest.is_empty() => Err(not_an_operation()),
            (Err(error), None) => Err(error),
        }
    }

    /// The grants that a person would write for these rights, as `(family.action, scopes)`, in order.
    ///
    /// Rights of a family that is not known here are shown by [`describe_pattern`].
    pub fn describe(&self, rights: &Rights, base: &Base) -> Vec<Described> {
        let mut described: Vec<Described> = Vec::new();
        let mut rest: Vec<&Right> = rights.iter().collect();
        while let Some(first) = rest.first() {
            let (family, action) = (first.family, first.action);
            let patterns: Vec<Pattern> = rights
                .for_action(family, action)
                .iter()
                .map(|right| right.pattern.clone())
                .collect();
            rest = rest.split_off(patterns.len().max(1).min(rest.len()));
            let scopes = self.describe_patterns(family, action, &patterns, base);
            described.push(Described {
                family,
                action,
                scopes,
            });
        }
        described
    }
}

impl Families {
    /// The scopes that a person would write for these patterns of one action.
    pub(crate) fn describe_patterns(
        &self,
        family: FamilyName,
        action: ActionName,
        patterns: &[Pattern],
        base: &Base,
    ) -> Vec<String> {
        match self.get(family) {
            Some(family) => family.describe(action, patterns, base),
            None => patterns.iter().map(describe_pattern).collect(),
        }
    }
}

impl fmt::Debug for Families {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.iter().map(Family::name))
            .finish()
    }
}

/// The scopes of one action, as people write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The family.
    pub family: FamilyName,
    /// The action.
    pub action: ActionName,
    /// The scopes.
    pub scopes: Vec<String>,
}

impl Described {
    /// The line that grants these scopes in `secure.toml`: `fs.read = ["./data/**"]`.
    ///
    /// The clock and randomness have one scope, and are written as the contract has them: `clock = "1ms"`,
    /// `random = true`.
    pub fn manifest_line(&self) -> String {
        match (self.family, self.scopes.as_slice()) {
            (FamilyName::RANDOM, [scope]) if scope == "true" => "random = true".to_owned(),
            (FamilyName::CLOCK, [scope]) => format!("clock = {}", toml_string(scope)),
            (family, scopes) => {
                let scopes: Vec<String> = scopes.iter().map(|scope| toml_string(scope)).collect();
                format!("{family}.{} = [{}]", self.action, scopes.join(", "))
            }
        }
    }
}

/// A TOML basic string: quotes, backslashes and all hidden characters escaped, so that pasting it is safe.
fn toml_string(text: &str) -> String {
    let mut string = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            // Also what TOML would allow but nobody would see, or a terminal would obey.
            _ if is_hidden(character) || is_blank(character) => {
                string.push_str(&format!("\\U{:08X}", u32::from(character)));
            }
            _ => string.push(character),
        }
    }
    string.push('"');
    string
}
