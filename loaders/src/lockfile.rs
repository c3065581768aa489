//! The file `secure.lock`: exactly the bytes of a graph.

use std::path::{Path, PathBuf};

use crate::files::{self, FileError};
use crate::graph::{Graph, GraphError, limits};

/// Reads a lock.
///
/// # Errors
/// When the file cannot be read, or is anything but the canonical bytes of a valid graph.
pub fn read_lock(path: &Path) -> Result<Graph, LockFileError> {
    let bytes = files::read_regular(path, limits::ENCODED).map_err(|error| LockFileError::Read {
        path: path.to_owned(),
        error,
    })?;
    Graph::decode(&bytes).map_err(|error| LockFileError::Content {
        path: path.to_owned(),
        error,
    })
}

/// Writes a lock: whoever reads it meanwhile sees the old one or the whole new one.
///
/// # Errors
/// When the file cannot be written.
pub fn write_lock(path: &Path, graph: &Graph) -> Result<(), LockFileError> {
    files::write_atomic(path, &graph.encode()).map_err(|error| LockFileError::Write {
        path: path.to_owned(),
        error,
    })
}

/// Why a lock was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockFileError {
    /// The file cannot be read.
    #[error("{}: {error}{}", path.display(), if *error == FileError::NotFound { "; run `secure-runtime lock` to make it" } else { "" })]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: FileError,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: FileError,
    },
    /// The file was read and is no lock.
    #[error("{}: {error}; {}", path.display(), remedy(error))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with its bytes.
        error: GraphError,
    },
}

fn remedy(error: &GraphError) -> &'static str {
    match error {
        GraphError::Version { .. } => "run `secure-runtime lock` again, and review and sign the new lock",
        _ => "restore the file, or run `secure-runtime lock` and review what changed",
    }
}

impl LockFileError {
    /// Whether the file is there but its bytes are wrong.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        matches!(self, Self::Content { .. })
    }
}
