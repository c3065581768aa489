//! The engine's module loader for a verified graph. Modules that were not locked cannot be loaded.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use deno_core::{
    FastString, ModuleCodeBytes, ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader,
    ModuleSource, ModuleSourceCode, ModuleSpecifier, ModuleType, RequestedModuleType, ResolutionKind,
};
use deno_error::JsErrorBox;
use secure_runtime_loaders::{Graph, ModuleKind, Store};

use super::imports::{MAX_SPECIFIER, too_long};
use super::scope::Globals;
use super::synthetic_urls::{
    BINDINGS, EVALUATION, ISOLATE, REFUSED, SELF, SELF_EXPORTS, SyntheticModule, SyntheticUrls, VALUE_TYPE,
    WASM,
};
use super::{json, wasm};
use crate::extensions::{Monitor, OperationError};
use crate::js_engine::ModuleTexts;
use crate::package_worker::{Contents, PackageWorker, PackageWorkers, runs_code};
use crate::realm::LOCKDOWN_NAME;

/// The referrer of modules that the host loads. No module has this name. Modules that the host evaluates are imported
/// by the realm's last script.
const HOST: &str = ".";

/// The module loader of one graph.
pub(crate) struct GraphLoader {
    pub(crate) graph: Arc<Graph>,
    pub(super) monitor: Rc<Monitor>,
    pub(super) bytes: Arc<Vec<Bytes>>,
    /// The store of modules that are added at run time.
    pub(super) store: Arc<dyn Store>,
    urls: Vec<ModuleSpecifier>,
    pub(crate) by_url: HashMap<String, u32>,
    /// Data modules with a separate value for some importers, by URL.
    copies: RefCell<HashMap<String, u32>>,
    /// Free names by module, found when the module is loaded.
    names: RefCell<HashMap<u32, Vec<&'static str>>>,
    pub(crate) own_urls: SyntheticUrls,
    pub(crate) texts: ModuleTexts,
    /// The package of this isolate. 0 is the program itself.
    package: u32,
    remotes: Arc<PackageWorkers>,
    /// The module that the host is loading, which no module imports.
    pub(crate) asked: RefCell<Option<ModuleSpecifier>>,
    /// The exported values of modules in other isolates, until they are taken.
    described: Rc<RefCell<HashMap<u32, Contents>>>,
    /// The refusals of computed imports, until they are thrown.
    pub(super) refusals: RefCell<HashMap<u32, OperationError>>,
    pub(super) last_refusal: Cell<u32>,
}

impl GraphLoader {
    /// Creates the loader.
    ///
    /// # Errors
    /// A module's name is not a URL, or two names are the same URL. The engine identifies modules by URL, so one module
    /// would get the rights of the other.
    pub(crate) fn new(
        graph: Arc<Graph>,
        bytes: Arc<Vec<Bytes>>,
        store: Arc<dyn Store>,
        monitor: Rc<Monitor>,
        remotes: Arc<PackageWorkers>,
        package: u32,
    ) -> Result<Rc<Self>, String> {
        let mut urls = Vec::with_capacity(graph.modules().len());
        let mut by_url = HashMap::with_capacity(graph.modules().len());
        for (index, module) in graph.modules().iter().enumerate() {
            let url = url_of(&module.name).map_err(|error| format!("module {}: {error}", module.name))?;
            if by_url.insert(url.to_string(), index as u32).is_some() {
                return Err(format!("module {}: another module has the same URL", module.name));
            }
            urls.push(url);
        }
        let own_urls = SyntheticUrls::new()?;
        let texts = ModuleTexts::new(&own_urls.secret, &monitor.memory);
        Ok(Rc::new(GraphLoader {
            own_urls,
            texts,
            graph,
            monitor,
            bytes,
            store,
            urls,
            by_url,
            copies: RefCell::default(),
            names: RefCell::default(),
            package,
            remotes,
            asked: RefCell::default(),
            described: Rc::default(),
            refusals: RefCell::default(),
            last_refusal: Cell::default(),
        }))
    }

    /// Returns the URL of the entry module.
    pub(crate) fn entry(&self) -> Option<ModuleSpecifier> {
        self.url(self.graph.entry())
    }

