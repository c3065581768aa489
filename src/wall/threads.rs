//! Confining threads that run already.
//!
//! Landlock confines the thread that asks, and what it starts from then on. An attacker who runs code of their own in one
//! thread writes into the stack of another, so that every thread must be confined. From version 8 of the interface on, the
//! kernel does that by itself. Before, each thread is interrupted by a signal, and confines itself in the handler, like C
//! libraries do when a process changes its user.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, mem, ptr, thread};

use super::WallError;

/// How long a thread is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rules, for the handler.
static RULES: AtomicI32 = AtomicI32::new(-1);
/// The thread that has confined itself last.
static CONFINED: AtomicI32 = AtomicI32::new(0);
/// Why the thread that was asked could not: an error number.
static FAILED: AtomicI32 = AtomicI32::new(0);

/// Confines every thread but the calling one, and says how many.
pub(super) fn confine_others(rules: &OwnedFd) -> Result<usize, WallError> {
    // The handler and what it reads are the process's.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: takes nothing and only tells a number.
    let own = unsafe { libc::gettid() };
    let mut seen = BTreeSet::from([own]);
    let mut handler = None;
    loop {
        // A thread that was not confined may have started others meanwhile; those of the confined ones are confined.
        let new: Vec<i32> = threads()?.difference(&seen).copied().collect();
        if new.is_empty() {
            return Ok(seen.len() - 1);
        }
        RULES.store(rules.as_raw_fd(), Ordering::SeqCst);
        let handler = match &handler {
            Some(handler) => handler,
            None => handler.insert(Handler::install()?),
        };
        for thread in new {
            handler.interrupt(thread)?;
            seen.insert(thread);
        }
    }
}

/// Returns the number of the process's threads.
pub(super) fn count() -> Result<usize, WallError> {
    threads().map(|threads| threads.len())
}

fn threads() -> Result<BTreeSet<i32>, WallError> {
    let fault =
        |error: io::Error| WallError::Landlock(format!("the process's threads cannot be listed: {error}"));
    let mut threads = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/task").map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        threads.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(threads)
}

/// The handler of a signal that nobody else handles, until it is dropped.
struct Handler {
    signal: i32,
}

impl Handler {
    fn install() -> Result<Self, WallError> {
        for signal in libc::SIGRTMIN()..=libc::SIGRTMAX() {
            // SAFETY: all-zero bytes are a valid `sigaction`: no handler, no flags, no mask.
            let mut before: libc::sigaction = unsafe { mem::zeroed() };
            // SAFETY: both pointers are of this frame or null, which asks and changes nothing.
            let asked = unsafe { libc::sigaction(signal, ptr::null(), &mut before) };
            if asked == 0 && before.sa_sigaction == libc::SIG_DFL {
                set(signal, confine as *const () as libc::sighandler_t)?;
                return Ok(Handler { signal });
            }
        }
        Err(WallError::Landlock("every real-time signal is in use".to_owned()))
    }

    /// Has one thread confine itself.
    fn interrupt(&self, thread: i32) -> Result<(), WallError> {
        let fault = |reason: String| WallError::Thread { thread, reason };
        FAILED.store(0, Ordering::SeqCst);
        let send = |signal: i32| {
            // SAFETY: takes three numbers; a thread that is gone is an error.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) == 0 }
        };
        if !send(self.signal) {
            let error = io::Error::last_os_error();
            // A thread that has ended needs nothing.
            return match error.raw_os_error() {
                Some(libc::ESRCH) => Ok(()),
                _ => Err(fault(error.to_string())),
            };
        }
        let asked = Instant::now();
        loop {
            if CONFINED.load(Ordering::SeqCst) == thread {
                return Ok(());
            }
            match FAILED.load(Ordering::SeqCst) {
                0 => {}
                number => return Err(fault(io::Error::from_raw_os_error(number).to_string())),
            }
            // It may have ended before the signal reached it.
            if !send(0) {
                return Ok(());
            }
            if asked.elapsed() > PATIENCE {
                return Err(fault("it does not answer to a signal".to_owned()));
            }
            thread::sleep(Duration::from_micros(20));
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        // Ignored from now on: what a thread that blocks signals did not get yet must not end the process. A failure would
        // leave the handler, which does no harm.
        let _ = set(self.signal, libc::SIG_IGN);
        RULES.store(-1, Ordering::SeqCst);
    }
}

fn set(signal: i32, handler: libc::sighandler_t) -> Result<(), WallError> {
    // SAFETY: as in `install`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: both pointers are of this frame or null. The handler is a function of the signature that the flags ask for.
    match unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(WallError::Landlock(io::Error::last_os_error().to_string())),
    }
}

/// Confines the thread that it interrupts. It makes system calls and uses atomics: all that a signal handler may.
extern "C" fn confine(_: i32) {
    let rules = RULES.load(Ordering::SeqCst);
    // SAFETY: the place of this thread's error number, which whoever was interrupted may be about to read.
    let error = unsafe { &mut *libc::__errno_location() };
    let before = *error;
    // SAFETY: both calls take numbers, and change what this thread may do and nothing else.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) == 0
    };
    if done {
        // SAFETY: takes nothing and only tells a number.
        CONFINED.store(unsafe { libc::gettid() }, Ordering::SeqCst);
    } else {
        FAILED.store((*error).max(1), Ordering::SeqCst);
    }
    *error = before;
}
