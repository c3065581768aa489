//! Which free names of a module get a meaning of the module's own.
//!
//! `console`, `Date`, `Math` and `Intl` read or write something outside the isolate, so what they mean depends on who
//! asks. A module that uses one of them freely gets an import of its own bindings, appended after its last line: imports
//! are hoisted, so it works like a declaration at the top and moves no source position. A module that declares such a
//! name itself keeps its own. What the appended line cannot reach (the properties of the global object itself) belongs to
//! nobody and refuses. Modules of packages never see that object: `globalThis` is one of these names too, and means an object
//! that the modules of one package share.
//!
//! So are the names that a package was given in the manifest, `fetch` for one. In other modules these mean nothing.
//!
//! Which names a module uses freely is in the graph: it was found when the program was locked, and no source is parsed
//! here. A graph that lies about it gains nothing: a name that is missing means the global that refuses, and one too
//! many is a syntax error of that module.

use secure_runtime_loaders::{Graph, Module};

/// The names, and for each a text without which a module that uses it has no need for the binding.
const NAMES: [(&str, &str); 7] = [
    ("console", ""),
    ("Date", ""),
    ("Math", "random"),
    ("Intl", "DateTimeFormat"),
    ("globalThis", ""),
    ("global", ""),
    ("self", ""),
];

/// The names that a package can be given beyond those that all have, by its `globals` in the manifest: what
/// src/realm/endow.js makes.
pub(crate) const ENDOWMENTS: &[&str] = &[
    "clearInterval",
    "clearTimeout",
    "crypto",
    "fetch",
    "performance",
    "setInterval",
    "setTimeout",
];

/// The names of the global object.
const GLOBAL_OBJECT: [&str; 3] = ["globalThis", "global", "self"];

/// The names that the module's package was given.
///
/// # Errors
/// A name that this version does not know, which it may have in a graph that another one made.
pub(super) fn given_names(graph: &Graph, module: &Module) -> Result<Vec<&'static str>, String> {
    let names = graph
        .package_of(module)
        .map_or(&[][..], |package| &package.globals);
    let known = |name: &String| {
        let known = ENDOWMENTS.iter().find(|known| *known == name).copied();
        known.ok_or_else(|| {
            let package = module.name.as_str();
            format!("{package}: its package is given the global {name:?}, which does not exist here")
        })
    };
    names.iter().map(known).collect()
}

/// The names of the module that get bindings.
pub(super) fn bound_names(module: &Module, given: &[&'static str], source: &str) -> Vec<&'static str> {
    let used = |name: &str| module.globals.iter().any(|global| global == name);
    let is_given = |name: &str| match name {
        // The program's own modules see the global object as it is, and in ECMAScript modules say `globalThis`.
        "globalThis" | "self" => module.package != 0,
        "global" => module.package != 0 || is_common_js(module),
        _ => true,
    };
    // The first module of a package that uses the global object makes it, and finds there what its free names mean:
    // `self.Math === Math`.
    let has_own = module.package != 0 && GLOBAL_OBJECT.into_iter().any(used);
    NAMES
        .into_iter()
        .filter(|(name, needs)| used(name) && is_given(name) && (has_own || source.contains(needs)))
        .map(|(name, _)| name)
        .chain(given.iter().copied().filter(|name| used(name)))
        .collect()
}

fn is_common_js(module: &Module) -> bool {
    let origin = module.origin.as_ref();
    origin.is_some_and(|origin| origin.transformation.is_common_js())
}

/// The comments that give a script another name and other source positions, without a value: the engine takes the last ones.
const NO_OTHER_NAME: &str = "\n//# sourceURL=\n//# sourceMappingURL=";

/// The source as the engine gets it. A module cannot give itself the name of another one, nor other positions: stack traces show both.
pub(super) fn with_bindings(source: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return format!("{source}{NO_OTHER_NAME}");
    }
    format!(
        "{source}\n;import{{{}}}from\"{}\";{NO_OTHER_NAME}",
        names.join(","),
        super::own::BINDINGS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_appended_import_moves_no_position() {
        let source = "console.log(1) // end";
        let bound = with_bindings(source, &["console"]);
        assert!(bound.starts_with("console.log(1) // end\n"));
        assert!(with_bindings(source, &[]).starts_with("console.log(1) // end\n"));
    }
}
