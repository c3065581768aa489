//! Computed imports by `module` grants. The literal imports of the importing module do not name these modules.
//!
//! A grant of names gives access to modules of the graph. A grant of a hash also adds a module: any store may have its
//! bytes. An added module has no rights and imports nothing.

use std::fmt;

use deno_core::{
    FastString, ModuleLoadResponse, ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType,
};
use deno_error::JsErrorBox;
use secure_runtime_capabilities::{ActionName, FamilyName, ModuleId, Operation};
use secure_runtime_loaders::store::MAX_BLOB_SIZE;
use secure_runtime_loaders::{ContentHash, Graph, Module, static_imports};

use super::loader::GraphLoader;
use super::synthetic_urls::{REFUSED, SyntheticModule};
use crate::extensions::OperationError;

impl GraphLoader {
    /// Returns the module of a computed import if a grant allows it.
    ///
    /// Returns none if the importing module has no `module` grants. It then gets the same error as for any import that
    /// was not locked.
    ///
    /// Only a module with a grant for a name can find out whether the name exists. Other names are denied, whether they
    /// exist or not.
    pub(super) fn granted(&self, from: u32, specifier: &str) -> Result<Option<ModuleSpecifier>, JsErrorBox> {
        let (Some(importer), Some(principal)) =
            (self.graph.module(from), self.monitor.rules.plan.principal(from))
        else {
            return Ok(None);
        };
        let capability = self
            .monitor
            .capability(principal)
            .map_err(|error| JsErrorBox::type_error(format!("{}: {error}", principal.name)))?;
        let mut held = capability
            .authority
            .effective(FamilyName::MODULE, ActionName::IMPORT);
        if held.next().is_none() {
            return Ok(None);
        }
        if let Some(hash) = added(specifier)
            && let Ok(module) = ModuleId::new(specifier, hash.as_bytes())
        {
            return Ok(
                match capability.check(&Operation::module_import(&module), specifier) {
                    Ok(()) => ModuleSpecifier::parse(specifier).ok(),
                    Err(refusal) => self.refused_import(refusal),
                },
            );
        }
        let Some(name) = name_of(&self.graph, importer, specifier) else {
            return Ok(None);
        };
        let index = (0..)
            .zip(self.graph.modules())
            .find(|(_, module)| module.name == name);
        // If the module does not exist, no grant of a hash may cover it.
        let hash = index.map_or([0; 32], |(_, module)| *module.hash.as_bytes());
        let Ok(module) = ModuleId::new(&name, &hash) else {
            return Ok(None);
        };
        Ok(
            match capability.check(&Operation::module_import(&module), specifier) {
                Ok(()) => index.and_then(|(index, _)| self.url_for(from, index)),
                Err(refusal) => self.refused_import(refusal),
            },
        )
    }

    /// Returns the URL of a module that throws this refusal. If an import cannot be resolved, the engine would throw a
    /// TypeError instead.
    fn refused_import(&self, refusal: OperationError) -> Option<ModuleSpecifier> {
        let mut refusals = self.refusals.borrow_mut();
        let number = self.last_refusal.get().checked_add(1)?;
        self.last_refusal.set(number);
        refusals.insert(number, refusal);
        let own = SyntheticModule {
            specifier: REFUSED,
            module: number,
        };
        ModuleSpecifier::parse(&self.own_urls.url(own)).ok()
    }
}

/// Returns the hash in `blake3:HASH`, the name of a module outside of the graph.
fn added(specifier: &str) -> Option<ContentHash> {
    specifier.parse().ok()
}

impl GraphLoader {
    /// Loads the module `blake3:HASH` from the stores. The import was allowed before. Returns none for other URLs.
    pub(super) fn load_added(&self, url: &ModuleSpecifier) -> Option<ModuleLoadResponse> {
        let (url, hash) = (url.clone(), added(url.as_str())?);
        let (store, texts) = (self.store.clone(), self.texts.clone());
        Some(ModuleLoadResponse::Async(Box::pin(async move {
            let fault = |what: &dyn fmt::Display| JsErrorBox::type_error(format!("{url}: {what}"));
            let bytes = store.get(&hash, MAX_BLOB_SIZE).await.map_err(|error| {
                // Guests must not learn the locations of stores.
                tracing::warn!(%error, "a module cannot be added");
                match error.is_absence() {
                    true => fault(&"no available store has it"),
                    false => fault(&"a store returned wrong bytes, or cannot be read"),
                }
            })?;
            let text = std::str::from_utf8(&bytes).map_err(|_| fault(&"is not UTF-8"))?;
            let found = static_imports(text).map_err(|problem| fault(&problem))?;
            if !found.imports.is_empty() {
                return Err(fault(
                    &"has imports; a module that is added by its hash must not import, so pass it the values that it needs",
                ));
            }
            let source = texts.without_imports(text).map_err(|problem| fault(&problem))?;
            let code = ModuleSourceCode::String(FastString::from(source));
            Ok(ModuleSource::new(ModuleType::JavaScript, code, &url, None))
        })))
    }
}

/// Returns the graph's name for a specifier. `./` and `../` stay within the importing module's package. All other
/// specifiers are whole names. Nothing is decoded.
fn name_of(graph: &Graph, importer: &Module, specifier: &str) -> Option<String> {
    if !specifier.starts_with("./") && !specifier.starts_with("../") {
        return Some(specifier.to_owned());
    }
    let package = graph.package_of(importer)?;
    let mut path: Vec<&str> = importer.path_in(package)?.split('/').collect();
    path.pop();
    for part in specifier.split('/') {
        match part {
            "." => {}
            ".." => drop(path.pop()?),
            part => path.push(part),
        }
    }
    Some(format!("{}{}", package.module_prefix(), path.join("/")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secure_runtime_loaders::{ContentHash, ModuleKind, Package};

    use super::*;

    #[test]
    fn names_stay_within_their_package_or_are_whole() {
        let package = |name: &str| Package {
            name: name.to_owned(),
            version: None,
            grants: Vec::new(),
            ..Package::default()
        };
        let module = |name: &str, package: u32| Module {
            name: name.to_owned(),
            package,
            hash: ContentHash::of(name.as_bytes()),
            size: 0,
            kind: ModuleKind::JavaScript,
            origin: None,
            imports: BTreeMap::new(),
            globals: Vec::new(),
            grants: None,
        };
        let modules = vec![module("app:/main.js", 0), module("@a/p/lib/x.js", 1)];
        let graph = Graph::new(0, vec![package(""), package("@a/p")], modules).unwrap();
        let name =
            |importer: u32, specifier: &str| name_of(&graph, graph.module(importer).unwrap(), specifier);
        for (importer, specifier, means) in [
            (0, "./a.js", Some("app:/a.js")),
            (0, "./b/../a.js", Some("app:/a.js")),
            (0, "../a.js", None),
            (1, "./a.js", Some("@a/p/lib/a.js")),
            (1, "../a.js", Some("@a/p/a.js")),
            (1, "../../a.js", None),
            (1, "./../../lib/x.js", None),
            (1, "app:/main.js", Some("app:/main.js")),
            (0, "./%2e%2e/a.js", Some("app:/%2e%2e/a.js")),
        ] {
            assert_eq!(
                name(importer, specifier).as_deref(),
                means,
                "{importer} {specifier}"
            );
        }
    }
}
