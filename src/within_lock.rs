//! Comparison of a manifest with its lock: the manifest may allow at most what was locked.

use std::collections::BTreeMap;
use std::path::Path;

use secure_runtime_capabilities::{Base, Families, Rights, ScopeError};
use secure_runtime_loaders::resolve::LockInput;
use secure_runtime_loaders::{Graph, Module, Package};

use crate::bounds::{Bounds, Within, wider};
use crate::manifest::Manifest;
use crate::program::{ProgramError, base_of};
use crate::review::{module_owner, package_owner};
use secure_runtime_engine::PackageLimits;

/// Returns the input that the loaders need to lock the program: the content of the manifest in canonical form.
pub fn lock_input(folder: &Path, manifest: &Manifest) -> Result<LockInput, ProgramError> {
    let canonical = |of: &BTreeMap<String, Vec<String>>| -> Result<BTreeMap<_, _>, ProgramError> {
        let owners = of.iter();
        owners
            .map(|(owner, grants)| Ok((owner.clone(), canonical_grants(&manifest.families, grants)?)))
            .collect()
    };
    Ok(LockInput {
        root: folder.to_owned(),
        entry: manifest.entry.clone(),
        imports: manifest.imports.clone(),
        app_grants: canonical_grants(&manifest.families, &manifest.grants)?,
        package_grants: canonical(&manifest.packages)?,
        isolated: manifest.isolated.clone(),
        bounds: bounds(manifest)
            .into_iter()
            .map(|(owner, bounds)| (owner, bounds.lines()))
            .collect(),
        module_grants: canonical(&manifest.modules)?,
    })
}

/// Returns the bounds in the manifest, for the program (`""`) and for packages.
fn bounds(manifest: &Manifest) -> BTreeMap<String, Bounds> {
    let of_package = |name: &String| {
        let limits = manifest.limits.packages.get(name).cloned().unwrap_or_default();
        (
            name.clone(),
            Bounds::of_package(&limits, manifest.package_trust.get(name)),
        )
    };
    let names = manifest
        .limits
        .packages
        .keys()
        .chain(manifest.package_trust.keys());
    let mut bounds: BTreeMap<String, Bounds> = names.map(of_package).collect();
    bounds.insert(
        String::new(),
        Bounds::of_program(&manifest.limits, manifest.trust.as_ref()),
    );
    bounds
}

/// Returns these grants as canonical lines.
pub(crate) fn canonical_grants(families: &Families, grants: &[String]) -> Result<Vec<String>, ProgramError> {
    families
        .canonical_grants(grants)
        .map_err(|error| unusable(grants, error))
}

fn unusable(grants: &[String], error: ScopeError) -> ProgramError {
    ProgramError::Grant {
        grant: grants.join(", "),
        error: Box::new(error),
    }
}

/// Returns the graph of the lock with the grants and bounds of the manifest. They may be less than those of the lock,
/// but never more. More rights must be accepted by locking again.
///
/// # Errors
/// The first difference by which the manifest allows more than the lock.
pub fn within_lock(graph: &Graph, manifest: &Manifest, folder: &Path) -> Result<Graph, ProgramError> {
    let check = Check {
        base: base_of(folder)?,
        manifest,
        graph,
        bounds: bounds(manifest),
    };
    check.entry()?;
    check.bounded_packages()?;
    let packages = graph.packages().iter().map(|package| check.package(package));
    let packages = packages.collect::<Result<Vec<_>, _>>()?;
    let modules = graph.modules().iter().map(|module| check.module(module));
    let modules = modules.collect::<Result<Vec<_>, _>>()?;
    let narrowed = Graph::new(graph.entry(), packages, modules)?;
    Ok(narrowed.with_import_map(graph.import_map().clone())?)
}

struct Check<'a> {
    base: Base,
    manifest: &'a Manifest,
    graph: &'a Graph,
    /// The bounds in the manifest.
    bounds: BTreeMap<String, Bounds>,
}

