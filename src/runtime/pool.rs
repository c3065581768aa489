//! Threads with isolates: started for a job, or ahead of need.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use tokio::sync::oneshot;

use super::boot::Booted;
use super::isolate::Job;
use super::panics;
use super::release::Released;
use super::thread;

/// Isolates of one runtime that wait for a program, each on its thread.
pub(super) struct Pool {
    heap: u64,
    /// How many wait at most.
    size: usize,
    idle: Mutex<Vec<oneshot::Sender<Job>>>,
}

impl Pool {
    /// A pool of `size` isolates with such heaps, of which the first begin to start now.
    pub(super) fn start(size: usize, heap: u64) -> std::io::Result<Arc<Pool>> {
        let pool = Arc::new(Pool {
            heap,
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

    /// How many isolates wait now.
    pub(super) fn waiting(&self) -> usize {
        self.idle().len()
    }

    /// Starts one more, which waits for a job as long as the pool is there.
    fn add(self: &Arc<Self>) -> std::io::Result<()> {
        let (pool, (sender, jobs)) = (Arc::downgrade(self), oneshot::channel());
        // It is this one's own thread: nobody waits while it boots.
        let is_kept = move || pool.upgrade().is_some_and(|pool| pool.keep(sender));
        thread::spawn(waiting(self.heap, jobs, is_kept))
    }

    fn keep(&self, sender: oneshot::Sender<Job>) -> bool {
        let mut idle = self.idle();
        let has_room = idle.len() < self.size;
        if has_room {
            idle.push(sender);
        }
        has_room
    }

    /// Gives the job to an isolate that waits; back where there is none.
    fn give(self: &Arc<Self>, mut job: Job) -> Option<Job> {
        loop {
            let Some(waiting) = self.idle().pop() else {
                return Some(job);
            };
            match waiting.send(job) {
                Ok(()) => {
                    // Should there be no thread now, the next job starts its own.
                    let _ = self.add();
                    return None;
                }
                // That one is gone: its engine panicked, say.
                Err(back) => job = back,
            }
        }
    }
}

/// An isolate that begins to start before it is known what for.
pub(crate) struct Started {
    heap: u64,
    isolate: oneshot::Sender<Job>,
}

impl Started {
    /// Begins to start an isolate with such a heap, and does not wait for it.
    pub(crate) fn begin(heap: u64) -> Started {
        let (isolate, jobs) = oneshot::channel();
        // Without a thread, the job comes back, and whoever has it hears why there is none.
        let _ = thread::order(waiting(heap, jobs, || true));
        Started { heap, isolate }
    }
}

/// Starts an isolate, and performs the job that it gets, if it is kept until then.
fn waiting(
    heap: u64,
    jobs: oneshot::Receiver<Job>,
    is_kept: impl FnOnce() -> bool + Send + 'static,
) -> Box<dyn FnOnce() + Send> {
    Box::new(move || {
        on_this_thread(async move {
            let booted = Booted::new(heap);
            let job: Option<Job> = if is_kept() { jobs.await.ok() } else { None };
            match job {
                Some(job) => job.perform(booted).await,
                // Nobody took it.
                None => drop(booted.map(|booted| Released::from(booted.js))),
            }
        });
    })
}

/// Performs the job on an isolate with such a heap: on one that has begun to start, on one of the pool, or on a new one.
pub(super) fn perform(
    started: Option<Started>,
    pool: Option<&Arc<Pool>>,
    heap: u64,
    job: Job,
) -> std::io::Result<()> {
    let job = match started.filter(|started| started.heap == heap) {
        Some(started) => started.isolate.send(job).err(),
        None => Some(job),
    };
    let job = match (job, pool.filter(|pool| pool.heap == heap)) {
        (Some(job), Some(pool)) => pool.give(job),
        (job, _) => job,
    };
    let Some(job) = job else { return Ok(()) };
    thread::spawn(Box::new(move || {
        on_this_thread(async { job.perform(Booted::new(heap)).await });
    }))
}

/// Wakes whoever polls, as long as there is somebody.
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

/// The future, with wakers that hold nothing of the event loop once it ended. deno_core keeps one of an isolate that was stopped while
/// a module was evaluated, and with it would keep the loop's files open.
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

/// Runs the future on this thread, to its end.
fn on_this_thread(work: impl Future<Output = ()>) {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Without an event loop the job is dropped, and its asker hears that nobody answers.
    let Ok(reactor) = reactor else { return };
    // A panic of the engine's bindings ends this isolate and nothing else; its job tells who asked.
    panics::catch(|| reactor.block_on(apart(work)));
    // File work that a stopped program left behind may still block; it is not waited for.
    reactor.shutdown_background();
}
