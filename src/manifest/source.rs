//! The text of a manifest, with the errors at places of it.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use secure_runtime_capabilities::{Base, Families};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ManifestError;

/// The text to parse, with the context that the parser needs.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) base: &'a Base,
    pub(super) families: &'a Families,
}

pub(super) type Key<'a> = Spanned<Cow<'a, str>>;
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

impl Source<'_> {
    pub(super) fn error(
        &self,
        place: Range<usize>,
        what: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) -> ManifestError {
        ManifestError::at(self.path, self.text, place, what.into(), hint.into())
    }

    pub(super) fn table<'v, 'a>(
        &self,
        value: &'v Value<'a>,
        what: &str,
    ) -> Result<&'v DeTable<'a>, ManifestError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.error(value.span(), format!("{what} must be a table"), None)),
        }
    }

    pub(super) fn string<'v>(&self, value: &'v Value<'_>, what: &str) -> Result<&'v str, ManifestError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.error(value.span(), format!("{what} must be a string"), None)),
        }
    }

    pub(super) fn unknown(&self, key: &Key<'_>, known: &[&str], within: &str) -> ManifestError {
        self.error(
            key.span(),
            format!("unknown key {:?} in {within}", key.get_ref()),
            Some(format!("known here: {}", known.join(", "))),
        )
    }
}
