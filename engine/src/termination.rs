//! Termination of isolates: the registry of a run's isolates, the handle that terminates one isolate, and the watchdog
//! for time limits.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use deno_core::futures::task::AtomicWaker;
use deno_core::v8;

use crate::limits::{Limit, LimitHit, LimitScope};
use crate::memory::{Memory, MemoryUse};

/// Interval at which the watchdog reads the processor time.
const CPU_TICK: Duration = Duration::from_millis(20);

/// Interval between attempts to terminate an isolate.
const TERMINATION_TICK: Duration = Duration::from_millis(1);

/// Interval between attempts after the completion was sent. It replaces [`TERMINATION_TICK`].
const LATER_TICK: Duration = Duration::from_millis(50);

/// Maximum time that a terminated isolate has to end by itself. An isolate that does not react in this time probably
/// never will. A command that must end within two seconds then has the same time left to write its output.
const PATIENCE: Duration = Duration::from_secs(1);

/// The reason why isolates were stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The host requested it, or the program of a package worker has ended.
    Asked,
    Limit(LimitHit),
    /// The engine's bindings panicked in code that cannot unwind.
    Failed(String),
}

/// Terminates one isolate from other threads. It terminates running code and wakes a waiting event loop.
#[derive(Clone)]
pub(crate) struct Termination(Arc<Parts>);

struct Parts {
    /// The reason of the termination. Only the first one is kept.
    reason: OnceLock<Stopped>,
    isolate: v8::IsolateHandle,
    wake: AtomicWaker,
    finished: AtomicBool,
    pulled: AtomicBool,
    clock: ThreadClock,
    /// Reports how the isolate ended, on behalf of its thread. If it is called again, the reason is the same.
    give_up: Box<dyn Fn(&Stopped) + Send + Sync>,
}

impl Termination {
    /// Creates the handle of the isolate that runs on this thread.
    pub(crate) fn new(
        isolate: v8::IsolateHandle,
        give_up: impl Fn(&Stopped) + Send + Sync + 'static,
    ) -> Self {
        Termination(Arc::new(Parts {
            reason: OnceLock::new(),
            isolate,
            wake: AtomicWaker::new(),
            finished: AtomicBool::new(false),
            pulled: AtomicBool::new(false),
            clock: ThreadClock::of_this_thread(),
            give_up: Box::new(give_up),
        }))
    }

    /// Returns the reason of the termination, if the isolate was terminated.
    pub(crate) fn reason(&self) -> Option<&Stopped> {
        self.0.reason.get()
    }

    /// Runs the work on this thread and returns its result, or `None` if the isolate is terminated before.
    pub(crate) async fn unless_terminated<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            // The waker must be registered before the reason is read. A terminating thread sets the reason first and
            // then wakes.
            self.0.wake.register(context.waker());
            match self.reason() {
                Some(_) => Poll::Ready(None),
                None => work.as_mut().poll(context).map(Some),
            }
        })
        .await
    }

    /// Ignores all further terminations, because the isolate is ending.
    pub(crate) fn finish(&self) {
        self.0.finished.store(true, Ordering::SeqCst);
    }

    /// Terminates the isolate, and repeats this until the isolate ends. If a termination arrives while deno_core
    /// creates the error object of a failed operation, deno_core discards it. So a guest that only calls failing
    /// operations would survive a single attempt.
    pub(crate) fn terminate(&self, why: Stopped) {
        if self.0.finished.load(Ordering::SeqCst) {
            return;
        }
        let _ = self.0.reason.set(why);
        self.attempt();
        if self.0.pulled.swap(true, Ordering::SeqCst) {
            return;
        }
        let termination = self.clone();
        let again = move || {
            let pulled = Instant::now();
            let mut has_given_up = false;
            while !termination.0.finished.load(Ordering::SeqCst) {
                thread::sleep(if has_given_up {
                    LATER_TICK
                } else {
                    TERMINATION_TICK
                });
                termination.attempt();
                if !has_given_up && pulled.elapsed() >= PATIENCE {
                    has_given_up = true;
                    termination.give_up();
                }
            }
        };
        // If no thread can be started, only the first attempt takes place.
        let _ = thread::Builder::new()
            .name("secure-runtime-brake".to_owned())
            .spawn(again);
    }

    /// Reports how the isolate ended, although its thread continues until it notices the termination.
    fn give_up(&self) {
        if let Some(why) = self.reason() {
            (self.0.give_up)(why);
        }
    }

    /// Reports how the isolate ended, and never returns. Only the isolate's own thread calls this, if the engine can
    /// neither continue nor unwind. The thread and its memory are lost until the process ends.
    pub(crate) fn park(&self, why: Stopped) -> ! {
        let _ = self.0.reason.set(why);
        self.finish();
        self.give_up();
        loop {
            thread::park();
        }
    }

    fn attempt(&self) {
        if !self.0.finished.load(Ordering::SeqCst) {
            self.0.isolate.terminate_execution();
            self.0.wake.wake();
        }
    }
}

