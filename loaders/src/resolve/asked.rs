//! The names that ECMAScript modules import from each other.
//!
//! The text of a CommonJS file does not show every name that it exports. For example, a loop may add properties to a
//! function. An importer states the names that it needs, and locking sees all importers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use oxc_ast::ast::{BindingPattern, Expression, Program, VariableDeclarator};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{Scoping, SymbolId};
use oxc_syntax::module_record::{ExportExportName, ExportImportName, ImportImportName, ModuleRecord};

/// The imports and exports of an ECMAScript module, by name.
#[derive(Debug, Default)]
pub(super) struct Interface {
    /// The names that the module imports or re-exports, by specifier.
    pub(super) names: BTreeMap<String, BTreeSet<String>>,
    /// The properties that the module reads from imported namespaces, by specifier.
    pub(super) members: BTreeMap<String, BTreeSet<String>>,
    /// The names that the module exports, without those of `export *`.
    pub(super) exports: BTreeSet<String>,
    /// The specifiers of its `export *`.
    pub(super) stars: Vec<String>,
}

impl Interface {
    /// Collects the interface of a parsed module.
    pub(super) fn of(record: &ModuleRecord<'_>, program: &Program<'_>, scoping: &Scoping) -> Self {
        let mut found = Self::default();
        let mut namespaces = HashMap::new();
        for entry in &record.import_entries {
            let specifier = entry.module_request.name.as_str();
            match &entry.import_name {
                ImportImportName::Name(name) => found.ask(specifier, name.name.as_str()),
                ImportImportName::NamespaceObject => {
                    let local = entry.local_name.name.as_str();
                    if let Some(symbol) = scoping.get_root_binding(local.into()) {
                        namespaces.insert(symbol, specifier.to_owned());
                    }
                }
                ImportImportName::Default(_) => {}
            }
        }
        let exported = record.local_export_entries.iter();
        for entry in exported.chain(&record.indirect_export_entries) {
            if let ExportExportName::Name(name) = &entry.export_name {
                found.exports.insert(name.name.as_str().to_owned());
            }
            if let (Some(request), ExportImportName::Name(name)) = (&entry.module_request, &entry.import_name)
            {
                found.ask(request.name.as_str(), name.name.as_str());
            }
        }
        for entry in &record.star_export_entries {
            if let Some(request) = &entry.module_request {
                found.stars.push(request.name.as_str().to_owned());
            }
        }
        if !namespaces.is_empty() {
            let mut members = Members {
                scoping,
                namespaces,
                found: BTreeMap::new(),
            };
            members.visit_program(program);
            found.members = members.found;
        }
        found
    }

    fn ask(&mut self, specifier: &str, name: &str) {
        if name != "default" {
            let names = self.names.entry(specifier.to_owned()).or_default();
            names.insert(name.to_owned());
        }
    }
}

/// A visitor that finds `namespace.name`, `namespace["name"]` and `const { name } = namespace`.
struct Members<'s> {
    scoping: &'s Scoping,
    namespaces: HashMap<SymbolId, String>,
    found: BTreeMap<String, BTreeSet<String>>,
}

impl Members<'_> {
    fn read(&mut self, object: &Expression<'_>, name: &str) {
        let Expression::Identifier(identifier) = object else {
            return;
        };
        let reference = identifier.reference_id.get();
        let symbol = reference.and_then(|reference| self.scoping.get_reference(reference).symbol_id());
        if let Some(specifier) = symbol.and_then(|symbol| self.namespaces.get(&symbol)) {
            let names = self.found.entry(specifier.clone()).or_default();
            names.insert(name.to_owned());
        }
    }
}

impl<'a> Visit<'a> for Members<'_> {
    fn visit_expression(&mut self, expression: &Expression<'a>) {
        match expression {
            Expression::StaticMemberExpression(member) => {
                self.read(&member.object, member.property.name.as_str());
            }
            Expression::ComputedMemberExpression(member) => {
                if let Expression::StringLiteral(name) = &member.expression
                    && !name.lone_surrogates
                {
                    self.read(&member.object, name.value.as_str());
                }
            }
            _ => {}
        }
        walk::walk_expression(self, expression);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let (BindingPattern::ObjectPattern(pattern), Some(init)) = (&declarator.id, &declarator.init) {
            for property in &pattern.properties {
                if let Some(name) = property.key.static_name() {
                    self.read(init, &name);
                }
            }
        }
        walk::walk_variable_declarator(self, declarator);
    }
}

