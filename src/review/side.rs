//! One of the two programs that are compared: the rights of its parts, and an index of its code.

use std::collections::{BTreeMap, HashMap};

use secure_runtime_capabilities::{Base, Families, Rights};
use secure_runtime_loaders::{ContentHash, Graph, Module, ModuleKind};

use super::growth::GrowthError;
use super::{module_owner, package_owner};
use crate::bounds::{Bounds, Within};

/// A graph with the meaning of its grants and bounds. Grants are intersected with those of the program, like in
/// linking.
pub(super) struct Side<'a> {
    pub(super) graph: &'a Graph,
    packages: Vec<Rights>,
    /// The rights of modules that have their own grants.
    own: HashMap<usize, Rights>,
    bounds: Vec<Bounds>,
    packages_by_name: BTreeMap<&'a str, usize>,
    modules_by_name: BTreeMap<&'a str, usize>,
    /// The modules with code, by the hash of their bytes and by the hash of their source.
    modules_by_hash: HashMap<ContentHash, Vec<usize>>,
}

impl<'a> Side<'a> {
    /// Parses the grants and bounds of a graph.
    ///
    /// # Errors
    /// This version does not understand a grant or a bound.
    pub(super) fn of(graph: &'a Graph, families: &Families, base: &Base) -> Result<Self, GrowthError> {
        let parse = |owner: &dyn Fn() -> String, grants: &[String]| {
            let rights = families.parse_grants(grants, base);
            rights.map_err(|error| GrowthError::new(owner(), error))
        };
        let ceiling = match graph.packages().first() {
            Some(program) => parse(&|| package_owner(&program.name), &program.grants)?,
            None => Rights::none(),
        };
        let within = |owner: &dyn Fn() -> String, grants: &[String]| {
            let met = parse(owner, grants)?.meet(&ceiling);
            met.map_err(|error| GrowthError::new(owner(), error))
        };
        let mut side = Side {
            graph,
            packages: Vec::new(),
            own: HashMap::new(),
            bounds: Vec::new(),
            packages_by_name: BTreeMap::new(),
            modules_by_name: BTreeMap::new(),
            modules_by_hash: HashMap::new(),
        };
        for (index, package) in graph.packages().iter().enumerate() {
            side.packages
                .push(within(&|| package_owner(&package.name), &package.grants)?);
            side.bounds.push(Bounds::of_graph(package)?);
            side.packages_by_name.insert(&package.name, index);
        }
        for (index, module) in graph.modules().iter().enumerate() {
            if let Some(grants) = &module.grants {
                side.own
                    .insert(index, within(&|| module_owner(&module.name), grants)?);
            }
            side.modules_by_name.insert(&module.name, index);
            for hash in hashes(module) {
                side.modules_by_hash.entry(hash).or_default().push(index);
            }
        }
        Ok(side)
    }

    pub(super) fn package(&self, name: &str) -> Option<usize> {
        self.packages_by_name.get(name).copied()
    }

    pub(super) fn module(&self, name: &str) -> Option<usize> {
        self.modules_by_name.get(name).copied()
    }

    pub(super) fn name_of(&self, module: usize) -> Option<&'a str> {
        self.graph
            .modules()
            .get(module)
            .map(|module| module.name.as_str())
    }

    /// Returns the index of the package of a module.
    pub(super) fn package_index(&self, module: usize) -> Option<usize> {
        let module = self.graph.modules().get(module)?;
        usize::try_from(module.package).ok()
    }

    pub(super) fn package_rights(&self, package: usize) -> Rights {
        self.packages.get(package).cloned().unwrap_or_else(Rights::none)
    }

    pub(super) fn module_rights(&self, module: usize) -> Rights {
        let own = self.own.get(&module).cloned();
        let of_package = || {
            self.package_index(module)
                .map(|package| self.package_rights(package))
        };
        own.or_else(of_package).unwrap_or_else(Rights::none)
    }

    /// Returns the bounds of a package together with those of the program.
    pub(super) fn within(&self, package: usize) -> Option<Within<'_>> {
        Some(Within {
            own: self.bounds.get(package)?,
            program: self.bounds.first()?,
        })
    }

    /// Returns the modules of this graph with the same code as `module`, which may belong to another graph.
    pub(super) fn same_code(&self, module: &Module) -> Vec<usize> {
        let mut same: Vec<usize> = hashes(module)
            .into_iter()
            .filter_map(|hash| self.modules_by_hash.get(&hash))
            .flatten()
            .copied()
            .collect();
        same.sort_unstable();
        same.dedup();
        same
    }

    /// Returns the modules of the package with this name that have fewer rights than the package.
    pub(super) fn narrowed(&self, package: &str) -> Vec<usize> {
        let Some(package) = self.package(package) else {
            return Vec::new();
        };
        let mut narrowed: Vec<usize> = self.own.keys().copied().collect();
        narrowed.retain(|module| self.package_index(*module) == Some(package));
        narrowed.sort_unstable();
        narrowed
    }

    /// Returns true if two modules of different graphs have the same code.
    pub(super) fn is_same_code(one: &Module, other: &Module) -> bool {
        let hashes = hashes(other);
        self::hashes(one).iter().any(|hash| hashes.contains(hash))
    }

    /// Returns true if a module contains code that could use rights.
    pub(super) fn is_code(module: &Module) -> bool {
        matches!(module.kind, ModuleKind::JavaScript | ModuleKind::Wasm)
    }
}

/// Returns the hashes that identify the code of a module, or nothing for a module without code.
fn hashes(module: &Module) -> Vec<ContentHash> {
    if !Side::is_code(module) {
        return Vec::new();
    }
    let mut hashes = vec![module.hash];
    hashes.extend(module.origin.as_ref().map(|origin| origin.hash));
    hashes
}
