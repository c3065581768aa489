//! The scripts of the web's interfaces for V8: those of Deno's crates.
//!
//! The build script has rewritten the scripts so that the state of their objects is private (see the crate
//! `secure-runtime-web`). `deno.js` runs them, with an allow-list of functions. Their extension itself is not used: its
//! state would be files of blobs, channels and locks that all isolates share.

#[path = "crypto/mod.rs"]
mod crypto;
#[path = "ops.rs"]
mod ops;

use deno_core::{ExtensionFileSource, OpDecl, ascii_str_include, op2, v8};

use crate::realm::with_scripts;

deno_core::extension!(sr_deno, ops = [op_sr_private_symbol]);

/// Returns the ops that the scripts call.
pub(super) fn ops() -> Vec<OpDecl> {
    let mut all = sr_deno::init().ops.into_owned();
    all.extend(ops::ops());
    all.extend(crypto::ops());
    all
}

/// Returns the scripts, in order.
pub(super) fn scripts() -> Vec<ExtensionFileSource> {
    let mut scripts = vec![ExtensionFileSource::new(
        "ext:sr_deno/web_scripts.js",
        ascii_str_include!(concat!(env!("OUT_DIR"), "/web_scripts.js")),
    )];
    scripts.extend(
        with_scripts!(sr_deno: "slots.js", "deno.js", "ports.js", "crypto_algorithms.js", "crypto_keys.js", "crypto.js", "http.js", "event_source.js", "websocket.js")
            .js_files
            .into_owned(),
    );
    scripts
}

/// Returns a private symbol: a key of properties that no function of the language lists, and that no proxy sees.
/// JavaScript gets it as the value of a property of an object that is made from a template.
#[op2]
fn op_sr_private_symbol<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[string] name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let name = v8::String::new(scope, name)?;
    let symbol = v8::Private::new(scope, Some(name));
    let template = v8::ObjectTemplate::new(scope);
    template.set(name.into(), symbol.into());
    let object = template.new_instance(scope)?;
    object.get(scope, name.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use deno_core::{JsRuntime, RuntimeOptions};

    use super::*;

    /// An op without a treatment could let a guest take memory that no limit counts.
    #[test]
    fn the_memory_of_each_op_is_treated() {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _entered = reactor.enter();
        let mut js = JsRuntime::new(RuntimeOptions {
            extensions: crate::realm::extensions(),
            ..RuntimeOptions::default()
        });
        let value = js
            .execute_script("names.js", "globalThis.__web.treated.join()")
            .unwrap();
        deno_core::scope!(scope, js);
        let names = v8::Local::new(scope, value).to_rust_string_lossy(scope);
        let treated: BTreeSet<&str> = names.split(',').collect();
        for op in ops::ops() {
            assert!(treated.contains(op.name), "{}", op.name);
        }
    }
}
