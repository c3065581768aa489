//! Manifest errors, with their place and a hint.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use secure_runtime_loaders::Cause;
use secure_runtime_loaders::secrets::looks_secret;

/// The reason why a manifest is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    path: PathBuf,
    what: String,
    hint: Option<String>,
    /// The whole text, and the position of the error in it.
    place: Option<Box<(String, Range<usize>)>>,
    missing: bool,
    cause: Option<Cause>,
}

impl ManifestError {
    pub(super) fn plain(path: &Path, what: String) -> Self {
        ManifestError {
            path: path.to_owned(),
            what,
            hint: None,
            place: None,
            missing: false,
            cause: None,
        }
    }

    /// Returns the error with this source. Its message must be part of the error's.
    pub(super) fn caused_by(self, cause: impl Into<Cause>) -> Self {
        ManifestError {
            cause: Some(cause.into()),
            ..self
        }
    }

    pub(super) fn missing(path: &Path) -> Self {
        ManifestError {
            hint: Some("make a project with `secure-runtime init`, or run one file: `secure-runtime run main.js --grant 'fs.read=./data/**'`".to_owned()),
            missing: true,
            ..ManifestError::plain(path, "does not exist".to_owned())
        }
    }

    pub(super) fn at(
        path: &Path,
        text: &str,
        place: Range<usize>,
        what: String,
        hint: Option<String>,
    ) -> Self {
        let end = place.end.min(text.len()).max(place.start.min(text.len()));
        let place = place.start.min(text.len())..end;
        ManifestError {
            path: path.to_owned(),
            what,
            hint,
            place: Some(Box::new((text.to_owned(), place))),
            missing: false,
            cause: None,
        }
    }

    /// Returns true if there is no manifest file.
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// Returns the message without the line.
    pub fn message(&self) -> &str {
        &self.what
    }

    /// Returns advice on how to fix the error.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the line number, starting from 1.
    pub fn line(&self) -> Option<usize> {
        let (text, place) = self.place.as_deref()?;
        Some(line_of(text, place.start))
    }
}

/// Returns the line number, starting from 1, of the byte at `offset`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let Some((text, place)) = self.place.as_deref() else {
            write!(formatter, "{path} {}", self.what)?;
            if let Some(hint) = &self.hint {
                write!(formatter, "\n  help: {hint}")?;
            }
            return Ok(());
        };
        let title = Level::ERROR.primary_title(&*self.what);
        let text = masked(text);
        let snippet = Snippet::source(text.as_str())
            .path(path)
            .annotation(AnnotationKind::Primary.span(place.clone()));
        let mut group = Group::with_title(title).element(snippet);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(&**hint));
        }
        let rendered = Renderer::plain().render(&[group]);
        // The message contains text of the manifest, which may come from another person. So it is escaped.
        formatter.write_str(&secure_runtime_text::escaped_lines(
            rendered.strip_prefix("error: ").unwrap_or(&rendered),
        ))
    }
}

impl std::error::Error for ManifestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&**self.cause.as_ref()?)
    }
}

/// Replaces each line that looks like it contains a secret by asterisks. Positions do not change. The whole line is
/// masked, because a snippet may truncate it, and the rest of a secret would not look like one.
fn masked(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        if !looks_secret(line) {
            return line.to_owned();
        }
        let mask = |character: char| match character {
            character if character.is_whitespace() => character.to_string(),
            character => "*".repeat(character.len_utf8()),
        };
        line.chars().map(mask).collect()
    });
    lines.collect()
}
