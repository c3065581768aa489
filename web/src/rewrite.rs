//! The changes to one script.

use std::collections::BTreeSet;

use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, BinaryExpression, BindingPattern, CallExpression,
    ComputedMemberExpression, Expression, IdentifierReference, MethodDefinition, MethodDefinitionKind,
    NewExpression, ObjectExpression, ObjectPattern, ObjectPropertyKind, Program, PropertyDefinition,
    PropertyKey, SimpleAssignmentTarget, StaticMemberExpression, UnaryExpression, UpdateExpression,
    VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use oxc_syntax::operator::{AssignmentOperator, BinaryOperator, UnaryOperator, UpdateOperator};
use oxc_syntax::scope::ScopeFlags;

use crate::edits::Edits;
use crate::keys::{KeyTable, Used};
use crate::{RewriteError, Script};

pub(crate) fn rewrite(
    script: &Script<'_>,
    program: &Program<'_>,
    keys: &Used,
    table: &KeyTable,
) -> Result<String, RewriteError> {
    let mut rewriter = Rewriter {
        source: script.source,
        keys,
        table,
        edits: Edits::default(),
        known: BTreeSet::new(),
        problem: None,
        members: 0,
    };
    rewriter.visit_program(program);
    let Rewriter { edits, problem, .. } = rewriter;
    let (offset, what) = match (problem, edits.apply(script.source, program.span)) {
        (None, Ok(text)) => return Ok(text),
        (Some(problem), _) => problem,
        // A kind of expression was forgotten. The text would be wrong.
        (None, Err(offset)) => (offset, "changes that overlap"),
    };
    let before = script.source.get(..offset).unwrap_or_default();
    let rest = script.source.get(offset..).unwrap_or_default();
    Err(RewriteError::Unknown {
        name: script.name.to_owned(),
        line: before.matches('\n').count() + 1,
        what,
        text: rest.lines().next().unwrap_or_default().to_owned(),
    })
}

struct Rewriter<'s> {
    source: &'s str,
    keys: &'s Used,
    table: &'s KeyTable,
    edits: Edits,
    /// Positions of references to keys that the rewriter handles.
    known: BTreeSet<u32>,
    /// The first problem: its position, and its kind.
    problem: Option<(usize, &'static str)>,
    /// Number of members with new names.
    members: usize,
}

/// The kind of a member that replaces one with a key.
fn slot_function(kind: MethodDefinitionKind) -> Option<&'static str> {
    match kind {
        MethodDefinitionKind::Method => Some("method"),
        MethodDefinitionKind::Get => Some("accessor"),
        MethodDefinitionKind::Set => Some("setter"),
        MethodDefinitionKind::Constructor => None,
    }
}

impl Rewriter<'_> {
    fn text(&self, span: Span) -> &str {
        self.source
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    fn unknown(&mut self, span: Span, what: &'static str) {
        self.problem.get_or_insert((span.start as usize, what));
    }

    fn insert(&mut self, at: u32, text: impl Into<String>) {
        self.replace(at, at, text);
    }

    fn replace(&mut self, start: u32, end: u32, text: impl Into<String>) {
        self.edits.replace(self.source, start, end, text);
    }

    /// Returns the text of a key, and marks it as handled.
    fn key(&mut self, expression: &Expression<'_>) -> Option<String> {
        match expression {
            Expression::Identifier(name) if self.keys.has(name) => {
                self.known.insert(name.span.start);
                Some(name.name.to_string())
            }
            Expression::StaticMemberExpression(member) if self.is_key(member) => {
                self.known.insert(member.span.start);
                Some(self.text(member.span).to_owned())
            }
            _ => None,
        }
    }

    fn is_key(&self, member: &StaticMemberExpression<'_>) -> bool {
        self.keys.members.contains(self.text(member.span))
    }

    fn property_key(&mut self, key: &PropertyKey<'_>) -> Option<String> {
        key.as_expression().and_then(|key| self.key(key))
    }

    /// Marks the keys among the arguments of a function that may get them.
    fn allow_arguments(&mut self, callee: &Expression<'_>, arguments: &[Argument<'_>]) {
        if self.table.receivers.contains(&self.text(callee.span())) {
            for argument in arguments.iter().filter_map(Argument::as_expression) {
                self.allow(argument);
            }
        }
    }

    /// Marks a key that stays as it is: the value is not a property key here.
    fn allow(&mut self, expression: &Expression<'_>) {
        self.key(expression);
    }
}

