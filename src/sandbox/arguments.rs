//! System calls that the OS sandbox allows only with certain arguments.
//!
//! A seccomp filter sees the argument values of a call. It cannot read the memory that they point to.

use libc::c_int;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::calls::{COMPILES, Call};
use super::plan::Plan;

/// A condition on an argument.
#[derive(Clone, Copy, Debug)]
enum Must {
    /// The lower 32 bits have this value. For arguments that are compared this way, the kernel reads only these bits.
    Be(u64),
    /// The selected bits of the lower 32 have this value.
    Have { bits: u64, value: u64 },
    /// The lower 32 bits are greater than this number.
    Exceed(u64),
    /// All 64 bits are zero.
    BeNull,
}
use Must::{Be, BeNull, Exceed, Have};

/// Argument positions, each with its condition.
type Conditions<'a> = &'a [(u8, Must)];

/// The rules of one system call. It is allowed if one of them matches.
pub(super) type Limited = (Call, Vec<SeccompRule>);

macro_rules! call {
    ($name:ident) => {
        (stringify!($name), libc::$name)
    };
}

/// Returns the calls that the plan needs only with certain arguments. `process` is the id of this process.
pub(super) fn limited(plan: &Plan, process: u32) -> Result<Vec<Limited>, BackendError> {
    let own = u64::from(process);
    let mut limited = vec![
        (call!(SYS_clone), threads()?),
        (call!(SYS_futex), futexes()?),
        (call!(SYS_madvise), one_of(2, ADVICE)?),
        (call!(SYS_prctl), one_of(0, PROCESS_OPTIONS)?),
        (call!(SYS_fcntl), descriptors()?),
        (call!(SYS_ioctl), one_of(1, DEVICE_REQUESTS)?),
        // `RENAME_WHITEOUT` is excluded, because it creates a device file.
        (call!(SYS_renameat2), rules(&[&[(4, Be(0))], &[(4, Be(1))]])?),
        (call!(SYS_clock_gettime), clocks()?),
        (call!(SYS_clock_nanosleep), clocks()?),
        // Only reading a limit of this process is allowed: the pointer to a new limit must be null.
        (
            call!(SYS_prlimit64),
            rules(&[&[(0, Be(0)), (2, BeNull)], &[(0, Be(own)), (2, BeNull)]])?,
        ),
        // `abort` sends a signal to the own process.
        (call!(SYS_kill), rules(&[&[(0, Be(own))]])?),
        (call!(SYS_tgkill), rules(&[&[(0, Be(own))]])?),
        (call!(SYS_socketpair), pairs()?),
        (call!(SYS_sendto), sending(plan.has_datagrams())?),
    ];
    if !COMPILES {
        // Memory that is not executable.
        let data: Conditions = &[(
            2,
            Have {
                bits: word(libc::PROT_EXEC),
                value: 0,
            },
        )];
        limited.extend([
            (call!(SYS_mmap), rules(&[data])?),
            (call!(SYS_mprotect), rules(&[data])?),
        ]);
    }
    if plan.writes() {
        limited.extend([
            // By their path, Landlock would not decide about modes and times. So they can be changed only of files that
            // are open, and no mode has a setuid, setgid or sticky bit.
            (
                call!(SYS_fchmod),
                rules(&[&[(
                    1,
                    Have {
                        bits: 0o7000,
                        value: 0,
                    },
                )]])?,
            ),
            (call!(SYS_utimensat), rules(&[&[(1, BeNull)]])?),
            // A symbolic link is not followed, and an open file without a name gets none.
            (call!(SYS_linkat), rules(&[&[(4, Be(0))]])?),
        ]);
    }
    if plan.connects() || plan.listens() {
        let opened_later: Conditions = &[(0, Exceed(STANDARD_ERROR))];
        limited.extend([
            (call!(SYS_socket), sockets()?),
            (call!(SYS_connect), rules(&[opened_later])?),
            (call!(SYS_sendmsg), messages(2)?),
            (call!(SYS_sendmmsg), messages(3)?),
            (call!(SYS_setsockopt), socket_options()?),
            (
                call!(SYS_getsockopt),
                one_of(1, &[libc::SOL_SOCKET, libc::IPPROTO_TCP])?,
            ),
        ]);
    }
    Ok(limited)
}

