//! Probes of code that has bypassed the reference monitor.

use std::ffi::CString;
use std::fs::{self, OpenOptions as FileOptions};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

/// The expected result of a probe in the sandbox. Outside, the result must differ, except for `Works`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is granted and succeeds.
    Works,
    /// Landlock refuses it.
    Forbidden,
    /// seccomp refuses it.
    NotPermitted,
    /// seccomp refuses it as an unknown call.
    Unknown,
}

use Expected::{Forbidden, NotPermitted, Unknown, Works};

use super::calls::CALLS;

pub(super) struct Places {
    pub(super) base: PathBuf,
    pub(super) granted: SocketAddr,
    pub(super) other: SocketAddr,
}

pub(super) type Probe = (&'static str, Expected, fn(&Places) -> io::Result<()>);

/// Returns all probes. If a call lacks rights or would do harm, its arguments are wrong, so that its error outside the
/// sandbox is another one.
pub(super) fn probes() -> impl Iterator<Item = &'static Probe> {
    PROBES.iter().chain(CALLS)
}

const PROBES: &[Probe] = &[
    // Granted operations.
    ("read in a granted folder", Works, |at| read(at, "data/a.txt")),
    ("list a granted folder", Works, |at| {
        fs::read_dir(at.base.join("data")).map(drop)
    }),
    ("read a granted file", Works, |at| read(at, "one.txt")),
    ("write in a granted folder", Works, |at| {
        fs::write(at.base.join("out/x"), "x")
    }),
    ("make and remove in a granted folder", Works, |at| {
        let folder = at.base.join(format!("out/folder-{:?}", thread::current().id()));
        fs::create_dir(&folder)?;
        fs::write(folder.join("a"), "a")?;
        fs::rename(folder.join("a"), folder.join("b"))?;
        fs::remove_dir_all(folder)
    }),
    ("make links in a granted folder", Works, |at| {
        let id = thread::current().id();
        let (file, link) = (
            at.base.join(format!("out/file-{id:?}")),
            at.base.join(format!("out/link-{id:?}")),
        );
        fs::write(&file, "x")?;
        symlink("kept.txt", &link)?;
        fs::remove_file(&link)?;
        fs::hard_link(&file, &link)?;
        fs::remove_file(&link)?;
        fs::remove_file(&file)
    }),
    ("change the mode of an open, granted file", Works, |at| {
        let file = FileOptions::new()
            .append(true)
            .open(at.base.join("out/kept.txt"))?;
        file.set_permissions(fs::Permissions::from_mode(0o644))
    }),
    ("connect to a granted port", Works, |at| {
        TcpStream::connect(at.granted).map(drop)
    }),
    ("start a thread", Works, |_| {
        thread::Builder::new().spawn(|| ()).map(|_| ())
    }),
    ("random bytes", Works, |_| {
        fs::File::open("/dev/urandom").map(drop)
    }),
    // Files and folders.
    ("read beside a granted file", Forbidden, |at| {
        read(at, "secret.txt")
    }),
    ("read what may only be written", Forbidden, |at| {
        read(at, "out/kept.txt")
    }),
    ("read the system's files", Forbidden, |_| {
        fs::read("/etc/passwd").map(drop)
    }),
    ("read the own environment", Forbidden, |_| {
        fs::read("/proc/self/environ").map(drop)
    }),
    ("list the program's folder", Forbidden, |at| {
        fs::read_dir(&at.base).map(drop)
    }),
    ("write what may only be read", Forbidden, |at| {
        FileOptions::new()
            .append(true)
            .open(at.base.join("data/a.txt"))
            .map(drop)
    }),
    ("truncate what may only be read", NotPermitted, |at| {
        let path = c_path(&at.base.join("data/b.txt"));
        // SAFETY: the text lives until the call returns.
        done(unsafe { libc::truncate(path.as_ptr(), 0) }.into())
    }),
    ("remove what may only be read", Forbidden, |at| {
        fs::remove_file(at.base.join("data/c.txt"))
    }),
    ("make a file where nothing is granted", Forbidden, |at| {
        fs::write(at.base.join("beside.txt"), "x")
    }),
    ("make a folder where nothing is granted", Forbidden, |at| {
        fs::create_dir(at.base.join("beside"))
    }),
    ("replace a granted file", Forbidden, |at| {
        fs::remove_file(at.base.join("one.txt"))
    }),
    // Connections.
    ("connect to another port", Forbidden, |at| {
        TcpStream::connect(at.other).map(drop)
    }),
    ("take a port", NotPermitted, |_| {
        TcpListener::bind(("127.0.0.1", 0)).map(drop)
    }),
    ("connect while sending", NotPermitted, |at| {
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        let SocketAddr::V4(other) = at.other else {
            unreachable!()
        };
        let address = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: other.port().to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from(*other.ip()).to_be(),
            },
            sin_zero: [0; 8],
        };
        // SAFETY: the pointers are to this frame, with their lengths.
        done(unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                [1_u8].as_ptr().cast(),
                1,
                libc::MSG_FASTOPEN,
                (&raw const address).cast(),
                size_of_val(&address) as u32,
            ) as i64
        })
    }),
    ("a socket of this machine", NotPermitted, |_| {
        UnixStream::pair()
            .and_then(|_| socket(libc::AF_UNIX, libc::SOCK_STREAM, 0))
            .map(drop)
    }),
    ("a socket of several paths", NotPermitted, |_| {
        socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP).map(drop)
    }),
    ("wait for connections", NotPermitted, |_| {
        // SAFETY: the call takes numbers, and there is no such socket.
        done(unsafe { libc::listen(-1, 1) }.into())
    }),
    // Other programs and processes.
    ("start a program", NotPermitted, |_| {
        Command::new("/bin/true")
            .spawn()
            .and_then(|mut child| child.wait())
            .map(drop)
    }),
    ("become a program", NotPermitted, |_| {
        let path = CString::new("/no/such/program").unwrap();
        // SAFETY: the text lives until the call returns. Empty lists of arguments and variables are allowed.
        done(unsafe { libc::execve(path.as_ptr(), std::ptr::null(), std::ptr::null()) }.into())
    }),
    ("fork", NotPermitted, |_| {
        let flags = libc::SIGCHLD as i64;
        // SAFETY: the new process has its own copy of everything, and ends at once.
        let process = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        if process == 0 {
            // SAFETY: ends the new process without running any code of the old one.
            unsafe { libc::_exit(0) };
        }
        done(process)
    }),
    (
        "start what is neither a process nor a thread",
        NotPermitted,
        |_| {
            // Without `CLONE_VM` the flags are invalid, so that the control does not start a thread.
            call(libc::SYS_clone, [libc::CLONE_THREAD.into(), 0, 0, 0, 0])
        },
    ),
    ("clone with flags in memory", Unknown, |_| {
        call(libc::SYS_clone3, [0, 0, 0, 0, 0])
    }),
    ("trace a process", NotPermitted, |_| {
        call(libc::SYS_ptrace, [libc::PTRACE_ATTACH as i64, 0, 0, 0, 0])
    }),
    ("read another process's memory", NotPermitted, |_| {
        call(libc::SYS_process_vm_readv, [parent(), 0, 0, 0, 0])
    }),
    ("signal another process", NotPermitted, |_| {
        call(libc::SYS_kill, [parent(), 0, 0, 0, 0])
    }),
    ("signal another process's thread", NotPermitted, |_| {
        call(libc::SYS_tgkill, [parent(), parent(), 0, 0, 0])
    }),
    ("open another process", NotPermitted, |_| {
        call(libc::SYS_pidfd_open, [parent(), 0, 0, 0, 0])
    }),
    ("type into the terminal", NotPermitted, |_| {
        call(libc::SYS_ioctl, [-1, libc::TIOCSTI as i64, 0, 0, 0])
    }),
    // Other operations that the reference monitor never allows.
    ("make a symbolic link where nothing is granted", Forbidden, |at| {
        symlink("a.txt", &at.base.join("symlink"))
    }),
    ("make a hard link to what may only be read", Forbidden, |at| {
        let linked = fs::hard_link(at.base.join("data/a.txt"), at.base.join("out/a.txt"));
        // Landlock refuses a name in another folder like one on another disk.
        linked.map_err(|error| match error.raw_os_error() {
            Some(libc::EXDEV) => io::Error::from_raw_os_error(libc::EACCES),
            _ => error,
        })
    }),
    ("give a name to an open file", NotPermitted, |at| {
        let file = fs::File::open(at.base.join("data/a.txt"))?;
        let name = c_path(&at.base.join("out/one.txt"));
        // SAFETY: the texts live until the call returns.
        done(
            unsafe {
                libc::linkat(
                    file.as_raw_fd(),
                    c"".as_ptr(),
                    libc::AT_FDCWD,
                    name.as_ptr(),
                    libc::AT_EMPTY_PATH,
                )
            }
            .into(),
        )
    }),
    ("set the setuid bit of an open file", NotPermitted, |at| {
        let file = FileOptions::new()
            .append(true)
            .open(at.base.join("out/kept.txt"))?;
        file.set_permissions(fs::Permissions::from_mode(0o4755))
    }),
    ("make a pipe", NotPermitted, |at| {
        let path = c_path(&at.base.join("out/pipe"));
        // SAFETY: the text lives until the call returns.
        done(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }.into())
    }),
    ("change a file's mode", NotPermitted, |at| {
        fs::set_permissions(at.base.join("out/kept.txt"), fs::Permissions::from_mode(0o600))
    }),
    ("change a file's owner", NotPermitted, |at| {
        std::os::unix::fs::chown(at.base.join("out/kept.txt"), None, None)
    }),
    // The kernel. Outside the sandbox, these calls fail with other errors, because the flag, file or command does not
    // exist.
    ("wait for a priority", NotPermitted, |_| {
        const FUTEX_UNLOCK_PI: i64 = 7;
        call(libc::SYS_futex, [0, FUTEX_UNLOCK_PI, 0, 0, 0])
    }),
    ("change the user", NotPermitted, |_| {
        call(libc::SYS_setuid, [user(), 0, 0, 0, 0])
    }),
    ("leave a namespace", NotPermitted, |_| {
        call(libc::SYS_unshare, [0; 5])
    }),
    ("enter a namespace", NotPermitted, |_| {
        call(libc::SYS_setns, [-1, 0, 0, 0, 0])
    }),
    ("rings", NotPermitted, |_| call(libc::SYS_io_uring_setup, [0; 5])),
    ("page faults", NotPermitted, |_| {
        call(libc::SYS_userfaultfd, [-1, 0, 0, 0, 0])
    }),
    ("keys", NotPermitted, |_| {
        call(libc::SYS_keyctl, [9999, 0, 0, 0, 0])
    }),
    ("filters", NotPermitted, |_| call(libc::SYS_bpf, [-1, 0, 0, 0, 0])),
    ("counters", NotPermitted, |_| {
        call(libc::SYS_perf_event_open, [0; 5])
    }),
];

