//! The text of a graph: one line for each fact, in a stable order.
//!
//! The text is for reviewers, who cannot read the bytes of a lock in a diff. Nothing is decided by it. Two different
//! graphs have different texts, even without the line of the hash. The section "Text" of spec/graph.md describes it.

use std::fmt::{self, Write};
use std::ops::ControlFlow;

use secure_runtime_text::escaped;

use super::{GRAPH_VERSION, Graph, Module, Origin, Package, Transformation};

/// The second line of each text.
const NOTE: &str =
    "# the text of secure.lock, for review; `secure-runtime lock` writes it, `verify` compares it";

impl Graph {
    /// Calls `each` with every line of the graph's text, without the line end, until it breaks.
    ///
    /// A hostile graph can have a text that is much larger than its bytes, so the text is not built in memory here.
    pub fn text_lines<B>(&self, each: impl FnMut(&str) -> ControlFlow<B>) -> ControlFlow<B> {
        let mut lines = Lines {
            line: String::new(),
            each,
        };
        lines.add(format_args!("graph {}", self.hash()))?;
        lines.add(format_args!("{NOTE}"))?;
        lines.add(format_args!("format {GRAPH_VERSION}"))?;
        lines.add(format_args!("entry {}", self.name_of(self.entry)))?;
        for (specifier, target) in &self.import_map {
            lines.add(format_args!("map {} -> {}", Quoted(specifier), Quoted(target)))?;
        }
        let mut modules = self.modules.iter().peekable();
        for (index, package) in (0..).zip(&self.packages) {
            lines.package(package)?;
            // Modules are in the order of their packages.
            while let Some(module) = modules.next_if(|module| module.package == index) {
                lines.module(self, module)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Returns the graph's text. Each line ends with a line feed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let _: ControlFlow<()> = self.text_lines(|line| {
            text.push_str(line);
            text.push('\n');
            ControlFlow::Continue(())
        });
        text
    }

    /// Returns the quoted name of the module with this index.
    fn name_of(&self, index: u32) -> Quoted<'_> {
        Quoted(self.module(index).map_or("", |module| &module.name))
    }
}

/// The receiver of lines, and the line that is being written.
struct Lines<F> {
    line: String,
    each: F,
}

impl<B, F: FnMut(&str) -> ControlFlow<B>> Lines<F> {
    fn add(&mut self, line: fmt::Arguments<'_>) -> ControlFlow<B> {
        self.line.clear();
        // Writing to a string does not fail.
        let _ = self.line.write_fmt(line);
        (self.each)(&self.line)
    }

    fn texts(&mut self, fact: &str, texts: &[String]) -> ControlFlow<B> {
        texts
            .iter()
            .try_for_each(|text| self.add(format_args!("  {fact} {}", Quoted(text))))
    }

    fn package(&mut self, package: &Package) -> ControlFlow<B> {
        self.add(format_args!(""))?;
        match package.name.as_str() {
            "" => self.add(format_args!("program"))?,
            name => self.add(format_args!("package {}", Quoted(name)))?,
        }
        if let Some(version) = &package.version {
            self.add(format_args!("  version {}", Quoted(version)))?;
        }
        if package.isolate {
            self.add(format_args!("  isolate"))?;
        }
        self.texts("grant", &package.grants)?;
        self.texts("global", &package.globals)?;
        self.texts("bound", &package.bounds)
    }

    fn module(&mut self, graph: &Graph, module: &Module) -> ControlFlow<B> {
        self.add(format_args!(""))?;
        self.add(format_args!("module {}", Quoted(&module.name)))?;
        self.add(format_args!("  hash {}", module.hash))?;
        self.add(format_args!("  size {}", module.size))?;
        self.add(format_args!("  kind {}", module.kind.as_str()))?;
        if let Some(origin) = &module.origin {
            self.origin(origin)?;
        }
        if let Some(grants) = &module.grants {
            self.add(format_args!("  restricted"))?;
            self.texts("grant", grants)?;
        }
        for (specifier, target) in &module.imports {
            let target = graph.name_of(*target);
            self.add(format_args!("  import {} -> {target}", Quoted(specifier)))?;
        }
        self.texts("uses", &module.globals)
    }

    fn origin(&mut self, origin: &Origin) -> ControlFlow<B> {
        self.add(format_args!("  transformation {}", word(origin.transformation)))?;
        self.add(format_args!("  source-hash {}", origin.hash))?;
        self.add(format_args!("  source-size {}", origin.size))?;
        self.texts("export", &origin.exports)?;
        self.texts("omit", &origin.omitted)
    }
}

/// Returns the word of a transformation. Unlike the name in messages, it differs for the two kinds of CommonJS.
fn word(transformation: Transformation) -> &'static str {
    match transformation {
        Transformation::CommonJs => "commonjs",
        Transformation::ImportedCommonJs => "imported-commonjs",
        Transformation::Constants => "constants",
        Transformation::TypeScript => "typescript",
        Transformation::LeftOut => "left-out",
    }
}

/// A text of the graph in quotation marks, in which `"`, `\` and hidden characters are escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped first, so that a `\` in the text differs from the one of an escape.
        let text = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(formatter, "\"{}\"", escaped(&text))
    }
}
