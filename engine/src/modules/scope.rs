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
//! Every module finds every name. A name is no authority: `fetch` in a module without rights is refused, like
//! `net.fetch`.
//!
//! The graph contains the free names of each module. They were found when the program was locked, so no source is
//! parsed here. A wrong graph gains no rights: a missing name means the global that refuses, and an extra name is a
//! syntax error of that module.

use secure_runtime_loaders::Module;

use crate::extensions::Extensions;

/// The engine's own names. The second text of each must occur in a module that needs the binding.
const NAMES: [(&str, &str); 4] = [("console", ""), ("globalThis", ""), ("global", ""), ("self", "")];

/// The functions that set timers, for which packages have accounts of their own.
const TIMERS: [&str; 4] = ["clearInterval", "clearTimeout", "setInterval", "setTimeout"];

/// The names of the global object.
const GLOBAL_OBJECT: [&str; 3] = ["globalThis", "global", "self"];

/// The free names that the engine and these extensions define.
pub(super) struct Globals<'a>(pub(super) &'a Extensions);

impl Globals<'_> {
    /// Returns the names of the module that get bindings.
    pub(super) fn bound_names(&self, module: &Module, source: &str) -> Vec<&'static str> {
        let used = |name: &str| module.globals.iter().any(|global| global == name);
        let is_bound = |name: &str| match name {
            // The program's own modules see the real global object. In ECMAScript modules, `globalThis` names it.
            "globalThis" | "self" => module.package != 0,
            // The timers of the global object count against the program.
            name if TIMERS.contains(&name) => module.package != 0,
            "global" => module.package != 0 || is_common_js(module),
            _ => true,
        };
        // The first module of a package that uses the global object creates it. The free names of that module become
        // its properties, so that `self.Math === Math`.
        let has_own = module.package != 0 && GLOBAL_OBJECT.into_iter().any(used);
        let families = self.0.iter().flat_map(|extension| extension.globals());
        let families = families.map(|global| (global.name, global.needs));
        NAMES
            .into_iter()
            .chain(TIMERS.map(|name| (name, "")))
            .chain(families)
            .filter(|(name, needs)| used(name) && is_bound(name) && (has_own || source.contains(needs)))
            .map(|(name, _)| name)
            .collect()
    }
}

fn is_common_js(module: &Module) -> bool {
    let origin = module.origin.as_ref();
    origin.is_some_and(|origin| origin.transformation.is_common_js())
}
