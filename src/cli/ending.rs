//! The end of a process that must not wait: for a reader of its output, or for a thread that does not notice its end.

use std::thread;
use std::time::{Duration, Instant};

use super::failure::Code;

/// How long after a signal or a limit the process ends, whatever it does. spec/cli.md promises two seconds.
pub(super) const END: Duration = Duration::from_millis(1_900);

/// How long after a signal or a limit nobody waits any more for output to be read.
pub(super) const FLUSH: Duration = Duration::from_millis(1_600);

/// As [`END`] and [`FLUSH`], for a run that was stopped. A run is answered within a second, and what is left is for the output.
const END_OF_STOPPED: Duration = Duration::from_millis(900);
pub(super) const FLUSH_OF_STOPPED: Duration = Duration::from_millis(700);

/// Ends the process soon, also where this thread never gets there.
pub(super) fn soon(code: Code) {
    let since = Instant::now();
    let last = move || {
        thread::sleep(END_OF_STOPPED.saturating_sub(since.elapsed()));
        now(code);
    };
    // Without a thread, the process ends when it is through.
    let _ = thread::Builder::new()
        .name("secure-runtime-end".to_owned())
        .spawn(last);
}

/// Ends the process at once, without running what was registered for its end: that may wait, too.
pub(super) fn now(code: Code) -> ! {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: ends the process; takes a number, and does not return.
        unsafe { libc::_exit(code as i32) }
    }
    #[cfg(not(target_os = "linux"))]
    std::process::exit(code as i32)
}