    /// Returns the URL for imports of the module with this index. If the module runs in another isolate, this is its
    /// synthetic module.
    pub(super) fn url(&self, module: u32) -> Option<ModuleSpecifier> {
        match self.remote(module) {
            Some(_) => {
                let own = SyntheticModule {
                    specifier: ISOLATE,
                    module,
                };
                ModuleSpecifier::parse(&self.own_urls.url(own)).ok()
            }
            None => self.own_url(module),
        }
    }

    /// Returns the URL that the module `from` loads when it imports the module `to`.
    ///
    /// Each importer can change the value of a JSON or bytes module. So modules share the value only if they have the
    /// same rights: the modules of one package, except those with `grants` of their own. Global objects have the same
    /// rule (see `holds_package_rights`).
    pub(super) fn url_for(&self, from: u32, to: u32) -> Option<ModuleSpecifier> {
        let mut url = self.url(to)?;
        let (importer, module) = (self.graph.module(from)?, self.graph.module(to)?);
        if !matches!(module.kind, ModuleKind::Json | ModuleKind::Bytes) {
            return Some(url);
        }
        let mut mark = match self.holds_package_rights(from) {
            false => format!("for-module-{from}"),
            true if importer.package == module.package => return Some(url),
            true => format!("for-package-{}", importer.package),
        };
        // A file name can contain this mark. The URL of that file is not used.
        url.set_fragment(Some(&mark));
        while self.by_url.contains_key(url.as_str()) {
            mark.push('-');
            url.set_fragment(Some(&mark));
        }
        self.copies.borrow_mut().insert(url.to_string(), to);
        Some(url)
    }

    /// Returns the index of the module with this URL.
    pub(crate) fn index_of(&self, url: &str) -> Option<u32> {
        let copy = || self.copies.borrow().get(url).copied();
        self.by_url.get(url).copied().or_else(copy)
    }

    /// Returns the URL of the module with this index, which runs in this isolate.
    pub(super) fn own_url(&self, module: u32) -> Option<ModuleSpecifier> {
        self.urls.get(module as usize).cloned()
    }

    /// Returns the URL of the module with this index, which the host loads next.
    pub(crate) fn ask(&self, module: u32) -> Option<ModuleSpecifier> {
        self.asked.replace(self.own_url(module));
        self.own_url(module)
    }

    /// Returns the package worker of the module, if it runs in another isolate.
    fn remote(&self, module: u32) -> Option<Arc<PackageWorker>> {
        let module = self.graph.module(module)?;
        if module.package == self.package || !runs_code(module.kind) {
            return None;
        }
        self.remotes.of(module.package)
    }

    /// Returns the package worker and the values for a module of another isolate. The values can be taken once.
    pub(super) fn take_described(&self, module: u32) -> Option<(Arc<PackageWorker>, Contents)> {
        let values = self.described.borrow_mut().remove(&module)?;
        Some((self.remote(module)?, values))
    }

    /// Returns the refusal with this number. It can be taken once.
    pub(super) fn take_refusal(&self, number: u32) -> Option<OperationError> {
        self.refusals.borrow_mut().remove(&number)
    }

    /// Requests the exports of a module from its isolate.
    fn load_remote(&self, specifier: &ModuleSpecifier) -> Option<ModuleLoadResponse> {
        let own = self
            .own_urls
            .of_url(specifier.as_str())
            .filter(|own| own.specifier == ISOLATE)?;
        let value_url = self.own_urls.value_url(own);
        let (remote, described) = (self.remote(own.module)?, self.described.clone());
        let name = self.graph.module(own.module)?.name.clone();
        let (specifier, marks) = (specifier.clone(), self.monitor.rules.marks.clone());
        Some(ModuleLoadResponse::Async(Box::pin(async move {
            let failed = |(_, message): (_, String)| {
                remote.mark_limit(&message, &marks);
                JsErrorBox::new("IsolateError", message)
            };
            let description = remote.describe(own.module).await.map_err(failed)?;
            let description =
                description.map_err(|error| JsErrorBox::new("IsolateError", format!("{name}: {error}")))?;
            let source = remote_source(&value_url, &description.names);
            described.borrow_mut().insert(own.module, description.values);
            let code = ModuleSourceCode::String(FastString::from(source));
            Ok(ModuleSource::new(ModuleType::JavaScript, code, &specifier, None))
        })))
    }

