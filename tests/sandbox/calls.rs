//! System calls of an attacker who has bypassed the reference monitor: ways around the grants that a list of refused
//! calls missed.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::probes::Expected::{NotPermitted, Works};
use super::probes::{Probe, c_path, call, done, parent, socket};

/// Calls that are newer than the headers of the C library.
const SETXATTRAT: i64 = 463;
const OPEN_TREE_ATTR: i64 = 467;
const FILE_SETATTR: i64 = 469;

pub(super) const CALLS: &[Probe] = &[
    // Calls that programs need.
    ("two ends of a stream", Works, |_| UnixStream::pair().map(drop)),
    ("ask for the own limits", Works, |_| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the pointer is to this frame.
        done(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }.into())
    }),
    ("read the clock of this thread", Works, |_| {
        clock(libc::CLOCK_THREAD_CPUTIME_ID)
    }),
    ("read the clock of this process", Works, |_| {
        clock(libc::CLOCK_PROCESS_CPUTIME_ID)
    }),
    // Sockets of other programs.
    ("two ends of datagrams", NotPermitted, |_| {
        pair(libc::SOCK_DGRAM).map(drop)
    }),
    ("two ends of packets", NotPermitted, |_| {
        pair(libc::SOCK_SEQPACKET).map(drop)
    }),
    ("send to a socket with a path", NotPermitted, |at| {
        let (one, _other) = pair(libc::SOCK_DGRAM)?;
        let address = path_address(&at.base.join("datagrams"));
        let (place, size) = ((&raw const address) as i64, size_of_val(&address) as i64);
        call(libc::SYS_connect, [one.as_raw_fd().into(), place, size, 0, 0])?;
        // SAFETY: the byte is in this frame.
        done(unsafe { libc::send(one.as_raw_fd(), [1_u8].as_ptr().cast(), 1, 0) } as i64)
    }),
    ("send to an address", NotPermitted, |at| {
        UdpSocket::from(OwnedFd::from(socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?))
            .send_to(b"x", at.other)
            .map(drop)
    }),
    ("connect what the process was started with", NotPermitted, |_| {
        call(libc::SYS_connect, [0, 0, 0, 0, 0])
    }),
    // Network interfaces.
    ("a socket to configure interfaces", NotPermitted, |_| {
        socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map(drop)
    }),
    ("configure an interface", NotPermitted, |_| {
        const SIOCGIFFLAGS: i64 = 0x8913;
        let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        let mut request = [0_u8; 40];
        request[..2].copy_from_slice(b"lo");
        call(
            libc::SYS_ioctl,
            [
                socket.as_raw_fd().into(),
                SIOCGIFFLAGS,
                request.as_mut_ptr() as i64,
                0,
                0,
            ],
        )
    }),
    ("bind a socket to an interface", NotPermitted, |_| {
        let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        option(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE)
    }),
    ("put a protocol on top of a connection", NotPermitted, |_| {
        const TCP_ULP: i32 = 31;
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        option(&socket, libc::IPPROTO_TCP, TCP_ULP)
    }),
    ("ask the packet filter", NotPermitted, |_| {
        const IPT_SO_GET_INFO: i64 = 64;
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        call(
            libc::SYS_getsockopt,
            [
                socket.as_raw_fd().into(),
                libc::IPPROTO_IP.into(),
                IPT_SO_GET_INFO,
                0,
                0,
            ],
        )
    }),
    ("connect while the first data is sent", NotPermitted, |_| {
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        option(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT)
    }),
    // Times, flags and attributes of files, granted or not.
    ("change times of a file that is not granted", NotPermitted, |at| {
        let path = c_path(&at.base.join("secret.txt"));
        // SAFETY: the text lives until the call returns, and null means the current time.
        done(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), std::ptr::null(), 0) }.into())
    }),
    ("change times of an open, granted file", Works, |at| {
        let file = fs::File::open(at.base.join("data/a.txt"))?;
        call(libc::SYS_utimensat, [file.as_raw_fd().into(), 0, 0, 0, 0])
    }),
    ("set an extended attribute", NotPermitted, |at| {
        let path = c_path(&at.base.join("out/kept.txt"));
        // SAFETY: the texts live until the call returns.
        done(unsafe { libc::setxattr(path.as_ptr(), c"user.x".as_ptr(), c"x".as_ptr().cast(), 1, 0) }.into())
    }),
    ("set an extended attribute by a newer call", NotPermitted, |_| {
        call(SETXATTRAT, [-1, 0, 0, 0, 0])
    }),
    ("change attributes by a newer call", NotPermitted, |_| {
        call(FILE_SETATTR, [-1, 0, 0, 0, 0])
    }),
    ("change flags of a file that may be read", NotPermitted, |at| {
        const FS_IOC_GETFLAGS: i64 = 0x8008_6601;
        const FS_IOC_SETFLAGS: i64 = 0x4008_6602;
        let file = fs::File::open(at.base.join("one.txt"))?;
        let mut flags = 0_i64;
        let place = (&raw mut flags) as i64;
        call(
            libc::SYS_ioctl,
            [file.as_raw_fd().into(), FS_IOC_GETFLAGS, place, 0, 0],
        )?;
        call(
            libc::SYS_ioctl,
            [file.as_raw_fd().into(), FS_IOC_SETFLAGS, place, 0, 0],
        )
    }),
    ("clone a file into another by its blocks", NotPermitted, |_| {
        const FICLONE: i64 = 0x4004_9409;
        call(libc::SYS_ioctl, [-1, FICLONE, -1, 0, 0])
    }),
    ("exchange a file with a device", NotPermitted, |_| {
        call(libc::SYS_renameat2, [-1, 0, -1, 0, libc::RENAME_WHITEOUT.into()])
    }),
    // Placement and priority of other processes.
    ("move another process to other processors", NotPermitted, |_| {
        let mut set = [0_u64; 128];
        let (size, place) = (size_of_val(&set) as i64, set.as_mut_ptr() as i64);
        call(libc::SYS_sched_getaffinity, [parent(), size, place, 0, 0])?;
        call(libc::SYS_sched_setaffinity, [parent(), size, place, 0, 0])
    }),
    ("change the scheduling of another process", NotPermitted, |_| {
        let priority = 0_i32;
        call(
            libc::SYS_sched_setscheduler,
            [parent(), 0, (&raw const priority) as i64, 0, 0],
        )
    }),
    ("change the priority of another process", NotPermitted, |_| {
        // SAFETY: takes numbers.
        let now = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        call(libc::SYS_setpriority, [0, parent(), now.into(), 0, 0])
    }),
    (
        "change the disk priority of another process",
        NotPermitted,
        |_| call(libc::SYS_ioprio_set, [1, parent(), 0, 0, 0]),
    ),
    ("read the clock of another process", NotPermitted, |_| {
        clock(((!parent() << 3) | 2) as i32)
    }),
    ("change limits of this process", NotPermitted, |_| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the pointers are to this frame.
        done(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &mut limit) }.into())?;
        // SAFETY: the pointer is to this frame.
        done(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) }.into())
    }),
    ("read limits of another process", NotPermitted, |_| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        call(libc::SYS_prlimit64, [parent(), 0, 0, (&raw mut limit) as i64, 0])
    }),
    ("signal the whole group", NotPermitted, |_| {
        call(libc::SYS_kill, [0, 0, 0, 0, 0])
    }),
    ("have another process signalled", NotPermitted, |at| {
        let file = fs::File::open(at.base.join("one.txt"))?;
        call(
            libc::SYS_fcntl,
            [file.as_raw_fd().into(), libc::F_SETOWN.into(), parent(), 0, 0],
        )
    }),
    ("have files signal what happens", NotPermitted, |_| {
        let (one, _other) = UnixStream::pair()?;
        call(
            libc::SYS_fcntl,
            [
                one.as_raw_fd().into(),
                libc::F_SETFL.into(),
                libc::O_ASYNC.into(),
                0,
                0,
            ],
        )
    }),
    ("let other processes look in", NotPermitted, |_| {
        call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 1, 0, 0, 0])
    }),
    // Observation of other processes in folders.
    ("watch a folder", NotPermitted, |_| {
        // SAFETY: takes a number.
        let watch = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
        done(watch.into())?;
        // SAFETY: the descriptor was just opened, and nothing else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(watch) });
        Ok(())
    }),
    ("have changes of a folder noted", NotPermitted, |at| {
        let folder = fs::File::open(at.base.join("data"))?;
        call(
            libc::SYS_fcntl,
            [folder.as_raw_fd().into(), libc::F_NOTIFY.into(), 0, 0, 0],
        )
    }),
    ("clone mounts", NotPermitted, |_| {
        call(OPEN_TREE_ATTR, [-1, 0, 0, 0, 0])
    }),
    // Memory.
    (
        "memory with code",
        if cfg!(feature = "v8") { Works } else { NotPermitted },
        |_| {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: new memory that nothing uses.
            let place = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    4096,
                    libc::PROT_READ | libc::PROT_EXEC,
                    flags,
                    -1,
                    0,
                )
            };
            done(if place == libc::MAP_FAILED { -1 } else { 0 })
        },
    ),
    ("find pages that others have, too", NotPermitted, |_| {
        call(libc::SYS_madvise, [0, 0, libc::MADV_MERGEABLE.into(), 0, 0])
    }),
    ("files without a name", NotPermitted, |_| {
        // SAFETY: the text lives until the call returns.
        let file = unsafe { libc::memfd_create(c"x".as_ptr(), libc::MFD_CLOEXEC) };
        done(file.into())?;
        // SAFETY: the descriptor was just opened, and nothing else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(file) });
        Ok(())
    }),
    ("confine itself again", NotPermitted, |_| {
        call(libc::SYS_landlock_create_ruleset, [0, 0, 1, 0, 0])
    }),
];

fn clock(clock: libc::clockid_t) -> io::Result<()> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to this frame.
    done(unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) })
}

fn pair(kind: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the pointer is to this frame.
    done(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) }.into())?;
    // SAFETY: both descriptors were just opened, and nothing else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

fn path_address(path: &std::path::Path) -> libc::sockaddr_un {
    let mut address = libc::sockaddr_un {
        sun_family: libc::AF_UNIX as u16,
        sun_path: [0; 108],
    };
    for (place, byte) in address.sun_path.iter_mut().zip(path.to_str().unwrap().bytes()) {
        *place = byte.cast_signed();
    }
    address
}

/// Sets an option without a value, which the kernel rejects if it handles the option.
fn option(socket: &fs::File, level: i32, option: i32) -> io::Result<()> {
    // SAFETY: there is no value.
    done(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::null(), 0) }.into())
}
