//! The replacement of `process.env.NAME`. Packages read `NODE_ENV` to choose between builds, and other variables to
//! enable debugging.

use oxc_allocator::Allocator;
use oxc_ast::ast::{Expression, IdentifierReference, Program};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{Scoping, SemanticBuilder};
use oxc_span::{SourceType, Span};

use crate::syntax::{self, SyntaxProblem};

/// An expression that reads the environment, and its replacement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Constant {
    /// The position of the expression.
    pub(crate) span: Span,
    /// The replacement text.
    pub(crate) value: &'static str,
}

impl Constant {
    /// Creates the replacement for a variable. `NODE_ENV` has the value that bundlers use, and every other variable is
    /// undefined.
    fn new(span: Span, name: &str) -> Self {
        let value = match name {
            "NODE_ENV" => "\"production\"",
            _ => "(void 0)",
        };
        Self { span, value }
    }
}

/// Returns true if a source may contain such an expression. Most sources do not, and need no further analysis.
pub(crate) fn may_have(source: &str) -> bool {
    source.contains("process") && (source.contains("env") || source.contains("platform"))
}

/// Returns the reference to `process` and the replacement, if `expression` is `process.env.NAME` or `process.platform`.
/// The caller must check that the module does not declare `process` itself.
pub(crate) fn find<'a, 'b>(
    expression: &'b Expression<'a>,
) -> Option<(&'b IdentifierReference<'a>, Constant)> {
    let Expression::StaticMemberExpression(whole) = expression else {
        return None;
    };
    if let Expression::Identifier(process) = &whole.object {
        let is_platform = process.name.as_str() == "process"
            && whole.property.name.as_str() == "platform"
            && !whole.optional;
        return is_platform.then(|| (&**process, Constant::new(whole.span, "")));
    }
    let Expression::StaticMemberExpression(environment) = &whole.object else {
        return None;
    };
    let Expression::Identifier(process) = &environment.object else {
        return None;
    };
    let is_constant = !whole.optional
        && !environment.optional
        && environment.property.name.as_str() == "env"
        && process.name.as_str() == "process";
    is_constant.then(|| {
        (
            &**process,
            Constant::new(whole.span, whole.property.name.as_str()),
        )
    })
}

/// Finds the expressions in the ECMAScript module `source`.
pub(crate) fn in_module(source: &str) -> Result<Vec<Constant>, SyntaxProblem> {
    let allocator = Allocator::default();
    let parsed = syntax::parse(&allocator, source, SourceType::mjs())
        .map_err(|(offset, message)| SyntaxProblem::at(source, offset, &message))?;
    let semantic = SemanticBuilder::new().build(&parsed.program).semantic;
    Ok(in_program(&parsed.program, semantic.scoping()))
}

/// Finds the expressions in a parsed module.
pub(crate) fn in_program(program: &Program<'_>, scoping: &Scoping) -> Vec<Constant> {
    let mut finder = Finder {
        scoping,
        constants: Vec::new(),
    };
    finder.visit_program(program);
    finder.constants
}

/// Returns true if the module does not declare `identifier`.
pub(crate) fn is_free(scoping: &Scoping, identifier: &IdentifierReference<'_>) -> bool {
    let reference = identifier.reference_id.get();
    reference.is_some_and(|reference| scoping.get_reference(reference).symbol_id().is_none())
}

struct Finder<'s> {
    scoping: &'s Scoping,
    constants: Vec<Constant>,
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_expression(&mut self, expression: &Expression<'a>) {
        match find(expression) {
            Some((process, constant)) if is_free(self.scoping, process) => self.constants.push(constant),
            _ => walk::walk_expression(self, expression),
        }
    }
}

/// Returns `source` with the constants replaced. The code after them keeps its line, and its column if the replaced
/// text was on one line and long enough.
pub(crate) fn replace(source: &str, constants: &[Constant]) -> String {
    let mut replaced = String::with_capacity(source.len());
    let mut done = 0;
    for Constant { span, value } in constants {
        let (start, end) = (span.start as usize, span.end as usize);
        let (Some(before), Some(text)) = (source.get(done..start), source.get(start..end)) else {
            continue;
        };
        replaced.push_str(before);
        replaced.push_str(value);
        for (index, character) in text.chars().enumerate() {
            if syntax::ends_line(character) {
                replaced.push(character);
            } else if index >= value.len() {
                replaced.push(' ');
            }
        }
        done = end;
    }
    replaced.push_str(source.get(done..).unwrap_or_default());
    replaced
}
