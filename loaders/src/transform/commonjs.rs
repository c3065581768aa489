//! The transformation of CommonJS to ECMAScript modules. The section "Transformations" of spec/graph.md specifies the
//! result.

use std::collections::BTreeSet;
use std::fmt::Write;

use oxc_allocator::Allocator;
use oxc_ast::ast::{Argument, BindingPattern, CallExpression, Expression, Function, Program, Statement};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{Scoping, SemanticBuilder, SymbolId};
use oxc_span::{SourceType, Span};

use super::constants::{self, Constant};
use super::names::Names;
use super::{REQUIRE, WHOLE, export_name, literal};
use crate::syntax::{self, SyntaxProblem};

/// The text before the source for parsing. It makes the source a function body, like Node.js does.
const OPEN: &str = "(function(exports,require,module){";
/// The text after the source. The line end terminates a comment in the source's last line.
const CLOSE: &str = "\n})";

/// A parsed CommonJS file.
#[derive(Debug, Default)]
pub(crate) struct CommonJs {
    /// The literal arguments of `require` in the order of the source, with their offsets in bytes.
    pub(crate) required: Vec<(String, u32)>,
    /// The spans of `import(…)` calls and of their arguments.
    pub(crate) dynamic_imports: Vec<(Span, Span)>,
    /// The export names that its text shows.
    pub(crate) names: Names,
    /// The names that it uses without declaring them, in ascending order. The parameters of the CommonJS wrapper are
    /// not included.
    pub(crate) globals: Vec<String>,
    constants: Vec<Constant>,
}

/// The kind of target of a `require` call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Required {
    /// Another CommonJS file, evaluated now if necessary. The call returns its exports.
    CommonJs,
    /// Another CommonJS file that is evaluated before this one. The call returns its exports.
    Evaluated,
    /// An ECMAScript module. The call returns the object that Node.js makes from its namespace.
    Module,
    /// A module of the host. The call returns its namespace.
    Host,
    /// JSON. The call returns its value.
    Json,
    /// A module that is left out. The call returns an empty object, which is not shared with other modules.
    Nothing,
}

impl CommonJs {
    /// Parses `source` as a function body in strict mode.
    pub(crate) fn parse(source: &str) -> Result<Self, SyntaxProblem> {
        let text = format!("{OPEN}{}{CLOSE}", without_hashbang(source));
        let problem = |(offset, mut message): (u32, String)| {
            let offset = offset.saturating_sub(OPEN.len() as u32).min(source.len() as u32);
            if is_sloppy(&text) {
                message.push_str("; CommonJS runs as strict code here, which does not allow it");
            }
            SyntaxProblem::at(source, offset, &message)
        };
        let allocator = Allocator::default();
        let parsed = syntax::parse(&allocator, &text, SourceType::mjs()).map_err(problem)?;
        let Some(function) = wrapper(&parsed.program, text.len() as u32) else {
            return Err(problem((0, "its brackets are not balanced".to_owned())));
        };
        let built = SemanticBuilder::new()
            .with_check_syntax_error(true)
            .build(&parsed.program);
        if let Some(error) = built.diagnostics.errors().next() {
            let offset = error.labels.first().map_or(0, |label| label.offset());
            return Err(problem((offset, error.message.to_string())));
        }
        let scoping = built.semantic.scoping();
        let mut finder = Finder {
            scoping,
            require: parameter(function, 1),
            required: Vec::new(),
            replaced: 0,
            constants: Vec::new(),
            names: Names::default(),
        };
        finder.visit_program(&parsed.program);
        let in_source = |span: Span| {
            let shift = OPEN.len() as u32;
            Span::new(span.start.saturating_sub(shift), span.end.saturating_sub(shift))
        };
        let free = scoping.root_unresolved_references();
        let mut globals: Vec<String> = Vec::new();
        for (name, references) in free {
            match name.as_str() {
                "process" if references.len() == finder.replaced => {}
                name => globals.push(name.to_owned()),
            }
        }
        globals.sort_unstable();
        let dynamic = parsed.module_record.dynamic_imports.iter();
        Ok(Self {
            required: finder
                .required
                .into_iter()
                .map(|(specifier, at)| (specifier, at.saturating_sub(OPEN.len() as u32)))
                .collect(),
            dynamic_imports: dynamic
                .map(|import| (in_source(import.span), in_source(import.module_request)))
                .collect(),
            names: finder.names,
            globals,
            constants: finder
                .constants
                .into_iter()
                .map(|constant| Constant {
                    span: in_source(constant.span),
                    ..constant
                })
                .collect(),
        })
    }

