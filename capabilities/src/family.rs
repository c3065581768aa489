//! Families of resources, and the errors of their parsers.

use thiserror::Error;

use crate::{
    ActionName, Base, FamilyName, NameError, OriginError, PathError, Pattern, RightsError, text::quoted,
};

/// One action of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// The action's name, such as `read`.
    pub name: ActionName,
    /// A one-line description of the operations that the action permits.
    pub summary: &'static str,
}

/// A kind of resource.
///
/// A family only supplies names and parsers. Every scope becomes a set of [`Pattern`]s over canonical
/// resource strings, so the same code decides for all families. An embedder adds its own family with
/// [`crate::Families::with`].
///
/// Each resource must have exactly one canonical string. A scope's patterns must match exactly the canonical
/// strings of the resources that the scope means.
pub trait Family: Send + Sync {
    /// Returns the family's name.
    fn name(&self) -> FamilyName;

    /// Returns the actions of the family.
    fn actions(&self) -> &[Action];

    /// Returns the action of a grant that names none, for families with one action (`clock = "1ms"`).
    fn default_action(&self) -> Option<ActionName> {
        None
    }

    /// Returns true if programs can use rights of this family. If not, tokens can carry them, but manifests
    /// cannot grant them.
    fn is_for_programs(&self) -> bool {
        true
    }

    /// Parses a scope in the form that people write.
    ///
    /// # Errors
    /// Returns a [`Problem`] that says what is wrong with the text.
    fn parse_scope(&self, action: ActionName, text: &str, base: &Base) -> Result<Vec<Pattern>, Problem>;

    /// Parses a resource in the form that people write, and returns its canonical string.
    ///
    /// # Errors
    /// Returns a [`Problem`] that says what is wrong with the text.
    fn parse_resource(&self, action: ActionName, text: &str, base: &Base) -> Result<String, Problem>;

    /// Returns the scopes, in the form that people write, for these patterns of one action.
    ///
    /// Parsing the scopes must return the patterns again. Only tokens of other tools contain patterns that no
    /// scope means; [`describe_pattern`] formats those.
    fn describe(&self, action: ActionName, patterns: &[Pattern], base: &Base) -> Vec<String>;
}

/// Formats a pattern that no scope means, for people: `starting…ending`.
pub fn describe_pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Exact(text) => text.clone(),
        Pattern::Affix { prefix, suffix } => format!("{prefix}…{suffix}"),
        Pattern::Endpoint(endpoint) => endpoint.to_string(),
    }
}

