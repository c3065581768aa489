//! A picture of a program's packages in SVG. The column of a package is its import distance from the program.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use secure_runtime_loaders::{Graph, Package};

use super::super::text::{self, count};
use super::{modules_of, title, total_size};

const WIDTH: usize = 230;
const HEIGHT: usize = 62;
const BETWEEN_COLUMNS: usize = 90;
const BETWEEN_ROWS: usize = 24;
const MARGIN: usize = 20;
/// Maximum number of characters that fit into a box.
const LETTERS: usize = 30;

/// Returns the picture as an SVG document.
pub(super) fn svg(name: &str, graph: &Graph) -> String {
    let layout = Layout::of(graph);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{2}</title>\n",
        layout.width,
        layout.height,
        escaped(name)
    );
    for (from, to) in &layout.edges {
        if let (Some(from), Some(to)) = (layout.places.get(from), layout.places.get(to)) {
            svg.push_str(&edge(*from, *to));
        }
    }
    for (index, package) in (0..).zip(graph.packages()) {
        if let Some(place) = layout.places.get(&index) {
            svg.push_str(&node(graph, index, package, *place));
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Escapes text for use in markup, between tags and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    text::one_line(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// The upper left corner of a box.
type Place = (usize, usize);

/// The positions of the boxes and the imports between packages.
struct Layout {
    places: BTreeMap<u32, Place>,
    edges: BTreeSet<(u32, u32)>,
    width: usize,
    height: usize,
}

impl Layout {
    fn of(graph: &Graph) -> Self {
        let edges = edges(graph);
        // A breadth-first search determines the columns, and in each column an order in which lines rarely cross.
        let mut columns: Vec<Vec<u32>> = Vec::new();
        let mut is_placed = BTreeSet::from([0]);
        let mut next = VecDeque::from([(0, 0)]);
        while let Some((package, column)) = next.pop_front() {
            if columns.len() <= column {
                columns.resize(column + 1, Vec::new());
            }
            columns
                .iter_mut()
                .skip(column)
                .take(1)
                .for_each(|column| column.push(package));
            for (_, imported) in edges.range((package, 0)..=(package, u32::MAX)) {
                if is_placed.insert(*imported) {
                    next.push_back((*imported, column + 1));
                }
            }
        }
        // A lock may contain packages that no module imports.
        let apart: Vec<u32> = (0..)
            .take(graph.packages().len())
            .filter(|index| !is_placed.contains(index))
            .collect();
        if !apart.is_empty() {
            columns.push(apart);
        }
        let rows = columns.iter().map(Vec::len).max().unwrap_or_default();
        let extent = |number: usize, size: usize, between: usize| {
            2 * MARGIN + number * size + number.saturating_sub(1) * between
        };
        let height = extent(rows, HEIGHT, BETWEEN_ROWS);
        let mut places = BTreeMap::new();
        for (column, packages) in columns.iter().enumerate() {
            let top = (height - extent(packages.len(), HEIGHT, BETWEEN_ROWS)) / 2 + MARGIN;
            for (row, package) in packages.iter().enumerate() {
                let place = (
                    MARGIN + column * (WIDTH + BETWEEN_COLUMNS),
                    top + row * (HEIGHT + BETWEEN_ROWS),
                );
                places.insert(*package, place);
            }
        }
        Layout {
            places,
            edges,
            width: extent(columns.len(), WIDTH, BETWEEN_COLUMNS),
            height,
        }
    }
}

/// Returns the imports between different packages, as pairs of importer and imported package.
fn edges(graph: &Graph) -> BTreeSet<(u32, u32)> {
    let mut edges = BTreeSet::new();
    for module in graph.modules() {
        let targets = module.imports.values().filter_map(|target| graph.module(*target));
        edges.extend(targets.map(|target| (module.package, target.package)));
    }
    edges.retain(|(from, to)| from != to);
    edges
}

/// Draws a line from the right side of one box to the left side of another, with a dot at its end.
fn edge(from: Place, to: Place) -> String {
    let (x, y) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
    let (to_x, to_y) = (to.0, to.1 + HEIGHT / 2);
    let bend = BETWEEN_COLUMNS / 2;
    format!(
        "<path d=\"M {x} {y} C {} {y}, {} {to_y}, {to_x} {to_y}\" fill=\"none\" stroke=\"#888\"/>\
         <circle cx=\"{to_x}\" cy=\"{to_y}\" r=\"3\" fill=\"#888\"/>\n",
        x + bend,
        to_x.saturating_sub(bend),
    )
}

fn node(graph: &Graph, index: u32, package: &Package, (x, y): Place) -> String {
    let holds = super::holds(package);
    // Packages with grants are highlighted.
    let color = if package.grants.is_empty() { "#eee" } else { "#fd8" };
    let modules = format!(
        "{}, {}",
        count(modules_of(graph, index).count(), "module"),
        total_size(modules_of(graph, index))
    );
    let line = |number: usize, text: &str| {
        format!(
            "<text x=\"{}\" y=\"{}\">{}</text>",
            x + 10,
            y + 2 + 17 * number,
            escaped(&short(text))
        )
    };
    format!(
        "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"{color}\" \
         stroke=\"#444\"/>{}{}{}</g>\n",
        escaped(&format!("{}: {holds}", title(package))),
        line(1, &title(package)),
        line(2, &modules),
        line(3, &holds),
    )
}

fn short(text: &str) -> String {
    if text.chars().nth(LETTERS).is_none() {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_has_its_own_place_in_the_column_of_its_distance() {
        let layout = Layout::of(&super::super::hostile());
        let places: BTreeSet<&Place> = layout.places.values().collect();
        assert_eq!((layout.places.len(), places.len()), (3, 3));
        let columns: Vec<usize> = layout.places.values().map(|(x, _)| *x).collect();
        assert_eq!(columns, [20, 340, 660]);
        // Two packages that import each other have two lines, one for each direction.
        assert_eq!(layout.edges, BTreeSet::from([(0, 1), (1, 2), (2, 1)]));
        assert!(
            layout
                .places
                .values()
                .all(|(x, y)| x + WIDTH <= layout.width && y + HEIGHT <= layout.height)
        );
    }

    /// CLI-26.
    #[test]
    fn names_are_text_in_the_picture() {
        let svg = svg("<a>", &super::super::hostile());
        assert!(svg.contains("<title>&lt;a&gt;</title>"), "{svg}");
        assert!(svg.contains("p &lt;script&gt;alert(1)"), "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("<b>"), "{svg}");
        assert_eq!(svg.matches("<rect ").count(), 3);
        assert_eq!(svg.matches("<path ").count(), 3);
    }
}
