//! Comparison of bounds.

use super::figure::Figure;
use super::{Bounds, LIMITS};

/// The bounds of a package together with those of its program. For the program itself, both are the same.
#[derive(Clone, Copy)]
pub(crate) struct Within<'a> {
    /// The bounds of the package.
    pub(crate) own: &'a Bounds,
    /// The bounds of the program that the package is part of.
    pub(crate) program: &'a Bounds,
}

impl Within<'_> {
    /// Returns the figure that limits the package. The heap limit of a package replaces that of the program; every
    /// other limit applies in addition to the program's.
    fn figure(&self, key: &str) -> Option<Figure> {
        let (own, program) = (self.own.limits.get(key), self.program.limits.get(key));
        match (own, program) {
            (Some(own), Some(program)) if key != "heap" => Some(*own.min(program)),
            (own, program) => own.or(program).copied(),
        }
    }
}

/// Returns a description of each bound of `old` that is wider in `new`.
pub(crate) fn wider(old: Within<'_>, new: Within<'_>) -> Vec<String> {
    let mut wider = Vec::new();
    for (key, _) in LIMITS {
        if !old.own.limits.contains_key(key) && !new.own.limits.contains_key(key) {
            continue; // The limit of the program applies. It is compared separately.
        }
        let (before, now) = (old.figure(key), new.figure(key));
        match (before, now) {
            (Some(before), None) => wider.push(format!("no limits.{key}, before {before}")),
            (Some(before), Some(now)) if now > before => {
                wider.push(format!("limits.{key} = {now}, before {before}"));
            }
            _ => {}
        }
    }
    match (&old.own.trust, &new.own.trust) {
        (Some(_), None) => wider.push("no demand for signatures (trust), before there was one".to_owned()),
        (Some(before), Some(now)) if !now.implies(before) => {
            wider.push("trust demands less than before".to_owned());
        }
        _ => {}
    }
    wider
}
