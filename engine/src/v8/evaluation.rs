//! The evaluation of a module. The runtime imports the module itself, so that deno_core can free the state of the
//! evaluation.

use deno_core::error::CoreError;
use deno_core::{JsRuntime, ModuleId, ModuleSpecifier, v8};

use crate::isolate::event_loop::settled;
use crate::modules::loader::refused;
use crate::modules::synthetic_urls::{EVALUATION, SyntheticModule};
use crate::modules::{CapabilityModules, GraphLoader};

impl GraphLoader {
    /// Returns the URL of a synthetic module without exports that imports the module with this index. The host imports
    /// it next.
    ///
    /// A module may export a function `then`, which an import of the module itself would call.
    fn evaluation(&self, module: u32) -> Option<ModuleSpecifier> {
        let own = SyntheticModule {
            specifier: EVALUATION,
            module,
        };
        let url = ModuleSpecifier::parse(&self.own_urls.url(own)).ok();
        self.asked.replace(url.clone());
        url
    }
}

impl CapabilityModules {
    /// Starts the evaluation of a loaded module. Returns its promise.
    fn evaluation(&self, js: &mut JsRuntime, module: u32) -> Result<v8::Global<v8::Value>, CoreError> {
        let url = self.loader.evaluation(module);
        let url = {
            deno_core::scope!(scope, js);
            let url = url.and_then(|url| v8::String::new(scope, url.as_str()));
            let url = url.ok_or_else(|| refused("there is no such module".to_owned()))?;
            v8::Global::new(scope, v8::Local::<v8::Value>::from(url))
        };
        self.call(js, |factory| &factory._of_engine.evaluate, &url)
    }
}

/// Evaluates a loaded module and all its imports, and waits until this is done.
///
/// # Errors
/// The same as [`settled`].
pub(crate) async fn evaluated(
    js: &mut JsRuntime,
    modules: &CapabilityModules,
    module: u32,
    _loaded: ModuleId,
) -> Result<(), CoreError> {
    let evaluation = modules.evaluation(js, module)?;
    settled(js, evaluation).await.map(drop)
}
