//! V8's fatal errors on a thread that runs a guest: the thread is parked, and the process goes on.
//!
//! V8 ends the process where it cannot allocate ("out of memory"), and where a length is too large for any heap ("invalid size"). A
//! guest causes both with one call of a built-in function, whatever the limits say. V8 cannot return from there, and its stack cannot be
//! unwound. So the thread reports the heap limit to whoever waits, closes what its isolate has open, and then waits for ever. Its
//! memory is lost until the process ends: [`parked_threads`] counts such threads.
//!
//! Three functions of V8 come before the end of the process (V8 15.0, src/base/logging.cc and src/api/api.cc):
//!
//! - `V8::FatalProcessOutOfMemory` calls the isolate's out-of-memory handler.
//! - `FatalOOM` and `FatalNoSecurityImpact` call the process's printer of stack traces, and nothing else of the embedder's.
//! - `V8_Fatal`, a check that failed, calls the handler of fatal errors, and then the same printer. The state of the engine may be
//!   corrupted then, so the process must end.
//!
//! [`install`] sets the last two for the process, [`guard`] the first for an isolate. Threads that run no guest are not parked, but for
//! those on which V8 collects an isolate's garbage in parallel: V8 knows which isolate that is.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use deno_core::v8;

use super::park::{Parking, Stopping};

thread_local! {
    /// The isolate of this thread, once it runs a guest.
    static GUARDED: RefCell<Option<Parking>> = const { RefCell::new(None) };
    /// Whether this thread is being parked.
    static IS_PARKING: Cell<bool> = const { Cell::new(false) };
    /// Whether a check of V8 failed on this thread.
    static CHECK_FAILED: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    /// `v8::base::SetPrintStackTrace(void (*)())`: V8's public interface has no name for it. The platform sets it to a function that prints
    /// the native stack.
    #[link_name = "_ZN2v84base18SetPrintStackTraceEPFvvE"]
    fn set_print_stack_trace(printer: extern "C" fn());
    /// Of the bindings: the isolate that this thread works for, or null.
    fn v8__Isolate__GetCurrent() -> *const c_void;
}

/// What stops each isolate that runs a guest, by the isolate's address.
static STOPPING: Mutex<Vec<(usize, Stopping)>> = Mutex::new(Vec::new());

fn stopping() -> MutexGuard<'static, Vec<(usize, Stopping)>> {
    STOPPING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An isolate whose fatal errors park the thread that they happen on.
pub(super) struct Guarded(usize);

impl Drop for Guarded {
    fn drop(&mut self) {
        stopping().retain(|(isolate, _)| *isolate != self.0);
    }
}

/// Sets the process's handlers. The platform must have been started before, which sets the printer too.
pub(super) fn install() {
    v8::V8::set_fatal_error_handler(check_failed);
    // SAFETY: V8 keeps the pointer, and the function lives as long as the process.
    unsafe { set_print_stack_trace(before_the_end) };
}

/// Lets fatal errors of this thread's isolate park the thread, as long as the isolate lives.
pub(super) fn guard(isolate: &mut v8::Isolate, parking: Parking) -> Guarded {
    // SAFETY: the isolate of this thread is entered; it is used as a number.
    let address = unsafe { v8__Isolate__GetCurrent() } as usize;
    stopping().push((address, parking.stopping()));
    GUARDED.set(Some(parking));
    isolate.set_oom_error_handler(out_of_memory);
    Guarded(address)
}

fn check_failed(_file: &str, _line: i32, _message: &str) {
    CHECK_FAILED.set(true);
}

extern "C" fn before_the_end() {
    if !CHECK_FAILED.try_with(Cell::get).unwrap_or(true) {
        park_guest();
    }
}

unsafe extern "C" fn out_of_memory(_location: *const c_char, _details: &v8::OomDetails) {
    park_guest();
}

/// Never returns on a thread that runs a guest.
fn park_guest() {
    // A second failure while the first one is reported: whoever stopped the isolate answers for it.
    while IS_PARKING.try_with(Cell::get).unwrap_or(false) {
        thread::park();
    }
    let parking = GUARDED.try_with(|guarded| guarded.try_borrow().ok()?.clone());
    if let Ok(Some(parking)) = parking {
        IS_PARKING.set(true);
        parking.park();
    }
    // A thread of V8's that works for an isolate. The isolate's own thread waits for it, and the run is answered without that one.
    // SAFETY: as in `guard`.
    let address = unsafe { v8__Isolate__GetCurrent() } as usize;
    let known = stopping()
        .iter()
        .find(|(isolate, _)| *isolate == address)
        .cloned();
    if let Some((_, stopping)) = known {
        stopping.park_helper();
    }
}
