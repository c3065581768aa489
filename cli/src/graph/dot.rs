//! Output of a graph for Graphviz: one box per package, its modules, and their imports.

use std::collections::BTreeSet;

use secure_runtime_loaders::Graph;

use super::super::text::size;
use super::{grants, holds, modules_of, title};

/// Formats the graph in the DOT language.
pub(super) fn dot(name: &str, graph: &Graph) -> String {
    let mut dot = format!(
        "digraph {} {{\n  rankdir = LR;\n  node [shape = box];\n  label = {};\n",
        quoted(&[name]),
        quoted(&[name, &format!("graph hash {}", graph.hash())]),
    );
    for (index, package) in (0..).zip(graph.packages()) {
        dot.push_str(&format!(
            "  subgraph cluster_{index} {{\n    label = {};\n",
            quoted(&[&title(package), &holds(package)])
        ));
        for module in modules_of(graph, index) {
            let mut lines = vec![module.name.clone(), size(module.size)];
            if let Some(own) = &module.grants {
                lines.push(format!("only: {}", grants(own)));
            }
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            dot.push_str(&format!(
                "    {} [label = {}];\n",
                quoted(&[&module.name]),
                quoted(&lines)
            ));
        }
        dot.push_str("  }\n");
    }
    for module in graph.modules() {
        let targets: BTreeSet<u32> = module.imports.values().copied().collect();
        for target in targets.into_iter().filter_map(|index| graph.module(index)) {
            dot.push_str(&format!(
                "  {} -> {};\n",
                quoted(&[&module.name]),
                quoted(&[&target.name])
            ));
        }
    }
    dot.push_str("}\n");
    dot
}

/// Joins the lines to one DOT string. `\` and `"` are escaped: `\` begins an escape sequence, and `"` ends the string.
fn quoted(lines: &[&str]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-26.
    #[test]
    fn names_stay_inside_their_quotes() {
        let dot = dot("a\"b\\", &super::super::hostile());
        assert!(dot.starts_with("digraph \"a\\\"b\\\\\" {\n"), "{dot}");
        assert!(dot.contains("\"app:/main.js\" -> \"p/a&b'.js\";"), "{dot}");
        assert!(
            dot.contains("\"app:/x\\\" -> \\\"y<img src=x onerror=alert(1)>.js\" [label"),
            "{dot}"
        );
        // Outside of strings, the output may contain only text that this file writes.
        let mut outside = String::new();
        let mut is_inside = false;
        let mut characters = dot.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' if is_inside => drop(characters.next()),
                '"' => is_inside = !is_inside,
                _ if !is_inside => outside.push(character),
                _ => {}
            }
        }
        assert!(
            !is_inside && !outside.contains("evil") && !outside.contains("alert"),
            "{outside}"
        );
    }
}
