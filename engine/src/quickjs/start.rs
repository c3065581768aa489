//! The start of QuickJS and of its isolates.

use deno_core::{JsRuntime, v8};

use super::heap::{self, Watched};
use crate::park::Parking;

/// Disables the code cache of QuickJS's bindings. They would store compiled code in a folder of the user, find it by a
/// hash that is easy to forge, and run it unchecked. It must be called before other threads read the environment.
fn keep_no_code() {
    /// The variable that the bindings read when they first compile code.
    const VARIABLE: &str = "V82JSC_NO_BC_CACHE";
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: Rust's own functions synchronise their access to the environment. The remaining risk is C code that
        // reads it on another thread at this moment. The command has no such thread yet. The crate's documentation
        // tells embedders to set the variable themselves.
        unsafe { std::env::set_var(VARIABLE, "1") };
    }
}

/// Prepares the process, before the engine starts.
pub(crate) fn prepare_process() {
    keep_no_code();
}

/// Sets the handlers of the process, after the engine has started. QuickJS needs none.
pub(crate) fn install_handlers() {}

/// Prepares an isolate, before the scripts run.
pub(crate) fn prepare_isolate(_isolate: &mut v8::Isolate) {}

/// Refuses code from strings. On QuickJS, the realm's own functions do.
pub(crate) fn refuse_code_from_strings(_scope: &mut v8::PinScope<'_, '_>) {}

/// Calls `near_limit` with the current and the initial limit when the heap is nearly full. It returns the new limit.
pub(crate) fn limit_heap(
    js: &mut JsRuntime,
    limit: u64,
    _parking: &Parking,
    near_limit: impl FnMut(usize, usize) -> usize + 'static,
) -> Watched {
    heap::watch(js, usize::try_from(limit).unwrap_or(usize::MAX), near_limit)
}

/// Returns the size of the heap, in bytes.
pub(crate) fn heap_used(_js: &mut JsRuntime) -> usize {
    heap::used()
}
