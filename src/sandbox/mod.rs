//! The OS sandbox: on Linux, the process restricts itself to the grants of its programs.
//!
//! The reference monitor decides every operation in the process. It depends on the engine, its bindings and this code.
//! An attacker who bypasses it has the rights of the process. The OS sandbox reduces these rights to those that
//! programs of the process were granted, and the kernel enforces it. Landlock restricts files, folders and TCP ports.
//! seccomp allows only the system calls that programs need. The sandbox is coarser than the reference monitor: it does
//! not know hosts, modules or expiry times. `spec/sandbox.md` is the specification.
//!
//! ```no_run
//! # async fn embed() -> Result<(), Box<dyn std::error::Error>> {
//! use secure_runtime::{OpenOptions, Program, Sandbox};
//!
//! let program = Program::open("examples/report".as_ref(), &OpenOptions::default()).await?;
//! let report = Sandbox::new().program(&program, None)?.enter()?; // irreversible
//! if !report.is_complete() {
//!     eprintln!("{report}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant.** The sandbox never grants anything: the reference monitor decides about everything that the sandbox
//! lets through.

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

use secure_runtime_capabilities::{Authority, Token};
use secure_runtime_engine::PlanError;
use secure_runtime_engine::extension::AnyExtension;
use secure_runtime_families::{Settings, builtin};
use secure_runtime_loaders::Cause;

use crate::base::BaseError;
use crate::program::Program;
use crate::revocation::RevocationFeed;

use self::plan::Plan;

/// The builder of an OS sandbox: the set of resources that the process can reach. The kernel refuses everything else,
/// to all threads, irreversibly.
///
/// Enter the sandbox after all preparations: after programs are opened, keys and tokens are read, and log files are
/// opened. Open files stay open. Programs that run later cannot do more than the programs that the sandbox was built
/// for.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    plan: Plan,
    /// The rights of each program.
    programs: Vec<Authority>,
    /// The extensions beside the built-in families.
    extensions: Vec<AnyExtension>,
}

/// The result of [`Sandbox::enter`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SandboxReport {
    /// The features of the kernel, all of which are in use.
    pub support: SandboxSupport,
    /// Number of other threads of the process, which are restricted as well.
    pub other_threads: usize,
    /// Folders in which everything can be written, although the grants name only some files in them. A rule for a file
    /// is impossible while the file does not exist.
    pub wider: Vec<PathBuf>,
}

/// The sandbox features of this kernel. Missing features are not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SandboxSupport {
    /// The version of the Landlock interface. `None` means that there is no Landlock, so files are not restricted.
    pub landlock: Option<u32>,
    /// True if system calls can be refused (seccomp).
    pub seccomp: bool,
}

/// The reason why the sandbox is not active, or not on all threads. Parts of it may be active, so the caller must not
/// run guests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The rights of a program could not be determined, because its grants cannot be linked.
    #[error("the program's rights cannot be determined: {0}")]
    Grants(#[from] PlanError),
    /// The rights of a program could not be determined, because its folder cannot be resolved.
    #[error("the program's rights cannot be determined: {path}: {error}", path = path.display())]
    Base {
        /// The folder.
        path: PathBuf,
        /// The reason.
        #[source]
        error: BaseError,
    },
    /// The kernel did not accept the rules for files and ports.
    #[error("Landlock: {0}")]
    Landlock(
        /// The [`io::Error`](std::io::Error), or the error of the crate `landlock`.
        #[source]
        Cause,
    ),
    /// The kernel restricted only the calling thread.
    #[error("Landlock: the kernel confines no other threads")]
    OtherThreads,
    /// The threads of the process are not known.
    #[error("Landlock: the process's threads cannot be listed: {0}")]
    Threads(
        /// The [`io::Error`](std::io::Error).
        #[source]
        Cause,
    ),
    /// There is no signal for interrupting the other threads.
    #[error("Landlock: every real-time signal is in use")]
    NoSignal,
    /// The kernel did not accept the rules for system calls.
    #[error("seccomp: {0}")]
    Seccomp(
        /// The [`io::Error`](std::io::Error), or the error of the crate `seccompiler`.
        #[source]
        Cause,
    ),
    /// The process has already entered an OS sandbox.
    #[error(
        "the process is in an OS sandbox already, which cannot be changed; make one `Sandbox` for all programs"
    )]
    Entered,
    /// Another thread of the process could not be restricted.
    #[error(
        "thread {thread} of the process cannot be confined: {cause}; enter the OS sandbox before that thread is started, or do not block signals in it"
    )]
    Thread {
        /// The id of the thread.
        thread: i32,
        /// The [`io::Error`](std::io::Error). Its kind is `TimedOut` if the thread does not react to a signal.
        #[source]
        cause: Cause,
    },
}

impl Sandbox {
    /// Creates a sandbox that allows only the resources that every run needs, such as random bytes and time zones.
    pub fn new() -> Self {
        Sandbox::default()
    }

    /// Allows the folders, files and ports that this program was granted, limited by this token. Call it for each
    /// program that will run. The families decide what a right needs: see
    /// [`Extension::sandbox_rules`](crate::extension::Extension::sandbox_rules).
    ///
    /// # Errors
    /// [`SandboxError::Grants`] and [`SandboxError::Base`].
    pub fn program(mut self, program: &Program, token: Option<&Token>) -> Result<Self, SandboxError> {
        let authority = self.plan.program(program, token)?;
        self.programs.push(authority);
        Ok(self)
    }

