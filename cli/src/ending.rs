//! Termination of the process with a deadline. The process must not wait for a reader of its output, or for a thread
//! that does not stop.

use std::thread;
use std::time::{Duration, Instant};

use super::failure::Code;

/// Time from a signal or a limit until the process ends in any case. spec/cli.md promises two seconds.
pub(super) const END: Duration = Duration::from_millis(1_900);

/// Time from a signal or a limit until the process stops waiting for its output to be read.
pub(super) const FLUSH: Duration = Duration::from_millis(1_600);

/// Like [`END`] and [`FLUSH`], but for a run that was stopped. Stopping a run takes up to one second, and the rest of
/// the two seconds is for the output.
const END_OF_STOPPED: Duration = Duration::from_millis(900);
pub(super) const FLUSH_OF_STOPPED: Duration = Duration::from_millis(700);

/// Starts a thread that ends the process after a short time, even if the current thread never finishes.
pub(super) fn soon(code: Code) {
    let since = Instant::now();
    let last = move || {
        thread::sleep(END_OF_STOPPED.saturating_sub(since.elapsed()));
        now(code);
    };
    // If the thread cannot be created, the process ends when the current thread finishes.
    let _ = thread::Builder::new()
        .name("secure-runtime-end".to_owned())
        .spawn(last);
}

/// Ends the process at once, without running exit handlers, because these may block as well.
pub(super) fn now(code: Code) -> ! {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: `_exit` takes a number, ends the process and does not return.
        unsafe { libc::_exit(code as i32) }
    }
    #[cfg(not(target_os = "linux"))]
    std::process::exit(code as i32)
}
