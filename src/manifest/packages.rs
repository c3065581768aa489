//! Settings of packages besides their grants and limits: isolates of their own.

use std::collections::BTreeSet;

use toml::de::DeValue;

use super::ManifestError;
use super::source::{Source, Value};

/// Parses the packages with `isolate = true`.
pub(super) fn isolated(
    source: &Source<'_>,
    packages: Option<&Value<'_>>,
) -> Result<BTreeSet<String>, ManifestError> {
    let mut isolated = BTreeSet::new();
    for (package, value) in values(source, packages, "isolate")? {
        match value.get_ref() {
            DeValue::Boolean(true) => drop(isolated.insert(package)),
            DeValue::Boolean(false) => {}
            _ => return Err(source.error(value.span(), "isolate is true or false", None)),
        }
    }
    Ok(isolated)
}

/// Returns the values of this key, by package name.
fn values<'v, 'a>(
    source: &Source<'_>,
    packages: Option<&'v Value<'a>>,
    wanted: &str,
) -> Result<Vec<(String, &'v Value<'a>)>, ManifestError> {
    let mut found = Vec::new();
    let Some(packages) = packages else {
        return Ok(found);
    };
    for (name, value) in source.table(packages, "[packages]")? {
        for (key, value) in source.table(value, &format!("[packages.{:?}]", name.get_ref()))? {
            if key.get_ref() == wanted {
                found.push((name.get_ref().to_string(), value));
            }
        }
    }
    Ok(found)
}
