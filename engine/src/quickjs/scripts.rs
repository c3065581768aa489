//! The scripts that prepare an engine, up to the locked realm.
//!
//! QuickJS has no snapshots. The first isolate of a process compiles the scripts, and the others run the compiled code,
//! because reading and compiling takes longer than running. (The bindings would compile each script twice, in every
//! isolate.)

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use deno_core::{Extension, JsRuntime};

use super::bindings;
use crate::outcome::RunError;
use crate::snapshot::Snapshot;
use crate::{extensions as families, realm};

/// The compiled scripts, in order. They come from the runtime's own sources, and exist only in this process's
/// memory.
static COMPILED: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

/// Returns the extensions that the engine starts with, without their scripts.
pub(crate) fn extensions() -> Vec<Extension> {
    let mut extensions = families::all();
    for extension in &mut extensions {
        extension.js_files = Vec::new().into();
    }
    extensions
}

/// Runs all scripts.
pub(crate) fn run_scripts(js: &mut JsRuntime, _snapshot: Snapshot) -> Result<(), RunError> {
    let compiled = match COMPILED.get() {
        Some(compiled) => compiled,
        None => {
            let compiled = compile(js)?;
            COMPILED.get_or_init(|| compiled)
        }
    };
    for script in compiled {
        bindings::run(js, script).map_err(RunError::engine)?;
    }
    Ok(())
}

fn compile(js: &mut JsRuntime) -> Result<Vec<Vec<u8>>, RunError> {
    let extensions = families::all();
    let files = extensions.iter().flat_map(|extension| extension.js_files.iter());
    let mut scripts = Vec::new();
    for file in files {
        let source = file.load().map_err(RunError::engine)?;
        scripts.push((file.specifier, source.as_str().to_owned()));
    }
    scripts.push((realm::LOCKDOWN_NAME, realm::LOCKDOWN.to_owned()));
    let compile = |(name, source): (&str, String)| compile_one(js, name, source);
    scripts.into_iter().map(compile).collect()
}

fn compile_one(js: &mut JsRuntime, name: &str, source: String) -> Result<Vec<u8>, RunError> {
    let name = CString::new(name).map_err(RunError::engine)?;
    let source = CString::new(source).map_err(RunError::engine)?;
    bindings::compile(js, &name, &source).map_err(RunError::engine)
}

/// The compiled scripts of extensions, by their sources.
static EXTENSIONS: Mutex<BTreeMap<String, Arc<[u8]>>> = Mutex::new(BTreeMap::new());

/// Runs the script of an extension.
pub(crate) fn run_extension(js: &mut JsRuntime, name: &'static str, source: String) -> Result<(), RunError> {
    let known = || EXTENSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = known().get(&source).cloned();
    let compiled = match compiled {
        Some(compiled) => compiled,
        None => {
            let compiled: Arc<[u8]> = compile_one(js, name, source.clone())?.into();
            known().insert(source, compiled.clone());
            compiled
        }
    };
    bindings::run(js, &compiled).map_err(RunError::engine)
}
