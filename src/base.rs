//! The base folder of relative paths.

use std::io;
use std::path::Path;

use secure_runtime_capabilities::{Base, PathError};
use secure_runtime_loaders::Cause;

/// The reason why a folder cannot be the base of relative paths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseError {
    /// The folder does not exist, or its links cannot be resolved.
    #[error("{0}")]
    Folder(
        /// The [`io::Error`].
        #[source]
        Cause,
    ),
    /// The resolved path is too long for a resource.
    #[error("{0}")]
    Path(#[from] PathError),
}

impl From<io::Error> for BaseError {
    fn from(error: io::Error) -> Self {
        BaseError::Folder(error.into())
    }
}

/// Resolves the links in the path of a folder, and returns it as the base of relative paths.
///
/// The scopes and resources of `fs` are text. So if the path is not UTF-8, the base refuses relative ones.
pub(crate) fn resolve(folder: &Path) -> Result<Base, BaseError> {
    match std::fs::canonicalize(folder)?.to_str() {
        Some(path) => Ok(Base::new(path)?),
        None => Ok(Base::without_text()),
    }
}