/// The isolates of one run: the program's own isolate and the package workers.
#[derive(Default)]
pub(crate) struct Run {
    terminations: Mutex<Vec<Termination>>,
    /// The memory accounts of the isolates.
    memories: Mutex<Vec<Memory>>,
    stopped: OnceLock<Stopped>,
}

impl Run {
    /// Registers an isolate. If the run was already stopped, the isolate is terminated at once.
    pub(crate) fn enter(&self, termination: &Termination) {
        self.terminations().push(termination.clone());
        if let Some(why) = self.stopped.get() {
            termination.terminate(why.clone());
        }
    }

    /// Counts this isolate's memory as part of the run's.
    pub(crate) fn count(&self, memory: &Memory) {
        self.memories().push(memory.clone());
    }

    /// Returns the sum of the isolates' peak memory.
    pub(crate) fn memory_used(&self) -> MemoryUse {
        let all = self.memories();
        all.iter()
            .map(Memory::most_used)
            .fold(MemoryUse::default(), MemoryUse::and)
    }

    /// Stops all isolates of the run.
    pub(crate) fn stop(&self, why: &Stopped) {
        let _ = self.stopped.set(why.clone());
        for termination in self.terminations().iter() {
            termination.terminate(why.clone());
        }
    }

    /// Returns the reason why the whole run was stopped, if it was.
    pub(crate) fn reason(&self) -> Option<&Stopped> {
        self.stopped.get()
    }

    /// Returns the processor time of all isolates together.
    fn processor_time(&self) -> Duration {
        self.terminations()
            .iter()
            .map(|termination| termination.0.clock.used())
            .sum()
    }

