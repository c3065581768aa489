//! Finds the imports of a module without running it.
//!
//! A complete parser reads the whole file. So `im\u0070ort`, comments between words, and imports inside template
//! strings are recognised exactly as the language defines.

use std::collections::HashSet;

use oxc_allocator::Allocator;
use oxc_ast::ast::{Expression, ObjectPropertyKind, Program, Statement, StringLiteral, WithClause};
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::{SourceType, Span};

use super::asked::Interface;
use super::error::ImportProblem;
use crate::syntax::{self, Lines, Place, STACK_SIZE, SyntaxProblem};
use crate::text::printable;
use crate::transform::commonjs::CommonJs;
use crate::transform::constants::{self, Constant};
use crate::transform::typescript;
use crate::wasm::{self, WasmProblem};

/// The result of [`scan`].
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The imports in the order of the source, except that required modules come first.
    pub(super) imports: Vec<Import>,
    /// The positions of `import(…)` with an argument that is not a literal.
    pub(super) computed: Vec<Place>,
    /// The names that it uses without declaring them, in ascending order.
    pub(super) globals: Vec<String>,
    /// The transformation that the file needs.
    pub(super) form: Form,
    /// The names that it imports and exports. `None` for CommonJS.
    pub(super) interface: Option<Interface>,
}

/// The form of a file.
#[derive(Debug, Default)]
pub(super) enum Form {
    /// A file that the engine accepts without a transformation.
    #[default]
    Plain,
    /// An ECMAScript module with `process.env.NAME` at these positions.
    Constants(Vec<Constant>),
    /// CommonJS.
    CommonJs(CommonJs),
    /// TypeScript. The text is the file without its types.
    TypeScript(String),
    /// A module that is left out. There is no file.
    LeftOut,
}

/// The language that a file's name and package indicate before it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// An ECMAScript module of the program itself.
    OwnModule,
    /// An ECMAScript module of a package.
    Module,
    /// CommonJS.
    CommonJs,
    /// An ECMAScript module in TypeScript.
    TypeScript,
    /// An ECMAScript module of a package if it has `import` or `export`, otherwise CommonJS.
    Either,
}

/// One import of a module.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) specifier: String,
    pub(super) place: Place,
    pub(super) via: Via,
    /// The `type` in its `with`.
    pub(super) announced: Announced,
    /// An error that does not depend on the target.
    pub(super) problem: Option<ImportProblem>,
}

/// The way in which a module imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// `import … from "…"`, `export … from "…"`.
    Declaration,
    /// `import("…")`. It may fail at run time, and the program may catch the error.
    Call,
    /// `require("…")` in CommonJS. It may fail at run time, and has its own resolution rules.
    Require,
}

/// The kind that `with { type: … }` states for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Announced {
    #[default]
    Nothing,
    Json,
    Text,
    Bytes,
}

/// Finds the imports and the form of `source`. Must run on a thread with [`STACK_SIZE`].
pub(super) fn scan(source: &str, language: Language) -> Result<Scan, SyntaxProblem> {
    syntax::with_stack(source, STACK_SIZE, || match language {
        Language::OwnModule | Language::Module => module(source, language == Language::Module),
        Language::CommonJs => common_js(source),
        Language::TypeScript => {
            let text = typescript::strip(source)?;
            let mut found = module(&text, false)?;
            found.form = Form::TypeScript(text);
            Ok(found)
        }
        Language::Either => match has_module_syntax(source) {
            true => module(source, true),
            false => common_js(source),
        },
    })
}

