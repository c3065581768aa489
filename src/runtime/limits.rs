//! What a program, an isolate and a package may use, and how it is said that somebody used more.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What one run may use. A limit that is hit ends the run with [`crate::Exit::Limit`], and nothing else in the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the JavaScript heap of each isolate, and on V8 as many again of array buffers. At least 8 MiB.
    pub heap: u64,
    /// Longest time from start to end. None: no limit.
    pub wall: Option<Duration>,
    /// Most processor time, of all isolates of the run together. None: no limit.
    pub cpu: Option<Duration>,
    /// Most bytes of one response that `net.fetch` receives.
    pub response: u64,
    /// Longest wait for a server's next bytes.
    pub idle: Duration,
    /// How much the program may do, all its packages and isolates together.
    pub quotas: Quotas,
    /// What packages may use, by their names in the graph; besides what the program may.
    pub packages: BTreeMap<String, PackageLimits>,
}

/// What one package may use.
///
/// A package that shares the program's isolate has quotas only: which package's objects fill a shared heap, and who uses a
/// shared thread's time, nobody can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageLimits {
    /// As [`Limits::heap`], for the package's own isolate. None: as the program's.
    pub heap: Option<u64>,
    /// Longest life of the package's own isolate.
    pub wall: Option<Duration>,
    /// Most processor time of the package's own isolate.
    pub cpu: Option<Duration>,
    /// How much the package may do.
    pub quotas: Quotas,
}

/// How much may be done. None: no limit but that of the heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Operations that are decided in one second, allowed or not.
    pub operations: Option<u64>,
    /// Files that are open and responses that are being received, at one time.
    pub handles: Option<u64>,
    /// Asynchronous operations and calls of other isolates that are under way, at one time.
    pub pending: Option<u64>,
    /// Timers that are set, at one time. They belong to an isolate: a package that shares the program's has some of its
    /// own only if it was given the functions that set them.
    pub timers: Option<u64>,
    /// Bytes that are printed.
    pub output: Option<u64>,
    /// Bytes that are read from files and from the key-value store.
    pub read: Option<u64>,
    /// Bytes of responses that are received.
    pub fetched: Option<u64>,
}

impl PackageLimits {
    /// The first limit that a package in the program's isolate, with these globals, cannot have. Timers it has of its own if all
    /// functions that set them were given to it.
    pub(crate) fn of_an_isolate(&self, globals: &[String]) -> Option<&'static str> {
        let given = |name: &str| globals.iter().any(|given| given == name);
        let has_timers = given("setTimeout") && given("setInterval");
        let set = [
            ("heap", self.heap.is_some()),
            ("wall", self.wall.is_some()),
            ("cpu", self.cpu.is_some()),
            ("timers", self.quotas.timers.is_some() && !has_timers),
        ];
        set.into_iter().find(|(_, is_set)| *is_set).map(|(name, _)| name)
    }
}

impl Limits {
    /// The smallest heap that can be asked for, in bytes: less does not hold the realm.
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
            packages: BTreeMap::new(),
        }
    }
}

/// Who has a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// The whole program.
    Program,
    /// The package of this name.
    Package(String),
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::Program => formatter.write_str("the program"),
            Unit::Package(name) => write!(formatter, "package {name}"),
        }
    }
}

/// A limit, with its figure.
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
    /// Operations under way.
    Pending(u64),
    /// Timers that are set.
    Timers(u64),
    /// Bytes printed.
    Output(u64),
    /// Bytes read.
    Read(u64),
    /// Bytes received.
    Fetched(u64),
}

impl Limit {
    /// Its key in the manifest.
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

/// The limit that was hit, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitHit {
    /// Whose it is, and what was stopped.
    pub unit: Unit,
    /// Which limit, and its figure.
    pub limit: Limit,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} hit its {}", self.unit, self.limit)
    }
}