    fn memories(&self) -> std::sync::MutexGuard<'_, Vec<Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn terminations(&self) -> std::sync::MutexGuard<'_, Vec<Termination>> {
        self.terminations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The active runs of one runtime.
#[derive(Default)]
pub struct Running {
    next: AtomicU64,
    runs: Mutex<HashMap<u64, Arc<Run>>>,
}

impl Running {
    fn runs(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Run>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops every active run.
    pub fn stop(&self) {
        let runs: Vec<Arc<Run>> = self.runs().values().cloned().collect();
        for run in runs {
            run.stop(&Stopped::Asked);
        }
    }
}

/// An active run. When it is dropped, also during a panic, its package workers are terminated, and the run can no
/// longer be stopped.
pub(crate) struct UnderWay {
    running: Arc<Running>,
    id: u64,
    run: Arc<Run>,
}

impl UnderWay {
    pub(crate) fn begin(running: &Arc<Running>, run: &Arc<Run>) -> Self {
        let id = running.next.fetch_add(1, Ordering::SeqCst);
        running.runs().insert(id, run.clone());
        UnderWay {
            running: running.clone(),
            id,
            run: run.clone(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.running.runs().remove(&self.id);
        self.run.stop(&Stopped::Asked);
    }
}

/// The time limits of one unit.
pub(crate) struct Times {
    pub(crate) unit: LimitScope,
    pub(crate) wall: Option<Duration>,
    pub(crate) cpu: Option<Duration>,
}

/// The number of turns of an event loop. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<AtomicU64>);

impl Turns {
    /// Counts one more turn, which begins now.
    pub(crate) fn next(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A thread that enforces the time limits of a program or of a package worker. It ends when this is dropped.
pub(crate) struct Watchdog {
    _end: Option<mpsc::Sender<()>>,
}

impl Watchdog {
    /// Enforces the limits of a whole run.
    pub(crate) fn of_run(times: Times, run: &Arc<Run>) -> std::io::Result<Self> {
        let (measured, stopped, ended) = (run.clone(), run.clone(), run.clone());
        Watchdog::start(
            times,
            move || measured.processor_time(),
            move |why| stopped.stop(&why),
            move || ended.reason().is_some(),
        )
    }

    /// Enforces the limits of one isolate.
    pub(crate) fn of_isolate(times: Times, termination: &Termination) -> std::io::Result<Self> {
        let (measured, stopped, ended) = (termination.clone(), termination.clone(), termination.clone());
        Watchdog::start(
            times,
            move || measured.0.clock.used(),
            move |why| stopped.terminate(why),
            move || ended.reason().is_some(),
        )
    }

    /// Enforces a limit on the processor time of each turn of an isolate's event loop. It must be created on the
    /// isolate's thread.
    pub(crate) fn of_turns(
        unit: LimitScope,
        cpu: Option<Duration>,
        termination: &Termination,
        turns: &Turns,
    ) -> std::io::Result<Self> {
        let (measured, stopped, ended) = (termination.clone(), termination.clone(), termination.clone());
        let turns = turns.clone();
        let (mut turn, mut at_begin) = (0, Duration::ZERO);
        let used = move || {
            let used = measured.0.clock.used();
            let now = turns.0.load(Ordering::Relaxed);
            if now != turn {
                // The turn began after the last look, so the time since its begin is at most this much too short.
                (turn, at_begin) = (now, used);
            }
            used.saturating_sub(at_begin)
        };
        let times = Times {
            unit,
            wall: None,
            cpu,
        };
        Watchdog::start(
            times,
            used,
            move |why| stopped.terminate(why),
            move || ended.reason().is_some(),
        )
    }

    fn start(
        times: Times,
        mut used: impl FnMut() -> Duration + Send + 'static,
        stop: impl Fn(Stopped) + Send + 'static,
        is_stopped: impl Fn() -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let Times { unit, wall, cpu } = times;
        if wall.is_none() && cpu.is_none() {
            return Ok(Watchdog { _end: None });
        }
        if cpu.is_some() && !ThreadClock::of_this_thread().is_readable() {
            return Err(std::io::Error::other(
                "the processor time limit cannot be enforced: the thread's clock is not readable",
            ));
        }
        let (end, ended) = mpsc::channel();
        let started = Instant::now();
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
                    // A parked thread never drops the sender, so the watchdog must also check whether the isolate was
                    // stopped.
                    if !matches!(ended.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) || is_stopped() {
                        return;
                    }
                    let wall_hit = wall.filter(|wall| started.elapsed() >= *wall).map(Limit::Wall);
                    let hit = wall_hit.or_else(|| cpu.filter(|cpu| used() >= *cpu).map(Limit::Cpu));
                    if let Some(limit) = hit {
                        return stop(Stopped::Limit(LimitHit { unit, limit }));
                    }
                }
            })?;
        Ok(Watchdog { _end: Some(end) })
    }
}

/// The processor time of one thread, readable from other threads. It needs no file, because the OS sandbox may deny
/// access to files.
struct ThreadClock {
    #[cfg(target_os = "linux")]
    clock: Option<libc::clockid_t>,
    #[cfg(target_os = "linux")]
    at_start: u64,
    /// The last value read. It remains valid after the thread has ended.
    last: AtomicU64,
}

#[cfg(target_os = "linux")]
impl ThreadClock {
    fn of_this_thread() -> Self {
        let mut clock = 0;
        // SAFETY: the thread is the calling one, and the result is written to a variable of this frame.
        let got = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        let mut clock = ThreadClock {
            clock: (got == 0).then_some(clock),
            at_start: 0,
            last: AtomicU64::new(0),
        };
        clock.at_start = clock.nanoseconds().unwrap_or(0);
        clock
    }

    fn nanoseconds(&self) -> Option<u64> {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the result is written to a variable of this frame. If the thread has ended, the call returns an
        // error.
        let got = unsafe { libc::clock_gettime(self.clock?, &mut time) };
        let (seconds, rest) = (
            u64::try_from(time.tv_sec).ok()?,
            u64::try_from(time.tv_nsec).ok()?,
        );
        (got == 0).then(|| seconds.saturating_mul(1_000_000_000).saturating_add(rest))
    }

    fn is_readable(&self) -> bool {
        self.nanoseconds().is_some()
    }

    fn used(&self) -> Duration {
        let used = self
            .nanoseconds()
            .map_or(0, |now| now.saturating_sub(self.at_start));
        let before = self.last.fetch_max(used, Ordering::Relaxed);
        Duration::from_nanos(used.max(before))
    }
}

#[cfg(not(target_os = "linux"))]
impl ThreadClock {
    fn of_this_thread() -> Self {
        ThreadClock {
            last: AtomicU64::new(0),
        }
    }

    fn is_readable(&self) -> bool {
        false
    }

    fn used(&self) -> Duration {
        Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }
}
