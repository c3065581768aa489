//! The file `secure.lock`, which contains exactly the bytes of a graph.

use std::path::{Path, PathBuf};

use crate::files::{self, FileError};
use crate::graph::{Graph, GraphError, limits};

/// Reads a lock.
///
/// # Errors
/// Returns an error if the file cannot be read, or if its bytes are not the canonical encoding of a valid graph.
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

/// Writes a lock atomically: a concurrent reader sees either the old lock or the complete new one.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub fn write_lock(path: &Path, graph: &Graph) -> Result<(), LockFileError> {
    files::write_atomic(path, &graph.encode()).map_err(|error| LockFileError::Write {
        path: path.to_owned(),
        error,
    })
}

/// An error of reading or writing a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockFileError {
    /// The file cannot be read.
    #[error("{}: {error}{}", path.display(), if *error == FileError::NotFound { "; run `secure-runtime lock` to make it" } else { "" })]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: FileError,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: FileError,
    },
    /// The file was read, but it is not a valid lock.
    #[error("{}: {error}; {}", path.display(), remedy(error))]
    Content {
        /// The file.
        path: PathBuf,
        /// The error in its bytes.
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
    /// Returns true if the file exists but its bytes are wrong.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        matches!(self, Self::Content { .. })
    }
}
