//! The second wall: on Linux, the process confines itself to what its programs were granted.
//!
//! The first wall decides every operation in the process. It rests on the engine, on its bindings and on this code; what
//! gets past them has the rights of the process. The second wall takes those away that no program of the process was
//! granted, and it is the kernel that holds it: Landlock for files, folders and TCP ports, seccomp for system calls, of
//! which only those pass that programs need. It is coarser than the first: it knows no hosts, no modules, no expiry. `spec/wall.md` is the promise.
//!
//! ```no_run
//! # async fn embed() -> Result<(), Box<dyn std::error::Error>> {
//! use secure_runtime::{OpenOptions, Program, Wall};
//!
//! let program = Program::open("examples/report".as_ref(), &OpenOptions::default()).await?;
//! let report = Wall::new().program(&program, None)?.enter()?; // for good
//! if !report.is_complete() {
//!     eprintln!("{report}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant.** Nothing here allows anything: whatever the wall lets through, the first wall decides.

#[cfg(target_os = "linux")]
mod arguments;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod numbers;
mod plan;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(target_os = "linux")]
mod threads;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use secure_runtime_capabilities::Token;

use crate::program::Program;
use crate::revocation::RevocationFeed;

use self::plan::Plan;

/// What the process is to reach from now on: everything else is refused by the kernel, to all of its threads, for good.
///
/// It is for a process that has made its preparations: programs were opened, keys and tokens read, log files opened. What
/// is open stays open. Programs that are run later can do no more than those that the wall was made for.
#[derive(Clone, Debug, Default)]
pub struct Wall {
    plan: Plan,
}

/// What the wall consists of, once [`Wall::enter`] has returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WallReport {
    /// What the kernel offered, all of which was used.
    pub support: WallSupport,
    /// How many other threads the process had, which were confined too.
    pub other_threads: usize,
    /// Folders that may be written below though no grant says so, since what is granted in them was not there to make a
    /// rule about.
    pub wider: Vec<PathBuf>,
}

/// What this kernel has to build a wall of. A part that it lacks is left out of the wall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WallSupport {
    /// The version of Landlock's interface; None where there is no Landlock: files are not confined.
    pub landlock: Option<u32>,
    /// Whether system calls can be refused (seccomp).
    pub seccomp: bool,
}

/// Why there is no wall, or not on all threads. Some of it may stand; running guests now is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WallError {
    /// What a program may do could not be found out.
    #[error("what the program may do cannot be told: {0}")]
    Grants(String),
    /// The rules about files and ports were not accepted.
    #[error("Landlock: {0}")]
    Landlock(String),
    /// The rules about system calls were not accepted.
    #[error("seccomp: {0}")]
    Seccomp(String),
    /// The process has entered an OS sandbox before.
    #[error(
        "the process is in an OS sandbox already, which cannot be changed; make one `Wall` for all programs"
    )]
    Entered,
    /// Another thread of the process could not be confined.
    #[error(
        "thread {thread} of the process cannot be confined: {reason}; enter the wall before that thread is started, or do not block signals in it"
    )]
    Thread {
        /// The thread's number.
        thread: i32,
        /// What happened.
        reason: String,
    },
}

impl Wall {
    /// A wall that lets nothing through but what every run needs: random bytes and time zones.
    pub fn new() -> Self {
        Wall::default()
    }

    /// Lets through what this program was granted, at the most under this token: the folders, the files, and of the network
    /// the ports. To be called for each program that will run.
    ///
    /// # Errors
    /// [`WallError::Grants`].
    pub fn program(mut self, program: &Program, token: Option<&Token>) -> Result<Self, WallError> {
        self.plan.program(program, token).map_err(WallError::Grants)?;
        Ok(self)
    }

    /// Lets through what it takes to look for newer lists and to keep them.
    pub fn revocations(mut self, feed: &RevocationFeed) -> Self {
        self.plan.revocations(feed);
        self
    }

    /// Lets the file be read, or the folder and everything below it.
    pub fn read(mut self, path: impl AsRef<Path>) -> Self {
        self.plan.read(path.as_ref());
        self
    }

    /// Lets the file be written, or files and folders be written, made and removed below the folder.
    pub fn write(mut self, path: impl AsRef<Path>) -> Self {
        self.plan.write(path.as_ref());
        self
    }

    /// Lets TCP connections be made to this port of any host, and names be looked up.
    pub fn connect(mut self, port: u16) -> Self {
        self.plan.connect(port, port);
        self
    }

