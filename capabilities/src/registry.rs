//! The registry of families. It parses grants and operations, and describes rights.

use secure_runtime_text::{is_blank, is_hidden};
use std::{fmt, sync::Arc};

use crate::{
    ActionName, Base, Family, FamilyName, Operation, Pattern, Right, Rights, ScopeError, describe_pattern,
    families,
    family::{action_names, invalid, nearest, parse_action},
};

/// The families of a program. Cloning is cheap.
#[derive(Clone)]
pub struct Families(Vec<Arc<dyn Family>>);

impl Default for Families {
    fn default() -> Self {
        Families::builtin()
    }
}

impl Families {
    /// Returns the families of this crate: `fs`, `net`, `env`, `clock`, `random`, `kv`, `http`, `secrets`,
    /// `log`, `module`, `store`.
    pub fn builtin() -> Families {
        Families(vec![
            Arc::new(families::Fs),
            Arc::new(families::Net),
            Arc::new(families::Env),
            Arc::new(families::Clock),
            Arc::new(families::Random),
            Arc::new(families::Kv),
            Arc::new(families::Http),
            Arc::new(families::Secrets),
            Arc::new(families::Log),
            Arc::new(families::Module),
            Arc::new(families::Store),
        ])
    }

    /// Adds a family.
    ///
    /// # Errors
    /// Returns [`ScopeError::Duplicate`] if the name is taken.
    pub fn with(mut self, family: Arc<dyn Family>) -> Result<Families, ScopeError> {
        if self.iter().any(|known| known.name() == family.name()) {
            return Err(ScopeError::Duplicate {
                family: family.name(),
            });
        }
        self.0.push(family);
        Ok(self)
    }

    /// Returns the families, built-in ones first.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Family> {
        self.0.iter().map(Arc::as_ref)
    }

    /// Returns the family with this name.
    pub fn get(&self, name: FamilyName) -> Option<&dyn Family> {
        self.iter().find(|family| family.name() == name)
    }

    /// Parses the name of a family.
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

    /// Like [`Families::family`], but only for families whose rights a program can use.
    ///
    /// # Errors
    /// Returns [`ScopeError::UnknownFamily`], and [`ScopeError::NotForPrograms`] if programs cannot use the
    /// family's rights.
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

    /// Returns the rights of one scope in a manifest. If `action` is `None`, the family's default action
    /// applies.
    ///
    /// # Errors
    /// Returns an error if the family or action is unknown, or if the family rejects the scope.
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

    /// Parses a grant in its command-line form: `fs.read=./data/**`, `clock=1ms`.
    ///
    /// # Errors
    /// Returns an error if the text has another form, and the errors of [`Families::parse_scope`].
    pub fn parse_grant(&self, text: &str, base: &Base) -> Result<Vec<Right>, ScopeError> {
        let (name, scope) = text.split_once('=').ok_or_else(|| ScopeError::NotAGrant {
            text: text.to_owned(),
        })?;
        match name.split_once('.') {
            Some((family, action)) => self.parse_scope(family, Some(action), scope, base),
            None => self.parse_scope(name, None, scope, base),
        }
    }

    /// Parses several grants in their command-line form, and returns the set of their rights.
    ///
    /// # Errors
    /// Returns the errors of [`Families::parse_grant`], and an error if the rights exceed a limit.
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

    /// Parses an operation such as `fs read /srv/a.csv`. If the family has one action, the text may omit it
    /// (`clock 1ms`). `random` also needs no resource.
    ///
    /// # Errors
    /// Returns an error if the text has another form, the family or action is unknown, or the family rejects
    /// the resource.
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

    /// Returns the grants, in the form that people write, for these rights. The order is that of the rights.
    ///
    /// [`describe_pattern`] formats rights of unknown families.
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
    /// Returns the scopes, in the form that people write, for these patterns of one action.
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

/// The scopes of one action, in the form that people write.
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
    /// Returns the line that grants these scopes in `secure.toml`: `fs.read = ["./data/**"]`.
    ///
    /// `clock` and `random` have a short form for their single scope: `clock = "1ms"`, `random = true`.
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

/// Formats a TOML basic string. Quotes, backslashes and hidden characters are escaped, so that the line is
/// safe to paste.
fn toml_string(text: &str) -> String {
    let mut string = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            // TOML allows these characters, but people cannot see them, or a terminal interprets them.
            _ if is_hidden(character) || is_blank(character) => {
                string.push_str(&format!("\\U{:08X}", u32::from(character)));
            }
            _ => string.push(character),
        }
    }
    string.push('"');
    string
}
