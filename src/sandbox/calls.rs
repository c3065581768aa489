//! The system calls that the OS sandbox allows.
//!
//! The tables are based on recordings. `cargo xtask calls` runs the tests under `strace` and prints the calls that are
//! made after the sandbox is entered. Calls that other machines use instead were added, for other architectures, older
//! kernels or other processors.
//!
//! A call is in one of three kinds of lists. It is allowed with any arguments, or allowed if the plan or the engine
//! needs it, or allowed only with certain arguments (`arguments.rs`). All other calls are refused.

use super::plan::Plan;

/// The name of a system call and its number on this architecture.
pub(super) type Call = (&'static str, i64);

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// Calls that are allowed with any arguments.
const ALWAYS: &[Call] = calls![
    // Open files, and files by path. Landlock decides about paths.
    SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_lseek SYS_close SYS_openat SYS_openat2 SYS_fstat
    SYS_newfstatat SYS_statx SYS_fstatfs SYS_statfs SYS_getdents64 SYS_ftruncate SYS_fsync SYS_fdatasync SYS_flock
    SYS_mkdirat SYS_unlinkat SYS_readlinkat SYS_faccessat SYS_getcwd SYS_pipe2 SYS_recvfrom
    // Waiting. When a signal arrives, tokio wakes itself with a socket pair.
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2 SYS_ppoll SYS_nanosleep SYS_restart_syscall
    // Memory.
    SYS_munmap SYS_mremap SYS_brk SYS_membarrier
    // Threads of this process, and their signals.
    SYS_exit SYS_exit_group SYS_set_robust_list SYS_rseq SYS_sched_yield SYS_sched_getaffinity SYS_sched_getparam
    SYS_sched_getscheduler SYS_gettid SYS_getpid SYS_getppid
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_getcpu
    // Time, machine, and user and resource usage of this process.
    SYS_clock_getres SYS_gettimeofday SYS_uname SYS_sysinfo SYS_getrusage SYS_getrandom SYS_getuid SYS_geteuid SYS_getgid
    SYS_getegid
];

/// Older calls that exist only on this architecture, and that the C library still uses.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[Call] = calls![
    SYS_open SYS_stat SYS_lstat SYS_access SYS_readlink SYS_rename SYS_renameat SYS_mkdir SYS_rmdir SYS_unlink SYS_poll
    SYS_epoll_wait SYS_time
];
#[cfg(target_arch = "aarch64")]
const ALWAYS_HERE: &[Call] = &[
    // The libc crate does not define this name for this architecture (asm-generic/unistd.h).
    ("SYS_renameat", 38),
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ALWAYS_HERE: &[Call] = &[];

/// True if the engine generates code while programs run. V8 does, QuickJS interprets.
pub(super) const COMPILES: bool = cfg!(feature = "v8");

/// Calls for executable memory. V8 protects it with memory protection keys if the processor has them. For other
/// engines, `arguments.rs` allows only memory that is not executable.
const COMPILING: &[Call] = calls![SYS_mmap SYS_mprotect SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect];

/// Calls on connections, allowed if a grant allows connections. The calls that create connections are in
/// `arguments.rs`.
const NETWORK: &[Call] = calls![SYS_recvmsg SYS_recvmmsg SYS_shutdown SYS_getsockname SYS_getpeername];

/// Calls on paths that Landlock decides about, allowed if the process may write files. Changes of open files are in
/// `arguments.rs`.
const WRITING: &[Call] = calls![SYS_symlinkat];

/// Calls that accept connections.
const LISTENING: &[Call] = calls![SYS_bind SYS_listen SYS_accept4];

/// Calls that fail with "unknown" (`ENOSYS`) instead of "not permitted". The C library and the standard library then
/// use an older call, while they would treat another error as final.
pub(super) const UNKNOWN: &[Call] = calls![
    // The flags of `clone3` are in memory, where a filter cannot read them. `clone` passes them in a register.
    SYS_clone3
    SYS_faccessat2 SYS_epoll_pwait2 SYS_futex_waitv SYS_close_range SYS_preadv2 SYS_pwritev2 SYS_mseal
];

/// The highest number for which this table was reviewed: `file_setattr` of Linux 6.17. Higher numbers fail as unknown,
/// so that libraries use older calls. Numbers of the 32-bit interface of x86_64 (x32) are higher as well.
pub(super) const LAST_REVIEWED: i64 = 469;

/// Returns the calls that this plan allows with any arguments.
pub(super) fn always(plan: &Plan) -> impl Iterator<Item = Call> {
    let network = plan.connects() || plan.listens();
    [
        (ALWAYS, true),
        (ALWAYS_HERE, true),
        (COMPILING, COMPILES),
        (WRITING, plan.writes()),
        (NETWORK, network),
        (LISTENING, plan.listens()),
        // musl's resolver binds its socket to a port before it sends to name servers.
        (
            calls![SYS_bind],
            !plan.listens() && (plan.has_datagrams() || network && cfg!(target_env = "musl")),
        ),
    ]
    .into_iter()
    .filter(|(_, applies)| *applies)
    .flat_map(|(calls, _)| calls.iter().copied())
}
