//! The families of this command: the built-in ones, and those that an embedder adds.

use std::sync::OnceLock;

use secure_runtime::Families;
use secure_runtime::extension::AnyExtension;

static HOST: OnceLock<Host> = OnceLock::new();

struct Host {
    extensions: Vec<AnyExtension>,
    families: Families,
}

/// Sets the extensions of this process, besides the built-in families.
///
/// # Errors
/// The name of a family is taken.
pub(super) fn set(extensions: Vec<AnyExtension>) -> Result<(), String> {
    let mut families = Families::builtin();
    for extension in &extensions {
        families = families
            .with(extension.family().clone())
            .map_err(|error| error.to_string())?;
    }
    let host = Host { extensions, families };
    HOST.set(host)
        .map_err(|_| "the command runs once in a process".to_owned())
}

fn host() -> &'static Host {
    HOST.get_or_init(|| Host {
        extensions: Vec::new(),
        families: Families::builtin(),
    })
}

/// Returns the extensions besides the built-in families.
pub(super) fn extensions() -> &'static [AnyExtension] {
    &host().extensions
}

/// Returns the families of grants and operations.
pub(super) fn families() -> &'static Families {
    &host().families
}
