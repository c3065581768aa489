//! System calls that the OS sandbox allows with some arguments only.
//!
//! A filter sees the numbers that a call is made with, and nothing of the memory that they point to.

use libc::c_int;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::calls::{COMPILES, Call};
use super::plan::Plan;

/// What an argument must be.
#[derive(Clone, Copy, Debug)]
enum Must {
    /// The lower 32 bits have this value. The kernel reads no more of the arguments that are compared so.
    Be(u64),
    /// These bits of the lower 32 have this value.
    Have { bits: u64, value: u64 },
    /// The lower 32 bits are a larger number than this.
    Exceed(u64),
    /// All 64 bits are zero.
    BeNull,
}
use Must::{Be, BeNull, Exceed, Have};

/// Positions of arguments with what each of them must be.
type Conditions<'a> = &'a [(u8, Must)];

/// Rules of one system call. It is allowed where one of them holds.
pub(super) type Limited = (Call, Vec<SeccompRule>);

macro_rules! call {
    ($name:ident) => {
        (stringify!($name), libc::$name)
    };
}

/// Calls that the plan needs in some of their forms only. `process` is the number of this process.
pub(super) fn limited(plan: &Plan, process: u32) -> Result<Vec<Limited>, BackendError> {
    let own = u64::from(process);
    let mut limited = vec![
        (call!(SYS_clone), threads()?),
        (call!(SYS_futex), futexes()?),
        (call!(SYS_madvise), one_of(2, ADVICE)?),
        (call!(SYS_prctl), one_of(0, PROCESS_OPTIONS)?),
        (call!(SYS_fcntl), descriptors()?),
        (call!(SYS_ioctl), one_of(1, DEVICE_REQUESTS)?),
        // Without `RENAME_WHITEOUT`, which makes a device.
        (call!(SYS_renameat2), rules(&[&[(4, Be(0))], &[(4, Be(1))]])?),
        (call!(SYS_clock_gettime), clocks()?),
        (call!(SYS_clock_nanosleep), clocks()?),
        // To read a limit of this process.
        (
            call!(SYS_prlimit64),
            rules(&[&[(0, Be(0)), (2, BeNull)], &[(0, Be(own)), (2, BeNull)]])?,
        ),
        // To abort is to signal oneself.
        (call!(SYS_kill), rules(&[&[(0, Be(own))]])?),
        (call!(SYS_tgkill), rules(&[&[(0, Be(own))]])?),
        (call!(SYS_socketpair), pairs()?),
        (call!(SYS_sendto), sending()?),
    ];
    if !COMPILES {
        // Memory that holds no code.
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

/// Advice about this process's memory. None merges pages with those of others, takes pages out of files, or marks them broken.
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
    // Guard pages of threads' stacks, in the C library since 2.42 (`MADV_GUARD_INSTALL` and `MADV_GUARD_REMOVE`).
    102,
    103,
];

/// Names of threads and of memory, and questions about this process.
const PROCESS_OPTIONS: &[c_int] = &[
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_VMA,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_GET_SECCOMP,
    // `PR_GET_AUXV`: what the processor offers. Cryptography asks for it.
    0x4155_5856,
];

/// What the standard library asks of an open file: whether it is a terminal and of which size, and whether calls on it wait.
/// Nothing that sets a terminal, a network interface, or attributes of files.
const DEVICE_REQUESTS: &[c_int] = &[
    TCGETS,
    TCGETS2.cast_signed(),
    TIOCGWINSZ,
    libc::FIONREAD as c_int,
    libc::FIONBIO as c_int,
    libc::FIOCLEX as c_int,
];
/// Of `asm-generic/ioctls.h`. These numbers have another type in every C library.
const TCGETS: c_int = 0x5401;
const TIOCGWINSZ: c_int = 0x5413;
/// What `TCGETS` is since version 2.42 of the C library.
const TCGETS2: u32 = 0x802c_542a;

/// The last of the files that the process was started with. They may be sockets that somebody else has made.
const STANDARD_ERROR: u64 = 2;

/// A thread of this process, which shares everything with it and is in its namespaces: the very flags of `pthread_create`.
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
    // musl adds this flag, which has no meaning any more.
    let bits = u64::from(u32::MAX) ^ word(libc::CLONE_DETACHED);
    rules(&[&[(
        0,
        Have {
            bits,
            value: word(FLAGS),
        },
    )]])
}

/// Waiting and waking. Locks that pass on priorities are left out: nothing here has them, and they had flaws.
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

/// Flags, copies and sizes of open files. Not their owners, who are sent signals, nor leases, nor notes of what others do.
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

/// Clocks of the system and of this process's threads, not those of other processes.
fn clocks() -> Result<Vec<SeccompRule>, BackendError> {
    const OF_A_PROCESS: u64 = 0x8000_0000;
    /// The kernel's `CPUCLOCK_PERTHREAD_MASK`. It lets a process read the clocks of its own threads only.
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

/// Two ends of a stream, which tokio wakes itself with. Those of datagrams could be connected to sockets of other programs.
fn pairs() -> Result<Vec<SeccompRule>, BackendError> {
    let stream = kind(libc::SOCK_STREAM);
    rules(&[&[(0, Be(word(libc::AF_UNIX))), (1, stream), (2, Be(0))]])
}

/// A kind of socket, with or without the flags that stand beside it.
fn kind(kind: c_int) -> Must {
    let bits = u64::from(u32::MAX) ^ word(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
    Have {
        bits,
        value: word(kind),
    }
}

/// Data for the other end of a connection. An address would choose another, and `MSG_FASTOPEN` connects without Landlock.
fn sending() -> Result<Vec<SeccompRule>, BackendError> {
    let bits = word(libc::MSG_FASTOPEN);
    let connected = [(3, Have { bits, value: 0 }), (4, BeNull)];
    // musl's resolver has no other way to ask name servers.
    let addressed = [(3, Have { bits, value: 0 }), (0, Exceed(STANDARD_ERROR))];
    match cfg!(target_env = "musl") {
        true => rules(&[&connected, &addressed]),
        false => rules(&[&connected]),
    }
}

/// As [`sending`]. Whether there is an address stands in memory, hence not through what the process was started with.
fn messages(flags: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let bits = word(libc::MSG_FASTOPEN);
    rules(&[&[(0, Exceed(STANDARD_ERROR)), (flags, Have { bits, value: 0 })]])
}

/// TCP, and UDP for name servers. Neither sockets of this machine, nor netlink, raw or packet sockets, nor MPTCP and SCTP,
/// which Landlock does not look at.
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

/// Options of connections that HTTP clients, tokio and the resolver set. Filters, marks, interfaces and other protocols are
/// not among them.
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

/// One of these values, at this position.
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

/// The 32 bits of an argument.
fn word(value: c_int) -> u64 {
    value.cast_unsigned().into()
}
