//! Threads with isolates. They are started for a job, or in advance.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use tokio::sync::oneshot;

use super::boot::WarmIsolate;
use super::job::Job;
use super::panics;
use super::released::Released;
use super::thread;
use crate::extensions::Extensions;
use crate::snapshot::Startup;

/// A pool of isolates that wait for programs. Each has its own thread.
pub struct Pool {
    heap: u64,
    startup: Startup,
    /// Maximum number of waiting isolates.
    size: usize,
    idle: Mutex<Vec<oneshot::Sender<Job>>>,
}

impl Pool {
    /// Creates a pool of `size` isolates with this heap limit, and begins to start them.
    pub fn start(size: usize, heap: u64, startup: Startup) -> std::io::Result<Arc<Pool>> {
        let pool = Arc::new(Pool {
            heap,
            startup,
            size,
            idle: Mutex::new(Vec::with_capacity(size)),
        });
        for _ in 0..size {
            pool.add()?;
        }
        Ok(pool)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<oneshot::Sender<Job>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of isolates that currently wait.
    pub fn waiting(&self) -> usize {
        self.idle().len()
    }

    /// Starts another isolate. It waits for a job until the pool is dropped.
    fn add(self: &Arc<Self>) -> std::io::Result<()> {
        let (pool, (sender, jobs)) = (Arc::downgrade(self), oneshot::channel());
        // The closure runs on the new thread, so nothing waits while the isolate boots.
        let is_kept = move || pool.upgrade().is_some_and(|pool| pool.keep(sender));
        thread::spawn(waiting(self.heap, self.startup.clone(), jobs, is_kept))
    }

    fn keep(&self, sender: oneshot::Sender<Job>) -> bool {
        let mut idle = self.idle();
        let has_room = idle.len() < self.size;
        if has_room {
            idle.push(sender);
        }
        has_room
    }

    /// Sends the job to a waiting isolate. Returns the job if there is none.
    fn give(self: &Arc<Self>, mut job: Job) -> Option<Job> {
        loop {
            let Some(waiting) = self.idle().pop() else {
                return Some(job);
            };
            match waiting.send(job) {
                Ok(()) => {
                    // If no thread can be started now, the next job starts its own.
                    let _ = self.add();
                    return None;
                }
                // This isolate has ended, for example because its engine panicked.
                Err(back) => job = back,
            }
        }
    }
}

/// An isolate that begins to start before its job is known.
pub struct StartingIsolate {
    heap: u64,
    extensions: Extensions,
    isolate: oneshot::Sender<Job>,
}

impl StartingIsolate {
    /// Begins to start an isolate with this heap limit, without waiting for it.
    pub fn begin(heap: u64, startup: Startup) -> StartingIsolate {
        let (isolate, jobs) = oneshot::channel();
        // If there is no thread, the job comes back, and its caller gets the error from the next attempt.
        let extensions = startup.extensions.clone();
        let _ = thread::order(waiting(heap, startup, jobs, || true));
        StartingIsolate {
            heap,
            extensions,
            isolate,
        }
    }
}

/// Starts an isolate, and performs its job. If the isolate is not kept, it ends without a job.
fn waiting(
    heap: u64,
    startup: Startup,
    jobs: oneshot::Receiver<Job>,
    is_kept: impl FnOnce() -> bool + Send + 'static,
) -> Box<dyn FnOnce() + Send> {
    Box::new(move || {
        on_this_thread(async move {
            let booted = WarmIsolate::new(heap, &startup);
            let job: Option<Job> = if is_kept() { jobs.await.ok() } else { None };
            match job {
                Some(job) => job.perform(booted).await,
                // No job was sent to this isolate.
                None => drop(booted.map(|booted| Released::from(booted.js))),
            }
        });
    })
}

/// Performs the job on an isolate with this heap limit and these parts. It is one that is already starting, one of the
/// pool, or a new one.
pub(crate) fn perform(
    started: Option<StartingIsolate>,
    pool: Option<&Arc<Pool>>,
    heap: u64,
    startup: &Startup,
    job: Job,
) -> std::io::Result<()> {
    let fits = |other: &Extensions| other.have_scripts_of(&startup.extensions);
    let job = match started.filter(|started| started.heap == heap && fits(&started.extensions)) {
        Some(started) => started.isolate.send(job).err(),
        None => Some(job),
    };
    let job = match (
        job,
        pool.filter(|pool| pool.heap == heap && fits(&pool.startup.extensions)),
    ) {
        (Some(job), Some(pool)) => pool.give(job),
        (job, _) => job,
    };
    let Some(job) = job else { return Ok(()) };
    let startup = startup.clone();
    thread::spawn(Box::new(move || {
        on_this_thread(async { job.perform(WarmIsolate::new(heap, &startup)).await });
    }))
}

/// Wakes the task that polls the future, as long as there is one.
#[derive(Default)]
struct Woken(Mutex<Option<Waker>>);

impl Woken {
    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        if let Some(waker) = &*self.waker() {
            waker.wake_by_ref();
        }
    }
}

/// Runs a future with a waker that holds nothing of the event loop after the future has ended. If an isolate was
/// stopped while a module was evaluated, deno_core keeps its waker. The original waker would keep the files of the
/// event loop open.
async fn apart<T>(work: impl Future<Output = T>) -> T {
    let (woken, mut work) = (Arc::new(Woken::default()), pin!(work));
    let waker = Waker::from(woken.clone());
    let ended = poll_fn(|context| {
        let mut polled = woken.waker();
        if !polled
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            *polled = Some(context.waker().clone());
        }
        drop(polled);
        work.as_mut().poll(&mut Context::from_waker(&waker))
    });
    let ended = ended.await;
    woken.waker().take();
    ended
}

/// Runs the future to completion on this thread.
fn on_this_thread(work: impl Future<Output = ()>) {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without an event loop, the job is dropped and reports a failure.
    let Ok(reactor) = reactor else { return };
    // A panic of the engine's bindings ends only this isolate. Its job reports the failure.
    panics::catch(|| reactor.block_on(apart(work)));
    // File operations of a stopped program may still block. They are not awaited.
    reactor.shutdown_background();
}
