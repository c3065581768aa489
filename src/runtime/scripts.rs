//! The scripts that prepare an engine, up to the locked realm. A snapshot contains their result.
//!
//! QuickJS has no snapshots. The first isolate of a process compiles the scripts, and the others run the compiled code,
//! because reading and compiling takes longer than running. (The bindings would compile each script twice, in every
//! isolate.)

use deno_core::{Extension, JsRuntime};

use super::RunError;
use super::boot::engine;
use crate::{extensions, realm, snapshot};

#[cfg(not(all(feature = "quickjs", target_pointer_width = "64")))]
mod kept {
    use super::*;

    /// Returns the extensions that the engine starts with. The engine runs their scripts itself.
    pub(in crate::runtime) fn extensions() -> Vec<Extension> {
        extensions::all()
    }

    /// Runs the scripts that the engine has not run.
    pub(in crate::runtime) fn run(js: &mut JsRuntime) -> Result<(), RunError> {
        match snapshot::BOOT {
            Some(_) => Ok(()),
            None => js
                .execute_script(realm::LOCKDOWN_NAME, realm::LOCKDOWN)
                .map(drop)
                .map_err(engine),
        }
    }
}

#[cfg(all(feature = "quickjs", target_pointer_width = "64"))]
mod kept {
    use std::ffi::CString;
    use std::sync::OnceLock;

    use super::*;
    use crate::runtime::quickjs;

    const _: () = assert!(snapshot::BOOT.is_none());

    /// The compiled scripts, in order. They come from the runtime's own sources, and exist only in this process's
    /// memory.
    static COMPILED: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

    /// Returns the extensions that the engine starts with, without their scripts.
    pub(in crate::runtime) fn extensions() -> Vec<Extension> {
        let mut extensions = extensions::all();
        for extension in &mut extensions {
            extension.js_files = Vec::new().into();
        }
        extensions
    }

    /// Runs all scripts.
    pub(in crate::runtime) fn run(js: &mut JsRuntime) -> Result<(), RunError> {
        let compiled = match COMPILED.get() {
            Some(compiled) => compiled,
            None => {
                let compiled = compile(js)?;
                COMPILED.get_or_init(|| compiled)
            }
        };
        for script in compiled {
            quickjs::run(js, script).map_err(engine)?;
        }
        Ok(())
    }

    fn compile(js: &mut JsRuntime) -> Result<Vec<Vec<u8>>, RunError> {
        let extensions = extensions::all();
        let files = extensions.iter().flat_map(|extension| extension.js_files.iter());
        let mut scripts = Vec::new();
        for file in files {
            let source = file.load().map_err(engine)?;
            scripts.push((file.specifier, source.as_str().to_owned()));
        }
        scripts.push((realm::LOCKDOWN_NAME, realm::LOCKDOWN.to_owned()));
        let compile = |(name, source)| {
            let name = CString::new::<&str>(name).map_err(engine)?;
            let source = CString::new::<String>(source).map_err(engine)?;
            quickjs::compile(js, &name, &source).map_err(engine)
        };
        scripts.into_iter().map(compile).collect()
    }
}

pub(super) use kept::{extensions, run};