/// Allowed `madvise` values. Excluded are values that share pages with other processes, remove pages from files, or
/// mark them as damaged.
const ADVICE: &[c_int] = &[
    libc::MADV_NORMAL,
    libc::MADV_RANDOM,
    libc::MADV_SEQUENTIAL,
    libc::MADV_WILLNEED,
    libc::MADV_DONTNEED,
    libc::MADV_FREE,
    libc::MADV_DONTFORK,
    libc::MADV_DOFORK,
    libc::MADV_HUGEPAGE,
    libc::MADV_NOHUGEPAGE,
    libc::MADV_DONTDUMP,
    libc::MADV_DODUMP,
    libc::MADV_WIPEONFORK,
    // Guard pages of thread stacks, used by the C library since 2.42 (`MADV_GUARD_INSTALL` and `MADV_GUARD_REMOVE`).
    102,
    103,
];

/// Allowed `prctl` options: names of threads and of memory, and queries about this process.
const PROCESS_OPTIONS: &[c_int] = &[
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_VMA,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_GET_SECCOMP,
    // `PR_GET_AUXV` returns the features of the processor. Cryptographic libraries use it.
    0x4155_5856,
];

/// Requests that the standard library makes on open files: terminal queries and non-blocking mode. Excluded are
/// requests that configure a terminal, a network interface, or file attributes.
const DEVICE_REQUESTS: &[c_int] = &[
    TCGETS,
    TCGETS2.cast_signed(),
    TIOCGWINSZ,
    libc::FIONREAD as c_int,
    libc::FIONBIO as c_int,
    libc::FIOCLEX as c_int,
];
/// From `asm-generic/ioctls.h`. The type of these constants differs between C libraries.
const TCGETS: c_int = 0x5401;
const TIOCGWINSZ: c_int = 0x5413;
/// The request that replaces `TCGETS` in the C library since version 2.42.
const TCGETS2: u32 = 0x802c_542a;

/// The last of the file descriptors that the process inherits. They may be sockets that another process created.
const STANDARD_ERROR: u64 = 2;

/// Allows threads of this process, which share everything with it and are in the same namespaces. These are exactly the
/// flags of `pthread_create`.
fn threads() -> Result<Vec<SeccompRule>, BackendError> {
    const FLAGS: c_int = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SETTLS
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID;
    // musl adds this flag, which no longer has an effect.
    let bits = u64::from(u32::MAX) ^ word(libc::CLONE_DETACHED);
    rules(&[&[(
        0,
        Have {
            bits,
            value: word(FLAGS),
        },
    )]])
}

