//! Handling of V8's fatal errors on a thread that runs a guest: the thread is parked, and the process continues.
//!
//! V8 ends the process if it cannot allocate memory ("out of memory"), or if a length is too large for any heap
//! ("invalid size"). A guest can cause both with one call of a built-in function, whatever the limits are. V8 cannot
//! return from there, and its stack cannot be unwound.
//!
//! So the thread reports the heap limit as the result of the run, closes the resources of its isolate, and then waits
//! forever. Its memory is lost until the process ends: [`parked_threads`] counts such threads.
//!
//! V8 calls three functions before it ends the process (V8 15.0, src/base/logging.cc and src/api/api.cc):
//!
//! - `V8::FatalProcessOutOfMemory` calls the isolate's out-of-memory handler. Without a handler, it calls the printer
//!   below. V8 intends to remove that fallback (<https://crbug.com/614440>).
//! - `FatalOOM` and `FatalNoSecurityImpact` call only the process's printer of stack traces.
//! - `V8_Fatal`, which reports a failed check, calls the handler of fatal errors, and then the same printer. The state
//!   of the engine may be corrupted then, so the process must end.
//!
//! [`install`] sets the last two for the process, [`guard`] the first for an isolate. Threads that run no guest are not
//! parked. The only exceptions are threads on which V8 collects an isolate's garbage in parallel. V8 knows the isolate
//! of such a thread.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use deno_core::v8;

use crate::park::{Parking, Stopping, count};

thread_local! {
    /// The isolate of this thread, once it runs a guest.
    static GUARDED: RefCell<Option<Parking>> = const { RefCell::new(None) };
    /// True while this thread is being parked.
    static IS_PARKING: Cell<bool> = const { Cell::new(false) };
    /// True if a check of V8 has failed on this thread.
    static CHECK_FAILED: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    /// `v8::base::SetPrintStackTrace(void (*)())`, which is not part of V8's public interface. The platform sets it to
    /// a function that prints the native stack.
    #[link_name = "_ZN2v84base18SetPrintStackTraceEPFvvE"]
    fn set_print_stack_trace(printer: extern "C" fn());
    /// Returns the isolate that this thread works for, or null. It belongs to the bindings.
    fn v8__Isolate__GetCurrent() -> *const c_void;
}

/// The handles that stop the isolates that run guests, by the isolates' addresses.
static STOPPING: Mutex<Vec<(usize, Stopping)>> = Mutex::new(Vec::new());

fn stopping() -> MutexGuard<'static, Vec<(usize, Stopping)>> {
    STOPPING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An isolate whose fatal errors park their thread.
pub(crate) struct Guarded(usize);

impl Drop for Guarded {
    fn drop(&mut self) {
        stopping().retain(|(isolate, _)| *isolate != self.0);
    }
}

/// Sets the handlers of the process. The platform also sets the printer, so it must have been started before.
pub(super) fn install() {
    v8::V8::set_fatal_error_handler(check_failed);
    // SAFETY: V8 keeps the pointer, and the function lives as long as the process.
    unsafe { set_print_stack_trace(before_the_end) };
}

/// Lets fatal errors of this thread's isolate park the thread, until the result is dropped.
pub(super) fn guard(isolate: &mut v8::Isolate, parking: Parking) -> Guarded {
    // SAFETY: this thread has entered the isolate. The pointer is used only as a number.
    let address = unsafe { v8__Isolate__GetCurrent() } as usize;
    stopping().push((address, parking.stopping.clone()));
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

/// Parks the thread if it runs a guest. In this case it never returns.
fn park_guest() {
    // This is a second failure while the first one is being reported. The thread's isolate is already stopped.
    while IS_PARKING.try_with(Cell::get).unwrap_or(false) {
        thread::park();
    }
    let parking = GUARDED.try_with(|guarded| guarded.try_borrow().ok()?.clone());
    if let Ok(Some(parking)) = parking {
        IS_PARKING.set(true);
        parking.park();
    }
    // This is a thread of V8 that works for an isolate. The isolate's own thread waits for it, so the run returns
    // without that thread.
    // SAFETY: as in `guard`.
    let address = unsafe { v8__Isolate__GetCurrent() } as usize;
    let known = stopping()
        .iter()
        .find(|(isolate, _)| *isolate == address)
        .cloned();
    if let Some((_, stopping)) = known {
        stopping.stop();
        count();
        loop {
            thread::park();
        }
    }
}
