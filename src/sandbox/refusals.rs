//! Reports of system calls that the OS sandbox refuses, to help find the reason of a failure.
//!
//! The filter raises `SIGSYS` instead of returning an error. The handler writes a line to standard error and then makes
//! the call fail with the same error. So reporting does not allow anything.

use std::ffi::c_void;
use std::io::{self, Write};
use std::{mem, ptr};

use super::SandboxError;

/// True if refusals can be reported on this architecture, because the handler can read the call from the registers.
const SUPPORTED: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// Installs the handler. Returns false if this architecture does not support it.
pub(super) fn report() -> Result<bool, SandboxError> {
    if !SUPPORTED {
        return Ok(false);
    }
    // SAFETY: all-zero bytes are a valid `sigaction`: no handler, no flags, no mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = refused as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_NODEFER | libc::SA_ONSTACK;
    // SAFETY: the pointers are to this frame or null, and the handler has the signature that the flags require.
    match unsafe { libc::sigaction(libc::SIGSYS, &action, ptr::null_mut()) } {
        0 => Ok(true),
        _ => Err(SandboxError::Seccomp(io::Error::last_os_error().into())),
    }
}

/// Reports one refused call and makes it fail. It only formats into its own frame and writes, which is safe in a signal
/// handler.
extern "C" fn refused(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: with `SA_SIGINFO`, the kernel passes a pointer to the saved registers of the interrupted thread, and
    // restores them from there.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let call = refuse(context);
    let mut line = [0_u8; 256];
    let mut rest = line.as_mut_slice();
    let [a, b, c, d, e, f] = call.arguments;
    let _ = writeln!(
        rest,
        "secure-runtime: the OS sandbox refuses system call {} ({a:#x}, {b:#x}, {c:#x}, {d:#x}, {e:#x}, {f:#x})",
        call.number
    );
    let unused = rest.len();
    let length = line.len() - unused;
    // SAFETY: this is the `errno` of the current thread. It is restored below, because the interrupted code may be
    // about to read it.
    let error = unsafe { &mut *libc::__errno_location() };
    let before = *error;
    // SAFETY: the bytes are in this frame.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), length) };
    *error = before;
}

struct Call {
    number: u64,
    arguments: [u64; 6],
}

/// Reads the call from the registers, and sets its result to "not permitted".
#[cfg(target_arch = "x86_64")]
fn refuse(context: &mut libc::ucontext_t) -> Call {
    let registers = &mut context.uc_mcontext.gregs;
    let register = |name: i32| {
        registers
            .get(name as usize)
            .map_or(0, |value| value.cast_unsigned())
    };
    let arguments = [
        libc::REG_RDI,
        libc::REG_RSI,
        libc::REG_RDX,
        libc::REG_R10,
        libc::REG_R8,
        libc::REG_R9,
    ];
    let call = Call {
        number: register(libc::REG_RAX),
        arguments: arguments.map(register),
    };
    if let Some(result) = registers.get_mut(libc::REG_RAX as usize) {
        *result = (-libc::EPERM).into();
    }
    call
}

/// Reads the call from the registers, and sets its result to "not permitted".
#[cfg(target_arch = "aarch64")]
fn refuse(context: &mut libc::ucontext_t) -> Call {
    let [a, b, c, d, e, f, _, _, number, ..] = context.uc_mcontext.regs;
    context.uc_mcontext.regs[0] = i64::from(-libc::EPERM).cast_unsigned();
    Call {
        number,
        arguments: [a, b, c, d, e, f],
    }
}

/// Never called, because these architectures do not support reports.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn refuse(_: &mut libc::ucontext_t) -> Call {
    Call {
        number: 0,
        arguments: [0; 6],
    }
}
