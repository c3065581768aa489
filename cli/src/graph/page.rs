//! Output of a graph as one HTML page, without scripts and without external resources.

use std::collections::BTreeMap;

use secure_runtime_loaders::{Graph, Module};

use super::super::text::{count, size};
use super::picture::{self, escaped};
use super::{grants, holds, modules_of, title, total_size};

/// Blocks all loading and execution, whatever a name contains. Only the page's own style is allowed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "body { font-family: sans-serif; margin: 2em; } code { font-size: 90%; overflow-wrap: anywhere; } \
    table { border-collapse: collapse; width: 100%; } th, td { border: 1px solid #ccc; padding: 4px 8px; text-align: left; \
    vertical-align: top; } .picture { overflow-x: auto; } .holds { background: #fd8; } ul { margin: 0; padding-left: 1.2em; }";

/// Returns the page.
pub(super) fn html(name: &str, graph: &Graph) -> String {
    let name = escaped(name);
    let importers = importers(graph);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n<title>{name}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n<p>{}, {}, {}</p>\n\
         <p>graph hash <code>{}</code></p>\n<div class=\"picture\">\n{}</div>\n",
        count(graph.packages().len().saturating_sub(1), "package"),
        count(graph.modules().len(), "module"),
        total_size(graph.modules().iter()),
        graph.hash(),
        picture::svg("packages and their imports", graph),
    );
    for (index, package) in (0..).zip(graph.packages()) {
        let class = if package.grants.is_empty() {
            ""
        } else {
            " class=\"holds\""
        };
        page.push_str(&format!(
            "<h2 id=\"package-{index}\">{}</h2>\n<p{class}>{}</p>\n<p>{}</p>\n\
             <table>\n<tr><th>module</th><th>size</th><th>imports</th><th>imported by</th></tr>\n",
            escaped(&title(package)),
            escaped(&holds(package)),
            total_size(modules_of(graph, index)),
        ));
        for (number, module) in (0..).zip(graph.modules()) {
            if module.package == index {
                page.push_str(&row(graph, number, module, importers.get(&number)));
            }
        }
        page.push_str("</table>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn row(graph: &Graph, number: u32, module: &Module, importers: Option<&Vec<u32>>) -> String {
    let mut notes = String::new();
    if number == graph.entry() {
        notes.push_str("<br>the entry");
    }
    if let Some(own) = &module.grants {
        notes.push_str(&format!(
            "<br><span class=\"holds\">only: {}</span>",
            escaped(&grants(own))
        ));
    }
    let imports = module.imports.iter();
    let imports = imports
        .map(|(specifier, target)| format!("<code>{}</code>: {}", escaped(specifier), link(graph, *target)));
    let importers = importers
        .into_iter()
        .flatten()
        .map(|importer| link(graph, *importer));
    format!(
        "<tr id=\"module-{number}\"><td>{}<br><code>{}</code>{notes}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escaped(&module.name),
        module.hash,
        size(module.size),
        list(imports),
        list(importers),
    )
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("<li>{item}</li>")).collect();
    if items.is_empty() {
        items
    } else {
        format!("<ul>{items}</ul>")
    }
}

fn link(graph: &Graph, number: u32) -> String {
    let name = graph
        .module(number)
        .map(|module| module.name.as_str())
        .unwrap_or_default();
    format!("<a href=\"#module-{number}\">{}</a>", escaped(name))
}

/// Returns, for each module, the modules that import it.
fn importers(graph: &Graph) -> BTreeMap<u32, Vec<u32>> {
    let mut importers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (number, module) in (0..).zip(graph.modules()) {
        for target in module.imports.values() {
            let of_target = importers.entry(*target).or_default();
            if of_target.last() != Some(&number) {
                of_target.push(number);
            }
        }
    }
    importers
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// CLI-26: for any names, the page contains only the elements and attributes that this file writes.
    #[test]
    fn names_are_text_on_the_page() {
        let page = html("</title><script>alert(1)</script>", &super::super::hostile());
        let mut elements = BTreeSet::new();
        for tag in page.split('<').skip(1) {
            let (inside, _) = tag.split_once('>').unwrap();
            let name = inside.trim_start_matches('/').split([' ', '/']).next().unwrap();
            elements.insert(name);
            let attributes: BTreeSet<&str> = inside
                .split('"')
                .step_by(2)
                .flat_map(|outside| outside.split_whitespace().filter(|word| word.ends_with('=')))
                .collect();
            assert!(
                attributes
                    .iter()
                    .all(|name| !name.starts_with("on") && *name != "src="),
                "{inside}"
            );
        }
        let known = [
            "!DOCTYPE", "a", "body", "br", "circle", "code", "div", "g", "h1", "h2", "head", "html", "li",
            "meta", "p", "path", "rect", "style", "svg", "table", "td", "text", "th", "title", "tr", "ul",
        ];
        assert_eq!(elements, BTreeSet::from(known));
        for shown in [
            "x&quot; -&gt; &quot;y&lt;img src=x onerror=alert(1)&gt;.js",
            "p/a&amp;b&#39;.js",
            "&quot; onload=&quot;",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(!page.contains("http-equiv=\"refresh\"") && page.contains("default-src 'none'"));
    }

    #[test]
    fn the_page_lists_importers() {
        let page = html("x", &super::super::hostile());
        let row = page.split("<tr id=\"module-2\">").nth(1).unwrap();
        let row = row.split("</tr>").next().unwrap();
        let by = row.rsplit("<td>").next().unwrap();
        for importer in ["#module-0", "#module-2", "#module-3"] {
            assert_eq!(by.matches(importer).count(), 1, "{importer}: {row}");
        }
        assert!(!by.contains("#module-1"), "{row}");
    }
}