/// Access to modules for the analysis of names.
pub(super) trait Named {
    /// Returns the interface of an ECMAScript module, or `None` for other modules.
    fn interface(&self, module: usize) -> Option<&Interface>;
    /// Returns the module that a specifier of `module` resolves to.
    fn target(&self, module: usize, specifier: &str) -> Option<usize>;
    /// Returns the export names that the text of a CommonJS module shows, or `None` for other modules.
    fn said(&self, module: usize) -> Option<&BTreeSet<String>>;
    /// Returns true if the module is left out, so that an empty module replaces it.
    fn is_left_out(&self, module: usize) -> bool;
    /// Returns true if the name occurs anywhere in the text of a CommonJS module or of a module that it requires.
    fn has_text(&self, module: usize, name: &str) -> bool;
}

/// An imported name that occurs in none of the relevant texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) importer: usize,
    pub(super) specifier: String,
    pub(super) name: String,
}

/// Returns, for each module that is not an ECMAScript module itself, the names that others import from it and that its
/// text does not show.
pub(super) fn asked(modules: &impl Named, count: usize) -> (BTreeMap<usize, BTreeSet<String>>, Vec<Unknown>) {
    let mut wanted: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for importer in 0..count {
        let Some(interface) = modules.interface(importer) else {
            continue;
        };
        for (specifier, names) in &interface.names {
            let Some(target) = modules.target(importer, specifier) else {
                continue;
            };
            for name in names {
                let said = modules.said(target).is_some_and(|said| said.contains(name));
                if said {
                    continue;
                }
                if modules.said(target).is_some()
                    && name != "module.exports"
                    && !modules.has_text(target, name)
                {
                    unknown.push(Unknown {
                        importer,
                        specifier: specifier.clone(),
                        name: name.clone(),
                    });
                }
                want(modules, target, name, &mut wanted);
            }
        }
        // Reading a missing property returns undefined, and modules test for features that way. So a property counts
        // only if its name occurs in a text.
        for (specifier, names) in &interface.members {
            let Some(target) = modules.target(importer, specifier) else {
                continue;
            };
            for name in names {
                let may_be = modules.said(target).is_none() || modules.has_text(target, name);
                if may_be && name != "module.exports" && !modules.is_left_out(target) {
                    want(modules, target, name, &mut wanted);
                }
            }
        }
    }
    (wanted, unknown)
}

/// Records that an importer needs `name` from `target`, or from a module that `target` re-exports with `export *`.
fn want(modules: &impl Named, target: usize, name: &str, wanted: &mut BTreeMap<usize, BTreeSet<String>>) {
    let found = match modules.interface(target) {
        None => Some(target),
        Some(_) if provides(modules, target, name, &mut HashSet::new()) => None,
        // If two `export *` provide the same name, the name is ambiguous and not exported. So only one module may get
        // it.
        Some(_) => may_provide(modules, target, name, &mut HashSet::new()),
    };
    if let Some(found) = found
        && (modules.said(found).is_some() || modules.is_left_out(found))
        && !modules.said(found).is_some_and(|said| said.contains(name))
    {
        wanted.entry(found).or_default().insert(name.to_owned());
    }
}

/// Returns true if the text of a module shows that it exports the name.
fn provides(modules: &impl Named, module: usize, name: &str, seen: &mut HashSet<usize>) -> bool {
    if !seen.insert(module) {
        return false;
    }
    let Some(interface) = modules.interface(module) else {
        return modules.said(module).is_some_and(|said| said.contains(name));
    };
    interface.exports.contains(name)
        || interface.stars.iter().any(|specifier| {
            let target = modules.target(module, specifier);
            target.is_some_and(|target| provides(modules, target, name, seen))
        })
}

/// Returns the first CommonJS module that may have the name, among those that `module` re-exports with `export *`.
fn may_provide(modules: &impl Named, module: usize, name: &str, seen: &mut HashSet<usize>) -> Option<usize> {
    if !seen.insert(module) {
        return None;
    }
    let Some(interface) = modules.interface(module) else {
        let may = modules.said(module).is_some() && modules.has_text(module, name);
        return may.then_some(module);
    };
    interface.stars.iter().find_map(|specifier| {
        let target = modules.target(module, specifier)?;
        may_provide(modules, target, name, seen)
    })
}
