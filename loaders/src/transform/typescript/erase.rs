//! The tokens of a TypeScript file that concern only types.

use oxc_allocator::ArenaVec;
use oxc_ast::ast::{
    ArrowFunctionExpression, Class, ClassElement, Declaration, Decorator, ExportDefaultDeclarationKind,
    ExportSpecifier, Expression, FormalParameter, ImportDeclarationSpecifier, MethodDefinitionType, Program,
    PropertyDefinitionType, Statement, TSAsExpression, TSClassImplements, TSEnumDeclaration,
    TSExportAssignment, TSExternalModuleDeclaration, TSGlobalDeclaration, TSImportEqualsDeclaration,
    TSNamespaceDeclaration, TSNamespaceDeclarationBody, TSNamespaceExportDeclaration, TSNonNullExpression,
    TSSatisfiesExpression, TSThisParameter, TSTypeAnnotation, TSTypeAssertion, TSTypeParameterDeclaration,
    TSTypeParameterInstantiation, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::{Kind, Token};
use oxc_span::{GetSpan, Span};

use super::blank::Blanks;
use crate::syntax::{ends_line, text_at};

/// The position of a construct that is not supported, and a message that suggests an alternative.
type Refusal = (u32, &'static str);

/// Marks the tokens of `program` that are removed. `tokens` must be its tokens. The error is the first construct that
/// is more than a type.
pub(super) fn types<'t>(
    source: &str,
    program: &Program<'_>,
    tokens: &'t [Token],
) -> Result<Blanks<'t>, Refusal> {
    let mut eraser = Eraser {
        source,
        blanks: Blanks::new(tokens),
        refused: None,
    };
    eraser.visit_program(program);
    match eraser.refused {
        Some(refusal) => Err(refusal),
        None => Ok(eraser.blanks),
    }
}

/// Returns true if `statement` has no effect at run time.
pub(super) fn is_type_only(statement: &Statement<'_>) -> bool {
    match statement {
        Statement::ImportDeclaration(import) => import.import_kind.is_type(),
        Statement::ExportNamedDeclaration(export) => export.export_kind.is_type(),
        Statement::ExportFromDeclaration(export) => export.export_kind.is_type(),
        Statement::ExportAllDeclaration(export) => export.export_kind.is_type(),
        Statement::ExportDeclaration(export) => is_type_only_declaration(&export.declaration),
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => true,
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => function.body.is_none(),
            _ => false,
        },
        statement => statement.as_declaration().is_some_and(is_type_only_declaration),
    }
}

fn is_type_only_declaration(declaration: &Declaration<'_>) -> bool {
    match declaration {
        Declaration::TSTypeAliasDeclaration(_) | Declaration::TSInterfaceDeclaration(_) => true,
        Declaration::VariableDeclaration(variables) => variables.declare,
        Declaration::FunctionDeclaration(function) => function.declare || function.body.is_none(),
        Declaration::ClassDeclaration(class) => class.declare,
        Declaration::TSEnumDeclaration(declaration) => declaration.declare,
        Declaration::TSExternalModuleDeclaration(module) => module.declare,
        Declaration::TSGlobalDeclaration(global) => global.declare,
        Declaration::TSNamespaceDeclaration(namespace) => namespace.declare || has_no_value(&namespace.body),
        Declaration::TSImportEqualsDeclaration(import) => import.import_kind.is_type(),
    }
}

/// Returns true if a namespace contains only types.
fn has_no_value(body: &TSNamespaceDeclarationBody<'_>) -> bool {
    match body {
        TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => has_no_value(&inner.body),
        TSNamespaceDeclarationBody::TSModuleBlock(block) => block.body.iter().all(is_type_only),
    }
}

/// Returns true if a class element has no effect at run time.
pub(super) fn is_type_only_element(element: &ClassElement<'_>) -> bool {
    match element {
        ClassElement::StaticBlock(_) | ClassElement::AccessorProperty(_) => false,
        ClassElement::TSIndexSignature(_) => true,
        ClassElement::MethodDefinition(method) => {
            method.r#type == MethodDefinitionType::TSAbstractMethodDefinition || method.value.body.is_none()
        }
        ClassElement::PropertyDefinition(property) => {
            property.declare || property.r#type == PropertyDefinitionType::TSAbstractPropertyDefinition
        }
    }
}

/// Returns true if the specifier imports only a type.
pub(super) fn imports_type(specifier: &ImportDeclarationSpecifier<'_>) -> bool {
    matches!(specifier, ImportDeclarationSpecifier::ImportSpecifier(specifier) if specifier.import_kind.is_type())
}

struct Eraser<'s, 't> {
    source: &'s str,
    blanks: Blanks<'t>,
    refused: Option<Refusal>,
}

impl Eraser<'_, '_> {
    fn refuse(&mut self, at: Span, message: &'static str) {
        self.refused.get_or_insert((at.start, message));
    }