    /// Returns the name of the module with this URL, for people.
    pub(crate) fn name_of(&self, url: &str) -> Option<&str> {
        let module = self.index_of(url)?;
        self.graph.module(module).map(|module| module.name.as_str())
    }
}

impl GraphLoader {
    /// Returns the URL of `cap:self` or `cap:bindings` for the module with this index.
    pub(crate) fn of_its_own(&self, specifier: &str, module: u32) -> String {
        let specifier = if specifier == SELF { SELF } else { BINDINGS };
        self.own_urls.url(SyntheticModule { specifier, module })
    }

    /// Returns the URL of this import of the module with this index, by the locked program.
    pub(crate) fn locked(&self, specifier: &str, module: u32) -> Option<ModuleSpecifier> {
        let to = self.graph.module(module)?.imports.get(specifier)?;
        self.url_for(module, *to)
    }

    /// Returns the message for a name that this loader did not write into the text of the module with the URL
    /// `importer`.
    pub(crate) fn unchecked(&self, name: &str, importer: &str) -> String {
        let importer = self.name_of(importer).unwrap_or(importer);
        format!(
            "import {name:?} in {importer}: QuickJS reads an import where the checked text has none; run the program with a build that has V8"
        )
    }

    /// Replaces the names of imports in a `text` of the engine with those in the source.
    pub(crate) fn shown(&self, text: &str) -> String {
        self.texts.shown(text)
    }
}

/// Returns the source of a synthetic module for a module of another isolate, with the same exports.
///
/// A guest chose the names, so each character is an escape sequence. The search of QuickJS's bindings through the text
/// then finds nothing.
fn remote_source(value_url: &str, names: &[String]) -> String {
    let mut source = format!("import value from {value_url:?} with {{ type: {VALUE_TYPE:?} }};\n");
    for (number, name) in names.iter().enumerate() {
        let name: String = name
            .chars()
            .map(|character| format!("\\u{{{:x}}}", u32::from(character)))
            .collect();
        source.push_str(&format!(
            "const v{number} = value[\"{name}\"];\nexport {{ v{number} as \"{name}\" }};\n"
        ));
    }
    source
}

/// Returns the URL of a module name. `app:/main.js` is a URL already. `marked/lib/x.js` becomes
/// `package:/marked/lib/x.js`.
fn url_of(name: &str) -> Result<ModuleSpecifier, url::ParseError> {
    if name.starts_with("app:") {
        ModuleSpecifier::parse(name)
    } else {
        ModuleSpecifier::parse(&format!("package:/{name}"))
    }
}

pub(crate) fn refused(message: String) -> JsErrorBox {
    JsErrorBox::type_error(message)
}

fn parse_url(text: &str) -> Result<ModuleSpecifier, JsErrorBox> {
    ModuleSpecifier::parse(text).map_err(|error| refused(format!("{text:?}: {error}")))
}

