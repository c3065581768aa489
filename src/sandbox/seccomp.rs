//! Restriction of system calls with seccomp.
//!
//! The filter lists the allowed calls (`calls.rs`, `arguments.rs`) and refuses all others, including calls that later
//! kernels add. A refused call returns an error and does not end the process, because a call may be missing from the
//! list by mistake.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::plan::Plan;
use super::{SandboxError, arguments, calls, refusals};

impl From<BackendError> for SandboxError {
    fn from(error: BackendError) -> Self {
        SandboxError::Seccomp(error.into())
    }
}

/// Returns true if this kernel and this build can refuse system calls.
pub(super) fn is_supported() -> bool {
    // prctl(2): returns the seccomp mode of this thread, or an error if the kernel has no seccomp. SAFETY: takes
    // numbers and changes nothing.
    let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) };
    mode >= 0 && architecture().is_some()
}

fn architecture() -> Option<TargetArch> {
    std::env::consts::ARCH.try_into().ok()
}

/// Restricts all threads to the calls that the plan needs. Returns false if this is not supported.
pub(super) fn enter(plan: &Plan) -> Result<bool, SandboxError> {
    let Some(architecture) = architecture().filter(|_| is_supported()) else {
        return Ok(false);
    };
    let reports = plan.reports_refusals() && refusals::report()?;
    let program = program(plan, std::process::id(), reports, architecture)?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| SandboxError::Seccomp(error.into()))?;
    Ok(true)
}

/// Returns the filter. With `reports`, a refused call raises a signal, whose handler reports the call and makes it
/// fail.
fn program(
    plan: &Plan,
    process: u32,
    reports: bool,
    architecture: TargetArch,
) -> Result<BpfProgram, SandboxError> {
    let refuse = match reports {
        true => SeccompAction::Trap,
        false => SeccompAction::Errno(libc::EPERM.cast_unsigned()),
    };
    // A call of another architecture ends the process, because its number means another call.
    let filter = SeccompFilter::new(
        allowed(plan, process)?,
        refuse,
        SeccompAction::Allow,
        architecture,
    )?;
    let mut program = unknown();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Returns the rules of every allowed call. A call without rules is allowed with any arguments.
fn allowed(plan: &Plan, process: u32) -> Result<BTreeMap<i64, Vec<SeccompRule>>, SandboxError> {
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = arguments::limited(plan, process)?
        .into_iter()
        .map(|((_, number), rules)| (number, rules))
        .collect();
    let whole = calls::always(plan).map(|(_, number)| number).chain(plan.calls());
    allowed.extend(whole.map(|number| (number, Vec::new())));
    Ok(allowed)
}

/// Returns the first part of the filter, for calls that fail as unknown. It precedes the check of the architecture. The
/// order does not matter, because this part allows nothing.
fn unknown() -> BpfProgram {
    let instruction = |code: u32, jt, jf, k| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let jump = |test: u32, number: i64| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        instruction(libc::BPF_JMP | test | libc::BPF_K, 0, 1, number)
    };
    let answer = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    let answer = instruction(libc::BPF_RET | libc::BPF_K, 0, 0, answer);
    // The number of the call is the first field of the filter's input.
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    program.extend([jump(libc::BPF_JGT, calls::LAST_REVIEWED), answer.clone()]);
    for (_, number) in calls::UNKNOWN {
        program.extend([jump(libc::BPF_JEQ, *number), answer.clone()]);
    }
    program
}
