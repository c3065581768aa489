//! Bounds: the limits and demanded signatures that a graph records.
//!
//! A graph contains them as lines, which the loaders do not interpret. spec/graph.md defines the lines and the
//! comparison of bounds (GRAPH-90 to GRAPH-92).

mod compare;
mod figure;

use std::collections::BTreeMap;
use std::time::Duration;

use secure_runtime_capabilities::{Claim, PublicKey};
use secure_runtime_loaders::Package;

pub(crate) use self::compare::{Within, wider};
use self::figure::Figure;
use crate::signatures::{Trust, TrustedKey};
use secure_runtime_engine::{Limits, PackageLimits, Quotas};

/// The limits and the demanded signatures of the program, or of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    limits: BTreeMap<&'static str, Figure>,
    trust: Option<Trust>,
}

/// The error for a line that this version does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{owner}: this version of secure-runtime does not know the bound {line:?}")]
pub struct BoundsError {
    owner: String,
    line: String,
}

/// The keys of `[limits]`, each with an example of its kind of figure.
const LIMITS: [(&str, Figure); 12] = [
    ("cpu", Figure::Time(Duration::ZERO)),
    ("fetched", Figure::Size(0)),
    ("handles", Figure::Count(0)),
    ("heap", Figure::Size(0)),
    ("idle", Figure::Time(Duration::ZERO)),
    ("operations", Figure::Count(0)),
    ("output", Figure::Size(0)),
    ("pending", Figure::Count(0)),
    ("read", Figure::Size(0)),
    ("response", Figure::Size(0)),
    ("timers", Figure::Count(0)),
    ("wall", Figure::Time(Duration::ZERO)),
];

impl Bounds {
    /// Returns the bounds of a program with these limits, without those of its packages.
    pub fn of_program(limits: &Limits, trust: Option<&Trust>) -> Bounds {
        // The pattern has no `..`, so that a new limit cannot be forgotten here.
        let Limits {
            heap,
            wall,
            cpu,
            response,
            idle,
            quotas,
            // The host sets it, because it depends on the machine.
            requests: _,
            packages: _,
        } = limits;
        let mut bounds = Bounds::of_package(
            &PackageLimits {
                heap: Some(*heap),
                wall: *wall,
                cpu: *cpu,
                quotas: quotas.clone(),
            },
            trust,
        );
        bounds.set("response", Some(Figure::Size(*response)));
        bounds.set("idle", Some(Figure::Time(*idle)));
        bounds
    }

    /// Returns the bounds of a package with these limits.
    pub fn of_package(limits: &PackageLimits, trust: Option<&Trust>) -> Bounds {
        let PackageLimits {
            heap,
            wall,
            cpu,
            quotas,
        } = limits;
        let Quotas {
            operations,
            handles,
            pending,
            timers,
            output,
            read,
            fetched,
        } = quotas;
        let mut bounds = Bounds {
            limits: BTreeMap::new(),
            trust: trust.cloned(),
        };
        for (key, size) in [
            ("heap", heap),
            ("output", output),
            ("read", read),
            ("fetched", fetched),
        ] {
            bounds.set(key, size.map(Figure::Size));
        }
        for (key, time) in [("wall", wall), ("cpu", cpu)] {
            bounds.set(key, time.map(Figure::Time));
        }
        for (key, count) in [
            ("operations", operations),
            ("handles", handles),
            ("pending", pending),
            ("timers", timers),
        ] {
            bounds.set(key, count.map(Figure::Count));
        }
        bounds
    }

    fn set(&mut self, key: &'static str, figure: Option<Figure>) {
        if let Some(figure) = figure {
            self.limits.insert(key, figure);
        }
    }

    /// Parses the bounds that a graph records for this package.
    ///
    /// # Errors
    /// The graph contains a line that this version would not have written.
    pub fn of_graph(package: &Package) -> Result<Bounds, BoundsError> {
        let refused = |line: &str| BoundsError {
            owner: crate::review::package_owner(&package.name),
            line: line.to_owned(),
        };
        let mut bounds = Bounds::default();
        let (mut keys, mut claims, mut threshold) = (Vec::new(), Vec::new(), None);
        for line in &package.bounds {
            let (name, value) = line.split_once('=').ok_or_else(|| refused(line))?;
            match name {
                "trust.claim" => claims.push(value.parse::<Claim>().map_err(|_| refused(line))?),
                "trust.key" => keys.push(trusted_key(value).ok_or_else(|| refused(line))?),
                "trust.threshold" => threshold = Some(value.parse().map_err(|_| refused(line))?),
                _ => {
                    let limit = name.strip_prefix("limits.");
                    let known = limit.and_then(|limit| LIMITS.into_iter().find(|(key, _)| *key == limit));
                    let (key, kind) = known.ok_or_else(|| refused(line))?;
                    let figure = kind.parse_as(value).ok_or_else(|| refused(line))?;
                    bounds.limits.insert(key, figure);
                }
            }
        }
        if let Some(threshold) = threshold {
            let trust = Trust::new(keys, threshold, claims);
            bounds.trust = Some(trust.map_err(|error| refused(&format!("trust: {error}")))?);
        }
        // A line with another spelling, or an additional line, was not written by this code.
        let again = bounds.lines();
        let mut unknown = package.bounds.iter().filter(|line| !again.contains(line));
        match unknown.next() {
            None if again.len() == package.bounds.len() => Ok(bounds),
            other => Err(refused(other.map_or("", String::as_str))),
        }
    }

    /// Returns the canonical lines in ascending order.
    pub fn lines(&self) -> Vec<String> {
        let limits = self.limits.iter();
        let mut lines: Vec<String> = limits
            .map(|(key, figure)| format!("limits.{key}={figure}"))
            .collect();
        if let Some(trust) = &self.trust {
            lines.push(format!("trust.threshold={}", trust.threshold()));
            let claims = trust.claims().iter();
            // A claim with a value includes the claim without a value.
            let implied = |claim: &Claim| {
                claim.value().is_none()
                    && trust
                        .claims()
                        .iter()
                        .any(|other| other.value().is_some() && other.name() == claim.name())
            };
            lines.extend(
                claims
                    .filter(|claim| !implied(claim))
                    .map(|claim| format!("trust.claim={claim}")),
            );
            lines.extend(
                trust
                    .keys()
                    .iter()
                    .map(|key| format!("trust.key={}", shown_key(key))),
            );
        }
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

/// Formats a key like `ed25519/… from 1767225600 until 1798761600`, with times in Unix seconds.
fn shown_key(trusted: &TrustedKey) -> String {
    let mut shown = trusted.key.to_string();
    for (word, time) in [("from", trusted.from), ("until", trusted.until)] {
        if let Some(time) = time {
            shown.push_str(&format!(" {word} {time}"));
        }
    }
    shown
}

fn trusted_key(text: &str) -> Option<TrustedKey> {
    let mut words = text.split(' ');
    let mut trusted = TrustedKey::from(words.next()?.parse::<PublicKey>().ok()?);
    while let Some(word) = words.next() {
        let time = Some(words.next()?.parse().ok()?);
        match word {
            "from" => trusted.from = time,
            "until" => trusted.until = time,
            _ => return None,
        }
    }
    Some(trusted)
}
