//! The literals of a module that are pure data, and calls of `import` with a phase.

use std::ops::Range;

use oxc_ast::ast::{
    ImportExpression, Program, RegExpLiteral, StringLiteral, TaggedTemplateExpression, TemplateElement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::Span;

/// A literal of a module that is pure data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The position in the source, in bytes.
    pub range: Range<usize>,
    /// True if an escape sequence can replace a character without changing the program. It is false for regular
    /// expressions and tagged templates, because the program can read their source text.
    pub takes_escapes: bool,
}

/// Returns the literals in the order of the source, and the first `import.source(…)` or `import.defer(…)`.
pub(super) fn literals(program: &Program<'_>) -> (Vec<Literal>, Option<Span>) {
    let mut finder = Finder::default();
    finder.visit_program(program);
    finder.literals.sort_by_key(|literal| literal.range.start);
    (finder.literals, finder.phase_call)
}

#[derive(Default)]
struct Finder {
    literals: Vec<Literal>,
    phase_call: Option<Span>,
    /// True if the next template to visit has a tag.
    is_tagged: bool,
}

impl Finder {
    fn add(&mut self, span: Span, takes_escapes: bool) {
        self.literals.push(Literal {
            range: span.start as usize..span.end as usize,
            takes_escapes,
        });
    }
}

impl<'a> Visit<'a> for Finder {
    fn visit_string_literal(&mut self, literal: &StringLiteral<'a>) {
        self.add(literal.span, true);
    }

    fn visit_reg_exp_literal(&mut self, literal: &RegExpLiteral<'a>) {
        self.add(literal.span, false);
    }

    fn visit_template_element(&mut self, element: &TemplateElement<'a>) {
        self.add(element.span, !self.is_tagged);
    }

    fn visit_tagged_template_expression(&mut self, tagged: &TaggedTemplateExpression<'a>) {
        self.visit_expression(&tagged.tag);
        self.is_tagged = true;
        self.visit_template_elements(&tagged.quasi.quasis);
        self.is_tagged = false;
        self.visit_expressions(&tagged.quasi.expressions);
    }

    fn visit_import_expression(&mut self, call: &ImportExpression<'a>) {
        if call.phase.is_some() {
            self.phase_call.get_or_insert(call.span);
        }
        walk::walk_import_expression(self, call);
    }
}
