//! Finding the imports of a module without running it.
//!
//! A real parser reads the whole file: `im\u0070ort`, comments between the words and imports inside
//! template strings are found or not exactly as the language says.

use oxc_allocator::Allocator;
use oxc_ast::ast::{Expression, ObjectPropertyKind, Statement, StringLiteral, WithClause};
use oxc_parser::{Parser, ParserReturn};
use oxc_semantic::SemanticBuilder;
use oxc_span::{SourceType, Span};

use super::error::{ImportProblem, SyntaxProblem};
use crate::text::printable;

/// What [`scan`] found in a module.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The imports in the order of the source.
    pub(super) imports: Vec<Import>,
    /// Where `import(…)` has something other than a literal.
    pub(super) computed: Vec<Place>,
    /// The names that it uses freely, in ascending order.
    pub(super) globals: Vec<String>,
    /// Whether the file has `import` or `export`, and is therefore no CommonJS.
    pub(super) has_module_syntax: bool,
}

/// One import of a module.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) specifier: String,
    pub(super) place: Place,
    /// Whether it is `import("…")`: such a one may fail at run time and be caught.
    pub(super) dynamic: bool,
    /// Whether it has `with { type: "json" }`.
    pub(super) json: bool,
    /// What is wrong with it whatever it resolves to.
    pub(super) problem: Option<ImportProblem>,
}

/// A line and column of a source, both counted from 1; columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What the parser needs of stack at most for one byte of source, with room to spare. It descends
/// with the nesting of the source, which a hostile package chooses: the worst found is a file of
/// opening brackets, with 1.8 KiB a byte in an unoptimised build.
const STACK_PER_BYTE: usize = 2 * 1024;

/// The stack that a thread which calls [`scan`] must have, in bytes. Only what is used of it becomes
/// memory.
pub(super) const STACK_SIZE: usize = 512 * 1024 * 1024;

/// The imports of the module `source`. To be called on a thread with [`STACK_SIZE`].
pub(super) fn scan(source: &str) -> Result<Scan, SyntaxProblem> {
    let stack_size = source.len().saturating_mul(STACK_PER_BYTE);
    if stack_size <= STACK_SIZE {
        return scan_here(source);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(stack_size);
        match thread
            .spawn_scoped(scope, || scan_here(source))
            .map(std::thread::ScopedJoinHandle::join)
        {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(syntax_problem(
                source,
                0,
                "the file is too large to be parsed here",
            )),
        }
    })
}

fn scan_here(source: &str) -> Result<Scan, SyntaxProblem> {
    let allocator = Allocator::default();
    let ParserReturn {
        program,
        module_record,
        diagnostics,
        panicked,
        ..
    } = Parser::new(&allocator, source, SourceType::mjs()).parse();
    if let Some(error) = diagnostics.errors().next() {
        let offset = error.labels.first().map_or(0, |label| label.offset());
        return Err(syntax_problem(source, offset, &error.message));
    }
    if panicked {
        return Err(syntax_problem(source, 0, "the parser gave up"));
    }
    let mut lines = Lines::new(source);
    let mut found = Scan {
        has_module_syntax: module_record.has_module_syntax,
        ..Scan::default()
    };
    for statement in &program.body {
        let (literal, clause, phase) = match statement {
            Statement::ImportDeclaration(import) => (
                &import.source,
                import.with_clause.as_deref(),
                import.phase.is_some(),
            ),
            Statement::ExportFromDeclaration(export) => {
                (&export.source, export.with_clause.as_deref(), false)
            }
            Statement::ExportAllDeclaration(export) => (&export.source, export.with_clause.as_deref(), false),
            _ => continue,
        };
        found
            .imports
            .push(static_import(&mut lines, literal, clause, phase));
    }
    for import in &module_record.dynamic_imports {
        let place = lines.place(import.module_request.start);
        let text = span_text(source, import.span);
        match text.and_then(|text| dynamic_import(text, place)) {
            Some(import) => found.imports.push(import),
            None => found.computed.push(place),
        }
    }
    let semantic = SemanticBuilder::new().build(&program).semantic;
    let free = semantic.scoping().root_unresolved_references();
    found.globals = free.keys().map(|name| name.as_str().to_owned()).collect();
    found.globals.sort_unstable();
    found
        .imports
        .sort_by_key(|import| (import.place.line, import.place.column));
    Ok(found)
}