    /// Removes a whole statement or class element.
    fn erase(&mut self, span: Span) {
        self.blanks.drop_span(span);
        self.blanks.begins(span.start);
    }

    /// Removes one item of a list that is separated by commas.
    fn erase_from_list(&mut self, span: Span) {
        self.blanks.drop_span(span);
        self.blanks.drop_next(span.end, Kind::Comma);
    }

    /// Removes the part of `span` after `expression`.
    fn keep_only(&mut self, expression: &Expression<'_>, span: Span) {
        self.blanks.drop_span(Span::new(expression.span().end, span.end));
    }

    fn has_line_end(&self, from: u32, to: u32) -> bool {
        text_at(self.source, Span::new(from, to)).is_some_and(|text| text.contains(ends_line))
    }

    /// Keeps an arrow function valid. JavaScript allows no line break between the parameters and `=>`, or between
    /// `return`, `throw` or `async` and the parameters. If a removed type contains line breaks, the adjacent
    /// parenthesis moves to its other end.
    fn keep_together(&mut self, arrow: &ArrowFunctionExpression<'_>) {
        if let Some(types) = &arrow.type_parameters
            && let Some(opening) = self.blanks.token(types.span.end)
            && self.has_line_end(types.span.start, opening.start())
        {
            self.blanks.move_token(opening, '(', types.span.start);
        }
        if let Some(types) = &arrow.return_type
            && let Some(closing) = self.blanks.token_before(types.span.start)
            && let Some(sign) = self.blanks.token(types.span.end)
            && let Some(last) = self.blanks.token_before(sign.start())
            && self.has_line_end(closing.end(), sign.start())
        {
            let text = text_at(self.source, last.span()).unwrap_or_default();
            let last_character = text.chars().next_back().map_or(0, char::len_utf8);
            self.blanks
                .move_token(closing, ')', last.end() - last_character as u32);
        }
    }

    /// Removes the modifiers of a class element, and the `?` or `!` after its name. `rest` is the position of its type,
    /// value or parameters.
    fn element(&mut self, span: Span, key: Span, rest: u32) {
        const MODIFIERS: [Kind; 5] = [
            Kind::Public,
            Kind::Protected,
            Kind::Private,
            Kind::Readonly,
            Kind::Override,
        ];
        self.blanks
            .drop_kinds(Span::new(span.start, key.start), &MODIFIERS);
        self.blanks
            .drop_kinds(Span::new(key.end, rest), &[Kind::Question, Kind::Bang]);
        self.blanks.begins(span.start);
    }
}

impl<'a> Visit<'a> for Eraser<'_, '_> {
    fn visit_statement(&mut self, statement: &Statement<'a>) {
        if is_type_only(statement) {
            self.erase(statement.span());
        } else {
            walk::walk_statement(self, statement);
            self.blanks.ends(statement.span());
        }
    }

