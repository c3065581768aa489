//! Which free names of a module get a meaning of the module's own.
//!
//! `console`, `Date`, `Math` and `Intl` read or write something outside the isolate, so what they mean depends on who
//! asks. A module that uses one of them freely gets an import of its own bindings, appended after its last line: imports
//! are hoisted, so it works like a declaration at the top and moves no source position. A module that declares such a
//! name itself keeps its own. What the appended line cannot reach (`globalThis.Date`) belongs to nobody and refuses.

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

/// The names, and for each a text without which a module that uses it has no need for the binding.
const NAMES: [(&str, &str); 4] = [
    ("console", "console"),
    ("Date", "Date"),
    ("Math", "random"),
    ("Intl", "DateTimeFormat"),
];

/// The names that this source uses freely and that get bindings.
pub(super) fn bound_names(source: &str) -> Vec<&'static str> {
    let candidates: Vec<&'static str> = NAMES
        .into_iter()
        .filter(|(name, needs)| source.contains(name) && source.contains(needs))
        .map(|(name, _)| name)
        .collect();
    if candidates.is_empty() {
        return candidates;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    if parsed.panicked {
        // The engine will report the syntax error, at its place in the source as it is.
        return Vec::new();
    }
    let semantic = SemanticBuilder::new().build(&parsed.program).semantic;
    let unresolved = semantic.scoping().root_unresolved_references();
    candidates
        .into_iter()
        .filter(|name| unresolved.keys().any(|free| free.as_str() == *name))
        .collect()
}

/// The source as the engine gets it.
pub(super) fn with_bindings(source: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return source.to_owned();
    }
    format!(
        "{source}\n;import{{{}}}from\"{}\";",
        names.join(","),
        super::loader::BINDINGS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_free_names_are_bound() {
        for (source, expected) in [
            ("export const x = 1;", vec![]),
            ("console.log(1)", vec!["console"]),
            ("const console = { log() {} }; console.log(1)", vec![]),
            ("import { Date } from './d.js'; new Date()", vec![]),
            ("function f(Date) { return new Date() } f(Object)", vec![]),
            ("export function f() { return new Date() }", vec!["Date"]),
            ("export const pi = Math.PI", vec![]),
            ("export const r = Math.random()", vec!["Math"]),
            ("'console Date Math.random'", vec![]),
            ("typeof console", vec!["console"]),
            ("globalThis.Date.now()", vec![]),
            ("new Intl.DateTimeFormat()", vec!["Intl"]),
            ("syntax error here console", vec![]),
        ] {
            assert_eq!(bound_names(source), expected, "{source}");
        }
    }

    #[test]
    fn the_appended_import_moves_no_position() {
        let source = "console.log(1) // end";
        let bound = with_bindings(source, &["console"]);
        assert!(bound.starts_with("console.log(1) // end\n"));
        assert_eq!(with_bindings(source, &[]), source);
    }
}