    /// Returns the transformed module. `source` must be the text that was parsed. `target` returns the kind of target
    /// of a required literal. If `exports` is given, the module is evaluated when it is imported, and exports these
    /// names.
    pub(crate) fn write(
        &self,
        source: &str,
        target: impl Fn(&str) -> Option<Required>,
        exports: Option<&[String]>,
    ) -> String {
        let source = constants::replace(&without_hashbang(source), &self.constants);
        let ours = unused_prefix(&source);
        let mut imports = String::new();
        let mut cases = String::new();
        let mut wraps = false;
        let mut seen = BTreeSet::new();
        for (specifier, _) in &self.required {
            let Some(required) = target(specifier).filter(|_| seen.insert(specifier)) else {
                continue;
            };
            let local = format!("{ours}{}", seen.len());
            let literal = literal(specifier);
            let (imported, value) = match required {
                Required::CommonJs => (
                    format!("{{\"{REQUIRE}\"as {local}}}from{literal}"),
                    format!("{local}()"),
                ),
                Required::Evaluated => (format!("{local} from{literal}"), local),
                Required::Module => {
                    wraps = true;
                    // Return the same object for each call.
                    let value = format!("{local}w??={ours}interop({local})");
                    (format!("*as {local} from{literal};var {local}w"), value)
                }
                Required::Host => (format!("*as {local} from{literal}"), local),
                Required::Json => (format!("{local} from{literal}with{{type:\"json\"}}"), local),
                Required::Nothing => (String::new(), "{}".to_owned()),
            };
            // Writing to a string does not fail.
            if !imported.is_empty() {
                let _ = write!(imports, "import {imported};");
            }
            let _ = write!(cases, "case{literal}:return {value};");
        }
        // The generated code comes before the source, as far as possible. QuickJS's bindings search the text for
        // imports, and can misread quotes in regular expressions as the limits of a string.
        let is_called = exports.is_none_or(|exports| exports.iter().any(|name| name == REQUIRE));
        let called = match is_called {
            true => format!("export{{{ours}require as\"{REQUIRE}\"}};"),
            false => String::new(),
        };
        let interop = match wraps {
            true => interop(&ours),
            false => String::new(),
        };
        let mut text = format!(
            "{imports}var {ours}module;{called}{interop}\
             function {ours}find(name){{switch(name){{{cases}}}\
             const error=new Error(\"Cannot find module '\"+name+\"'\");error.code=\"MODULE_NOT_FOUND\";throw error}}\
             function {ours}require(){{if({ours}module===undefined){{{ours}module={{exports:{{}}}};try{{{OPEN}{source}\
             {CLOSE}.call({ours}module.exports,{ours}module.exports,{ours}find,{ours}module)}}\
             catch(error){{{ours}module=undefined;throw error}}}}return {ours}module.exports}}"
        );
        if let Some(exports) = exports {
            let _ = write!(
                text,
                "var {ours}exports={ours}require();function {ours}get(name){{try{{return {ours}exports[name]}}catch{{}}}}\
                 export{{{ours}exports as default}};"
            );
            for (index, name) in exports.iter().enumerate() {
                let exported = export_name(name);
                let _ = match name.as_str() {
                    REQUIRE => Ok(()),
                    WHOLE => write!(text, "export{{{ours}exports as {exported}}};"),
                    name => {
                        let name = literal(name);
                        write!(
                            text,
                            "var {ours}e{index}={ours}get({name});export{{{ours}e{index} as {exported}}};"
                        )
                    }
                };
            }
        }
        text.push('\n');
        text
    }
}

/// Returns the source in the text of a module that [`CommonJs::write`] made.
pub(crate) fn source_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(OPEN)?;
    let (source, _) = rest.rsplit_once(CLOSE)?;
    Some(source)
}

/// Returns the function that converts an ECMAScript module's namespace to the result of `require`, like in Node.js.
///
/// The result is the export "module.exports" if there is one. If there is a default export, it is a namespace with
/// `__esModule`, which tells compiled code that `default` exists. Otherwise it is the namespace. Getters read the
/// values later, because in a cycle they may not be initialised yet.
fn interop(ours: &str) -> String {
    format!(
        "function {ours}interop(from){{if(\"{WHOLE}\"in from)return from[\"{WHOLE}\"];\
         if(!(\"default\"in from)||\"__esModule\"in from)return from;const made={{__proto__:null}};\
         for(const key of Reflect.ownKeys(from))if(typeof key===\"string\")\
         Object.defineProperty(made,key,{{get:()=>from[key],enumerable:true}});\
         Object.defineProperty(made,\"__esModule\",{{value:true,enumerable:true}});\
         Object.defineProperty(made,Symbol.toStringTag,{{value:\"Module\"}});return Object.freeze(made)}}"
    )
}

