//! `[limits]`, and `limits` of packages: limits for a program and its packages.

use std::collections::BTreeMap;
use std::time::Duration;

use secure_runtime_capabilities::parse_duration;
use toml::de::DeValue;

use super::ManifestError;
use super::size::parse_size;
use super::source::{Key, Source, Value};
use secure_runtime_engine::{Limits, PackageLimits, Quotas};

const KNOWN: [&str; 12] = [
    "heap",
    "cpu",
    "wall",
    "response",
    "idle",
    "operations",
    "handles",
    "pending",
    "timers",
    "output",
    "read",
    "fetched",
];

/// Parses the limits of the whole program.
pub(super) fn limits(source: &Source<'_>, value: &Value<'_>) -> Result<Limits, ManifestError> {
    let mut limits = Limits::default();
    for (key, value) in source.table(value, "[limits]")? {
        match key.get_ref().as_ref() {
            "heap" => limits.heap = heap(source, value)?,
            "cpu" => limits.cpu = Some(duration(source, value)?),
            "wall" => limits.wall = Some(duration(source, value)?),
            "response" => limits.response = size(source, value)?,
            "idle" => limits.idle = duration(source, value)?,
            _ => {
                if !quota(source, key, value, &mut limits.quotas)? {
                    return Err(source.unknown(key, &KNOWN, "[limits]"));
                }
            }
        }
    }
    Ok(limits)
}

/// Parses the limits of packages: `[packages.NAME.limits]`.
pub(super) fn of_packages(
    source: &Source<'_>,
    packages: Option<&Value<'_>>,
) -> Result<BTreeMap<String, PackageLimits>, ManifestError> {
    let mut all = BTreeMap::new();
    let Some(packages) = packages else { return Ok(all) };
    for (name, value) in source.table(packages, "[packages]")? {
        let package = source.table(value, &format!("[packages.{:?}]", name.get_ref()))?;
        let of_package = package.iter().find(|(key, _)| key.get_ref() == "limits");
        if let Some((key, value)) = of_package {
            let within = format!("[packages.{:?}.limits]", name.get_ref());
            let limits = of_package_limits(source, value, &within)?;
            let shares = !package.iter().any(|(key, value)| {
                key.get_ref() == "isolate" && matches!(value.get_ref(), DeValue::Boolean(true))
            });
            let limit = limits.of_an_isolate();
            if let Some(limit) = limit.filter(|_| shares) {
                return Err(source.error(
                    key.span(),
                    format!(
                        "`{limit}` is a limit of isolates, and package {} shares the program's",
                        name.get_ref()
                    ),
                    "give the package an isolate of its own with `isolate = true`, or set the limit under [limits]"
                        .to_owned(),
                ));
            }
            all.insert(name.get_ref().to_string(), limits);
        }
    }
    Ok(all)
}

fn of_package_limits(
    source: &Source<'_>,
    value: &Value<'_>,
    within: &str,
) -> Result<PackageLimits, ManifestError> {
    let mut limits = PackageLimits::default();
    for (key, value) in source.table(value, within)? {
        match key.get_ref().as_ref() {
            "heap" => limits.heap = Some(heap(source, value)?),
            "cpu" => limits.cpu = Some(duration(source, value)?),
            "wall" => limits.wall = Some(duration(source, value)?),
            _ => {
                if !quota(source, key, value, &mut limits.quotas)? {
                    let known: Vec<&str> = KNOWN
                        .into_iter()
                        .filter(|known| !["response", "idle"].contains(known))
                        .collect();
                    return Err(source.unknown(key, &known, within));
                }
            }
        }
    }
    Ok(limits)
}

/// Sets the quota that this key names. Returns false if the key names no quota.
fn quota(
    source: &Source<'_>,
    key: &Key<'_>,
    value: &Value<'_>,
    quotas: &mut Quotas,
) -> Result<bool, ManifestError> {
    match key.get_ref().as_ref() {
        "operations" => quotas.operations = Some(count(source, value)?),
        "handles" => quotas.handles = Some(count(source, value)?),
        "pending" => quotas.pending = Some(count(source, value)?),
        "timers" => quotas.timers = Some(count(source, value)?),
        "output" => quotas.output = Some(size(source, value)?),
        "read" => quotas.read = Some(size(source, value)?),
        "fetched" => quotas.fetched = Some(size(source, value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn count(source: &Source<'_>, value: &Value<'_>) -> Result<u64, ManifestError> {
    let number = match value.get_ref() {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    number.ok_or_else(|| {
        source.error(
            value.span(),
            "this is not a count",
            "a whole number such as 1000, not in quotes".to_owned(),
        )
    })
}

fn heap(source: &Source<'_>, value: &Value<'_>) -> Result<u64, ManifestError> {
    let size = size(source, value)?;
    if size < Limits::SMALLEST_HEAP {
        return Err(source.error(
            value.span(),
            "the heap must be at least 8MiB: the realm does not fit into less",
            None,
        ));
    }
    Ok(size)
}

fn size(source: &Source<'_>, value: &Value<'_>) -> Result<u64, ManifestError> {
    let text = source.string(value, "a size")?;
    parse_size(text).map_err(|error| {
        source
            .error(value.span(), error.to_string(), None)
            .caused_by(error)
    })
}

fn duration(source: &Source<'_>, value: &Value<'_>) -> Result<Duration, ManifestError> {
    let text = source.string(value, "a duration")?;
    match parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err(source.error(
            value.span(),
            format!("the duration {text:?} is zero"),
            "a duration such as \"30s\" or \"1m\"".to_owned(),
        )),
        Err(error) => Err(source
            .error(value.span(), error.to_string(), None)
            .caused_by(error)),
    }
}
