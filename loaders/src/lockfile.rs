//! The file `secure.lock`, which contains exactly the bytes of a graph, and `secure.lock.txt`, which is its text.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::files::{self, FileError};
use crate::graph::{Graph, GraphError, limits};
use crate::text::printable;

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

/// Writes the text of a graph atomically, for reviewers.
///
/// # Errors
/// Returns an error if the file cannot be written, or if the text is larger than [`limits::TEXT_FORM`].
pub fn write_lock_text(path: &Path, graph: &Graph) -> Result<(), LockFileError> {
    let fault = |error| LockFileError::Write {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let written = graph.text_lines(|line| {
        text.push_str(line);
        text.push('\n');
        if text.len() as u64 > limits::TEXT_FORM {
            return ControlFlow::Break(FileError::TooLarge {
                limit: limits::TEXT_FORM,
            });
        }
        ControlFlow::Continue(())
    });
    match written {
        ControlFlow::Break(error) => Err(fault(error)),
        ControlFlow::Continue(()) => files::write_atomic(path, text.as_bytes()).map_err(fault),
    }
}

/// Compares a file with the text of a graph. Every byte must be equal.
///
/// # Errors
/// Returns an error if the file is missing, cannot be read, or differs. The error names the first line that differs.
pub fn check_lock_text(path: &Path, graph: &Graph) -> Result<(), LockFileError> {
    let bytes = files::read_regular(path, limits::TEXT_FORM).map_err(|error| match error {
        FileError::NotFound => LockFileError::NoText {
            path: path.to_owned(),
        },
        error => LockFileError::Read {
            path: path.to_owned(),
            error,
        },
    })?;
    let shown = |line: &[u8]| Some(printable(&String::from_utf8_lossy(line)));
    let mut number = 0;
    let mut rest = bytes.as_ref();
    let differs = |line, found, expected| LockFileError::TextDiffers {
        path: path.to_owned(),
        line,
        found,
        expected,
    };
    let compared = graph.text_lines(|expected| {
        number += 1;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let found = rest.split_at_checked(end.unwrap_or(rest.len()));
        match found {
            Some((found, after)) if found == expected.as_bytes() && end.is_some() => {
                rest = after.strip_prefix(b"\n").unwrap_or(after);
                ControlFlow::Continue(())
            }
            Some((found, _)) if !rest.is_empty() => {
                ControlFlow::Break(differs(number, shown(found), shown(expected.as_bytes())))
            }
            _ => ControlFlow::Break(differs(number, None, shown(expected.as_bytes()))),
        }
    });
    match compared {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) if rest.is_empty() => Ok(()),
        ControlFlow::Continue(()) => {
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
            Err(differs(number + 1, shown(line), None))
        }
    }
}

/// An error of reading or writing a lock or its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockFileError {
    /// The file cannot be read.
    #[error("{}: {error}{}", path.display(), if *error == FileError::NotFound { "; run `secure-runtime lock` to make it" } else { "" })]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        error: FileError,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        error: FileError,
    },
    /// The file was read, but it is not a valid lock.
    #[error("{}: {error}; {}", path.display(), remedy(error))]
    Content {
        /// The file.
        path: PathBuf,
        /// The error in its bytes.
        #[source]
        error: GraphError,
    },
    /// The text of the lock does not exist.
    #[error("{}: the text of the lock is missing; {TEXT_REMEDY}", path.display())]
    NoText {
        /// The missing file.
        path: PathBuf,
    },
    /// The text of the lock is that of another lock, or was edited.
    #[error(
        "{}: line {line} differs from the lock\n  the text: {}\n  the lock: {}\n  help: {TEXT_REMEDY}",
        path.display(), or_end(found), or_end(expected)
    )]
    TextDiffers {
        /// The file.
        path: PathBuf,
        /// The number of the first line that differs, from 1.
        line: usize,
        /// This line in the file, for printing. `None` if the file ends before it.
        found: Option<String>,
        /// The line that the lock has here, for printing. `None` if its text ends before it.
        expected: Option<String>,
    },
}

/// The remedy for a text that is missing or differs.
const TEXT_REMEDY: &str =
    "run `secure-runtime lock`, and review the changes of both files before you commit them";

fn or_end(line: &Option<String>) -> &str {
    line.as_deref().unwrap_or("(the end)")
}

fn remedy(error: &GraphError) -> &'static str {
    match error {
        GraphError::Version { .. } => "run `secure-runtime lock` again, and review and sign the new lock",
        _ => "restore the file, or run `secure-runtime lock` and review what changed",
    }
}

impl LockFileError {
    /// Returns true if the file exists but its bytes are wrong, or if a lock has no text.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        matches!(
            self,
            Self::Content { .. } | Self::NoText { .. } | Self::TextDiffers { .. }
        )
    }
}
