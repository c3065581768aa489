//! Panics on the threads of isolates.
//!
//! The engine's bindings panic over some values, and where the heap ends within them. Such a panic ends one isolate: who waits for it is told,
//! and the others go on. A command's panic hook must not end the process then.

use std::cell::RefCell;
use std::panic::PanicHookInfo;

/// The name of the threads that isolates run on.
pub(super) const THREAD: &str = "secure-runtime-isolate";

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The reason and the place of a panic.
pub(crate) fn described(panic: &PanicHookInfo<'_>) -> String {
    let cause = panic.payload();
    let cause = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    match panic.location() {
        Some(place) => format!("{cause} at {place}"),
        None => cause.to_owned(),
    }
}

/// Whether the panic ends the isolate on this thread and nothing else. It is noted for whoever waits for the isolate.
pub(crate) fn ends_an_isolate(panic: &PanicHookInfo<'_>) -> bool {
    let described = described(panic);
    // This one comes second, before the process is aborted.
    if std::thread::current().name() != Some(THREAD)
        || described.starts_with("panic in a function that cannot unwind")
    {
        return false;
    }
    LAST.try_with(|last| {
        last.borrow_mut().get_or_insert(described);
    })
    .is_ok()
}

/// The first panic of the isolate on this thread.
pub(crate) fn of_this_isolate() -> Option<String> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}
