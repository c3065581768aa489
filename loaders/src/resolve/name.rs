//! The names of packages in a graph.

use std::collections::BTreeMap;

use super::packages::{FoundPackage, PackageIndex};

/// Returns the name of each package that can be reached. A package in `[imports]` has its name there. Every other
/// package has the name `parent>name`, by the shortest path, and then by the first name in text order.
///
/// So a transitive dependency never gets the name, and hence the grants, of a package that the manifest imports, unless
/// both are the same folder.
pub(super) fn packages(
    packages: &[FoundPackage],
    direct: &BTreeMap<String, PackageIndex>,
) -> BTreeMap<PackageIndex, String> {
    let mut names = BTreeMap::from([(0, String::new())]);
    let mut level: BTreeMap<PackageIndex, String> = direct
        .iter()
        .map(|(name, package)| (*package, name.clone()))
        .collect();
    while !level.is_empty() {
        let mut next: BTreeMap<PackageIndex, String> = BTreeMap::new();
        names.extend(level.iter().map(|(package, name)| (*package, name.clone())));
        for (package, parent) in &level {
            let Some(package) = packages.get(*package) else {
                continue;
            };
            for (name, target) in &package.dependencies {
                if names.contains_key(target) {
                    continue;
                }
                let candidate = format!("{parent}>{name}");
                match next.get(target) {
                    Some(known) if *known <= candidate => {}
                    _ => {
                        next.insert(*target, candidate);
                    }
                }
            }
        }
        level = next;
    }
    names
}