/// Returns true if `source` has `import` or `export` declarations, or `import.meta`.
fn has_module_syntax(source: &str) -> bool {
    // Avoids parsing files that do not contain these words.
    if !source.contains("import") && !source.contains("export") && !source.contains('\\') {
        return false;
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    parsed.module_record.has_module_syntax
}

fn module(source: &str, replaces_constants: bool) -> Result<Scan, SyntaxProblem> {
    let allocator = Allocator::default();
    let parsed = syntax::parse(&allocator, source, SourceType::mjs())
        .map_err(|(offset, message)| SyntaxProblem::at(source, offset, &message))?;
    let program = &parsed.program;
    let mut lines = Lines::new(source);
    let mut found = Scan::default();
    for (literal, clause, phase) in declarations(program) {
        found
            .imports
            .push(static_import(&mut lines, literal, clause, phase));
    }
    let dynamic = parsed.module_record.dynamic_imports.iter();
    found.dynamic_imports(source, dynamic.map(|import| (import.span, import.module_request)));
    found
        .imports
        .sort_by_key(|import| (import.place.line, import.place.column));
    let semantic = SemanticBuilder::new().build(program).semantic;
    let scoping = semantic.scoping();
    found.interface = Some(Interface::of(&parsed.module_record, program, scoping));
    let mut replaced = 0;
    if replaces_constants && constants::may_have(source) {
        let places = constants::in_program(program, scoping);
        replaced = places.len();
        if replaced > 0 {
            found.form = Form::Constants(places);
        }
    }
    let free = scoping.root_unresolved_references().iter();
    let used = free.filter(|(name, references)| name.as_str() != "process" || references.len() > replaced);
    found.globals = used.map(|(name, _)| name.as_str().to_owned()).collect();
    found.globals.sort_unstable();
    Ok(found)
}

/// Returns the import declarations of a module: the specifier literal, the `with` clause, and true if the declaration
/// has a phase.
pub(super) fn declarations<'a, 'b>(
    program: &'b Program<'a>,
) -> impl Iterator<Item = (&'b StringLiteral<'a>, Option<&'b WithClause<'a>>, bool)> {
    program.body.iter().filter_map(|statement| match statement {
        Statement::ImportDeclaration(import) => Some((
            &import.source,
            import.with_clause.as_deref(),
            import.phase.is_some(),
        )),
        Statement::ExportFromDeclaration(export) => {
            Some((&export.source, export.with_clause.as_deref(), false))
        }
        Statement::ExportAllDeclaration(export) => {
            Some((&export.source, export.with_clause.as_deref(), false))
        }
        _ => None,
    })
}

fn common_js(source: &str) -> Result<Scan, SyntaxProblem> {
    let mut file = CommonJs::parse(source)?;
    let mut found = Scan {
        globals: std::mem::take(&mut file.globals),
        ..Scan::default()
    };
    let mut lines = Lines::new(source);
    for (specifier, offset) in &file.required {
        found.imports.push(Import {
            specifier: specifier.clone(),
            place: lines.place(*offset),
            via: Via::Require,
            announced: Announced::Nothing,
            problem: None,
        });
    }
    found.dynamic_imports(source, std::mem::take(&mut file.dynamic_imports));
    found.form = Form::CommonJs(file);
    Ok(found)
}

/// Finds the imports of a WebAssembly module.
pub(super) fn wasm(bytes: &[u8]) -> Result<Scan, WasmProblem> {
    let mut found = Scan::default();
    let mut seen = HashSet::new();
    for import in wasm::interface(bytes)?.imports {
        if seen.insert(import.module.clone()) {
            found.imports.push(Import {
                specifier: import.module,
                // A WebAssembly file has no lines, so it counts as one line.
                place: Place {
                    line: 1,
                    column: usize::try_from(import.offset).unwrap_or_default() + 1,
                },
                via: Via::Declaration,
                announced: Announced::Nothing,
                problem: None,
            });
        }
    }
    Ok(found)
}

impl Scan {
    /// Adds calls of `import`. Each item has the span of the call and of its argument.
    fn dynamic_imports(&mut self, source: &str, calls: impl IntoIterator<Item = (Span, Span)>) {
        let mut lines = Lines::new(source);
        for (call, argument) in calls {
            let place = lines.place(argument.start);
            match syntax::text_at(source, call).and_then(|text| dynamic_import(text, place)) {
                Some(import) => self.imports.push(import),
                None => self.computed.push(place),
            }
        }
    }
}

pub(super) fn static_import(
    lines: &mut Lines<'_>,
    literal: &StringLiteral<'_>,
    clause: Option<&WithClause<'_>>,
    phase: bool,
) -> Import {
    let mut problem = None;
    let mut announced = Announced::Nothing;
    for entry in clause.iter().flat_map(|clause| &clause.with_entries) {
        attribute(
            &entry.key.as_arena_str(),
            &entry.value.value,
            &mut announced,
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
        via: Via::Declaration,
        announced,
        problem,
    }
}

/// Parses `import("literal")` or `import("literal", { with: { … } })`. Returns `None` for other expressions.
///
/// The parser's list of dynamic imports has only positions, so this expression is parsed again.
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
    let mut announced = Announced::Nothing;
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
                    attribute(
                        &entry.key.static_name()?,
                        &value.value,
                        &mut announced,
                        &mut problem,
                    );
                }
            }
        }
        Some(_) => return None,
    }
    Some(Import {
        specifier,
        place,
        via: Via::Call,
        announced,
        problem,
    })
}

fn attribute(key: &str, value: &str, announced: &mut Announced, problem: &mut Option<ImportProblem>) {
    *announced = match (key, value) {
        ("type", "json") => Announced::Json,
        ("type", "text") => Announced::Text,
        ("type", "bytes") => Announced::Bytes,
        _ => {
            *problem = Some(ImportProblem::Attribute {
                key: printable(key),
                value: printable(value),
            });
            return;
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specifiers(source: &str) -> Vec<String> {
        scan(source, Language::OwnModule)
            .unwrap()
            .imports
            .into_iter()
            .map(|import| import.specifier)
            .collect()
    }

    /// GRAPH-30: the language defines what an import is. A text search would give other results.
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
            assert_eq!(
                scan(source, Language::OwnModule).unwrap().globals,
                *expected,
                "{source}"
            );
        }
    }

    #[test]
    fn attributes_and_phases() {
        let json =
            |source| scan(source, Language::OwnModule).unwrap().imports[0].announced == Announced::Json;
        assert!(json("import a from './a.json' with { type: 'json' }"));
        assert!(json("import a from './a.json' with { 'type': \"json\" }"));
        assert!(json("export * from './a.json' with { type: 'json' }"));
        assert!(json("import('./a.json', { with: { type: 'json' } })"));
        assert!(!json("import './a.js'"));
        let problem = |source| {
            scan(source, Language::OwnModule).unwrap().imports[0]
                .problem
                .clone()
        };
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
        let found = scan("import(a);\n  import('./b' + c)", Language::OwnModule).unwrap();
        assert_eq!(
            found.computed,
            [Place { line: 1, column: 8 }, Place { line: 2, column: 10 }]
        );
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let problem = scan("let a = 1;\n\tlet b = = 2;\n", Language::OwnModule).unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 10));
        assert_eq!(problem.excerpt, " let b = = 2;");
        assert!(scan("const a: number = 1", Language::OwnModule).is_err());
        assert!(scan("<div/>", Language::OwnModule).is_err());
    }
}