/// Comments out a first line that begins with `#!`, which is a comment only at the start of a file.
fn without_hashbang(source: &str) -> String {
    // The language treats a byte order mark before it as white space.
    let (mark, text) = match source.strip_prefix('\u{feff}') {
        Some(text) => ("\u{feff}", text),
        None => ("", source),
    };
    match text.strip_prefix("#!") {
        Some(rest) => format!("{mark}//{rest}"),
        None => source.to_owned(),
    }
}

/// Returns a prefix for generated names that does not occur in the source.
fn unused_prefix(source: &str) -> String {
    let mut prefix = "$cjs_".to_owned();
    while source.contains(&prefix) {
        prefix.insert(0, '$');
    }
    prefix
}

/// Returns true if `text` is valid in sloppy mode.
fn is_sloppy(text: &str) -> bool {
    let allocator = Allocator::default();
    let Ok(parsed) = syntax::parse(&allocator, text, SourceType::script()) else {
        return false;
    };
    let semantic = SemanticBuilder::new().with_check_syntax_error(true);
    wrapper(&parsed.program, text.len() as u32).is_some()
        && semantic
            .build(&parsed.program)
            .diagnostics
            .errors()
            .next()
            .is_none()
}

/// Returns the single function that [`OPEN`] and [`CLOSE`] make, or `None` if the source closes it early.
fn wrapper<'b, 'a>(program: &'b Program<'a>, length: u32) -> Option<&'b Function<'a>> {
    let ([Statement::ExpressionStatement(statement)], []) =
        (program.body.as_slice(), program.directives.as_slice())
    else {
        return None;
    };
    let Expression::ParenthesizedExpression(parentheses) = &statement.expression else {
        return None;
    };
    match &parentheses.expression {
        Expression::FunctionExpression(function) if function.span == Span::new(1, length - 1) => {
            Some(function)
        }
        _ => None,
    }
}

fn parameter(function: &Function<'_>, index: usize) -> Option<SymbolId> {
    match &function.params.items.get(index)?.pattern {
        BindingPattern::BindingIdentifier(identifier) => identifier.symbol_id.get(),
        _ => None,
    }
}

/// A visitor that collects the parts that the transformation needs.
struct Finder<'s> {
    scoping: &'s Scoping,
    require: Option<SymbolId>,
    required: Vec<(String, u32)>,
    constants: Vec<Constant>,
    replaced: usize,
    names: Names,
}

impl Finder<'_> {
    fn symbol(&self, identifier: &oxc_ast::ast::IdentifierReference<'_>) -> Option<SymbolId> {
        self.scoping
            .get_reference(identifier.reference_id.get()?)
            .symbol_id()
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_expression(&mut self, expression: &Expression<'a>) {
        if let Some((process, constant)) = constants::find(expression)
            && constants::is_free(self.scoping, process)
        {
            self.replaced += 1;
            self.constants.push(constant);
            return;
        }
        walk::walk_expression(self, expression);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Expression::Identifier(callee) = &call.callee
            && callee.name.as_str() == "require"
            && self.symbol(callee) == self.require
            && let Some((specifier, span)) = required_literal(call)
        {
            self.required.push((specifier.to_owned(), span.start));
        }
        self.names.call(call);
        walk::walk_call_expression(self, call);
    }

    fn visit_assignment_expression(&mut self, assignment: &oxc_ast::ast::AssignmentExpression<'a>) {
        self.names.assignment(assignment);
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_variable_declarator(&mut self, declarator: &oxc_ast::ast::VariableDeclarator<'a>) {
        self.names.declarator(declarator);
        walk::walk_variable_declarator(self, declarator);
    }
}

/// Returns the text in `require("text")`, for any callee.
pub(super) fn required_literal<'b>(call: &'b CallExpression<'_>) -> Option<(&'b str, Span)> {
    match call.arguments.as_slice() {
        [Argument::StringLiteral(literal)] if !literal.lone_surrogates => {
            Some((literal.value.as_str(), literal.span))
        }
        [Argument::TemplateLiteral(template)] if template.expressions.is_empty() => {
            let quasi = template.quasis.first()?;
            Some((quasi.value.cooked.as_ref()?.as_str(), template.span))
        }
        _ => None,
    }
}
