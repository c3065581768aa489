//! The comparison of two programs without their types.

use oxc_ast::ast::{
    ClassElement, ExportSpecifier, ImportDeclarationSpecifier, Program, Statement, TSClassImplements,
    TSThisParameter, TSTypeAnnotation, TSTypeParameterDeclaration, TSTypeParameterInstantiation,
};
use oxc_ast::{AstKind, AstType};
use oxc_ast_visit::{Visit, walk};
use oxc_span::GetSpan;

use super::erase;

/// Returns the offset in `typed` of the first difference to `plain`, which is its text without types.
pub(super) fn difference(typed: &Program<'_>, plain: &Program<'_>) -> Option<u32> {
    let (typed, plain) = (Shape::of(typed), Shape::of(plain));
    let mut pairs = typed.nodes.iter().zip(&plain.nodes);
    let differing = pairs.position(|((left, _), (right, _))| left != right);
    let index = match differing {
        Some(index) => index,
        None if typed.nodes.len() == plain.nodes.len() => return None,
        None => plain.nodes.len().min(typed.nodes.len().saturating_sub(1)),
    };
    Some(typed.nodes.get(index).map_or(0, |(_, offset)| *offset))
}

/// The nodes of a program in the order of a traversal, with their offsets. A node is added when it begins, and a `None`
/// when it ends.
///
/// The other contents of nodes are tokens, which blanking does not change.
#[derive(Default)]
struct Shape {
    nodes: Vec<(Option<AstType>, u32)>,
}

impl Shape {
    fn of(program: &Program<'_>) -> Self {
        let mut shape = Self::default();
        shape.visit_program(program);
        shape
    }
}

/// Returns true if `kind` only gives a type to the expression in it, or is a parenthesis. Parentheses are ignored: they
/// do not matter if the trees are equal without them, and the parser does not keep all of them.
fn is_wrapper(kind: AstKind<'_>) -> bool {
    matches!(
        kind,
        AstKind::TSAsExpression(_)
            | AstKind::TSSatisfiesExpression(_)
            | AstKind::TSNonNullExpression(_)
            | AstKind::TSInstantiationExpression(_)
            | AstKind::ParenthesizedExpression(_)
    )
}

impl<'a> Visit<'a> for Shape {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        if !is_wrapper(kind) {
            self.nodes.push((Some(kind.ty()), kind.span().start));
        }
    }

    fn leave_node(&mut self, kind: AstKind<'a>) {
        if !is_wrapper(kind) {
            self.nodes.push((None, kind.span().end));
        }
    }

    fn visit_statement(&mut self, statement: &Statement<'a>) {
        if !matches!(statement, Statement::EmptyStatement(_)) && !erase::is_type_only(statement) {
            walk::walk_statement(self, statement);
        }
    }

    fn visit_class_element(&mut self, element: &ClassElement<'a>) {
        if !erase::is_type_only_element(element) {
            walk::walk_class_element(self, element);
        }
    }

    fn visit_import_declaration_specifier(&mut self, specifier: &ImportDeclarationSpecifier<'a>) {
        if !erase::imports_type(specifier) {
            walk::walk_import_declaration_specifier(self, specifier);
        }
    }

    fn visit_export_specifier(&mut self, specifier: &ExportSpecifier<'a>) {
        if specifier.export_kind.is_value() {
            walk::walk_export_specifier(self, specifier);
        }
    }

    fn visit_ts_type_annotation(&mut self, _: &TSTypeAnnotation<'a>) {}

    fn visit_ts_type_parameter_declaration(&mut self, _: &TSTypeParameterDeclaration<'a>) {}

    fn visit_ts_type_parameter_instantiation(&mut self, _: &TSTypeParameterInstantiation<'a>) {}

    fn visit_ts_type(&mut self, _: &oxc_ast::ast::TSType<'a>) {}

    fn visit_ts_this_parameter(&mut self, _: &TSThisParameter<'a>) {}

    fn visit_ts_class_implements_list(&mut self, _: &oxc_allocator::ArenaVec<'a, TSClassImplements<'a>>) {}
}

#[cfg(test)]
mod tests {
    use oxc_allocator::Allocator;
    use oxc_span::SourceType;

    use super::*;
    use crate::syntax;

    fn offset(typed: &str, plain: &str) -> Option<u32> {
        let allocator = Allocator::default();
        let kind = SourceType::ts().with_module(true);
        let typed = syntax::parse(&allocator, typed, kind).unwrap().program;
        let plain = syntax::parse(&allocator, plain, SourceType::mjs())
            .unwrap()
            .program;
        difference(&typed, &plain)
    }

    /// GRAPH-66: if blanks would change the meaning of the rest, the trees differ.
    #[test]
    fn finds_changed_programs() {
        let table = [
            ("a = b as T\n(c)", "a = b     \n(c)"),
            ("((a + b) as T) * c", "a + b * c"),
            ("class A { a = b\npublic *c() {} }", "class A { a = b\n*c }"),
            ("class A { get: T\nb() {} }", "class A { get\nb() {} }"),
            (
                "f = () => { return <T,\n>(a: T) => a }",
                "f = () => { return \n(a) => a }",
            ),
            ("a; b as T", "a"),
            ("a as T", "a; b"),
        ];
        for (typed, plain) in table {
            assert!(offset(typed, plain).is_some(), "{typed}");
        }
        assert_eq!(offset("a; ((b + c) as T) * d", "a; b + c * d"), Some(5));
        // Parentheses, empty statements and types do not matter.
        assert_eq!(offset("(a as T)((b!)); type C = D; e", "a(b);; e"), None);
    }
}
