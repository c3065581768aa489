//! The built-in families, one file each.

use crate::{Pattern, Problem, describe_pattern};

mod clock;
mod env;
mod fs;
mod http;
mod kv;
mod log;
mod module;
mod net;
mod random;
mod secrets;
mod store;

pub use clock::{Clock, Resolution};
pub use env::{Env, VariableName};
pub use fs::Fs;
pub use http::{Http, ListenAddress};
pub use kv::{Key, Kv, MAX_KEY};
pub use log::Log;
pub use module::{Module, ModuleId};
pub use net::{HostName, ListenEndpoint, Net, Transport};
pub use random::{Random, RandomSource};
pub use secrets::{KeyAlgorithm, SecretName, Secrets};
pub use store::{BlobId, Store};

/// The resource of an operation that names none, for families with a single resource.
pub(crate) const WHOLE: &str = "true";

/// Returns the patterns of a name or of a prefix (`APP_*`, `*`), the two forms of `env` and `kv`. `hint` is
/// the error message for a misplaced `*`.
fn parse_beginning(
    text: &str,
    hint: &'static str,
    check: impl Fn(&str) -> Result<(), Problem>,
) -> Result<Vec<Pattern>, Problem> {
    let prefix = text.strip_suffix('*');
    let name = prefix.unwrap_or(text);
    if name.contains('*') {
        return Err(Problem::Wildcard { hint });
    }
    if prefix != Some("") {
        check(name)?;
    }
    Ok(vec![match prefix {
        Some(prefix) => Pattern::prefix(prefix),
        None => Pattern::exact(name),
    }])
}

/// The inverse of [`parse_beginning`]: returns the scopes of these patterns.
fn describe_beginnings(patterns: &[Pattern]) -> Vec<String> {
    let describe = |pattern: &Pattern| match pattern {
        Pattern::Affix { prefix, suffix } if suffix.is_empty() => format!("{prefix}*"),
        pattern => describe_pattern(pattern),
    };
    patterns.iter().map(describe).collect()
}
