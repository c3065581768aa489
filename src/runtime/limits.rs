//! What one run may use, and the watchdog that stops it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use deno_core::v8;

use super::answer::Answer;
use super::{Exit, Outcome};

/// How often the watchdog looks at the processor time.
const CPU_TICK: Duration = Duration::from_millis(20);

/// How often a run that is to end is told so again.
const BRAKE_TICK: Duration = Duration::from_millis(1);

/// How long a run that is to end is waited for. What does not notice in this time does not notice at all.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one run may use. A limit that is hit ends the run with [`crate::Exit::Limit`], and nothing else in the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the JavaScript heap, and on V8 as many again of array buffers. At least 8 MiB.
    pub heap: u64,
    /// Longest time from start to end. None: no limit.
    pub wall: Option<Duration>,
    /// Most processor time of the isolate's thread. None: no limit.
    pub cpu: Option<Duration>,
    /// Most bytes of one response that `net.fetch` receives.
    pub response: u64,
    /// Longest wait for a server's next bytes.
    pub idle: Duration,
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
        }
    }
}

/// The limit that ended a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitHit {
    /// The heap grew to this many bytes.
    Heap(u64),
    /// The run took this long.
    Wall(Duration),
    /// The run used this much processor time.
    Cpu(Duration),
}

impl fmt::Display for LimitHit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitHit::Heap(bytes) => write!(
                formatter,
                "heap limit of {}",
                bytesize::ByteSize(*bytes).display().iec()
            ),
            LimitHit::Wall(time) => write!(
                formatter,
                "wall time limit of {}",
                humantime::format_duration(*time)
            ),
            LimitHit::Cpu(time) => write!(
                formatter,
                "processor time limit of {}",
                humantime::format_duration(*time)
            ),
        }
    }
}

/// Why an isolate was told to stop. The first reason stays.
#[derive(Debug, Default)]
pub(crate) struct StopReason(AtomicU8);

const RUNNING: u8 = 0;
const ASKED: u8 = 1;
const HEAP: u8 = 2;
const WALL: u8 = 3;
const CPU: u8 = 4;

impl StopReason {
    fn set(&self, reason: u8) {
        let _ = self
            .0
            .compare_exchange(RUNNING, reason, Ordering::SeqCst, Ordering::SeqCst);
    }

    pub(crate) fn ask(&self) {
        self.set(ASKED);
    }

    pub(crate) fn heap(&self) {
        self.set(HEAP);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst) != RUNNING
    }

    pub(crate) fn limit(&self, limits: &Limits) -> Option<LimitHit> {
        match self.0.load(Ordering::SeqCst) {
            HEAP => Some(LimitHit::Heap(limits.heap)),
            WALL => Some(LimitHit::Wall(limits.wall.unwrap_or_default())),
            CPU => Some(LimitHit::Cpu(limits.cpu.unwrap_or_default())),
            _ => None,
        }
    }
}

/// Stops an isolate from outside: running code is terminated, and a waiting event loop is woken.
#[derive(Clone)]
pub(crate) struct Brake {
    pub(crate) reason: Arc<StopReason>,
    pub(crate) isolate: v8::IsolateHandle,
    pub(crate) wake: Arc<tokio::sync::Notify>,
    pub(crate) finished: Arc<AtomicBool>,
    pub(crate) pulled: Arc<AtomicBool>,
    pub(super) limits: Limits,
    pub(super) answer: Answer,
}

impl Brake {
    /// Ends the run, as often as it takes: a termination that comes while deno_core makes the error object of a failed
    /// operation is swallowed there, and a guest that does nothing but fail would outlive a single one.
    pub(crate) fn pull(&self) {
        self.press();
        if self.pulled.swap(true, Ordering::SeqCst) {
            return;
        }
        let brake = self.clone();
        let again = move || {
            let pulled = Instant::now();
            while !brake.finished.load(Ordering::SeqCst) {
                thread::sleep(BRAKE_TICK);
                brake.press();
                if pulled.elapsed() >= PATIENCE {
                    brake.give_up();
                }
            }
        };
        // Should there be no thread, the first attempt has to do.
        let _ = thread::Builder::new()
            .name("secure-runtime-brake".to_owned())
            .spawn(again);
    }

