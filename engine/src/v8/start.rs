//! The start of V8 and of its isolates, and their end.

use std::io;
use std::rc::Rc;

use deno_core::{Extension, JsRuntime, v8};

use super::fatal::{self, Guarded};
use super::{garbage, stack};
use crate::modules::GraphLoader;
use crate::outcome::RunError;
use crate::park::Parking;
use crate::snapshot::Snapshot;
use crate::{extensions as families, realm};

/// The registration of a loader for the isolate of this thread. V8 asks deno_core, which knows the loader.
pub(crate) struct Linked;

/// Lets V8 compile only on the isolate's own thread, unless the host has started V8 itself.
///
/// By default, V8 compiles hot functions on its own threads, with all of its compilers. If the heap is full, these
/// threads wait for the isolate's thread to collect garbage. A race in this code (V8 15.0,
/// `CollectionBarrier::AwaitCollectionBackground`) aborts the process. So a guest that fills its heap would end the
/// programs of all others. Compilation on the isolate's thread also counts as the guest's processor time.
///
/// The baseline compiler waits until it has more work than the functions that finish a realm, which run only once.
/// Otherwise, finishing takes 25% longer in every isolate. (Programs of 5 to 100 ms took the same time as before.)
fn compile_in_place() {
    // Flags cannot be set after V8 has started. V8 does not report whether it has started, but the names of its threads
    // do.
    let names = std::fs::read_dir("/proc/self/task").map(|threads| {
        let comm = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm")).ok();
        threads.flatten().filter_map(comm).collect::<Vec<String>>()
    });
    let runs = match &names {
        Ok(names) => names.iter().any(|name| name.starts_with("V8 ")),
        // Without permission to read /proc, the state is unknown. Without /proc, V8 has probably not started.
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    };
    if runs {
        tracing::warn!(
            "V8 may have been started before secure-runtime, with compiler threads: a guest that fills its heap can then end the \
             process; start V8 with --no-concurrent-recompilation --no-concurrent-sparkplug"
        );
    } else {
        deno_core::v8::V8::set_flags_from_string(
            "--no-concurrent-recompilation --no-concurrent-sparkplug --baseline-batch-compilation-threshold=16384",
        );
    }
}

/// Prepares the process, before the engine starts.
pub(crate) fn prepare_process() {
    compile_in_place();
}

/// Sets the handlers of the process, after the engine has started.
pub(crate) fn install_handlers() {
    fatal::install();
}

/// Returns the extensions that the engine starts with. The engine runs their scripts itself.
pub(crate) fn extensions() -> Vec<Extension> {
    families::all()
}

/// Runs the scripts that the engine has not run.
pub(crate) fn run_scripts(js: &mut JsRuntime, snapshot: Snapshot) -> Result<(), RunError> {
    match snapshot.bytes() {
        Some(_) => Ok(()),
        None => js
            .execute_script(realm::LOCKDOWN_NAME, realm::LOCKDOWN)
            .map(drop)
            .map_err(RunError::engine),
    }
}

/// Runs the script of an extension.
pub(crate) fn run_extension(js: &mut JsRuntime, name: &'static str, source: String) -> Result<(), RunError> {
    js.execute_script(name, source)
        .map(drop)
        .map_err(RunError::engine)
}

/// Prepares an isolate, before the scripts run.
pub(crate) fn prepare_isolate(isolate: &mut v8::Isolate) {
    stack::prepare(isolate);
}

/// Refuses code from strings. The realm's own functions refuse it too.
pub(crate) fn refuse_code_from_strings(scope: &mut v8::PinScope<'_, '_>) {
    scope
        .get_current_context()
        .set_allow_generation_from_strings(false);
}

/// Links the modules of this isolate with this loader only.
pub(crate) fn link_by(_js: &mut JsRuntime, _loader: &Rc<GraphLoader>) -> Linked {
    Linked
}

/// Calls `near_limit` with the current and the initial limit when the heap is nearly full. It returns the new limit.
/// Fatal errors of this isolate park the thread until the result is dropped.
pub(crate) fn limit_heap(
    js: &mut JsRuntime,
    _limit: u64,
    parking: &Parking,
    near_limit: impl FnMut(usize, usize) -> usize + 'static,
) -> Guarded {
    let guarded = fatal::guard(js.v8_isolate(), parking.clone());
    js.add_near_heap_limit_callback(near_limit);
    guarded
}

/// Returns the size of the heap, in bytes.
pub(crate) fn heap_used(js: &mut JsRuntime) -> usize {
    garbage::heap_of(js.v8_isolate())
}

/// Frees the memory of an isolate that V8 does not free itself, which is none.
pub(crate) fn teardown(_js: &mut JsRuntime) {}