impl Check<'_> {
    fn entry(&self) -> Result<(), ProgramError> {
        let entry = self.graph.module(self.graph.entry());
        let locked = entry.map(|module| module.name.as_str()).unwrap_or_default();
        let said = format!("app:/{}", self.manifest.entry.trim_start_matches("./"));
        if locked == said {
            return Ok(());
        }
        Err(outgrown(format!(
            "names another entry module ({said}, not {locked})"
        )))
    }

    /// Holds that the packages that are isolated or bounded are packages of the lock.
    fn bounded_packages(&self) -> Result<(), ProgramError> {
        let said = self.bounds.keys().chain(&self.manifest.isolated);
        let has = |name: &String| self.graph.packages().iter().any(|package| package.name == *name);
        match said.into_iter().find(|name| !has(name)) {
            Some(package) => Err(ProgramError::NoSuchPackage {
                package: package.clone(),
            }),
            None => Ok(()),
        }
    }

    fn package(&self, package: &Package) -> Result<Package, ProgramError> {
        let owner = package_owner(&package.name);
        let (none, manifest) = (Vec::new(), self.manifest);
        let grants = match package.name.as_str() {
            "" => &manifest.grants,
            name => manifest.packages.get(name).unwrap_or(&none),
        };
        if !package.globals.is_empty() {
            return Err(outgrown(format!("gives {owner} no globals of its own")));
        }
        let isolate = manifest.isolated.contains(&package.name);
        if isolate != package.isolate {
            let how = if isolate { "runs" } else { "no longer runs" };
            return Err(outgrown(format!("{how} {owner} in an isolate of its own, other")));
        }
        Ok(Package {
            grants: self.narrow(&owner, &package.grants, grants)?,
            bounds: self.bounded(&owner, package)?.lines(),
            ..package.clone()
        })
    }

    /// Returns the bounds in the manifest for this package or program. None may be wider than in the lock.
    fn bounded(&self, owner: &str, package: &Package) -> Result<Bounds, ProgramError> {
        let own = |name: &str| match self.bounds.get(name) {
            Some(bounds) => bounds.clone(),
            None => Bounds::of_package(&PackageLimits::default(), None),
        };
        let (said, program) = (own(&package.name), own(""));
        let locked = Bounds::of_graph(package)?;
        let locked_program = match self.graph.packages().first() {
            Some(program) => Bounds::of_graph(program)?,
            None => Bounds::default(),
        };
        let (was, is) = (
            Within {
                own: &locked,
                program: &locked_program,
            },
            Within {
                own: &said,
                program: &program,
            },
        );
        match wider(was, is).into_iter().next() {
            None => Ok(said),
            Some(wider) => Err(outgrown(format!("bounds {owner} less ({wider})"))),
        }
    }

    fn module(&self, module: &Module) -> Result<Module, ProgramError> {
        let key = module.name.strip_prefix("app:/").map(|path| format!("./{path}"));
        let said = key.and_then(|key| self.manifest.modules.get(&key));
        let owner = module_owner(&module.name);
        let grants = match (&module.grants, said) {
            (None, None) => None,
            // The manifest restricts a module that was not restricted. The grants of its package are the maximum.
            (None, Some(said)) => {
                let package = self.graph.package_of(module);
                let of_package = package.map(|package| package.grants.clone()).unwrap_or_default();
                Some(self.narrow(&owner, &of_package, said)?)
            }
            (Some(locked), Some(said)) => Some(self.narrow(&owner, locked, said)?),
            (Some(_), None) => {
                return Err(outgrown(format!(
                    "no longer narrows {owner}, which then has more rights"
                )));
            }
        };
        Ok(Module {
            grants,
            ..module.clone()
        })
    }

    /// Returns the canonical lines of the manifest's grants. The grants in the lock must cover each of them.
    fn narrow(&self, owner: &str, locked: &[String], said: &[String]) -> Result<Vec<String>, ProgramError> {
        let said = canonical_grants(&self.manifest.families, said)?;
        if locked == said {
            return Ok(said);
        }
        let ceiling = self.rights(locked)?;
        for line in &said {
            if !ceiling.covers(&self.rights(std::slice::from_ref(line))?) {
                return Err(outgrown(format!("grants {owner} more (`{line}`)")));
            }
        }
        Ok(said)
    }

    fn rights(&self, grants: &[String]) -> Result<Rights, ProgramError> {
        let rights = self.manifest.families.parse_grants(grants, &self.base);
        rights.map_err(|error| unusable(grants, error))
    }
}

fn outgrown(what: String) -> ProgramError {
    ProgramError::LockOutdated { what }
}
