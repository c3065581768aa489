//! The export names that the text of a CommonJS file shows.
//!
//! This detects the same forms as Node.js (package cjs-module-lexer), at any position in the file and for any variable
//! `exports`. Compilers and bundlers write these forms.

use std::collections::{BTreeMap, BTreeSet};

use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, BindingPattern, CallExpression, Expression,
    FormalParameters, ObjectPropertyKind, VariableDeclarator,
};

use super::commonjs::required_literal;

/// The names that a file exports, and the modules that it re-exports.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The names, in any form.
    pub(crate) own: BTreeSet<String>,
    /// The specifiers of modules whose names it re-exports.
    pub(crate) all_of: BTreeSet<String>,
    /// The variables that hold required modules.
    variables: BTreeMap<String, String>,
}

impl Names {
    /// Handles `const dependency = require("x")`, which [`Self::loop_over`] may use.
    pub(super) fn declarator(&mut self, declarator: &VariableDeclarator<'_>) {
        if let BindingPattern::BindingIdentifier(name) = &declarator.id
            && let Some(specifier) = declarator.init.as_ref().and_then(required)
        {
            self.variables
                .insert(name.name.as_str().to_owned(), specifier.to_owned());
        }
    }

    /// Handles `exports.name = …` and `module.exports = …`.
    pub(super) fn assignment(&mut self, assignment: &AssignmentExpression<'_>) {
        match &assignment.left {
            AssignmentTarget::StaticMemberExpression(member) => {
                let property = member.property.name.as_str();
                if is_exports(&member.object) {
                    self.own.insert(property.to_owned());
                } else if is_named(&member.object, "module") && property == "exports" {
                    self.whole(&assignment.right);
                }
            }
            AssignmentTarget::ComputedMemberExpression(member) => {
                if let Expression::StringLiteral(name) = &member.expression
                    && !name.lone_surrogates
                    && is_exports(&member.object)
                {
                    self.own.insert(name.value.as_str().to_owned());
                }
            }
            _ => {}
        }
    }

    /// Handles the value that is assigned to `module.exports`.
    fn whole(&mut self, value: &Expression<'_>) {
        if let Some(specifier) = required(value) {
            self.all_of.insert(specifier.to_owned());
            return;
        }
        let Expression::ObjectExpression(object) = value else {
            return;
        };
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) => {
                    if let Some(name) = property.key.static_name().filter(|_| !property.computed) {
                        self.own.insert(name.to_string());
                    }
                }
                ObjectPropertyKind::SpreadProperty(spread) => {
                    if let Some(specifier) = required(&spread.argument) {
                        self.all_of.insert(specifier.to_owned());
                    }
                }
            }
        }
    }

    /// Handles `Object.defineProperty(exports, "name", …)`, `__exportStar(require("x"), …)` and
    /// `Object.keys(x).forEach(…)`.
    pub(super) fn call(&mut self, call: &CallExpression<'_>) {
        let callee = match &call.callee {
            Expression::Identifier(name) => name.name.as_str(),
            Expression::StaticMemberExpression(member) => {
                let property = member.property.name.as_str();
                match property {
                    "defineProperty" if is_named(&member.object, "Object") => self.defined(call),
                    "forEach" => self.loop_over(&member.object, call),
                    _ => {}
                }
                property
            }
            _ => return,
        };
        if matches!(callee, "__exportStar" | "__export")
            && let Some(specifier) = call
                .arguments
                .first()
                .and_then(Argument::as_expression)
                .and_then(required)
        {
            self.all_of.insert(specifier.to_owned());
        }
    }

    fn defined(&mut self, call: &CallExpression<'_>) {
        if let [target, Argument::StringLiteral(name), _] = call.arguments.as_slice()
            && !name.lone_surrogates
            && target.as_expression().is_some_and(is_exports)
        {
            self.own.insert(name.value.as_str().to_owned());
        }
    }

    /// Handles `Object.keys(dependency).forEach(function (key) { … })`, which compilers write for `export * from`.
    fn loop_over(&mut self, list: &Expression<'_>, call: &CallExpression<'_>) {
        let Expression::CallExpression(keys) = list else {
            return;
        };
        let (Expression::StaticMemberExpression(callee), [Argument::Identifier(variable)]) =
            (&keys.callee, keys.arguments.as_slice())
        else {
            return;
        };
        let takes_key = |parameters: &FormalParameters<'_>| parameters.items.len() == 1;
        let is_loop = match call.arguments.as_slice() {
            [Argument::FunctionExpression(function)] => takes_key(&function.params),
            [Argument::ArrowFunctionExpression(function)] => takes_key(&function.params),
            _ => false,
        };
        if is_loop
            && is_named(&callee.object, "Object")
            && callee.property.name.as_str() == "keys"
            && let Some(specifier) = self.variables.get(variable.name.as_str())
        {
            self.all_of.insert(specifier.clone());
        }
    }
}

/// Returns the specifier in `require("x")`. Compilers also wrap the call as the first argument of another function.
fn required<'b>(value: &'b Expression<'_>) -> Option<&'b str> {
    let Expression::CallExpression(call) = value else {
        return None;
    };
    if is_named(&call.callee, "require") {
        return required_literal(call).map(|(specifier, _)| specifier);
    }
    match call.arguments.first()?.as_expression()? {
        Expression::CallExpression(inner) if is_named(&inner.callee, "require") => {
            required_literal(inner).map(|(specifier, _)| specifier)
        }
        _ => None,
    }
}

fn is_named(value: &Expression<'_>, name: &str) -> bool {
    matches!(value, Expression::Identifier(identifier) if identifier.name.as_str() == name)
}

/// Returns true if `value` is `exports` or `module.exports`.
fn is_exports(value: &Expression<'_>) -> bool {
    match value {
        Expression::StaticMemberExpression(member) => {
            is_named(&member.object, "module") && member.property.name.as_str() == "exports"
        }
        value => is_named(value, "exports"),
    }
}
