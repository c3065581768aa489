//! The realm: the JavaScript environment that guests see, made and locked before any of them runs.
//!
//! The order matters: prepare.js makes a staging place, the web files and the families fill it, permits.js lists what
//! may stay, lockdown.js takes everything over and freezes it.

use deno_core::{Extension, OpState, op2};

use crate::runtime::PrintSink;

mod web;

/// Runs last; its value is what Rust makes capabilities with.
pub(crate) const LOCKDOWN: &str = include_str!("lockdown.js");

#[op2(fast)]
fn op_sr_print(state: &mut OpState, #[string] text: &str, is_error: bool) {
    state.borrow::<PrintSink>().print(text, is_error);
}

/// An extension with scripts that are part of the binary. Those that `deno_core::extension!` names are read from the
/// source folder whenever an engine starts: from a path that is good on the machine that built the binary only, and whoever
/// can write there would say what a realm is.
macro_rules! with_scripts {
    ($extension:ident: $($path:literal),+ $(,)?) => {{
        let mut extension = $extension::init();
        extension.js_files = vec![$(deno_core::ExtensionFileSource::new(
            concat!("ext:", stringify!($extension), "/", $path),
            deno_core::ascii_str_include!($path),
        )),+]
        .into();
        extension
    }};
}
pub(crate) use with_scripts;

deno_core::extension!(sr_prepare, ops = [op_sr_print]);

/// The realm's own part of the engine's extensions, in order.
pub(crate) fn extensions() -> Vec<Extension> {
    vec![
        with_scripts!(sr_prepare: "prepare.js", "permits.js"),
        web::extension(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine that starts reads no file.
    #[test]
    fn every_script_of_ours_is_part_of_the_binary() {
        let mut extensions = extensions();
        extensions.push(crate::extensions::families());
        let scripts: Vec<_> = extensions.iter().flat_map(|one| one.js_files.iter()).collect();
        assert!(scripts.len() >= 16);
        for script in scripts {
            assert!(script.is_runtime_loadable(), "{}", script.specifier);
        }
    }
}
