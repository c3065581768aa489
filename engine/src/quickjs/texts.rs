//! The texts of the modules in one isolate, and the names of imports in them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::imports::{Imports, Names};
use crate::memory::Memory;
use crate::modules::synthetic_urls::BINDINGS;

/// The texts of the modules in one isolate.
#[derive(Clone)]
pub(crate) struct ModuleTexts(Rc<Texts>);

struct Texts {
    names: Names,
    /// The imports of the modules that were loaded, by the module's index.
    imports: RefCell<HashMap<u32, Imports>>,
}

impl ModuleTexts {
    /// Creates the texts of an isolate, with these random bits.
    pub(crate) fn new(secret: &str, _memory: &Memory) -> Self {
        ModuleTexts(Rc::new(Texts {
            names: Names::new(secret.to_owned()),
            imports: RefCell::default(),
        }))
    }

    /// Returns the text of the module with this index. `bindings` are the free names that its bindings define.
    pub(crate) fn of(&self, module: u32, source: &str, bindings: &[&str]) -> Result<String, String> {
        let (text, imports) = self.0.names.rewrite(module, source, bindings, BINDINGS)?;
        self.0.imports.borrow_mut().insert(module, imports);
        Ok(text)
    }

    /// Returns the text of a module without imports that is added at run time.
    pub(crate) fn without_imports(&self, source: &str) -> Result<String, String> {
        self.0.names.without_imports(source)
    }

    /// Returns the specifier in the source that the engine calls `name` in this module. Returns none if `name` is not
    /// an import of the module.
    pub(crate) fn specifier<'a>(&self, name: &str, module: u32) -> Option<Cow<'a, str>> {
        let imports = self.0.imports.borrow();
        let specifier = self.0.names.specifier(name, module, imports.get(&module)?)?;
        Some(Cow::Owned(specifier.to_owned()))
    }

    /// Returns a text of the engine with the specifiers of the source.
    pub(crate) fn shown(&self, text: &str) -> String {
        let imports = self.0.imports.borrow();
        self.0.names.shown(text, |module, number| {
            imports.get(&module)?.get(number).map(str::to_owned)
        })
    }
}
