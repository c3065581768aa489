//! Instances: programs that wait for requests.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use secure_runtime_http::{Body, TargetError, serialized};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::response::delivered;
use super::{Call, Event, RequestContext};
use crate::limits::{Limits, RequestLimits};
use crate::outcome::{Exit, Outcome, RunError};
use crate::termination::{Run, Stopped};

/// The end of an instance.
pub(crate) type Ended = Result<Outcome, Arc<RunError>>;

/// The requests of an instance, as its isolate gets them.
pub(crate) struct Queue {
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    /// Completes when the entry module was evaluated and has a handler.
    pub(crate) ready: oneshot::Sender<()>,
}

/// A program that answers requests. Clones share it. It ends when it is stopped, and when all clones are dropped.
///
/// The isolate has its own thread, which sleeps while there are no requests.
#[derive(Clone)]
pub struct Instance(Arc<Inner>);

struct Inner {
    /// `None` when the instance accepts no more requests.
    events: Mutex<Option<mpsc::UnboundedSender<Event>>>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    limits: RequestLimits,
    wall: Option<Duration>,
    next: AtomicU32,
    run: Arc<Run>,
    ended: watch::Receiver<Option<Ended>>,
}

/// The reason why a request got no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL of the request is not absolute.
    #[error("the request: {0}")]
    Target(#[from] TargetError),
    /// Too many requests are in progress.
    #[error(
        "{concurrent} requests are in progress and {queued} wait, which are the limits of this function; try again later"
    )]
    Busy {
        /// Maximum number of requests in progress.
        concurrent: usize,
        /// Maximum number of requests that wait.
        queued: usize,
    },
    /// The handler did not respond in time.
    #[error("the function did not respond within {}, its limit `wall`", humantime::format_duration(*.0))]
    Wall(Duration),
    /// There is no memory for the request.
    #[error("the function has no memory left for another request; its limit is `heap`")]
    Memory,
    /// The handler threw, or returned something other than a response. The program's console has the error.
    #[error("the function failed; its log has the error")]
    Failed,
    /// The instance has ended or is ending.
    #[error("the function has ended: {reason}")]
    Ended {
        /// The reason.
        reason: String,
    },
}

