//! System calls: seccomp.
//!
//! The filter is a list of what is allowed (`calls.rs`, `arguments.rs`), and everything else is refused: what a later
//! kernel adds and what nobody has thought of is out of reach. A refusal is an error of the call and does not end the
//! process, because a call that the list lacks by mistake must not end a program.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::plan::Plan;
use super::{WallError, arguments, calls, refusals};

impl From<BackendError> for WallError {
    fn from(error: BackendError) -> Self {
        WallError::Seccomp(error.to_string())
    }
}

/// Whether this kernel and this build can refuse system calls.
pub(super) fn is_supported() -> bool {
    // prctl(2): asks for the mode of this thread, and is an error where the kernel has none.
    // SAFETY: takes numbers and changes nothing.
    let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) };
    mode >= 0 && architecture().is_some()
}

fn architecture() -> Option<TargetArch> {
    std::env::consts::ARCH.try_into().ok()
}

/// Refuses to all threads what the plan does not need. Returns whether that is supported here.
pub(super) fn enter(plan: &Plan) -> Result<bool, WallError> {
    let Some(architecture) = architecture().filter(|_| is_supported()) else {
        return Ok(false);
    };
    let reports = plan.reports_refusals() && refusals::report()?;
    let program = program(plan, std::process::id(), reports, architecture)?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| WallError::Seccomp(error.to_string()))?;
    Ok(true)
}

/// The filter. With `reports`, a refused call raises a signal, whose handler reports and refuses it.
fn program(
    plan: &Plan,
    process: u32,
    reports: bool,
    architecture: TargetArch,
) -> Result<BpfProgram, WallError> {
    let refuse = match reports {
        true => SeccompAction::Trap,
        false => SeccompAction::Errno(libc::EPERM.cast_unsigned()),
    };
    // A call of another architecture, whose numbers mean other calls, ends the process.
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

/// The rules of every allowed call. One without rules is allowed whatever its arguments.
fn allowed(plan: &Plan, process: u32) -> Result<BTreeMap<i64, Vec<SeccompRule>>, WallError> {
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = arguments::limited(plan, process)?
        .into_iter()
        .map(|((_, number), rules)| (number, rules))
        .collect();
    let whole = calls::always(plan).map(|(_, number)| number).chain(plan.calls());
    allowed.extend(whole.map(|number| (number, Vec::new())));
    Ok(allowed)
}

/// The beginning of the filter: calls that answer "unknown". It stands before the test of the architecture, which does not
/// matter, since nothing is allowed here.
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
    // The number of the call is what a filter's data begins with.
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    program.extend([jump(libc::BPF_JGT, calls::LAST_REVIEWED), answer.clone()]);
    for (_, number) in calls::UNKNOWN {
        program.extend([jump(libc::BPF_JEQ, *number), answer.clone()]);
    }
    program
}
