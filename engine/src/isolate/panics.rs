//! Panics on the threads of isolates.
//!
//! The engine's bindings panic on some values, and if the heap is exhausted while they run. Such a panic ends one
//! isolate: its callers get an error, and all other isolates continue. The panic hook of a command must not end the
//! process in this case.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::extensions::panic_is_expected;
use crate::park::Parking;
use crate::termination::Stopped;

/// Name of the threads that isolates run on.
pub(super) const THREAD: &str = "secure-runtime-isolate";

thread_local! {
    /// The isolate of this thread, once it runs a guest.
    static GUARDED: RefCell<Option<Parking>> = const { RefCell::new(None) };
    /// The address of a variable in the frame that catches the panics of this thread.
    static CATCHER: Cell<usize> = const { Cell::new(usize::MAX) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

unsafe extern "C" {
    /// Calls `visit` for each frame, from the innermost. It belongs to the unwinder that Rust's standard library links
    /// (Itanium C++ ABI, level I).
    fn _Unwind_Backtrace(visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int, data: *mut c_void)
    -> c_int;
    /// Returns the canonical frame address of a frame.
    fn _Unwind_GetCFA(frame: *mut c_void) -> usize;
}

/// Prefix of the second message of a panic that would unwind out of a function that C calls.
const CANNOT_UNWIND: &str = "panic in a function that cannot unwind";

/// Sets a panic hook that parks a guest's thread if the panic cannot unwind to [`catch`]. All other panics go to the
/// previous hook.
///
/// The engine calls functions of deno_core and of this crate. Neither V8's compiled code nor a function with the C
/// calling convention can be unwound, so a panic there would abort the process. The hook runs before that.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            park_guest(panic);
            others(panic);
        }));
    });
}

/// Registers the thread to be parked by a panic that cannot unwind, until [`unguard`].
pub(super) fn guard(parking: &Parking) {
    GUARDED.set(Some(parking.clone()));
}

/// Removes the registration: panics no longer park this thread.
pub(super) fn unguard() {
    let _ = GUARDED.try_with(|guarded| guarded.take());
}

/// Calls a function, and catches its panics.
pub(super) fn catch(work: impl FnOnce()) {
    let frame = 0_u8;
    CATCHER.set(&raw const frame as usize);
    let _ = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHER.set(usize::MAX);
}

/// Returns the address of a variable in the frame that catches the panics of this thread. It is the maximum if the
/// thread is not that of an isolate.
pub(crate) fn catcher() -> usize {
    CATCHER.get()
}

/// Parks the thread if the panic is a guest's and cannot unwind. In this case it never returns.
fn park_guest(panic: &PanicHookInfo<'_>) {
    let parking = GUARDED.try_with(|guarded| guarded.try_borrow().ok()?.clone());
    let Ok(Some(parking)) = parking else { return };
    // A function of this crate that the engine calls catches it.
    if panic_is_expected() {
        return;
    }
    let described = described(panic);
    if described.starts_with(CANNOT_UNWIND) || !reaches_the_catcher() {
        let first = of_this_isolate();
        parking.park_because(Stopped::Failed(first.unwrap_or(described)));
    }
}

/// Returns true if the frames of this thread can be walked to the one that catches panics.
fn reaches_the_catcher() -> bool {
    extern "C" fn visit(frame: *mut c_void, outermost: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes one of its frames, and the pointer that was given to it below.
        unsafe {
            let outermost = &mut *outermost.cast::<usize>();
            *outermost = (*outermost).max(_Unwind_GetCFA(frame));
        }
        0
    }
    let mut outermost = 0_usize;
    // SAFETY: `visit` does not unwind, and uses the pointer only during the call.
    unsafe { _Unwind_Backtrace(visit, (&raw mut outermost).cast()) };
    outermost >= catcher()
}

/// Returns the reason and the place of a panic.
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

/// Returns true if the panic ends only the isolate on this thread. It stores the message for the isolate's completion.
pub(crate) fn ends_an_isolate(panic: &PanicHookInfo<'_>) -> bool {
    let described = described(panic);
    // This panic comes second, before the process is aborted.
    if std::thread::current().name() != Some(THREAD) || described.starts_with(CANNOT_UNWIND) {
        return false;
    }
    LAST.try_with(|last| {
        last.borrow_mut().get_or_insert(described);
    })
    .is_ok()
}

/// Returns the message of the first panic of the isolate on this thread.
pub(crate) fn of_this_isolate() -> Option<String> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_walked_to_the_catcher_and_no_further() {
        assert!(!reaches_the_catcher());
        let mut reached = false;
        catch(|| reached = reaches_the_catcher());
        assert!(reached);
        catch(|| panic::resume_unwind(Box::new("caught")));
        assert!(!reaches_the_catcher());
    }
}