impl Instance {
    /// Creates the instance, the queue for its isolate, and the sender of its end.
    pub(crate) fn new(
        limits: &Limits,
        run: &Arc<Run>,
    ) -> (Instance, Queue, oneshot::Receiver<()>, watch::Sender<Option<Ended>>) {
        let (sender, events) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let instance = Instance(Arc::new(Inner {
            events: Mutex::new(Some(sender)),
            places: Arc::new(Semaphore::new(limits.requests.concurrent.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            limits: limits.requests,
            wall: limits.wall,
            next: AtomicU32::new(0),
            run: run.clone(),
            ended,
        }));
        (instance, Queue { events, ready }, is_ready, end)
    }

    /// Sends a request to the handler of the entry module, and returns its response.
    ///
    /// The URI of the request must be absolute. A [`RequestContext`] in the extensions of the request is a part of the
    /// handler's context. The body of the response is received as it is read. If the future or the body is dropped
    /// before its end, the signal of the request is aborted.
    ///
    /// # Errors
    /// There is no response: see [`FetchError`].
    pub async fn fetch(&self, request: Request<Body>) -> Result<Response<Body>, FetchError> {
        let inner = &*self.0;
        let (mut parts, body) = request.into_parts();
        parts.uri = serialized(&parts.uri)?;
        let context = parts.extensions.remove::<RequestContext>().unwrap_or_default();
        let request = Request::from_parts(parts, body);
        match inner.wall {
            None => self.answered(request, context).await,
            Some(wall) => {
                let answered = tokio::time::timeout(wall, self.answered(request, context)).await;
                answered.unwrap_or(Err(FetchError::Wall(wall)))
            }
        }
    }

    async fn answered(
        &self,
        request: Request<Body>,
        context: RequestContext,
    ) -> Result<Response<Body>, FetchError> {
        let inner = &*self.0;
        let events = inner.sender().ok_or_else(|| inner.ending())?;
        let place = self.place().await?;
        let number = inner.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let call = Event::Call(Box::new(Call {
            number,
            request,
            context,
            answer,
            place,
        }));
        events.send(call).map_err(|_| inner.ending())?;
        let watched = Watched {
            number,
            events: Some(events),
        };
        let mut ended = inner.ended.clone();
        let answer = async {
            match answered.await {
                Ok(answer) => answer,
                // The isolate has ended, or will have in a moment.
                Err(_) => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            // The thread of the isolate may be stuck, and then drops nothing.
            _ = ended.wait_for(Option::is_some) => Err(inner.ending()),
        };
        answer.map(|answer| delivered(answer, watched))
    }

    /// Waits for a place among the requests in progress.
    async fn place(&self) -> Result<tokio::sync::OwnedSemaphorePermit, FetchError> {
        let inner = &*self.0;
        if let Ok(place) = inner.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let RequestLimits { concurrent, queued } = inner.limits;
        let waiting = Waiting(&inner.waiting);
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= queued {
            return Err(FetchError::Busy { concurrent, queued });
        }
        let mut ended = inner.ended.clone();
        let place = tokio::select! {
            place = inner.places.clone().acquire_owned() => place.map_err(|_| inner.ending()),
            _ = ended.wait_for(Option::is_some) => Err(inner.ending()),
        };
        drop(waiting);
        place
    }

    /// Returns the number of requests in progress. A request is in progress until its response was sent and the
    /// promises that its handler passed to `context.waitUntil` are settled.
    pub fn requests(&self) -> usize {
        let concurrent = self.0.limits.concurrent.clamp(1, Semaphore::MAX_PERMITS);
        concurrent.saturating_sub(self.0.places.available_permits())
    }

    /// Stops the instance at once. Requests in progress fail.
    pub fn stop(&self) {
        self.0.run.stop(&Stopped::Asked);
    }

    /// Accepts no more requests, waits for those in progress, and ends the instance. After the time `most`, it ends
    /// anyway.
    pub async fn drain(&self, most: Duration) {
        let inner = &*self.0;
        let events = inner.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        let concurrent = u32::try_from(inner.limits.concurrent.clamp(1, Semaphore::MAX_PERMITS));
        let idle = inner.places.acquire_many(concurrent.unwrap_or(u32::MAX));
        let mut ended = inner.ended.clone();
        let is_idle = tokio::select! {
            idle = tokio::time::timeout(most, idle) => idle.is_ok(),
            _ = ended.wait_for(Option::is_some) => true,
        };
        drop(events);
        if !is_idle {
            self.stop();
        }
        self.ended().await.ok();
    }

    /// Waits for the end of the instance, and returns its outcome.
    ///
    /// # Errors
    /// The engine failed.
    pub async fn ended(&self) -> Result<Outcome, Arc<RunError>> {
        let mut ended = self.0.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(ended)) => ended.clone(),
            _ => Err(Arc::new(RunError::engine("the isolate's thread ended without a result"))),
        }
    }

    /// Returns true if the instance has ended, and so answers no more requests.
    pub fn has_ended(&self) -> bool {
        self.0.ended.borrow().is_some()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Instance")
            .field("requests", &self.requests())
            .field("has_ended", &self.has_ended())
            .finish()
    }
}

impl Inner {
    fn sender(&self) -> Option<mpsc::UnboundedSender<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the error of a request to an instance that has ended or is ending.
    fn ending(&self) -> FetchError {
        let reason = match &*self.ended.borrow() {
            Some(Ok(outcome)) => match &outcome.exit {
                Exit::Limit(hit) => hit.to_string(),
                Exit::Stopped | Exit::Completed => "it was stopped".to_owned(),
                // The error itself may name what a client must not know.
                _ => "an error was not caught; its log has the error".to_owned(),
            },
            Some(Err(_)) => "the engine failed".to_owned(),
            None => "it is being stopped".to_owned(),
        };
        FetchError::Ended { reason }
    }
}

/// A request that waits. It is counted until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the isolate that the client of a request went away, if this is dropped before it is finished.
pub(super) struct Watched {
    number: u32,
    events: Option<mpsc::UnboundedSender<Event>>,
}

impl Watched {
    /// Records that the client got the whole response.
    pub(super) fn finish(&mut self) {
        self.events = None;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(events) = self.events.take() {
            let _ = events.send(Event::Gone(self.number));
        }
    }
}
