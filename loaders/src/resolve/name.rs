//! The names of packages in a graph.

use std::collections::BTreeMap;

use super::packages::{FoundPackage, PackageIndex};

/// The name of each package that can be reached: for one in `[imports]` its name there, for every
/// other one `parent>name` by the shortest path, and among those by the first in order of text.
///
/// So a package that another package brings along never has the name, and hence the grants, of one
/// that the manifest imports, unless it is the same folder.
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
