//! System calls that nobody needs: seccomp.
//!
//! What is listed is refused (EPERM); what is not listed goes on. A list of what is allowed would be shorter to argue for and
//! would break with every version of an engine, of the C library and of the kernel. Landlock is what protects files; this
//! list takes away the ways around it (other processes, mounts, kernel interfaces with a history) and what the first wall
//! forbids besides (links, modes and owners of files).

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::WallError;
use super::plan::Plan;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

impl From<BackendError> for WallError {
    fn from(error: BackendError) -> Self {
        WallError::Seccomp(error.to_string())
    }
}

/// System calls that are refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Other programs and other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_tkill,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Other users, other roots, other namespaces.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_personality,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Large interfaces of the kernel that the runtime does not use.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_lookup_dcookie,
    libc::SYS_vmsplice,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Files by another way than their path, links, and what Landlock does not hold: modes, owners, attributes, times.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// What only the older architecture has, most of it under the names that programs of its time used.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
    libc::SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

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

/// Refuses the system calls to all threads. Gives whether that is supported here.
pub(super) fn enter(plan: &Plan) -> Result<bool, WallError> {
    let Some(architecture) = architecture().filter(|_| is_supported()) else {
        return Ok(false);
    };
    for program in programs(plan, architecture)? {
        seccompiler::apply_filter_all_threads(&program)
            .map_err(|error| WallError::Seccomp(error.to_string()))?;
    }
    Ok(true)
}

fn programs(plan: &Plan, architecture: TargetArch) -> Result<Vec<BpfProgram>, WallError> {
    let filter = |rules: Rules, error: i32| -> Result<BpfProgram, BackendError> {
        let refuse = SeccompAction::Errno(error.unsigned_abs());
        // A call of another architecture, whose numbers mean others, ends the process.
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)?.try_into()
    };
    // Its flags are in memory, where a filter cannot look. The C library takes `clone` where this is not there.
    let unknown = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let mut programs = vec![
        filter(rules(plan, std::process::id().into())?, libc::EPERM)?,
        filter(unknown, libc::ENOSYS)?,
    ];
    if architecture == TargetArch::x86_64 {
        programs.push(without_x32());
    }
    Ok(programs)
}

fn rules(plan: &Plan, own: u64) -> Result<Rules, BackendError> {
    let mut rules: Rules = REFUSED
        .iter()
        .chain(REFUSED_HERE)
        .map(|number| (*number, Vec::new()))
        .collect();
    rules.extend([
        (libc::SYS_clone, not_a_thread()?),
        // Signals to this process only: to abort is one.
        (libc::SYS_kill, when(&[(0, SeccompCmpOp::Ne, own)])?),
        (libc::SYS_tgkill, when(&[(0, SeccompCmpOp::Ne, own)])?),
        (
            libc::SYS_prlimit64,
            when(&[(0, SeccompCmpOp::Ne, 0), (0, SeccompCmpOp::Ne, own)])?,
        ),
        (libc::SYS_ioctl, terminal()?),
        (libc::SYS_socket, sockets(plan)?),
        (
            libc::SYS_socketpair,
            when(&[(0, SeccompCmpOp::Ne, libc::AF_UNIX as u64)])?,
        ),
    ]);
    // It connects without Landlock being asked.
    let fast_open = libc::MSG_FASTOPEN as u64;
    for (number, flags) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_sendmmsg, 3),
    ] {
        let has = SeccompCmpOp::MaskedEq(fast_open);
        rules.insert(number, when(&[(flags, has, fast_open)])?);
    }
    if plan.listen_ports().is_empty() {
        rules.extend(
            [libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4].map(|number| (number, Vec::new())),
        );
    }
    Ok(rules)
}

/// One rule: all of these hold, each an argument's lower 32 bits, a comparison and a value.
fn when(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<Vec<SeccompRule>, BackendError> {
    let conditions = conditions
        .iter()
        .map(|(argument, operator, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
        })
        .collect::<Result<_, _>>()?;
    Ok(vec![SeccompRule::new(conditions)?])
}

/// What is started is a thread of this process, in its namespaces, or is not started.
fn not_a_thread() -> Result<Vec<SeccompRule>, BackendError> {
    let has = |flag: i32| {
        let flag = u64::from(flag.cast_unsigned());
        when(&[(0, SeccompCmpOp::MaskedEq(flag), flag)])
    };
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let mut rules = when(&[(0, SeccompCmpOp::MaskedEq(thread), 0)])?;
    for namespace in [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ] {
        rules.extend(has(namespace)?);
    }
    Ok(rules)
}

/// Typing into the terminal that the process was started from, or taking it over.
fn terminal() -> Result<Vec<SeccompRule>, BackendError> {
    /// `TIOCSTI`, `TIOCLINUX` and `TIOCCONS` (asm-generic/ioctls.h), which have another type in every C library.
    const REQUESTS: [u64; 3] = [0x5412, 0x541c, 0x541d];
    let mut rules = Vec::new();
    for request in REQUESTS {
        rules.extend(when(&[(1, SeccompCmpOp::Eq, request)])?);
    }
    Ok(rules)
}

/// None where nothing is granted; else those of TCP, of UDP (name servers) and of the list of interfaces, which the
/// resolver asks for. Not MPTCP, SCTP, raw or packet sockets, which Landlock does not look at.
fn sockets(plan: &Plan) -> Result<Vec<SeccompRule>, BackendError> {
    if !plan.connects() && plan.listen_ports().is_empty() {
        return Ok(Vec::new());
    }
    let not = |argument, values: &[i32]| {
        let conditions: Vec<_> = values
            .iter()
            .map(|value| (argument, SeccompCmpOp::Ne, u64::from(value.cast_unsigned())))
            .collect();
        when(&conditions)
    };
    /// What is not the type but a flag beside it.
    const TYPE: u64 = 0xf;
    let mut rules = not(0, &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK])?;
    rules.extend(not(2, &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP])?);
    rules.extend(when(&[
        (0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64),
        (2, SeccompCmpOp::Ne, libc::NETLINK_ROUTE as u64),
    ])?);
    /// The packet sockets of old, whose name the C library's headers have given up.
    const SOCK_PACKET: i32 = 10;
    for kind in [libc::SOCK_SEQPACKET, libc::SOCK_RDM, libc::SOCK_DCCP, SOCK_PACKET] {
        rules.extend(when(&[(1, SeccompCmpOp::MaskedEq(TYPE), kind as u64)])?);
    }
    // The resolver's socket for the list of interfaces is raw; others must not be.
    rules.extend(when(&[
        (0, SeccompCmpOp::Ne, libc::AF_NETLINK as u64),
        (1, SeccompCmpOp::MaskedEq(TYPE), libc::SOCK_RAW as u64),
    ])?);
    Ok(rules)
}

/// The calls of the 32-bit interface of x86_64, which have the same architecture and other numbers.
fn without_x32() -> BpfProgram {
    let instruction = |code: u32, jt, jf, k| seccompiler::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    /// The kernel's `__X32_SYSCALL_BIT`.
    const X32: u32 = 0x4000_0000;
    let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    vec![
        // The number of the call is what a filter's data begins with.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}