/// Probes that a machine, such as a container, may refuse for other reasons. Their control is not checked.
pub(super) const MAY_FAIL_ANYWAY: &[&str] = &[
    "a socket of several paths",
    "leave a namespace",
    "enter a namespace",
    "rings",
    "page faults",
    "keys",
    "filters",
    "counters",
    "read another process's memory",
    // The file system may not support these attributes.
    "set an extended attribute",
    "change flags of a file that may be read",
    "set an extended attribute by a newer call",
];

pub(super) fn read(at: &Places, path: &str) -> io::Result<()> {
    fs::read(at.base.join(path)).map(drop)
}

/// Makes a symbolic link. (The standard library uses a call that the runtime does not need.)
fn symlink(target: &str, path: &Path) -> io::Result<()> {
    let (target, path) = (CString::new(target).unwrap(), c_path(path));
    // SAFETY: the texts live until the call returns.
    done(unsafe { libc::symlinkat(target.as_ptr(), libc::AT_FDCWD, path.as_ptr()) }.into())
}

pub(super) fn c_path(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}

pub(super) fn done(result: i64) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub(super) fn call(number: i64, [a, b, c, d, e]: [i64; 5]) -> io::Result<()> {
    // SAFETY: the numbers are not addresses other than null, and the requested operations fail or change nothing.
    done(unsafe { libc::syscall(number, a, b, c, d, e) })
}

pub(super) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<fs::File> {
    // SAFETY: the call takes numbers.
    let socket = unsafe { libc::socket(family, kind, protocol) };
    done(socket.into())?;
    // SAFETY: the descriptor was just opened, and nothing else owns it.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(socket) })
}

/// Returns the id of the parent process. The first call must precede the sandbox.
pub(super) fn parent() -> i64 {
    static PARENT: OnceLock<i64> = OnceLock::new();
    *PARENT.get_or_init(|| std::os::unix::process::parent_id().into())
}

fn user() -> i64 {
    // SAFETY: the call takes no arguments and only returns a number.
    unsafe { libc::getuid() }.into()
}

/// Runs every probe on this thread, and returns a line with the result of each: 0 or an error number.
pub(super) fn probe(at: &Places, place: &str) -> String {
    let mut lines = String::new();
    for (name, _, probe) in probes() {
        let number = match probe(at) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(-1),
        };
        lines.push_str(&format!("PROBE|{place}|{name}|{number}\n"));
    }
    // SAFETY: the call takes numbers and changes nothing.
    let privileges = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) };
    lines.push_str(&format!("PROBE|{place}|no new privileges|{privileges}\n"));
    lines
}
