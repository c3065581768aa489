//! The scripts of the web's interfaces for V8: those of Deno's crates, and their ops that only compute.
//!
//! The build script has rewritten the scripts so that the state of their objects is private (see the crate
//! `secure-runtime-web`). `deno.js` runs them, with an allow-list of functions. Their extension itself is not used: its
//! state would be files of blobs, channels and locks that all isolates share.

use deno_core::{ExtensionFileSource, OpDecl, ascii_str_include, op2, v8};

use crate::realm::with_scripts;

deno_core::extension!(sr_deno, ops = [op_sr_private_symbol]);

/// The ops of Deno's crate that the scripts call. Each only computes. A function in `deno.js` calls it. It first checks
/// the account for the memory that the op takes outside of the engine's heap.
const OPS: [&str; 18] = [
    "op_base64_atob",
    "op_base64_btoa",
    "op_encoding_decode",
    "op_encoding_decode_single",
    "op_encoding_decode_utf8",
    "op_encoding_decode_utf8_ascii_only",
    "op_encoding_encode_into",
    "op_encoding_encode_into_fallback",
    "op_encoding_new_decoder",
    "op_encoding_normalize_label",
    "op_url_get_serialization",
    "op_url_parse",
    "op_url_parse_search_params",
    "op_url_parse_with_base",
    "op_url_reparse",
    "op_url_stringify_search_params",
    "op_urlpattern_parse",
    "op_urlpattern_process_match_input",
];

/// Returns the ops that the scripts call.
pub(super) fn ops() -> Vec<OpDecl> {
    let ours = sr_deno::init().ops.into_owned();
    let theirs = deno_web::deno_web::lazy_init().ops.into_owned();
    let kept = theirs.into_iter().filter(|op| OPS.contains(&op.name));
    ours.into_iter().chain(kept).collect()
}

/// Returns the scripts, in order.
pub(super) fn scripts() -> Vec<ExtensionFileSource> {
    let mut scripts = vec![ExtensionFileSource::new(
        "ext:sr_deno/web_scripts.js",
        ascii_str_include!(concat!(env!("OUT_DIR"), "/web_scripts.js")),
    )];
    scripts.extend(
        with_scripts!(sr_deno: "slots.js", "deno.js")
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
        assert_eq!(treated, BTreeSet::from(OPS));
        let linked: BTreeSet<&str> = ops().iter().map(|op| op.name).collect();
        let mut expected = BTreeSet::from(OPS);
        expected.insert("op_sr_private_symbol");
        assert_eq!(linked, expected);
    }
}
