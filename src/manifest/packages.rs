//! Settings of packages besides their grants and limits: additional globals, and isolates of their own.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::ManifestError;
use super::source::{Source, Value};
use secure_runtime_engine::TIMERS;
use secure_runtime_families::GIVEN;

/// Parses the additional global names of each package: `globals = ["…"]`.
pub(super) fn globals(
    source: &Source<'_>,
    packages: Option<&Value<'_>>,
) -> Result<BTreeMap<String, Vec<String>>, ManifestError> {
    let mut all = BTreeMap::new();
    for (package, value) in values(source, packages, "globals")? {
        let DeValue::Array(list) = value.get_ref() else {
            let hint = "write globals = [\"fetch\"]".to_owned();
            return Err(source.error(value.span(), "globals are a list of names", hint));
        };
        let mut names = BTreeSet::new();
        for value in list {
            let name = source.string(value, "a global")?;
            if !TIMERS.contains(&name) && !GIVEN.contains(&name) {
                let mut known = [TIMERS, GIVEN].concat();
                known.sort_unstable();
                let hint = format!("known here: {}", known.join(", "));
                return Err(source.error(
                    value.span(),
                    format!("{name:?} is not a global that a package can have"),
                    hint,
                ));
            }
            names.insert(name.to_owned());
        }
        if !names.is_empty() {
            all.insert(package, names.into_iter().collect());
        }
    }
    Ok(all)
}

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