fn static_import(
    lines: &mut Lines<'_>,
    literal: &StringLiteral<'_>,
    clause: Option<&WithClause<'_>>,
    phase: bool,
) -> Import {
    let mut problem = None;
    let mut json = false;
    for entry in clause.iter().flat_map(|clause| &clause.with_entries) {
        attribute(
            &entry.key.as_arena_str(),
            &entry.value.value,
            &mut json,
            &mut problem,
        );
    }
    if phase {
        problem = Some(ImportProblem::Phase);
    }
    if literal.lone_surrogates {
        problem = Some(ImportProblem::Character);
    }
    Import {
        specifier: literal.value.to_string(),
        place: lines.place(literal.span.start),
        dynamic: false,
        json,
        problem,
    }
}

/// `import("literal")` or `import("literal", { with: { … } })`, if `text` is that.
///
/// The parser's record of dynamic imports has only positions, so the one expression is read again.
fn dynamic_import(text: &str, place: Place) -> Option<Import> {
    let allocator = Allocator::default();
    let expression = Parser::new(&allocator, text, SourceType::mjs())
        .parse_expression()
        .ok()?;
    let Expression::ImportExpression(import) = expression else {
        return None;
    };
    let mut problem = import.phase.map(|_| ImportProblem::Phase);
    let specifier = match &import.source {
        Expression::StringLiteral(literal) => {
            if literal.lone_surrogates {
                problem = Some(ImportProblem::Character);
            }
            literal.value.to_string()
        }
        Expression::TemplateLiteral(template) => template.single_quasi()?.to_string(),
        _ => return None,
    };
    let mut json = false;
    match &import.options {
        None => {}
        Some(Expression::ObjectExpression(options)) => {
            for option in &options.properties {
                let ObjectPropertyKind::ObjectProperty(option) = option else {
                    return None;
                };
                let Expression::ObjectExpression(attributes) = &option.value else {
                    return None;
                };
                if option.key.static_name().as_deref() != Some("with") {
                    return None;
                }
                for entry in &attributes.properties {
                    let ObjectPropertyKind::ObjectProperty(entry) = entry else {
                        return None;
                    };
                    let Expression::StringLiteral(value) = &entry.value else {
                        return None;
                    };
                    attribute(&entry.key.static_name()?, &value.value, &mut json, &mut problem);
                }
            }
        }
        Some(_) => return None,
    }
    Some(Import {
        specifier,
        place,
        dynamic: true,
        json,
        problem,
    })
}

fn attribute(key: &str, value: &str, json: &mut bool, problem: &mut Option<ImportProblem>) {
    if key == "type" && value == "json" {
        *json = true;
    } else {
        *problem = Some(ImportProblem::Attribute {
            key: printable(key),
            value: printable(value),
        });
    }
}

fn span_text(source: &str, span: Span) -> Option<&str> {
    source.get(span.start as usize..span.end as usize)
}

fn syntax_problem(source: &str, offset: u32, message: &str) -> SyntaxProblem {
    const SHOWN: usize = 60;
    let place = Lines::new(source).place(offset);
    let line = source.split('\n').nth(place.line - 1).unwrap_or_default();
    // Minified files are one line: show what stands around the place.
    let skipped = place.column.saturating_sub(SHOWN);
    let excerpt: String = line.chars().skip(skipped).take(2 * SHOWN).collect();
    SyntaxProblem {
        line: place.line,
        column: place.column,
        message: printable(message),
        excerpt: printable(&excerpt.replace('\t', " ")),
        excerpt_column: place.column - skipped,
    }
}

/// Turns offsets into places; offsets are asked for in roughly ascending order.
struct Lines<'a> {
    source: &'a str,
    offset: usize,
    place: Place,
}

