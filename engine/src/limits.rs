//! The limits of programs, isolates and packages, and the report of a limit that was hit.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The limits of one run. If a limit is hit, only this run ends, with [`crate::Exit::Limit`].
///
/// An [`Instance`](crate::Instance) has no end of its own, so for instances two limits have other meanings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of the JavaScript heap of each isolate, in bytes. On V8, array buffers have another limit of the
    /// same size. The minimum is 8 MiB.
    pub heap: u64,
    /// Maximum time from start to end. `None` means no limit. For an instance, it is the maximum time until it is
    /// ready, and from each request to its response. A request that exceeds it fails, and the instance continues.
    pub wall: Option<Duration>,
    /// Maximum processor time of all isolates of the run together. `None` means no limit. For an instance, it is the
    /// maximum time for which an isolate runs without returning to its event loop.
    pub cpu: Option<Duration>,
    /// Maximum size of one response that `net.fetch` receives, in bytes.
    pub response: u64,
    /// Maximum time to wait for the next bytes of a server.
    pub idle: Duration,
    /// The quotas of the program, with all its packages and isolates.
    pub quotas: Quotas,
    /// The limits of requests to an instance.
    pub requests: RequestLimits,
    /// Additional limits of packages, by their names in the graph.
    pub packages: BTreeMap<String, PackageLimits>,
}

/// The limits of requests to one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Maximum number of requests in progress at one time. The minimum is 1.
    pub concurrent: usize,
    /// Maximum number of requests that wait until another one ends. Further requests fail at once.
    pub queued: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            concurrent: 256,
            queued: 1024,
        }
    }
}

/// The limits of one package.
///
/// A package that shares the program's isolate has only quotas. The runtime cannot determine which package's objects
/// fill a shared heap, or which package uses the time of a shared thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageLimits {
    /// Heap limit of the package's own isolate, like [`Limits::heap`]. `None` means the limit of the program.
    pub heap: Option<u64>,
    /// Maximum lifetime of the package's own isolate.
    pub wall: Option<Duration>,
    /// Maximum processor time of the package's own isolate.
    pub cpu: Option<Duration>,
    /// The quotas of the package.
    pub quotas: Quotas,
}

/// Quotas. `None` means no limit except that of the heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Maximum number of decisions in one second, allowed or denied.
    pub operations: Option<u64>,
    /// Maximum number of open files and of responses that are being received.
    pub handles: Option<u64>,
    /// Maximum number of pending asynchronous operations and calls of other isolates.
    pub pending: Option<u64>,
    /// Maximum number of active timers. Timers belong to an isolate. A package that shares the program's isolate has
    /// its own timers only if it was given the functions that set them.
    pub timers: Option<u64>,
    /// Maximum number of bytes that are printed.
    pub output: Option<u64>,
    /// Maximum number of bytes that are read from files and from the key-value store.
    pub read: Option<u64>,
    /// Maximum number of bytes that are received in responses.
    pub fetched: Option<u64>,
}

impl PackageLimits {
    /// Returns the key of the first limit that a package in the program's isolate cannot have.
    pub fn of_an_isolate(&self) -> Option<&'static str> {
        let set = [
            ("heap", self.heap.is_some()),
            ("wall", self.wall.is_some()),
            ("cpu", self.cpu.is_some()),
        ];
        set.into_iter().find(|(_, is_set)| *is_set).map(|(name, _)| name)
    }
}

impl Limits {
    /// Minimum heap limit, in bytes. A smaller heap cannot hold the realm.
    pub const SMALLEST_HEAP: u64 = 8 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            heap: 256 << 20,
            wall: None,
            cpu: None,
            response: 64 << 20,
            idle: Duration::from_secs(30),
            quotas: Quotas::default(),
            requests: RequestLimits::default(),
            packages: BTreeMap::new(),
        }
    }
}

/// The owner of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitScope {
    /// The whole program.
    Program,
    /// The package with this name.
    Package(String),
}

impl fmt::Display for LimitScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitScope::Program => formatter.write_str("the program"),
            LimitScope::Package(name) => write!(formatter, "package {name}"),
        }
    }
}

/// A limit, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Bytes of the heap.
    Heap(u64),
    /// Time from start to end.
    Wall(Duration),
    /// Processor time.
    Cpu(Duration),
    /// Operations in one second.
    Operations(u64),
    /// Open files and responses.
    Handles(u64),
    /// Pending operations.
    Pending(u64),
    /// Active timers.
    Timers(u64),
    /// Bytes printed.
    Output(u64),
    /// Bytes read.
    Read(u64),
    /// Bytes received.
    Fetched(u64),
}

impl Limit {
    /// Returns the limit's key in the manifest.
    pub fn key(&self) -> &'static str {
        match self {
            Limit::Heap(_) => "heap",
            Limit::Wall(_) => "wall",
            Limit::Cpu(_) => "cpu",
            Limit::Operations(_) => "operations",
            Limit::Handles(_) => "handles",
            Limit::Pending(_) => "pending",
            Limit::Timers(_) => "timers",
            Limit::Output(_) => "output",
            Limit::Read(_) => "read",
            Limit::Fetched(_) => "fetched",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: &u64| bytesize::ByteSize(*bytes).display().iec();
        let time = |time: &Duration| humantime::format_duration(*time);
        match self {
            Limit::Heap(bytes) => write!(formatter, "heap limit of {}", size(bytes)),
            Limit::Wall(wall) => write!(formatter, "wall time limit of {}", time(wall)),
            Limit::Cpu(cpu) => write!(formatter, "processor time limit of {}", time(cpu)),
            Limit::Operations(count) => write!(formatter, "limit of {count} operations a second"),
            Limit::Handles(count) => write!(formatter, "limit of {count} open handles"),
            Limit::Pending(count) => write!(formatter, "limit of {count} pending operations"),
            Limit::Timers(count) => write!(formatter, "limit of {count} timers"),
            Limit::Output(bytes) => write!(formatter, "output limit of {}", size(bytes)),
            Limit::Read(bytes) => write!(formatter, "limit of {} read", size(bytes)),
            Limit::Fetched(bytes) => write!(formatter, "limit of {} fetched", size(bytes)),
        }
    }
}

/// A limit that was hit, with its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitHit {
    /// The owner of the limit, which was stopped.
    pub unit: LimitScope,
    /// The limit, with its value.
    pub limit: Limit,
}

impl LimitHit {
    /// Returns the report of this limit of this unit.
    pub fn new(unit: LimitScope, limit: Limit) -> Self {
        LimitHit { unit, limit }
    }
}

impl fmt::Display for LimitHit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} hit its {}", self.unit, self.limit)
    }
}