    /// How a run ends that was stopped.
    pub(super) fn exit(&self) -> Exit {
        self.reason.limit(&self.limits).map_or(Exit::Stopped, Exit::Limit)
    }

    /// Says how the run ended, though its thread goes on until it notices.
    fn give_up(&self) {
        self.answer.give(Ok(Outcome { exit: self.exit() }));
    }

    /// Called on the isolate's own thread where it can neither go on nor unwind: says how the run ended, and never
    /// returns. The thread and its memory are lost until the process ends, which is the least of what is left to choose
    /// from: the engine would take memory without limit, or abort the process.
    pub(super) fn abandon(&self) -> ! {
        self.finished.store(true, Ordering::SeqCst);
        self.give_up();
        loop {
            thread::park();
        }
    }

    fn press(&self) {
        if !self.finished.load(Ordering::SeqCst) {
            self.isolate.terminate_execution();
            self.wake.notify_one();
        }
    }
}

/// Watches the times of one run; ends with it.
pub(crate) struct Watchdog {
    _end: Option<mpsc::Sender<()>>,
}

impl Watchdog {
    /// Called on the isolate's own thread.
    pub(crate) fn start(limits: &Limits, brake: Brake) -> std::io::Result<Self> {
        if limits.wall.is_none() && limits.cpu.is_none() {
            return Ok(Watchdog { _end: None });
        }
        let (end, ended) = mpsc::channel();
        let started = Instant::now();
        let (wall, cpu) = (limits.wall, limits.cpu);
        let clock = ThreadClock::of_this_thread();
        if cpu.is_some() && clock.read().is_none() {
            return Err(std::io::Error::other(
                "the processor time limit cannot be held: /proc/thread-self/schedstat is not readable",
            ));
        }
        thread::Builder::new()
            .name("secure-runtime-watchdog".to_owned())
            .spawn(move || {
                loop {
                    let left = wall.map(|wall| wall.saturating_sub(started.elapsed()));
                    let wait = match (left, cpu) {
                        (Some(left), Some(_)) => left.min(CPU_TICK),
                        (Some(left), None) => left,
                        (None, _) => CPU_TICK,
                    };
                    if !matches!(ended.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                        return;
                    }
                    if wall.is_some_and(|wall| started.elapsed() >= wall) {
                        brake.reason.set(WALL);
                    } else if cpu.is_some_and(|cpu| clock.read().is_some_and(|used| used >= cpu)) {
                        brake.reason.set(CPU);
                    } else {
                        continue;
                    }
                    brake.pull();
                    return;
                }
            })?;
        Ok(Watchdog { _end: Some(end) })
    }
}

/// The processor time of one thread, readable from others.
struct ThreadClock {
    #[cfg(target_os = "linux")]
    schedstat: Option<std::path::PathBuf>,
    #[cfg(target_os = "linux")]
    at_start: u64,
}

#[cfg(target_os = "linux")]
impl ThreadClock {
    fn of_this_thread() -> Self {
        // proc(5): the first field is the time spent on a processor, in nanoseconds.
        let own = std::fs::read_link("/proc/thread-self").ok();
        let schedstat = own.map(|own| std::path::Path::new("/proc").join(own).join("schedstat"));
        let mut clock = ThreadClock {
            schedstat,
            at_start: 0,
        };
        clock.at_start = clock.nanoseconds().unwrap_or(0);
        clock
    }

    fn nanoseconds(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.schedstat.as_ref()?).ok()?;
        text.split_ascii_whitespace().next()?.parse().ok()
    }

    fn read(&self) -> Option<Duration> {
        Some(Duration::from_nanos(
            self.nanoseconds()?.saturating_sub(self.at_start),
        ))
    }
}

#[cfg(not(target_os = "linux"))]
impl ThreadClock {
    fn of_this_thread() -> Self {
        ThreadClock {}
    }

    fn read(&self) -> Option<Duration> {
        None
    }
}
