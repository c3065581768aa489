//! Families of resources: the words and parsers that each supplies.

use thiserror::Error;

use crate::{
    ActionName, Base, FamilyName, NameError, OriginError, PathError, Pattern, RightsError, text::quoted,
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
/// [`crate::Families::with`].
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

    /// Whether a program can use its rights. Where not, tokens can carry them, and manifests cannot grant them.
    fn is_for_programs(&self) -> bool {
        true
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
        Pattern::Endpoint(endpoint) => endpoint.to_string(),
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
    #[error("use one of 1us, 10us, 100us, 1ms, 10ms, 100ms, 1s, never")]
    Resolution,
    /// It is nothing that `random` knows.
    #[error("write `true`, or `seeded` for what is the same in every run")]
    Source,
    /// It is no key of a key-value store.
    #[error("a key has 1 to 2,048 bytes, and no NUL character")]
    Key,
    /// It is no module.
    #[error("a module is NAME#blake3:HASH, a hash blake3:HASH, with 64 lower-case hexadecimal digits")]
    Module,
    /// It is no blob of a store.
    #[error("a blob is blake3:HASH with 64 lower-case hexadecimal digits; as a scope, `*` alone means all")]
    Blob,
    /// It is no name of a module.
    #[error(
        "a module's name has 1 to 4,096 bytes, without `#`, `*`, spaces and control characters, and without empty, `.` and `..` components; after a folder's name comes `/**`"
    )]
    ModuleName,
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
    /// Rights that no program can use, where a program's are asked for.
    #[error(
        "no program can use rights of `{family}`: they belong into a token for who offers such things, as `store serve` does"
    )]
    NotForPrograms {
        /// The family.
        family: FamilyName,
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
    /// Rights that one set cannot hold.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// Paths that are too long to be written in one spelling.
    #[error(transparent)]
    Path(#[from] PathError),
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

pub(crate) fn action_names(family: &dyn Family) -> Vec<String> {
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
pub(crate) fn nearest(name: &str, known: &[String]) -> Option<String> {
    if name.len() > crate::MAX_NAME {
        return None; // the distance is quadratic
    }
    known
        .iter()
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate.clone())
}