impl ModuleLoader for GraphLoader {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        kind: ResolutionKind,
    ) -> Result<ModuleSpecifier, JsErrorBox> {
        if kind == ResolutionKind::MainModule {
            return parse_url(specifier);
        }
        if specifier.len() > MAX_SPECIFIER {
            return Err(refused(too_long(specifier)));
        }
        // A synthetic module imports its value. No other module can name that value.
        if let Some(own) = self.own(referrer) {
            if self.own_urls.value_url(own) == specifier {
                return parse_url(specifier);
            }
            if own.specifier == EVALUATION
                && let Some(url) = self.own_url(own.module).filter(|url| url.as_str() == specifier)
            {
                return Ok(url);
            }
        }
        // A synthetic module for JSON imports the value with an attribute.
        if specifier == referrer
            && let Some(module) = self.index_of(referrer)
            && self
                .graph
                .module(module)
                .is_some_and(|module| module.kind == ModuleKind::Json)
        {
            return parse_url(specifier);
        }
        if let Some(asked) = &*self.asked.borrow()
            && [HOST, LOCKDOWN_NAME].contains(&referrer)
            && asked.as_str() == specifier
        {
            return Ok(asked.clone());
        }
        let Some(from) = self.by_url.get(referrer) else {
            return Err(refused(format!(
                "import {specifier:?}: the importing module is not part of the program"
            )));
        };
        let specifier = match self.texts.specifier(specifier, *from) {
            // If a module is imported dynamically, its import declarations are resolved with the kind of a dynamic
            // import too.
            None if kind == ResolutionKind::Import => {
                return Err(refused(self.unchecked(specifier, referrer)));
            }
            found => found.unwrap_or(Cow::Borrowed(specifier)),
        };
        let specifier = &*specifier;
        if specifier == SELF || specifier == BINDINGS {
            return parse_url(&self.of_its_own(specifier, *from));
        }
        let module = self.graph.module(*from);
        let name = module.map(|module| module.name.as_str()).unwrap_or_default();
        let found = match self.locked(specifier, *from) {
            None if kind == ResolutionKind::DynamicImport => self.granted(*from, specifier)?,
            locked => locked,
        };
        match found {
            Some(url) => Ok(url),
            None => Err(refused(format!(
                "import {specifier:?} in {name}: not part of the locked program; only locked modules can be imported"
            ))),
        }
    }

    fn import_meta_resolve(&self, specifier: &str, referrer: &str) -> Result<ModuleSpecifier, JsErrorBox> {
        let found = self.resolve(specifier, referrer, ResolutionKind::DynamicImport)?;
        let own = self.own_urls.of_url(found.as_str());
        if let Some(refused) = own.filter(|own| own.specifier == REFUSED)
            && let Some(refusal) = self.take_refusal(refused.module)
        {
            return Err(JsErrorBox::from_err(refusal));
        }
        let own = own.filter(|own| own.specifier == ISOLATE);
        let module = own
            .map(|own| own.module)
            .or_else(|| self.index_of(found.as_str()));
        Ok(module.and_then(|module| self.own_url(module)).unwrap_or(found))
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        _referrer: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let requested = &options.requested_module_type;
        if matches!(requested, RequestedModuleType::None)
            && let Some(added) = self.load_added(specifier)
        {
            return added;
        }
        if matches!(requested, RequestedModuleType::None)
            && let Some(remote) = self.load_remote(specifier)
        {
            return remote;
        }
        ModuleLoadResponse::Sync(self.source(specifier, requested))
    }
}

impl GraphLoader {
    /// Returns the synthetic module with this URL.
    fn own(&self, url: &str) -> Option<SyntheticModule> {
        self.own_urls.of_url(url).or_else(|| {
            let module = *self.by_url.get(url)?;
            let is_wasm = self.graph.module(module)?.kind == ModuleKind::Wasm;
            is_wasm.then_some(SyntheticModule {
                specifier: WASM,
                module,
            })
        })
    }

