//! The creation of a snapshot, in a build script.

use deno_core::{JsRuntime, JsRuntimeForSnapshot, RuntimeOptions};

use super::start::extensions;
use crate::extensions::{Extensions, add_scripts};
use crate::isolate::prepare;
use crate::realm;

/// Starts an engine, locks its realm, runs the scripts of these extensions, and returns its heap.
///
/// # Errors
/// The scripts fail, or no isolate can start from the result.
pub fn create_snapshot(of: &Extensions) -> Result<&'static [u8], Box<dyn std::error::Error>> {
    prepare();
    // This must precede the initialization by deno_core, which would make V8 use the same random numbers in every
    // build. The seed of its hash tables is one of them and is stored in the snapshot.
    JsRuntime::init_platform(None);
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _entered = reactor.enter();
    let options = || RuntimeOptions {
        extensions: extensions(),
        ..RuntimeOptions::default()
    };
    let mut js = JsRuntimeForSnapshot::try_new(options())?;
    js.execute_script(realm::LOCKDOWN_NAME, realm::LOCKDOWN)?;
    add_scripts(&mut js, of, 0)?;
    let made: &'static [u8] = Box::leak(js.snapshot());

    // A snapshot that no isolate can start from must fail here, and not on the machine of a user.
    let mut js = JsRuntime::try_new(RuntimeOptions {
        startup_snapshot: Some(made),
        ..options()
    })?;
    let finish = format!("{}(new Error())", realm::FINISH);
    js.execute_script("ext:secure_runtime/finish.js", finish)?;
    Ok(made)
}
