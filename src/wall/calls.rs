//! The system calls that the OS sandbox allows.
//!
//! The tables are made from recordings: `cargo xtask calls` runs the tests under `strace` and prints what the engines, the C
//! library, tokio, the HTTP client and the operations of guests call once the sandbox is entered. To that come calls that
//! another machine needs in their place (another architecture, an older kernel, a processor with other features).
//!
//! A name stands in one of three kinds of lists: allowed whatever its arguments, allowed where the plan or the engine needs
//! it, or allowed with some arguments only (`arguments.rs`). Everything else is refused.

use super::plan::Plan;

/// The name of a system call and its number on this architecture.
pub(super) type Call = (&'static str, i64);

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// Calls that are allowed whatever their arguments.
const ALWAYS: &[Call] = calls![
    // Files that are open, and files by their paths: Landlock decides which.
    SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_lseek SYS_close SYS_openat SYS_openat2 SYS_fstat
    SYS_newfstatat SYS_statx SYS_fstatfs SYS_statfs SYS_getdents64 SYS_ftruncate SYS_fsync SYS_fdatasync SYS_flock
    SYS_mkdirat SYS_unlinkat SYS_readlinkat SYS_faccessat SYS_getcwd SYS_pipe2 SYS_recvfrom
    // Waiting. Tokio is woken by a pair of sockets when a signal has come.
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2 SYS_ppoll SYS_nanosleep SYS_restart_syscall
    // Memory.
    SYS_munmap SYS_mremap SYS_brk SYS_membarrier
    // Threads of this process, and their signals.
    SYS_exit SYS_exit_group SYS_set_robust_list SYS_rseq SYS_sched_yield SYS_sched_getaffinity SYS_sched_getparam
    SYS_sched_getscheduler SYS_gettid SYS_getpid SYS_getppid
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_getcpu
    // The time, the machine, this process's user and use.
    SYS_clock_getres SYS_gettimeofday SYS_uname SYS_sysinfo SYS_getrusage SYS_getrandom SYS_getuid SYS_geteuid SYS_getgid
    SYS_getegid
];

/// Calls of the older architecture: what programs of its time called, and the C library still does.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[Call] = calls![
    SYS_open SYS_stat SYS_lstat SYS_access SYS_readlink SYS_rename SYS_renameat SYS_mkdir SYS_rmdir SYS_unlink SYS_poll
    SYS_epoll_wait SYS_time
];
#[cfg(target_arch = "aarch64")]
const ALWAYS_HERE: &[Call] = &[
    // The libc crate does not name it for this architecture (asm-generic/unistd.h).
    ("SYS_renameat", 38),
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ALWAYS_HERE: &[Call] = &[];

/// Whether the engine makes code while programs run: V8 does, QuickJS interprets.
pub(super) const COMPILES: bool = cfg!(feature = "v8");

/// Calls for memory that may hold code. V8 guards it with memory protection keys where the processor has them. For other
/// engines, `arguments.rs` allows memory without code.
const COMPILING: &[Call] = calls![SYS_mmap SYS_mprotect SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect];

/// Calls on connections, where there is a grant for any. Those that make one are in `arguments.rs`.
const NETWORK: &[Call] = calls![SYS_recvmsg SYS_recvmmsg SYS_shutdown SYS_getsockname SYS_getpeername];

/// Calls that accept connections.
const LISTENING: &[Call] = calls![SYS_bind SYS_listen SYS_accept4];

/// Calls that answer "unknown" (`ENOSYS`) instead of "not permitted": the C library and the standard library then take an
/// older call in their place, and would take another error for the answer.
pub(super) const UNKNOWN: &[Call] = calls![
    // Its flags are in memory, where a filter cannot look; `clone` has them in a register.
    SYS_clone3
    SYS_faccessat2 SYS_epoll_pwait2 SYS_futex_waitv SYS_close_range SYS_preadv2 SYS_pwritev2 SYS_mseal
];

/// The last number that this table was reviewed with: `file_setattr`, of Linux 6.17. What is newer is unknown, so that
/// libraries that try it take what they took before. Numbers of the 32-bit interface of x86_64 (x32) are larger.
pub(super) const LAST_REVIEWED: i64 = 469;

/// Calls that are allowed whatever their arguments, under this plan.
pub(super) fn always(plan: &Plan) -> impl Iterator<Item = Call> {
    let network = plan.connects() || plan.listens();
    [
        (ALWAYS, true),
        (ALWAYS_HERE, true),
        (COMPILING, COMPILES),
        (NETWORK, network),
        (LISTENING, plan.listens()),
        // musl's resolver takes a port of its own for what it sends to name servers.
        (calls![SYS_bind], network && cfg!(target_env = "musl")),
    ]
    .into_iter()
    .filter(|(_, applies)| *applies)
    .flat_map(|(calls, _)| calls.iter().copied())
}
