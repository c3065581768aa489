//! Manifest errors: what, where, what to do.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use secure_runtime_loaders::secrets::looks_secret;

/// Why a manifest was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    path: PathBuf,
    what: String,
    hint: Option<String>,
    /// The whole text and the place in it.
    place: Option<(String, Range<usize>)>,
    missing: bool,
}

impl ManifestError {
    pub(super) fn plain(path: &Path, what: String) -> Self {
        ManifestError {
            path: path.to_owned(),
            what,
            hint: None,
            place: None,
            missing: false,
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
            place: Some((text.to_owned(), place)),
            missing: false,
        }
    }

    /// Whether there is no manifest at all.
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// The message without the line.
    pub fn message(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<usize> {
        let (text, place) = self.place.as_ref()?;
        Some(line_of(text, place.start))
    }
}

/// The line, from 1, of the byte at `offset`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let Some((text, place)) = &self.place else {
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
        // A manifest may come from somebody else, and its text is a part of this.
        formatter.write_str(&secure_runtime_text::escaped_lines(
            rendered.strip_prefix("error: ").unwrap_or(&rendered),
        ))
    }
}

impl std::error::Error for ManifestError {}

/// The text with asterisks for each line that looks as if it had a secret. Places in it stay: a snippet may cut a long line, and what is left
/// of a secret would look like none.
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
