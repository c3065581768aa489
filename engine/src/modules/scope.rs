//! The free names of a module that have a separate definition for each module.
//!
//! `console` and the names of the extensions, such as `Date`, read or write something outside of the isolate. So their
//! rights are those of the module that uses them. If a module uses such a name freely, the loader appends an import of
//! its bindings after the last line. Imports are hoisted, so this is like a declaration at the top, and moves no source
//! position. If a module declares the name itself, its declaration is used.
//!
//! The appended import does not reach the properties of the global object itself. They belong to no module, so they
//! refuse. Modules of packages never see that object. `globalThis` is one of these names too, and means an object that
//! the modules of one package share.
//!
//! The names that the manifest gives to a package, such as `fetch`, work in the same way. In other modules, they are
//! undefined.
//!
//! The graph contains the free names of each module. They were found when the program was locked, so no source is
//! parsed here. A wrong graph gains no rights: a missing name means the global that refuses, and an extra name is a
//! syntax error of that module.

use secure_runtime_loaders::{Graph, Module};

use crate::extensions::{Extensions, Global};

/// The engine's own names. The second text of each must occur in a module that needs the binding.
const NAMES: [(&str, &str); 4] = [("console", ""), ("globalThis", ""), ("global", ""), ("self", "")];

/// The names that the engine defines for packages to which the manifest gives them by `globals`.
pub const TIMERS: &[&str] = &["clearInterval", "clearTimeout", "setInterval", "setTimeout"];

/// The names of the global object.
const GLOBAL_OBJECT: [&str; 3] = ["globalThis", "global", "self"];

/// The free names that the engine and these extensions define.
pub(super) struct Globals<'a>(pub(super) &'a Extensions);

impl Globals<'_> {
    fn of_families(&self, is_given_to_all: bool) -> impl Iterator<Item = &'static Global> {
        let globals = self.0.iter().flat_map(|extension| extension.globals());
        globals.filter(move |global| global.is_given_to_all == is_given_to_all)
    }

    /// Returns the names that the module's package was given.
    ///
    /// # Errors
    /// The graph has a name that this runtime does not know. Another version may have made the graph.
    pub(super) fn given_names(&self, graph: &Graph, module: &Module) -> Result<Vec<&'static str>, String> {
        let names = graph
            .package_of(module)
            .map_or(&[][..], |package| &package.globals);
        let known = |name: &String| {
            let families = self.of_families(false).map(|global| global.name);
            let known = families.chain(TIMERS.iter().copied()).find(|known| known == name);
            known.ok_or_else(|| {
                let package = module.name.as_str();
                format!(
                    "{package}: the manifest gives its package the global {name:?}, which does not exist here"
                )
            })
        };
        names.iter().map(known).collect()
    }

    /// Returns the names of the module that get bindings.
    pub(super) fn bound_names(
        &self,
        module: &Module,
        given: &[&'static str],
        source: &str,
    ) -> Vec<&'static str> {
        let used = |name: &str| module.globals.iter().any(|global| global == name);
        let is_given = |name: &str| match name {
            // The program's own modules see the real global object. In ECMAScript modules, `globalThis` names it.
            "globalThis" | "self" => module.package != 0,
            "global" => module.package != 0 || is_common_js(module),
            _ => true,
        };
        // The first module of a package that uses the global object creates it. The free names of that module become
        // its properties, so that `self.Math === Math`.
        let has_own = module.package != 0 && GLOBAL_OBJECT.into_iter().any(used);
        let families = self.of_families(true).map(|global| (global.name, global.needs));
        NAMES
            .into_iter()
            .chain(families)
            .filter(|(name, needs)| used(name) && is_given(name) && (has_own || source.contains(needs)))
            .map(|(name, _)| name)
            .chain(given.iter().copied().filter(|name| used(name)))
            .collect()
    }
}

fn is_common_js(module: &Module) -> bool {
    let origin = module.origin.as_ref();
    origin.is_some_and(|origin| origin.transformation.is_common_js())
}
