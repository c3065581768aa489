//! `process.env.NODE_ENV`, which packages ask for what they were built for.

use oxc_allocator::Allocator;
use oxc_ast::ast::{Expression, IdentifierReference, Program, StaticMemberExpression};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{Scoping, SemanticBuilder};
use oxc_span::{SourceType, Span};

use crate::syntax::{self, SyntaxProblem};

/// What it is replaced by, as bundlers do.
const VALUE: &str = "\"production\"";

/// Whether a source may have it at all. Most have not, and need not be looked at more closely.
pub(crate) fn may_have(source: &str) -> bool {
    source.contains("NODE_ENV")
}

/// `process.env.NODE_ENV`, if `expression` is that: the reference to `process`, which may be a name of the module's own,
/// and the place of it all.
pub(crate) fn find<'a, 'b>(expression: &'b Expression<'a>) -> Option<(&'b IdentifierReference<'a>, Span)> {
    let Expression::StaticMemberExpression(whole) = expression else {
        return None;
    };
    let Expression::StaticMemberExpression(environment) = &whole.object else {
        return None;
    };
    let Expression::Identifier(process) = &environment.object else {
        return None;
    };
    let plain = |member: &StaticMemberExpression<'_>, name: &str| {
        !member.optional && member.property.name.as_str() == name
    };
    (plain(whole, "NODE_ENV") && plain(environment, "env") && process.name.as_str() == "process")
        .then_some((process, whole.span))
}

/// The places in the ECMAScript module `source`.
pub(crate) fn in_module(source: &str) -> Result<Vec<Span>, SyntaxProblem> {
    let allocator = Allocator::default();
    let parsed = syntax::parse(&allocator, source, SourceType::mjs())
        .map_err(|(offset, message)| SyntaxProblem::at(source, offset, &message))?;
    let semantic = SemanticBuilder::new().build(&parsed.program).semantic;
    Ok(in_program(&parsed.program, semantic.scoping()))
}

/// The places in a parsed module.
pub(crate) fn in_program(program: &Program<'_>, scoping: &Scoping) -> Vec<Span> {
    let mut finder = Finder {
        scoping,
        spans: Vec::new(),
    };
    finder.visit_program(program);
    finder.spans
}

/// Whether `identifier` is declared nowhere in its module.
pub(crate) fn is_free(scoping: &Scoping, identifier: &IdentifierReference<'_>) -> bool {
    let reference = identifier.reference_id.get();
    reference.is_some_and(|reference| scoping.get_reference(reference).symbol_id().is_none())
}

struct Finder<'s> {
    scoping: &'s Scoping,
    spans: Vec<Span>,
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_expression(&mut self, expression: &Expression<'a>) {
        match find(expression) {
            Some((process, span)) if is_free(self.scoping, process) => self.spans.push(span),
            _ => walk::walk_expression(self, expression),
        }
    }
}

/// `source` with the texts at `spans` replaced. What stands after them keeps its line; and its column, where a text is
/// on one line.
pub(crate) fn replace(source: &str, spans: &[Span]) -> String {
    let mut replaced = String::with_capacity(source.len());
    let mut done = 0;
    for span in spans {
        let (start, end) = (span.start as usize, span.end as usize);
        let (Some(before), Some(text)) = (source.get(done..start), source.get(start..end)) else {
            continue;
        };
        replaced.push_str(before);
        replaced.push_str(VALUE);
        for (index, character) in text.chars().enumerate() {
            if matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}') {
                replaced.push(character);
            } else if index >= VALUE.len() {
                replaced.push(' ');
            }
        }
        done = end;
    }
    replaced.push_str(source.get(done..).unwrap_or_default());
    replaced
}
