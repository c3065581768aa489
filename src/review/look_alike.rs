//! Detection of names that people may confuse.

use std::collections::{BTreeMap, BTreeSet};

use secure_runtime_loaders::Graph;
use secure_runtime_text::{code_point, foreign_letter, skeleton};

/// Maximum number of warnings for a program.
const MOST: usize = 20;

/// Returns warnings about names that look alike, or that contain letters of another script that look familiar. Graphs
/// already reject names with invisible characters.
///
/// Module names in ASCII are not compared. Names of bundled files often contain hashes that look alike, and that is
/// harmless.
pub fn look_alikes(graphs: &[&Graph]) -> Vec<String> {
    let packages = graphs.iter().flat_map(|graph| graph.packages());
    let modules = graphs.iter().flat_map(|graph| graph.modules());
    let mut warnings = pairs(
        "packages",
        packages.clone().map(|package| package.name.as_str()),
        |_| true,
    );
    let names = modules.clone().map(|module| module.name.as_str());
    warnings.extend(pairs("modules", names.clone(), |name| !name.is_ascii()));
    let imports = modules.flat_map(|module| module.imports.keys().map(String::as_str));
    let grants = packages.flat_map(|package| package.grants.iter().map(String::as_str));
    let named = (names.map(|name| ("module", name)))
        .chain(imports.map(|name| ("import", name)))
        .chain(grants.map(|name| ("grant", name)));
    let foreign: BTreeSet<String> = named
        .filter_map(|(what, name)| {
            let letter = code_point(foreign_letter(name)?);
            Some(format!(
                "{what} {name} has {letter}, which looks like a letter of another script"
            ))
        })
        .collect();
    warnings.extend(foreign);
    if let Some(more) = warnings.len().checked_sub(MOST).filter(|more| *more > 0) {
        warnings.truncate(MOST);
        warnings.push(format!("and {more} more names that look like others"));
    }
    warnings
}

/// Returns a warning for each pair of names with the same skeleton, if one of the two satisfies `is_looked_for`.
fn pairs<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
    is_looked_for: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut alike: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for name in names {
        alike.entry(skeleton(name)).or_default().insert(name);
    }
    let mut warnings = Vec::new();
    for names in alike.into_values() {
        let names: Vec<&str> = names.into_iter().collect();
        for pair in names.windows(2) {
            if let [one, other] = pair
                && pair.iter().any(|name| is_looked_for(name))
            {
                let letters: BTreeSet<String> = (one.chars().chain(other.chars()))
                    .filter(|letter| {
                        let is_in_both = one.contains(*letter) && other.contains(*letter);
                        !letter.is_ascii() && !is_in_both
                    })
                    .map(code_point)
                    .collect();
                let letters = match letters.len() {
                    0 => String::new(),
                    _ => format!(" ({})", letters.into_iter().collect::<Vec<_>>().join(", ")),
                };
                warnings.push(format!(
                    "{what} {one} and {other} look alike{letters}: check that both are intended"
                ));
            }
        }
    }
    warnings
}
