//! The heap snapshot of an engine with a locked realm. V8 creates isolates from it in a fraction of the time that the
//! scripts of this crate and deno_core take. QuickJS has no snapshots.

/// The snapshot that isolates start from. Without one, each isolate runs the scripts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot(Option<&'static [u8]>);

impl Snapshot {
    /// Returns no snapshot: isolates run the scripts.
    pub const NONE: Snapshot = Snapshot(None);

    /// Returns the snapshot with these bytes, which [`create`] returned in a build script that used exactly this crate.
    ///
    /// V8 restores references to Rust functions by their index, so another build of this crate may have other indexes.
    pub const fn of_this_build(bytes: &'static [u8]) -> Snapshot {
        Snapshot(Some(bytes))
    }

    pub(crate) fn bytes(self) -> Option<&'static [u8]> {
        self.0
    }
}

/// Starts an engine, locks its realm, and returns its heap.
///
/// # Errors
/// The scripts fail, or no isolate can start from the result.
#[cfg(feature = "v8")]
pub fn create() -> Result<&'static [u8], Box<dyn std::error::Error>> {
    use deno_core::{JsRuntime, JsRuntimeForSnapshot, RuntimeOptions};

    use crate::{extensions, isolate, realm};

    isolate::prepare();
    // This must precede the initialization by deno_core, which would make V8 use the same random numbers in every
    // build. The seed of its hash tables is one of them and is stored in the snapshot.
    JsRuntime::init_platform(None);
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _entered = reactor.enter();
    let options = || RuntimeOptions {
        extensions: extensions::all(),
        ..RuntimeOptions::default()
    };
    let mut js = JsRuntimeForSnapshot::try_new(options())?;
    js.execute_script(realm::LOCKDOWN_NAME, realm::LOCKDOWN)?;
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