impl<'a> Lines<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            offset: 0,
            place: Place { line: 1, column: 1 },
        }
    }

    fn place(&mut self, offset: u32) -> Place {
        let offset = offset as usize;
        if offset < self.offset {
            *self = Self::new(self.source);
        }
        for character in self.source.get(self.offset..).unwrap_or_default().chars() {
            if self.offset >= offset {
                break;
            }
            self.offset += character.len_utf8();
            if character == '\n' {
                self.place = Place {
                    line: self.place.line + 1,
                    column: 1,
                };
            } else {
                self.place.column += 1;
            }
        }
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specifiers(source: &str) -> Vec<String> {
        scan(source)
            .unwrap()
            .imports
            .into_iter()
            .map(|import| import.specifier)
            .collect()
    }

    /// GRAPH-30: what counts as an import is what the language says, not what a text search finds.
    #[test]
    fn finds_every_spelling() {
        let table: &[(&str, &[&str])] = &[
            ("import './a.js'", &["./a.js"]),
            ("import a, * as b from\n'./a.js'", &["./a.js"]),
            ("import/**/{x as y}/**/from/**/\"./a.js\"", &["./a.js"]),
            (
                "export * from './a.js'; export * as z from './b.js'; export { y } from './c.js'",
                &["./a.js", "./b.js", "./c.js"],
            ),
            ("import '\\u002e/\\x61.js'", &["./a.js"]),
            ("await import('./a.js')", &["./a.js"]),
            ("await import(`./a.js`)", &["./a.js"]),
            ("({...import/* */(\n'./a.js')})", &["./a.js"]),
            (
                "async function f() { return (await import('./a.js')).default }",
                &["./a.js"],
            ),
            ("`${import('./a.js')}`", &["./a.js"]),
            (
                "`import './no.js'`; 'import(\"./no.js\")'; // import './no.js'\n/import('.no')/",
                &[],
            ),
            (
                "import.meta.url; const x = { import(a) {} }; x.import('./no.js')",
                &[],
            ),
            ("import('./a' + '.js'); import(`./${1}.js`); import(x)", &[]),
            ("import data from './a.json' with { type: 'json' }", &["./a.json"]),
            ("import('./a.json', { with: { type: 'json' } })", &["./a.json"]),
        ];
        for (source, expected) in table {
            assert_eq!(specifiers(source), *expected, "{source}");
        }
    }

    /// GRAPH-18: a global is a name that is used and neither declared nor imported.
    #[test]
    fn finds_the_globals() {
        let table: &[(&str, &[&str])] = &[
            ("export const x = 1;", &[]),
            ("console.log(new Date())", &["Date", "console"]),
            ("const console = { log() {} }; console.log(1)", &[]),
            ("import { Date } from './d.js'; new Date()", &[]),
            ("function f(Date) { return new Date() } f(Object)", &["Object"]),
            ("export function f() { return Math.random() }", &["Math"]),
            ("'console Date'; // process", &[]),
            (
                "typeof process; globalThis.Date.now()",
                &["globalThis", "process"],
            ),
            ("{ let URL; } new URL('a:b')", &["URL"]),
            ("var { a = Deno } = {}; a", &["Deno"]),
        ];
        for (source, expected) in table {
            assert_eq!(scan(source).unwrap().globals, *expected, "{source}");
        }
    }

    #[test]
    fn attributes_and_phases() {
        let json = |source| scan(source).unwrap().imports[0].json;
        assert!(json("import a from './a.json' with { type: 'json' }"));
        assert!(json("import a from './a.json' with { 'type': \"json\" }"));
        assert!(json("export * from './a.json' with { type: 'json' }"));
        assert!(json("import('./a.json', { with: { type: 'json' } })"));
        assert!(!json("import './a.js'"));
        let problem = |source| scan(source).unwrap().imports[0].problem.clone();
        assert!(matches!(
            problem("import './a.css' with { type: 'css' }"),
            Some(ImportProblem::Attribute { .. })
        ));
        assert!(matches!(
            problem("import './a.js' with { color: 'red' }"),
            Some(ImportProblem::Attribute { .. })
        ));
        assert_eq!(
            problem("import defer * as a from './a.js'"),
            Some(ImportProblem::Phase)
        );
        assert_eq!(problem("import './\\ud800.js'"), Some(ImportProblem::Character));
    }

    #[test]
    fn computed_imports_are_counted() {
        let found = scan("import(a);\n  import('./b' + c)").unwrap();
        assert_eq!(
            found.computed,
            [Place { line: 1, column: 8 }, Place { line: 2, column: 10 }]
        );
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let problem = scan("let a = 1;\n\tlet b = = 2;\n").unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 10));
        assert_eq!(problem.excerpt, " let b = = 2;");
        assert!(scan("const a: number = 1").is_err());
        assert!(scan("<div/>").is_err());
    }
}
