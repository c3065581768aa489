//! Families of resources: the words and parsers that each supplies, and the registry of known ones.

use std::{fmt, sync::Arc};

use thiserror::Error;

use crate::{
    ActionName, Base, FamilyName, NameError, Operation, OriginError, PathError, Pattern, Right, Rights,
    TooManyRights, families, text::quoted,
};

/// One action of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Its name, such as `read`.
    pub name: ActionName,
    /// What it lets a program do, in one line.
    pub summary: &'static str,
}

/// A kind of resource.
///
/// A family only supplies names and parsers: every scope becomes [`Pattern`]s over canonical resource
/// strings, and deciding is the same code for all families. An embedder adds its own with
/// [`Families::with`].
///
/// Each resource must have exactly one canonical string, and a scope's patterns must match exactly the
/// canonical strings that the scope means.
pub trait Family: Send + Sync {
    /// The family's name.
    fn name(&self) -> FamilyName;

    /// The actions that it has.
    fn actions(&self) -> &[Action];

    /// The action that a grant means which names none, for families with one action (`clock = "1ms"`).
    fn default_action(&self) -> Option<ActionName> {
        None
    }

    /// The patterns of a scope as people write it.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn parse_scope(&self, action: ActionName, text: &str, base: &Base) -> Result<Vec<Pattern>, Problem>;

    /// The canonical string of a resource as people write it.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn parse_resource(&self, action: ActionName, text: &str, base: &Base) -> Result<String, Problem>;

    /// The scopes that a person would write for these patterns of one action.
    ///
    /// Parsing them gives the patterns back. Patterns that no scope means (only tokens made by other
    /// tools hold such) are shown by [`describe_pattern`].
    fn describe(&self, action: ActionName, patterns: &[Pattern], base: &Base) -> Vec<String>;
}

/// A pattern that no scope means, for people to read: `starting…ending`.
pub fn describe_pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Exact(text) => text.clone(),
        Pattern::Affix { prefix, suffix } => format!("{prefix}…{suffix}"),
    }
}

/// What is wrong with a scope or a resource.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It is no origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// `*` where the family gives it no meaning.
    #[error("{hint}")]
    Wildcard {
        /// Where `*` has a meaning.
        hint: &'static str,
    },
    /// It is no name of an environment variable.
    #[error("an environment variable's name is not empty and holds neither `=` nor a NUL character")]
    Variable,
    /// It is no resolution of the clock.
    #[error("use one of 1us, 10us, 100us, 1ms, 10ms, 100ms, 1s")]
    Resolution,
    /// It is nothing that `random` knows.
    #[error("write `true`: random bytes come from one source")]
    Source,
    /// For families outside this crate: what is wrong, and what to write.
    #[error("{0}")]
    Other(String),
}

/// Why a grant, scope or operation was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// No family of that name.
    #[error("unknown family {}; {}", quoted(name), known(known_names, suggestion))]
    UnknownFamily {
        /// The name as given.
        name: String,
        /// The families that there are.
        known_names: Vec<String>,
        /// The known name nearest to it.
        suggestion: Option<String>,
    },
    /// The family has no action of that name.
    #[error(
        "`{family}` has no action {}; {}",
        quoted(name),
        known(known_names, suggestion)
    )]
    UnknownAction {
        /// The family.
        family: FamilyName,
        /// The name as given.
        name: String,
        /// The actions that the family has.
        known_names: Vec<String>,
        /// The known name nearest to it.
        suggestion: Option<String>,
    },
    /// The family has several actions, and the grant names none.
    #[error("a grant of `{family}` says which action: {}", known_names.iter().map(|name| format!("`{family}.{name}`")).collect::<Vec<_>>().join(", "))]
    NoAction {
        /// The family.
        family: FamilyName,
        /// The actions that the family has.
        known_names: Vec<String>,
    },
    /// The text does not have the form `family.action=scope`.
    #[error(
        "{} is not a grant: write `family.action=scope`, as in `fs.read=./data/**`",
        quoted(text)
    )]
    NotAGrant {
        /// The text as given.
        text: String,
    },
    /// The text does not have the form `family action resource`.
    #[error(
        "{} is not an operation: write `family action resource`, as in `fs read /srv/a.csv`",
        quoted(text)
    )]
    NotAnOperation {
        /// The text as given.
        text: String,
    },
    /// A scope or resource that the family refuses.
    #[error("{} is nothing that `{family}.{action}` can mean: {problem}", quoted(text))]
    Invalid {
        /// The family.
        family: FamilyName,
        /// The action.
        action: ActionName,
        /// The scope or resource as given.
        text: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// More rights than one set holds.
    #[error(transparent)]
    TooManyRights(#[from] TooManyRights),
    /// A new family whose name another has.
    #[error("there is already a family `{family}`")]
    Duplicate {
        /// The name.
        family: FamilyName,
    },
}

fn known(names: &[String], suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!("did you mean `{name}`? Known: {}", names.join(", ")),
        None => format!("known: {}", names.join(", ")),
    }
}

/// The families that a program knows. Cloning is cheap.
#[derive(Clone)]
pub struct Families(Vec<Arc<dyn Family>>);

impl Families {
    /// The families of this crate: `fs`, `net`, `env`, `clock`, `random`.
    pub fn builtin() -> Families {
        Families(vec![
            Arc::new(families::Fs),
            Arc::new(families::Net),
            Arc::new(families::Env),
            Arc::new(families::Clock),
            Arc::new(families::Random),
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
            let scopes = match self.get(family) {
                Some(family) => family.describe(action, &patterns, base),
                None => patterns.iter().map(describe_pattern).collect(),
            };
            described.push(Described {
                family,
                action,
                scopes,
            });
        }
        described
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

fn action_names(family: &dyn Family) -> Vec<String> {
    family
        .actions()
        .iter()
        .map(|action| action.name.to_string())
        .collect()
}

/// The action of a family that this text names.
pub(crate) fn parse_action(family: &dyn Family, name: &str) -> Result<ActionName, ScopeError> {
    let parsed: Result<ActionName, NameError> = name.parse();
    parsed
        .ok()
        .filter(|parsed| family.actions().iter().any(|action| action.name == *parsed))
        .ok_or_else(|| {
            let known_names = action_names(family);
            ScopeError::UnknownAction {
                family: family.name(),
                name: name.to_owned(),
                suggestion: nearest(name, &known_names),
                known_names,
            }
        })
}

pub(crate) fn invalid(family: &dyn Family, action: ActionName, text: &str, problem: Problem) -> ScopeError {
    ScopeError::Invalid {
        family: family.name(),
        action,
        text: text.to_owned(),
        problem,
    }
}

/// The known name that a person most likely meant: at most two edits away, and not all of it.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    if name.len() > crate::MAX_NAME {
        return None; // the distance is quadratic
    }
    known
        .iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate.clone())
}

/// How many characters to insert, remove or replace to turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, left) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut previous = index + 1;
        if let Some(first) = row.first_mut() {
            *first = previous;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(to.chars()) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            previous = replaced.min(diagonal + 1).min(previous + 1);
            *cell = previous;
        }
    }
    row.last().copied().unwrap_or_default()
}