/// Allows waiting and waking. Futexes with priority inheritance are excluded: nothing here needs them, and they had
/// vulnerabilities.
fn futexes() -> Result<Vec<SeccompRule>, BackendError> {
    let bits = u64::from(u32::MAX) ^ word(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    let operations = [
        libc::FUTEX_WAIT,
        libc::FUTEX_WAKE,
        libc::FUTEX_REQUEUE,
        libc::FUTEX_CMP_REQUEUE,
        libc::FUTEX_WAKE_OP,
        libc::FUTEX_WAIT_BITSET,
        libc::FUTEX_WAKE_BITSET,
    ];
    each(&operations, |operation| {
        vec![(
            1,
            Have {
                bits,
                value: word(operation),
            },
        )]
    })
}

/// Allows commands for flags, copies and sizes of open files. Excluded are owners (which receive signals), leases, and
/// notifications about other processes.
fn descriptors() -> Result<Vec<SeccompRule>, BackendError> {
    let commands = [
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_DUPFD,
        libc::F_DUPFD_CLOEXEC,
    ];
    let mut rules = one_of(1, &commands)?;
    let bits = word(libc::O_ASYNC);
    rules.push(rule(&[
        (1, Be(word(libc::F_SETFL))),
        (2, Have { bits, value: 0 }),
    ])?);
    Ok(rules)
}

/// Allows clocks of the system and of this process's threads, but not those of other processes.
fn clocks() -> Result<Vec<SeccompRule>, BackendError> {
    const OF_A_PROCESS: u64 = 0x8000_0000;
    /// The kernel's `CPUCLOCK_PERTHREAD_MASK`. With it, a process can read only the clocks of its own threads.
    const OF_A_THREAD: u64 = OF_A_PROCESS | 4;
    let of_system = Have {
        bits: OF_A_PROCESS,
        value: 0,
    };
    let of_thread = Have {
        bits: OF_A_THREAD,
        value: OF_A_THREAD,
    };
    rules(&[&[(0, of_system)], &[(0, of_thread)]])
}

/// Allows pairs of stream sockets, which tokio uses to wake itself. Datagram sockets are excluded, because they could
/// be connected to sockets of other programs.
fn pairs() -> Result<Vec<SeccompRule>, BackendError> {
    let stream = kind(libc::SOCK_STREAM);
    rules(&[&[(0, Be(word(libc::AF_UNIX))), (1, stream), (2, Be(0))]])
}

/// Returns the condition for a type of socket, with or without the flags that may be combined with it.
fn kind(kind: c_int) -> Must {
    let bits = u64::from(u32::MAX) ^ word(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    Have {
        bits,
        value: word(kind),
    }
}

/// Allows sending on an existing connection. Excluded are addresses, which would select another peer, unless a grant
/// allows datagrams, and `MSG_FASTOPEN`, which connects without a check by Landlock.
fn sending(datagrams: bool) -> Result<Vec<SeccompRule>, BackendError> {
    let bits = word(libc::MSG_FASTOPEN);
    let connected = [(3, Have { bits, value: 0 }), (4, BeNull)];
    // musl's resolver sends queries to name servers only this way.
    let addressed = [(3, Have { bits, value: 0 }), (0, Exceed(STANDARD_ERROR))];
    match datagrams || cfg!(target_env = "musl") {
        true => rules(&[&connected, &addressed]),
        false => rules(&[&connected]),
    }
}

/// Allows messages under the same conditions as [`sending`]. The address is in memory, where the filter cannot see it.
/// So inherited file descriptors are excluded.
fn messages(flags: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let bits = word(libc::MSG_FASTOPEN);
    rules(&[&[(0, Exceed(STANDARD_ERROR)), (flags, Have { bits, value: 0 })]])
}

/// Allows TCP, and UDP for name servers. Excluded are Unix, netlink, raw and packet sockets, and also MPTCP and SCTP,
/// which Landlock does not check.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let mut all = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (form, protocol) in [
            (libc::SOCK_STREAM, libc::IPPROTO_TCP),
            (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
        ] {
            for protocol in [0, protocol] {
                all.push(rule(&[
                    (0, Be(word(family))),
                    (1, kind(form)),
                    (2, Be(word(protocol))),
                ])?);
            }
        }
    }
    Ok(all)
}

/// Socket options that HTTP clients, tokio and the resolver set. Excluded are filters, marks, interfaces and other
/// protocols.
fn socket_options() -> Result<Vec<SeccompRule>, BackendError> {
    const OPTIONS: &[(c_int, c_int)] = &[
        (libc::SOL_SOCKET, libc::SO_REUSEADDR),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        (libc::SOL_SOCKET, libc::SO_LINGER),
        (libc::SOL_SOCKET, libc::SO_RCVBUF),
        (libc::SOL_SOCKET, libc::SO_SNDBUF),
        (libc::SOL_SOCKET, libc::SO_RCVTIMEO),
        (libc::SOL_SOCKET, libc::SO_SNDTIMEO),
        (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
        (libc::IPPROTO_IP, libc::IP_RECVERR),
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
    ];
    let rules = OPTIONS
        .iter()
        .map(|(level, option)| rule(&[(1, Be(word(*level))), (2, Be(word(*option)))]));
    rules.collect()
}

/// Returns rules that allow each of these values at this position.
fn one_of(argument: u8, values: &[c_int]) -> Result<Vec<SeccompRule>, BackendError> {
    each(values, |value| vec![(argument, Be(word(value)))])
}

fn each(
    values: &[c_int],
    conditions: impl Fn(c_int) -> Vec<(u8, Must)>,
) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| rule(&conditions(*value))).collect()
}

fn rules(all: &[Conditions]) -> Result<Vec<SeccompRule>, BackendError> {
    all.iter().map(|conditions| rule(conditions)).collect()
}

fn rule(conditions: Conditions) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(argument, must)| {
        use SeccompCmpArgLen::{Dword, Qword};
        let (length, operator, value) = match *must {
            Be(value) => (Dword, SeccompCmpOp::Eq, value),
            Have { bits, value } => (Dword, SeccompCmpOp::MaskedEq(bits), value),
            Exceed(value) => (Dword, SeccompCmpOp::Gt, value),
            BeNull => (Qword, SeccompCmpOp::Eq, 0),
        };
        SeccompCondition::new(*argument, length, operator, value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// Returns the 32 bits of an argument.
fn word(value: c_int) -> u64 {
    value.cast_unsigned().into()
}