impl<'a> Visit<'a> for Rewriter<'_> {
    fn visit_identifier_reference(&mut self, name: &IdentifierReference<'a>) {
        if self.keys.has(name) && !self.known.contains(&name.span.start) {
            self.unknown(name.span, "unknown use of a key");
        }
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        if self.is_key(member) && !self.known.contains(&member.span.start) {
            self.unknown(member.span, "unknown use of a key");
        }
        walk::walk_static_member_expression(self, member);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let (BindingPattern::BindingIdentifier(name), Some(init)) = (&declarator.id, &declarator.init) {
            let is_key = self.keys.declares(name);
            if let Expression::CallExpression(call) = init
                && let Expression::Identifier(function) = &call.callee
            {
                let Span { start, end, .. } = function.span;
                let is_public = self.table.public.contains(&name.name.as_str());
                match function.name.as_str() {
                    "Symbol" | "SymbolFor" if is_key => self.replace(start, end, "__bootstrap.slot"),
                    // Everyone can get a registered symbol.
                    "SymbolFor" if !is_public => self.replace(start, end, "Symbol"),
                    _ => {}
                }
            } else if is_key {
                self.allow(init);
            }
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_computed_member_expression(&mut self, member: &ComputedMemberExpression<'a>) {
        let Some(key) = self.key(&member.expression) else {
            return walk::walk_computed_member_expression(self, member);
        };
        let function = if member.optional { "opt" } else { "get" };
        // Without parentheses, `a?.[key].b` would end at the question mark.
        let rest = self.source.get(member.span.end as usize..).unwrap_or_default();
        if member.optional && rest.starts_with(['.', '[', '(']) {
            self.unknown(member.span, "an optional chain that continues");
        }
        self.insert(member.object.span().start, format!("{key}.{function}("));
        self.replace(member.object.span().end, member.span.end, ")");
        self.visit_expression(&member.object);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Expression::ComputedMemberExpression(member) = &call.callee
            && let Some(key) = self.key(&member.expression)
        {
            if member.optional || call.optional {
                self.unknown(call.span, "optional call");
            }
            let rest = self.source.get(member.span.end as usize..).unwrap_or_default();
            let Some(open) = rest.find('(').and_then(|at| u32::try_from(at + 1).ok()) else {
                return self.unknown(call.span, "call");
            };
            let separator = if call.arguments.is_empty() { "" } else { ", " };
            self.insert(member.object.span().start, format!("{key}.call("));
            self.replace(member.object.span().end, member.span.end + open, separator);
            self.visit_expression(&member.object);
            self.visit_arguments(&call.arguments);
            return;
        }
        self.allow_arguments(&call.callee, &call.arguments);
        walk::walk_call_expression(self, call);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        self.allow_arguments(&new.callee, &new.arguments);
        walk::walk_new_expression(self, new);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        let right = assignment.right.span();
        if let AssignmentTarget::ComputedMemberExpression(member) = &assignment.left
            && let Some(key) = self.key(&member.expression)
        {
            // A brand: `object[brand] = brand`.
            self.allow(&assignment.right);
            let object = member.object.span();
            self.insert(object.start, format!("{key}.set("));
            if assignment.operator == AssignmentOperator::Assign {
                self.replace(object.end, right.start, ", ");
            } else {
                let is_simple = matches!(
                    member.object,
                    Expression::ThisExpression(_) | Expression::Identifier(_)
                );
                if !is_simple {
                    return self.unknown(assignment.span, "compound assignment");
                }
                let operand = self.text(object).to_owned();
                // (A logical assignment may store the value that is already there.)
                let operator = assignment.operator.as_str().trim_end_matches('=');
                self.replace(
                    object.end,
                    right.start,
                    format!(", {key}.get({operand}) {operator} ("),
                );
            }
            self.visit_expression(&member.object);
            self.visit_expression(&assignment.right);
            let close = if assignment.operator == AssignmentOperator::Assign {
                ")"
            } else {
                "))"
            };
            self.insert(right.end, close);
            return;
        }
        if self.table.receivers.contains(&self.text(assignment.left.span())) {
            self.allow(&assignment.right);
        }
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_update_expression(&mut self, update: &UpdateExpression<'a>) {
        if let SimpleAssignmentTarget::ComputedMemberExpression(member) = &update.argument
            && let Some(key) = self.key(&member.expression)
        {
            let by = if update.operator == UpdateOperator::Increment {
                "1"
            } else {
                "-1"
            };
            let function = if update.prefix { "add" } else { "addAfter" };
            let object = member.object.span();
            self.replace(update.span.start, object.start, format!("{key}.{function}("));
            self.replace(object.end, update.span.end, format!(", {by})"));
            self.visit_expression(&member.object);
            return;
        }
        walk::walk_update_expression(self, update);
    }

    fn visit_unary_expression(&mut self, unary: &UnaryExpression<'a>) {
        if let Expression::ComputedMemberExpression(member) = &unary.argument
            && unary.operator == UnaryOperator::Delete
            && self.key(&member.expression).is_some()
        {
            self.unknown(unary.span, "delete");
        }
        walk::walk_unary_expression(self, unary);
    }

    fn visit_binary_expression(&mut self, binary: &BinaryExpression<'a>) {
        if binary.operator == BinaryOperator::In
            && let Some(key) = self.key(&binary.left)
        {
            let right = binary.right.span();
            self.replace(binary.left.span().start, right.start, format!("{key}.has("));
            self.visit_expression(&binary.right);
            self.insert(right.end, ")");
            return;
        }
        if binary.operator.is_equality() {
            self.allow(&binary.left);
            self.allow(&binary.right);
        }
        walk::walk_binary_expression(self, binary);
    }

    fn visit_property_definition(&mut self, field: &PropertyDefinition<'a>) {
        let key = if field.computed {
            self.property_key(&field.key)
        } else {
            None
        };
        let Some(key) = key else {
            return walk::walk_property_definition(self, field);
        };
        if field.r#static {
            self.unknown(field.span, "static field");
        }
        self.members += 1;
        let begin = format!("#__f{} = {key}.init(this, ", self.members);
        if let Some(value) = &field.value {
            self.allow(value);
            self.replace(field.span.start, value.span().start, begin);
            self.visit_expression(value);
            self.insert(value.span().end, ")");
        } else {
            let end = field.span.end - u32::from(self.text(field.span).ends_with(';'));
            self.replace(field.span.start, end, format!("{begin}undefined)"));
        }
    }

    fn visit_method_definition(&mut self, method: &MethodDefinition<'a>) {
        let key = if method.computed {
            self.property_key(&method.key)
        } else {
            None
        };
        let Some(key) = key else {
            return walk::walk_method_definition(self, method);
        };
        let function = &method.value;
        let Some(kind) = slot_function(method.kind)
            .filter(|_| !method.r#static && !function.r#async && !function.generator)
        else {
            return self.unknown(method.span, "kind of method");
        };
        self.members += 1;
        let name = format!("__m{}", self.members);
        self.replace(method.span.start, function.span.start, name.as_str());
        walk::walk_function(self, function, ScopeFlags::Function);
        // It stays a method of the class, because it may use `super`.
        let prototype = "this.prototype";
        self.insert(
            function.span.end,
            format!(
                " static {{ {key}.{kind}({prototype}, {prototype}.{name}); delete {prototype}.{name}; }}"
            ),
        );
    }

    fn visit_object_expression(&mut self, object: &ObjectExpression<'a>) {
        for part in &object.properties {
            if let ObjectPropertyKind::ObjectProperty(property) = part {
                let key = if property.computed {
                    self.property_key(&property.key)
                } else {
                    None
                };
                if let Some(key) = key {
                    let value = property.value.span();
                    // The value moves behind the object.
                    self.allow(&property.value);
                    let mut inner = Rewriter {
                        source: self.source,
                        keys: self.keys,
                        table: self.table,
                        edits: Edits::default(),
                        known: self.known.clone(),
                        problem: None,
                        members: self.members,
                    };
                    inner.visit_expression(&property.value);
                    let moved = inner.edits.apply(self.source, value).unwrap_or_else(|offset| {
                        self.problem.get_or_insert((offset, "changes that overlap"));
                        String::new()
                    });
                    self.insert(object.span.start, format!("{key}.put("));
                    self.replace(property.span.start, property.span.end, "...null");
                    self.insert(object.span.end, format!(", {moved})"));
                    if inner.problem.is_some() {
                        self.problem = self.problem.or(inner.problem);
                    }
                    continue;
                }
                // An export of a script, or an import.
                if !property.computed && self.is_exported(&property.key, &property.value) {
                    self.allow(&property.value);
                }
            }
            self.visit_object_property_kind(part);
        }
    }

    fn visit_object_pattern(&mut self, pattern: &ObjectPattern<'a>) {
        for property in &pattern.properties {
            if property.computed && self.property_key(&property.key).is_some() {
                self.unknown(property.span, "key in a pattern");
            }
        }
        walk::walk_object_pattern(self, pattern);
    }
}

impl Rewriter<'_> {
    /// Returns true for `{ name }` where the name is a key, and for properties that may be assigned a key.
    fn is_exported(&self, key: &PropertyKey<'_>, value: &Expression<'_>) -> bool {
        let PropertyKey::StaticIdentifier(key) = key else {
            return false;
        };
        let name = key.name.as_str();
        self.table.receivers.contains(&name)
            || matches!(value, Expression::Identifier(value) if value.name == name && self.keys.has(value))
    }
}