    fn visit_class(&mut self, class: &Class<'a>) {
        if class.r#abstract {
            let end = class
                .id
                .as_ref()
                .map_or(class.body.span.start, |id| id.span.start);
            self.blanks
                .drop_kinds(Span::new(class.span.start, end), &[Kind::Abstract]);
        }
        walk::walk_class(self, class);
    }

    fn visit_ts_class_implements_list(&mut self, list: &ArenaVec<'a, TSClassImplements<'a>>) {
        if let (Some(first), Some(last)) = (list.first(), list.last())
            && let Some(keyword) = self.blanks.token_before(first.span.start)
        {
            self.blanks.drop_span(Span::new(keyword.start(), last.span.end));
        }
    }

    fn visit_class_element(&mut self, element: &ClassElement<'a>) {
        let span = element.span();
        if element.has_decorator() {
            self.refuse(span, DECORATOR);
        }
        if is_type_only_element(element) {
            return self.erase(span);
        }
        match element {
            ClassElement::MethodDefinition(method) => {
                self.element(span, method.key.span(), method.value.params.span.start);
            }
            ClassElement::PropertyDefinition(property) => {
                let value = property.value.as_ref().map(GetSpan::span);
                let annotation = property
                    .type_annotation
                    .as_ref()
                    .map(|annotation| annotation.span);
                let rest = annotation.or(value).map_or(span.end, |span| span.start);
                self.element(span, property.key.span(), rest);
            }
            ClassElement::AccessorProperty(_) => self.refuse(span, ACCESSOR),
            ClassElement::StaticBlock(_) | ClassElement::TSIndexSignature(_) => {}
        }
        walk::walk_class_element(self, element);
        if let ClassElement::PropertyDefinition(_) = element {
            self.blanks.ends(span);
        }
    }

    fn visit_import_declaration_specifier(&mut self, specifier: &ImportDeclarationSpecifier<'a>) {
        if imports_type(specifier) {
            self.erase_from_list(specifier.span());
        }
    }

    fn visit_export_specifier(&mut self, specifier: &ExportSpecifier<'a>) {
        if specifier.export_kind.is_type() {
            self.erase_from_list(specifier.span);
        }
    }

    fn visit_arrow_function_expression(&mut self, arrow: &ArrowFunctionExpression<'a>) {
        walk::walk_arrow_function_expression(self, arrow);
        self.keep_together(arrow);
    }

    fn visit_formal_parameter(&mut self, parameter: &FormalParameter<'a>) {
        if parameter.accessibility.is_some() || parameter.readonly || parameter.r#override {
            self.refuse(parameter.span, PARAMETER_PROPERTY);
        }
        if parameter.optional {
            self.blanks
                .drop_next(parameter.pattern.span().end, Kind::Question);
        }
        walk::walk_formal_parameter(self, parameter);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if declarator.definite {
            self.blanks.drop_next(declarator.id.span().end, Kind::Bang);
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_ts_this_parameter(&mut self, parameter: &TSThisParameter<'a>) {
        self.erase_from_list(parameter.span);
    }

    fn visit_ts_as_expression(&mut self, expression: &TSAsExpression<'a>) {
        self.visit_expression(&expression.expression);
        self.keep_only(&expression.expression, expression.span);
    }

    fn visit_ts_satisfies_expression(&mut self, expression: &TSSatisfiesExpression<'a>) {
        self.visit_expression(&expression.expression);
        self.keep_only(&expression.expression, expression.span);
    }

    fn visit_ts_non_null_expression(&mut self, expression: &TSNonNullExpression<'a>) {
        self.visit_expression(&expression.expression);
        self.keep_only(&expression.expression, expression.span);
    }

    fn visit_ts_type_annotation(&mut self, annotation: &TSTypeAnnotation<'a>) {
        self.blanks.drop_span(annotation.span);
    }

    fn visit_ts_type_parameter_declaration(&mut self, parameters: &TSTypeParameterDeclaration<'a>) {
        self.blanks.drop_span(parameters.span);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, arguments: &TSTypeParameterInstantiation<'a>) {
        self.blanks.drop_span(arguments.span);
    }

    fn visit_ts_type_assertion(&mut self, assertion: &TSTypeAssertion<'a>) {
        self.refuse(assertion.span, ASSERTION);
    }

    fn visit_ts_enum_declaration(&mut self, declaration: &TSEnumDeclaration<'a>) {
        self.refuse(declaration.span, ENUM);
    }

    fn visit_ts_namespace_declaration(&mut self, namespace: &TSNamespaceDeclaration<'a>) {
        self.refuse(namespace.span, NAMESPACE);
    }

    fn visit_ts_external_module_declaration(&mut self, module: &TSExternalModuleDeclaration<'a>) {
        self.refuse(module.span, AMBIENT);
    }

    fn visit_ts_global_declaration(&mut self, global: &TSGlobalDeclaration<'a>) {
        self.refuse(global.span, AMBIENT);
    }

    fn visit_ts_import_equals_declaration(&mut self, import: &TSImportEqualsDeclaration<'a>) {
        self.refuse(import.span, IMPORT_EQUALS);
    }

    fn visit_ts_export_assignment(&mut self, assignment: &TSExportAssignment<'a>) {
        self.refuse(assignment.span, EXPORT_EQUALS);
    }

    fn visit_ts_namespace_export_declaration(&mut self, export: &TSNamespaceExportDeclaration<'a>) {
        self.refuse(export.span, AMBIENT);
    }

    fn visit_decorator(&mut self, decorator: &Decorator<'a>) {
        self.refuse(decorator.span, DECORATOR);
    }
}

const ENUM: &str = "`enum` makes an object when the program runs, and is not JavaScript; write `const NAME = { … } as const`, \
                    or a union of literals";
const NAMESPACE: &str = "a namespace with values makes an object when the program runs, and is not JavaScript; write a \
                         module, or an object";
const AMBIENT: &str = "this belongs into a declaration file (.d.ts), or behind `declare`";
const PARAMETER_PROPERTY: &str = "a parameter that declares a property assigns it when the program runs, and is not \
                                  JavaScript; declare the property in the class, and assign it in the constructor";
const IMPORT_EQUALS: &str =
    "`import … =` is not JavaScript; write `import … from \"…\"`, or `const … = …` for a name of a namespace";
const EXPORT_EQUALS: &str = "`export =` is not JavaScript; write `export default …`";
const ASSERTION: &str = "`<Type>value` is not supported; write `value as Type`";
const DECORATOR: &str =
    "decorators run when the program does, and engines do not know them yet; call the function instead";
const ACCESSOR: &str =
    "`accessor` makes a getter and a setter, and engines do not know it yet; write both of them";