    pub(crate) fn source(
        &self,
        specifier: &ModuleSpecifier,
        requested: &RequestedModuleType,
    ) -> Result<ModuleSource, JsErrorBox> {
        if self.own_urls.of_value(specifier.as_str()).is_some() {
            let nothing = ModuleSourceCode::String(FastString::from_static(""));
            return Ok(ModuleSource::new(
                ModuleType::Other(VALUE_TYPE.into()),
                nothing,
                specifier,
                None,
            ));
        }
        if let Some(own) = self.own_urls.of_url(specifier.as_str()) {
            if !matches!(requested, RequestedModuleType::None) {
                return Err(refused(format!("{}: takes no import attributes", own.specifier)));
            }
            let code = ModuleSourceCode::String(FastString::from(self.own_source(own)));
            return Ok(ModuleSource::new(ModuleType::JavaScript, code, specifier, None));
        }
        let index = self.index_of(specifier.as_str());
        let (Some(index), Some(module), Some(bytes)) = (
            index,
            index.and_then(|index| self.graph.module(index)),
            index.and_then(|index| self.bytes.get(index as usize)),
        ) else {
            return Err(refused(format!("{specifier}: not part of the locked program")));
        };
        if (module.kind, requested) == (ModuleKind::Bytes, &RequestedModuleType::Bytes) {
            let copy = ModuleCodeBytes::Boxed(bytes.as_ref().into());
            return Ok(ModuleSource::new(
                ModuleType::Bytes,
                ModuleSourceCode::Bytes(copy),
                specifier,
                None,
            ));
        }
        if (module.kind, requested) == (ModuleKind::Wasm, &RequestedModuleType::None) {
            let value = SyntheticModule {
                specifier: WASM,
                module: index,
            };
            let source = wasm::source(module, bytes, &self.own_urls.value_url(value));
            let source = source.map_err(|problem| refused(format!("{}: {problem}", module.name)))?;
            let code = ModuleSourceCode::String(FastString::from(source));
            return Ok(ModuleSource::new(ModuleType::JavaScript, code, specifier, None));
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| refused(format!("{}: is not UTF-8", module.name)))?;
        match (module.kind, requested) {
            (ModuleKind::JavaScript, RequestedModuleType::None) => {
                let globals = Globals(&self.monitor.rules.extensions);
                let names = globals.bound_names(module, text);
                let source = self.texts.of(index, text, &names);
                let source = source.map_err(|problem| refused(format!("{}: {problem}", module.name)))?;
                self.names.borrow_mut().insert(index, names);
                let code = ModuleSourceCode::String(FastString::from(source));
                Ok(ModuleSource::new(ModuleType::JavaScript, code, specifier, None))
            }
            (ModuleKind::Json, RequestedModuleType::Json) => {
                // A byte order mark is removed, like in Node.js and bundlers. The engines' parsers reject it.
                let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                let code = ModuleSourceCode::String(FastString::from(text.to_owned()));
                Ok(ModuleSource::new(ModuleType::Json, code, specifier, None))
            }
            (ModuleKind::Json, RequestedModuleType::None) => {
                let code = ModuleSourceCode::String(FastString::from(json::source(text, specifier.as_str())));
                Ok(ModuleSource::new(ModuleType::JavaScript, code, specifier, None))
            }
            (ModuleKind::Text, RequestedModuleType::Text) => {
                let code = ModuleSourceCode::String(FastString::from(text.to_owned()));
                Ok(ModuleSource::new(ModuleType::Text, code, specifier, None))
            }
            (ModuleKind::Json | ModuleKind::Text | ModuleKind::Bytes, _) => Err(refused(format!(
                "{}: is imported `with {{ type: \"{}\" }}`",
                module.name,
                module.kind.as_str()
            ))),
            _ => Err(refused(format!(
                "{}: is JavaScript and takes no `type` attribute",
                module.name
            ))),
        }
    }

    /// Returns the source of a synthetic module. It exports the properties of its value.
    fn own_source(&self, own: SyntheticModule) -> String {
        if own.specifier == EVALUATION {
            let url = self.own_url(own.module).map(String::from).unwrap_or_default();
            return format!("import {url:?};");
        }
        if own.specifier == REFUSED {
            let value = self.own_urls.value_url(own);
            // If an error has no call sites, deno_core replaces it with another error.
            return format!(
                "import value from {value:?} with {{ type: {VALUE_TYPE:?} }};\nError.captureStackTrace(value);\nthrow value;"
            );
        }
        let names = if own.specifier == SELF {
            let families = self.monitor.rules.extensions.families();
            let exports = SELF_EXPORTS.map(str::to_owned).into_iter();
            exports.chain(families.map(|family| family.to_string())).collect()
        } else {
            self.names_of(own.module)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (value, names) = (self.own_urls.value_url(own), names.join(", "));
        format!(
            "import value from {value:?} with {{ type: {VALUE_TYPE:?} }};\nexport const {{ {names} }} = value;"
        )
    }

    pub(super) fn names_of(&self, module: u32) -> Vec<&'static str> {
        self.names.borrow().get(&module).cloned().unwrap_or_default()
    }

    /// Returns true if the module has exactly the rights of its package. Such modules of a package share a global
    /// object and data.
    pub(super) fn holds_package_rights(&self, module: u32) -> bool {
        let module = self.graph.module(module);
        module.is_some_and(|module| module.grants.is_none())
    }
}