    /// Allows what an extension needs for the programs, as
    /// [`Builder::extension`](crate::Builder::extension) adds it to a runtime. The built-in families are included.
    pub fn extension(mut self, extension: impl Into<AnyExtension>) -> Self {
        self.extensions.push(extension.into());
        self
    }

    /// Returns all rules.
    fn planned(self) -> Plan {
        let mut plan = self.plan;
        let builtin = builtin(Settings::default());
        for extension in builtin.iter().chain(&self.extensions) {
            for authority in &self.programs {
                plan.extension(extension, authority);
            }
        }
        plan
    }

    /// Allows the access that is needed to fetch newer revocation lists and to keep them.
    pub fn revocations(mut self, feed: &RevocationFeed) -> Self {
        self.plan.revocations(feed);
        self
    }

    /// Allows reading the file, or the folder and everything below it.
    pub fn read(mut self, path: impl AsRef<Path>) -> Self {
        self.plan.read(path.as_ref());
        self
    }

    /// Allows writing the file. For a folder, allows writing, creating and removing everything below it.
    pub fn write(mut self, path: impl AsRef<Path>) -> Self {
        self.plan.write(path.as_ref());
        self
    }

    /// Allows TCP connections to this port of any host, and name lookups.
    pub fn connect(mut self, port: u16) -> Self {
        self.plan.connect(port, port);
        self
    }

    /// Allows accepting TCP connections on this port.
    pub fn listen(mut self, port: u16) -> Self {
        self.plan.listen(port);
        self
    }

    /// Allows a system call with any arguments, by its number on this architecture. It is for calls that a host makes
    /// while programs run, for example in a database client. Guests that bypass the reference monitor can make the call
    /// as well.
    pub fn system_call(mut self, number: i64) -> Self {
        self.plan.call(number);
        self
    }

    /// Writes a line to standard error for each refused system call. This helps to find the additional calls that a
    /// host needs.
    ///
    /// It replaces the `SIGSYS` handler of the process.
    pub fn report_refusals(mut self) -> Self {
        self.plan.report_refusals();
        self
    }

    /// Restricts the process irreversibly. Parts that this kernel does not support are left out, see
    /// [`SandboxReport::is_complete`].
    ///
    /// All threads are restricted, including those that already run. For this, a signal may interrupt each of them
    /// once.
    ///
    /// # Errors
    /// [`SandboxError`]: the restriction that the kernel refused.
    #[cfg(target_os = "linux")]
    pub fn enter(self) -> Result<SandboxReport, SandboxError> {
        static ENTERED: OnceLock<()> = OnceLock::new();
        if ENTERED.set(()).is_err() {
            return Err(SandboxError::Entered);
        }
        secure_runtime_engine::prepare();
        // The result is cached now, because the kernel refuses the query inside the sandbox.
        Sandbox::support();
        // Landlock comes first, because seccomp refuses the calls that reach other threads.
        let plan = self.planned();
        let (landlock, other_threads, wider) = landlock::enter(&plan)?;
        let seccomp = seccomp::enter(&plan)?;
        Ok(SandboxReport {
            support: SandboxSupport { landlock, seccomp },
            other_threads,
            wider,
        })
    }

    /// Does nothing, because only Linux has the features for the sandbox.
    ///
    /// # Errors
    /// None.
    #[cfg(not(target_os = "linux"))]
    pub fn enter(self) -> Result<SandboxReport, SandboxError> {
        Ok(SandboxReport::default())
    }

    /// Returns the sandbox features of this kernel. The query changes nothing.
    pub fn support() -> SandboxSupport {
        static SUPPORT: OnceLock<SandboxSupport> = OnceLock::new();
        *SUPPORT.get_or_init(|| {
            #[cfg(target_os = "linux")]
            let support = SandboxSupport {
                landlock: landlock::version(),
                seccomp: seccomp::is_supported(),
            };
            #[cfg(not(target_os = "linux"))]
            let support = SandboxSupport::default();
            support
        })
    }
}

impl SandboxReport {
    /// Returns true if the sandbox has all its parts.
    pub fn is_complete(&self) -> bool {
        self.support.lacks().is_empty()
    }
}

impl SandboxSupport {
    /// Returns descriptions of everything that a sandbox on this kernel cannot restrict.
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

impl fmt::Display for SandboxReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.support.fmt(formatter)
    }
}

impl fmt::Display for SandboxSupport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock {
            Some(version) => write!(formatter, "Landlock {version}")?,
            None => formatter.write_str("no Landlock")?,
        }
        formatter.write_str(if self.seccomp { ", seccomp" } else { ", no seccomp" })?;
        let lacks = self.lacks();
        if !lacks.is_empty() {
            write!(formatter, "; not confined: {}", lacks.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WALL-2.
    #[test]
    fn missing_kernel_features_are_named() {
        let support = |landlock, seccomp| SandboxSupport { landlock, seccomp };
        assert!(support(Some(6), true).lacks().is_empty());
        assert_eq!(support(Some(6), false).lacks(), ["system calls"]);
        assert_eq!(support(Some(3), true).lacks().first(), Some(&"TCP ports"));
        assert_eq!(support(None, false).lacks().len(), 6);
        assert_eq!(support(Some(7), true).to_string(), "Landlock 7, seccomp");
        assert!(
            support(None, true)
                .to_string()
                .starts_with("no Landlock, seccomp; not confined: files")
        );
    }
}