    /// Lets TCP connections to this port be accepted.
    pub fn listen(mut self, port: u16) -> Self {
        self.plan.listen(port);
        self
    }

    /// Lets a system call through, whatever its arguments, by its number on this architecture. It is for what a host itself does
    /// while programs run, such as a database's client. Programs that get past the first wall can make the call, too.
    pub fn system_call(mut self, number: i64) -> Self {
        self.plan.call(number);
        self
    }

    /// Writes a line to standard error for each system call that is refused. It helps to find what a host needs besides.
    ///
    /// It takes the process's handler of `SIGSYS`.
    pub fn report_refusals(mut self) -> Self {
        self.plan.report_refusals();
        self
    }

    /// Confines the process, for good. A part that this kernel lacks is left out: [`WallReport::is_complete`] tells.
    ///
    /// All threads are confined, also those that run already; for that, each is interrupted once by a signal.
    ///
    /// # Errors
    /// [`WallError`]: what the kernel has refused to confine.
    #[cfg(target_os = "linux")]
    pub fn enter(self) -> Result<WallReport, WallError> {
        static ENTERED: OnceLock<()> = OnceLock::new();
        if ENTERED.set(()).is_err() {
            return Err(WallError::Entered);
        }
        crate::runtime::prepare();
        // The kernel does not answer this any more from within.
        Wall::support();
        // Landlock first: seccomp refuses what it takes to reach other threads.
        let (landlock, other_threads, wider) = landlock::enter(&self.plan)?;
        let seccomp = seccomp::enter(&self.plan)?;
        Ok(WallReport {
            support: WallSupport { landlock, seccomp },
            other_threads,
            wider,
        })
    }

    /// As on Linux, where alone there is something to build a wall of.
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "linux"))]
    pub fn enter(self) -> Result<WallReport, WallError> {
        Ok(WallReport::default())
    }

    /// What this kernel has to build a wall of. Asking changes nothing.
    pub fn support() -> WallSupport {
        static SUPPORT: OnceLock<WallSupport> = OnceLock::new();
        *SUPPORT.get_or_init(|| {
            #[cfg(target_os = "linux")]
            let support = WallSupport {
                landlock: landlock::version(),
                seccomp: seccomp::is_supported(),
            };
            #[cfg(not(target_os = "linux"))]
            let support = WallSupport::default();
            support
        })
    }
}

impl WallReport {
    /// Whether the wall has all of its parts.
    pub fn is_complete(&self) -> bool {
        self.support.lacks().is_empty()
    }
}

impl WallSupport {
    /// What a wall of this kernel does not hold back, in words.
    pub fn lacks(&self) -> Vec<&'static str> {
        let version = self.landlock.unwrap_or(0);
        let landlock = [
            (1, "files and folders"),
            (3, "the truncation of files"),
            (4, "TCP ports"),
            (5, "devices' own commands"),
            (6, "signals to other processes and abstract Unix sockets"),
        ];
        let mut lacks: Vec<&'static str> = landlock
            .into_iter()
            .filter(|(since, _)| version < *since)
            .map(|(_, what)| what)
            .collect();
        if !self.seccomp {
            lacks.push("system calls");
        }
        lacks
    }
}

impl fmt::Display for WallReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.support.fmt(formatter)
    }
}

impl fmt::Display for WallSupport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock {
            Some(version) => write!(formatter, "Landlock {version}")?,
            None => formatter.write_str("no Landlock")?,
        }
        formatter.write_str(if self.seccomp { ", seccomp" } else { ", no seccomp" })?;
        let lacks = self.lacks();
        if !lacks.is_empty() {
            write!(formatter, "; not held back: {}", lacks.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WALL-2.
    #[test]
    fn what_a_kernel_cannot_hold_back_is_named() {
        let support = |landlock, seccomp| WallSupport { landlock, seccomp };
        assert!(support(Some(6), true).lacks().is_empty());
        assert_eq!(support(Some(6), false).lacks(), ["system calls"]);
        assert_eq!(support(Some(3), true).lacks().first(), Some(&"TCP ports"));
        assert_eq!(support(None, false).lacks().len(), 6);
        assert_eq!(support(Some(7), true).to_string(), "Landlock 7, seccomp");
        assert!(
            support(None, true)
                .to_string()
                .starts_with("no Landlock, seccomp; not held back: files")
        );
    }
}
