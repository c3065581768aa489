//! `[trust]`, and `trust` of packages: the demanded signatures.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use secure_runtime_capabilities::{Claim, PublicKey};
use toml::de::{DeArray, DeValue};

use super::ManifestError;
use super::source::{Source, Value};
use crate::signatures::{Trust, TrustedKey};

const HINT: &str = "write [trust] with keys = [\"ed25519/…\"], and, for several keys, threshold = NUMBER";

/// Parses the policy of a table with `keys`, `threshold` and `claims`.
pub(super) fn trust(source: &Source<'_>, value: &Value<'_>, within: &str) -> Result<Trust, ManifestError> {
    let (mut keys, mut threshold, mut claims) = (Vec::new(), None, Vec::new());
    for (key, value) in source.table(value, within)? {
        match key.get_ref().as_ref() {
            "keys" => {
                for value in list(source, value, "keys")? {
                    keys.push(trusted_key(source, value)?);
                }
            }
            "threshold" => threshold = Some(number(source, value)?),
            "claims" => {
                for value in list(source, value, "claims")? {
                    let text = source.string(value, "a claim")?;
                    let claim: Result<Claim, _> = text.parse();
                    claims.push(claim.map_err(|error| {
                        source
                            .error(value.span(), error.to_string(), None)
                            .caused_by(error)
                    })?);
                }
            }
            _ => return Err(source.unknown(key, &["keys", "threshold", "claims"], within)),
        }
    }
    // With several keys, the threshold must be explicit. A default could be too weak.
    let threshold = match threshold {
        None if keys.len() > 1 => {
            let what = "several keys need a threshold: the number of them that must have signed";
            return Err(source.error(value.span(), what, HINT.to_owned()));
        }
        threshold => threshold.unwrap_or(1),
    };
    Trust::new(keys, threshold, claims).map_err(|error| {
        source
            .error(value.span(), format!("{within}: {error}"), HINT.to_owned())
            .caused_by(error)
    })
}

/// Parses the policies of packages: `[packages.NAME.trust]`.
pub(super) fn of_packages(
    source: &Source<'_>,
    value: Option<&Value<'_>>,
) -> Result<BTreeMap<String, Trust>, ManifestError> {
    let mut policies = BTreeMap::new();
    let Some(value) = value else { return Ok(policies) };
    for (name, value) in source.table(value, "[packages]")? {
        let within = format!("[packages.{:?}.trust]", name.get_ref());
        for (key, value) in source.table(value, &within)? {
            if key.get_ref() == "trust" {
                policies.insert(name.get_ref().to_string(), trust(source, value, &within)?);
            }
        }
    }
    Ok(policies)
}

/// Parses `"ed25519/…"`, or a table with `key`, and `from` and `until` as times in RFC 3339.
fn trusted_key(source: &Source<'_>, value: &Value<'_>) -> Result<TrustedKey, ManifestError> {
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        return Ok(public_key(source, value)?.into());
    }
    let (mut key, mut from, mut until) = (None, None, None);
    for (name, value) in source.table(value, "a trusted key")? {
        match name.get_ref().as_ref() {
            "key" => key = Some(public_key(source, value)?),
            "from" => from = Some(time(source, value)?),
            "until" => until = Some(time(source, value)?),
            _ => return Err(source.unknown(name, &["key", "from", "until"], "a trusted key")),
        }
    }
    match key {
        Some(key) => Ok(TrustedKey { key, from, until }),
        None => Err(source.error(value.span(), "a trusted key has no `key`", HINT.to_owned())),
    }
}

fn public_key(source: &Source<'_>, value: &Value<'_>) -> Result<PublicKey, ManifestError> {
    let key: Result<PublicKey, _> = source.string(value, "a public key")?.parse();
    key.map_err(|error| {
        source
            .error(value.span(), error.to_string(), HINT.to_owned())
            .caused_by(error)
    })
}

fn time(source: &Source<'_>, value: &Value<'_>) -> Result<u64, ManifestError> {
    let text = source.string(value, "a time")?;
    let time = humantime::parse_rfc3339(text).ok();
    let seconds = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    seconds.map(|since| since.as_secs()).ok_or_else(|| {
        let hint = "a time such as \"2030-01-31T12:00:00Z\"".to_owned();
        source.error(value.span(), format!("{text:?} is not a time"), hint)
    })
}

fn number(source: &Source<'_>, value: &Value<'_>) -> Result<usize, ManifestError> {
    let number = match value.get_ref() {
        DeValue::Integer(integer) => usize::from_str_radix(integer.as_str(), integer.radix()).ok(),
        _ => None,
    };
    number.ok_or_else(|| source.error(value.span(), "a threshold is a whole number", HINT.to_owned()))
}

fn list<'a, 'b>(
    source: &Source<'_>,
    value: &'a Value<'b>,
    what: &str,
) -> Result<&'a DeArray<'b>, ManifestError> {
    match value.get_ref() {
        DeValue::Array(list) => Ok(list),
        _ => Err(source.error(value.span(), format!("{what} are a list"), HINT.to_owned())),
    }
}