/// Error returned when a scope or a resource is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not a path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The text is not an origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The family does not allow `*` at this place.
    #[error("{hint}")]
    Wildcard {
        /// The places at which `*` is allowed.
        hint: &'static str,
    },
    /// The text is not the name of an environment variable.
    #[error("an environment variable's name is not empty and holds neither `=` nor a NUL character")]
    Variable,
    /// The text is not a resolution of the clock.
    #[error("use one of 1us, 10us, 100us, 1ms, 10ms, 100ms, 1s, never")]
    Resolution,
    /// The text is not a source of random bytes.
    #[error("write `true`, or `seeded` for bytes that are the same in every run")]
    Source,
    /// The text is not a key of a key-value store.
    #[error("a key has 1 to 2,048 bytes, and no NUL character")]
    Key,
    /// The text is not an address to listen on.
    #[error(
        "write an address of this machine with a port, such as 127.0.0.1:8080 or [::1]:8080; as a scope, `*:8080` means all addresses"
    )]
    Listen,
    /// The family has a single resource.
    #[error("write `true`")]
    Whole,
    /// The text is not the name of a secret.
    #[error("a secret's name has 1 to 128 letters, digits, `_`, `-` and `.`")]
    SecretName,
    /// The text does not say which secret may be used for what.
    #[error("write NAME@USE: NAME@https://host to send a secret, NAME@HMAC-SHA-256 to use it as a key")]
    SecretUse,
    /// A secret must not be sent to the origin.
    #[error("a secret is sent to an https origin only, or to http on localhost or a loopback address")]
    SecretOrigin,
    /// The text is not an algorithm for keys.
    #[error(
        "use one of HMAC-SHA-1, HMAC-SHA-256, HMAC-SHA-384, HMAC-SHA-512, AES-GCM, Ed25519, ECDSA-P-256, ECDSA-P-384, ECDSA-P-521, and RSASSA-PKCS1-v1_5 or RSA-PSS with -SHA-256, -SHA-384 or -SHA-512"
    )]
    KeyAlgorithm,
    /// The text is not a socket to bind.
    #[error(
        "write `tcp` or `udp` and an address of this machine with a port, such as tcp://127.0.0.1:8080 or udp://[::1]:53; as a scope, `tcp://*:8080` means all addresses"
    )]
    Socket,
    /// The text is not a module.
    #[error("a module is NAME#blake3:HASH, a hash blake3:HASH, with 64 lower-case hexadecimal digits")]
    Module,
    /// The text is not a blob of a store.
    #[error("a blob is blake3:HASH with 64 lower-case hexadecimal digits; as a scope, `*` alone means all")]
    Blob,
    /// The text is not the name of a module.
    #[error(
        "a module's name has 1 to 4,096 bytes, without `#`, `*`, spaces and control characters, and without empty, `.` and `..` components; after a folder's name comes `/**`"
    )]
    ModuleName,
    /// A message of a family outside this crate. It must say what is wrong, and what to write instead.
    #[error("{0}")]
    Other(String),
}

/// Error returned when a grant, scope or operation is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// No family has this name.
    #[error("unknown family {}; {}", quoted(name), known(known_names, suggestion))]
    UnknownFamily {
        /// The unknown name.
        name: String,
        /// The names of all families.
        known_names: Vec<String>,
        /// The known name that is nearest to it.
        suggestion: Option<String>,
    },
    /// A program was to be granted rights that only tokens can carry.
    #[error(
        "no program can use rights of `{family}`: put them into a token for a server, such as `store serve`"
    )]
    NotForPrograms {
        /// The family.
        family: FamilyName,
    },
    /// The family has no action with this name.
    #[error(
        "`{family}` has no action {}; {}",
        quoted(name),
        known(known_names, suggestion)
    )]
    UnknownAction {
        /// The family.
        family: FamilyName,
        /// The unknown name.
        name: String,
        /// The names of the family's actions.
        known_names: Vec<String>,
        /// The known name that is nearest to it.
        suggestion: Option<String>,
    },
    /// The family has several actions, and the grant names none.
    #[error("a grant of `{family}` must name the action: {}", known_names.iter().map(|name| format!("`{family}.{name}`")).collect::<Vec<_>>().join(", "))]
    NoAction {
        /// The family.
        family: FamilyName,
        /// The names of the family's actions.
        known_names: Vec<String>,
    },
    /// The text does not have the form `family.action=scope`.
    #[error(
        "{} is not a grant: write `family.action=scope`, as in `fs.read=./data/**`",
        quoted(text)
    )]
    NotAGrant {
        /// The rejected text.
        text: String,
    },
    /// The text does not have the form `family action resource`.
    #[error(
        "{} is not an operation: write `family action resource`, as in `fs read /srv/a.csv`",
        quoted(text)
    )]
    NotAnOperation {
        /// The rejected text.
        text: String,
    },
    /// The family rejects the scope or resource.
    #[error("{} is not valid for `{family}.{action}`: {problem}", quoted(text))]
    Invalid {
        /// The family.
        family: FamilyName,
        /// The action.
        action: ActionName,
        /// The rejected scope or resource.
        text: String,
        /// The family's reason.
        #[source]
        problem: Problem,
    },
    /// The rights exceed a limit or have a pattern of the wrong kind.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The paths are too long for a canonical spelling.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The name of a new family is already taken.
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

/// Parses the name of an action of this family.
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

/// Returns the known name that was most likely meant: at most two edits away, and not replaced entirely.
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
