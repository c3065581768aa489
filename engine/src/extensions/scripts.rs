//! The scripts of extensions. They run in the locked realm, before any guest.

use deno_core::JsRuntime;
use secure_runtime_capabilities::Action;

use super::handle::{Extensions, Registered, Script};
use crate::js_engine;
use crate::outcome::RunError;
use crate::realm::EXTEND;

/// Runs the scripts of the extensions that follow the first `from`, which a snapshot contains already.
///
/// # Errors
/// A script failed.
pub(crate) fn add(js: &mut JsRuntime, extensions: &Extensions, from: usize) -> Result<(), RunError> {
    for extension in extensions.iter().skip(from) {
        let Script { name, .. } = extension.script();
        js_engine::run_extension(js, name, program(&**extension))?;
    }
    Ok(())
}

/// Returns a script that passes the extension's function and the description of its methods to realm code.
fn program(extension: &dyn Registered) -> String {
    let family = extension.family();
    let name = family.name().to_string();
    let actions: Vec<&str> = family
        .actions()
        .iter()
        .map(|Action { name, .. }| name.as_str())
        .collect();
    let methods = extension.methods().iter();
    let methods: Vec<(&str, &str)> = methods.map(|method| (method.name, method.run.kind())).collect();
    // Names and kinds are ASCII, so their JSON is also JavaScript.
    let described = serde_json::json!([name, actions, methods]).to_string();
    let source = extension.script().source;
    format!("globalThis.{EXTEND}(...{described}, (\n{source}\n));")
}
