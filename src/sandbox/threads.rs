//! Restriction of threads that are already running.
//!
//! Landlock restricts the calling thread and the threads that it starts later. An attacker with native code in one
//! thread can write to the stack of another, so every thread must be restricted. Since version 8 of the interface, the
//! kernel can do this. On older kernels, a signal interrupts each thread, and the handler restricts it. C libraries
//! change the user of a process in the same way.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, mem, ptr, thread};

use super::SandboxError;

/// Maximum time to wait for a thread.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file descriptor of the rules, for the handler.
static RULES: AtomicI32 = AtomicI32::new(-1);
/// The id of the thread that restricted itself last.
static CONFINED: AtomicI32 = AtomicI32::new(0);
/// The error number of the interrupted thread if it could not restrict itself.
static FAILED: AtomicI32 = AtomicI32::new(0);

/// Restricts every thread except the calling one, and returns their number.
pub(super) fn confine_others(rules: &OwnedFd) -> Result<usize, SandboxError> {
    // The signal handler and its variables are global to the process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the call takes no arguments and only returns a number.
    let own = unsafe { libc::gettid() };
    let mut seen = BTreeSet::from([own]);
    let mut handler = None;
    loop {
        // A thread may have started others before it was restricted. Threads that it starts later inherit the
        // restriction.
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

/// Returns the number of threads of the process.
pub(super) fn count() -> Result<usize, SandboxError> {
    threads().map(|threads| threads.len())
}

fn threads() -> Result<BTreeSet<i32>, SandboxError> {
    let fault = |error: io::Error| SandboxError::Threads(error.into());
    let mut threads = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/task").map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        threads.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(threads)
}

/// The handler of an otherwise unused signal, until it is dropped.
struct Handler {
    signal: i32,
}

impl Handler {
    fn install() -> Result<Self, SandboxError> {
        for signal in libc::SIGRTMIN()..=libc::SIGRTMAX() {
            // SAFETY: all-zero bytes are a valid `sigaction`: no handler, no flags, no mask.
            let mut before: libc::sigaction = unsafe { mem::zeroed() };
            // SAFETY: both pointers are to this frame or null. A null action only reads the current one.
            let asked = unsafe { libc::sigaction(signal, ptr::null(), &mut before) };
            if asked == 0 && before.sa_sigaction == libc::SIG_DFL {
                set(signal, confine as *const () as libc::sighandler_t)?;
                return Ok(Handler { signal });
            }
        }
        Err(SandboxError::NoSignal)
    }

    /// Makes one thread restrict itself.
    fn interrupt(&self, thread: i32) -> Result<(), SandboxError> {
        let fault = |error: io::Error| SandboxError::Thread {
            thread,
            cause: error.into(),
        };
        FAILED.store(0, Ordering::SeqCst);
        let send = |signal: i32| {
            // SAFETY: the call takes three numbers. If the thread no longer exists, it returns an error.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) == 0 }
        };
        if !send(self.signal) {
            let error = io::Error::last_os_error();
            // A thread that has ended needs no restriction.
            return match error.raw_os_error() {
                Some(libc::ESRCH) => Ok(()),
                _ => Err(fault(error)),
            };
        }
        let asked = Instant::now();
        loop {
            if CONFINED.load(Ordering::SeqCst) == thread {
                return Ok(());
            }
            match FAILED.load(Ordering::SeqCst) {
                0 => {}
                number => return Err(fault(io::Error::from_raw_os_error(number))),
            }
            // The thread may have ended before the signal reached it.
            if !send(0) {
                return Ok(());
            }
            if asked.elapsed() > PATIENCE {
                let reason = "it does not react to a signal";
                return Err(fault(io::Error::new(io::ErrorKind::TimedOut, reason)));
            }
            thread::sleep(Duration::from_micros(20));
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        // The signal is ignored from now on. A thread that blocks signals may still receive it later, and that must not
        // end the process. If this call fails, the handler stays installed, which is harmless.
        let _ = set(self.signal, libc::SIG_IGN);
        RULES.store(-1, Ordering::SeqCst);
    }
}

fn set(signal: i32, handler: libc::sighandler_t) -> Result<(), SandboxError> {
    // SAFETY: all-zero bytes are a valid `sigaction`: no handler, no flags, no mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: both pointers are to this frame or null. The handler has the signature that the flags require.
    match unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(SandboxError::Landlock(io::Error::last_os_error().into())),
    }
}

/// Restricts the interrupted thread. It only makes system calls and uses atomics, which is safe in a signal handler.
extern "C" fn confine(_: i32) {
    let rules = RULES.load(Ordering::SeqCst);
    // SAFETY: this is the `errno` of the current thread. It is restored below, because the interrupted code may be
    // about to read it.
    let error = unsafe { &mut *libc::__errno_location() };
    let before = *error;
    // SAFETY: both calls take numbers, and change only the restrictions of this thread.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) == 0
    };
    if done {
        // SAFETY: the call takes no arguments and only returns a number.
        CONFINED.store(unsafe { libc::gettid() }, Ordering::SeqCst);
    } else {
        FAILED.store((*error).max(1), Ordering::SeqCst);
    }
    *error = before;
}
