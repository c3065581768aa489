//! The names of keys: constants of scripts that are symbols.

use std::collections::BTreeSet;

use oxc_ast::ast::{
    Argument, BinaryExpression, BindingIdentifier, BindingPattern, CallExpression, ComputedMemberExpression,
    Expression, IdentifierReference, MethodDefinition, Program, PropertyKey, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{Scoping, SemanticBuilder};
use oxc_syntax::operator::BinaryOperator;
use oxc_syntax::symbol::SymbolId;

/// The keys that are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// All keys.
    All,
    /// Keys of properties that objects inherit.
    Inherited,
}

/// Functions whose second argument is the key of a property.
const REFLECTION: [&str; 4] = [
    "ObjectDefineProperty",
    "ObjectHasOwn",
    "ReflectDefineProperty",
    "ReflectHas",
];

/// Names that the texts of scripts do not tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyTable {
    /// Expressions whose values are keys, such as `webidl.brand`.
    pub members: &'static [&'static str],
    /// Parameters of functions whose arguments are keys.
    pub parameters: &'static [&'static str],
    /// Names and expressions of keys whose properties objects inherit, in addition to the methods of classes.
    pub inherited: &'static [&'static str],
    /// Functions that may get a key as an argument, and properties that may be assigned one. The runtime's versions of
    /// them know slots.
    pub receivers: &'static [&'static str],
    /// Constants with registered symbols (`Symbol.for`) that are no state. They stay symbols.
    pub public: &'static [&'static str],
}

/// The keys that a script uses.
#[derive(Debug)]
pub(crate) struct Used {
    scoping: Scoping,
    /// The constants and parameters that are keys. Other variables may have the same names.
    symbols: BTreeSet<SymbolId>,
    pub(crate) members: BTreeSet<&'static str>,
}

impl Used {
    /// Returns true if the name refers to a key.
    pub(crate) fn has(&self, name: &IdentifierReference<'_>) -> bool {
        let symbol = self.scoping.get_reference(name.reference_id()).symbol_id();
        symbol.is_some_and(|symbol| self.symbols.contains(&symbol))
    }

    /// Returns true if this is the declaration of a key.
    pub(crate) fn declares(&self, name: &BindingIdentifier<'_>) -> bool {
        self.symbols.contains(&name.symbol_id())
    }
}

/// The keys of all scripts.
#[derive(Debug, Default)]
pub(crate) struct Found {
    declared: BTreeSet<String>,
    symbols: BTreeSet<SymbolId>,
    /// Names of keys of methods and accessors, and of other properties that a prototype may have.
    methods: BTreeSet<String>,
    /// Names between brackets, before `in`, and in calls of reflection. Other symbols are only compared, and are no
    /// keys.
    bracketed: BTreeSet<String>,
}

impl Found {
    pub(crate) fn add(&mut self, program: &Program<'_>) {
        let mut finder = Finder {
            found: self,
            imported: None,
        };
        finder.visit_program(program);
    }

    pub(crate) fn keys_of(&self, program: &Program<'_>, table: &KeyTable, which: Keys) -> Used {
        // This also gives the declarations in the program their symbols.
        let scoping = SemanticBuilder::new().build(program).semantic.into_scoping();
        let mut own = Found::default();
        let mut finder = Finder {
            found: &mut own,
            imported: Some(&self.declared),
        };
        finder.visit_program(program);
        let is_rewritten =
            |name: &str| which == Keys::All || self.methods.contains(name) || table.inherited.contains(&name);
        let is_key = |name: &str| {
            let inherited = table.inherited.contains(&name);
            let is_used = self.bracketed.contains(name) || inherited;
            is_used && is_rewritten(name) && !table.public.contains(&name)
        };
        let symbols = own
            .symbols
            .into_iter()
            .filter(|&symbol| is_key(scoping.symbol_name(symbol)));
        let parameters = scoping.symbol_ids();
        let parameters = parameters.filter(|&symbol| table.parameters.contains(&scoping.symbol_name(symbol)));
        Used {
            symbols: symbols.chain(parameters).collect(),
            members: table
                .members
                .iter()
                .copied()
                .filter(|name| is_rewritten(name))
                .collect(),
            scoping,
        }
    }
}

struct Finder<'f> {
    found: &'f mut Found,
    /// The keys of all scripts, to recognise those that this script takes from another one.
    imported: Option<&'f BTreeSet<String>>,
}

impl Finder<'_> {
    fn declare(&mut self, name: &BindingIdentifier<'_>) {
        self.found.declared.insert(name.name.to_string());
        self.found.symbols.extend(name.symbol_id.get());
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_computed_member_expression(&mut self, member: &ComputedMemberExpression<'a>) {
        if let Expression::Identifier(key) = &member.expression {
            self.found.bracketed.insert(key.name.to_string());
        }
        walk::walk_computed_member_expression(self, member);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Expression::Identifier(function) = &call.callee
            && REFLECTION.contains(&function.name.as_str())
            && let Some(Expression::Identifier(key)) = call.arguments.get(1).and_then(Argument::as_expression)
        {
            self.found.bracketed.insert(key.name.to_string());
            // The object may be a prototype.
            if function.name.ends_with("DefineProperty") {
                self.found.methods.insert(key.name.to_string());
            }
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_binary_expression(&mut self, binary: &BinaryExpression<'a>) {
        if binary.operator == BinaryOperator::In
            && let Expression::Identifier(key) = &binary.left
        {
            self.found.bracketed.insert(key.name.to_string());
        }
        walk::walk_binary_expression(self, binary);
    }

    fn visit_property_key(&mut self, key: &PropertyKey<'a>) {
        if let PropertyKey::Identifier(key) = key {
            self.found.bracketed.insert(key.name.to_string());
        }
        walk::walk_property_key(self, key);
    }

    fn visit_method_definition(&mut self, method: &MethodDefinition<'a>) {
        if method.computed
            && let PropertyKey::Identifier(key) = &method.key
        {
            self.found.methods.insert(key.name.to_string());
        }
        walk::walk_method_definition(self, method);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        match (&declarator.id, &declarator.init) {
            (BindingPattern::BindingIdentifier(name), Some(Expression::CallExpression(call))) => {
                if let Expression::Identifier(function) = &call.callee
                    && matches!(function.name.as_str(), "Symbol" | "SymbolFor")
                {
                    self.declare(name);
                }
            }
            // Another name of a key.
            (BindingPattern::BindingIdentifier(name), Some(Expression::StaticMemberExpression(member)))
                if member.property.name.as_str() == "brand" =>
            {
                self.declare(name);
            }
            (BindingPattern::ObjectPattern(pattern), Some(Expression::CallExpression(call)))
                if is_import(&call.callee) =>
            {
                for property in &pattern.properties {
                    if let BindingPattern::BindingIdentifier(name) = &property.value
                        && self
                            .imported
                            .is_some_and(|keys| keys.contains(name.name.as_str()))
                    {
                        self.declare(name);
                    }
                }
            }
            _ => {}
        }
        walk::walk_variable_declarator(self, declarator);
    }
}

/// Returns true for the function that returns the exports of another script.
fn is_import(callee: &Expression<'_>) -> bool {
    matches!(callee, Expression::StaticMemberExpression(member) if member.property.name == "loadExtScript")
}
