//! Requests on their way to an isolate: how many there may be, and how long they may take.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use secure_runtime_http::{Body, TargetError, serialized};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::response::delivered;
use super::{Call, Event, RequestContext};
use crate::limits::RequestLimits;

/// The reason of an end that somebody asked for.
pub(super) const STOPPED: &str = "it was stopped";

/// The numbers of requests. An isolate may have several sources of requests.
static NEXT: AtomicU32 = AtomicU32::new(0);

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

impl FetchError {
    /// Returns the status for the client of a request that got no response.
    pub fn status(&self) -> StatusCode {
        match self {
            FetchError::Target(_) => StatusCode::BAD_REQUEST,
            FetchError::Busy { .. } | FetchError::Ended { .. } => StatusCode::SERVICE_UNAVAILABLE,
            FetchError::Wall(_) => StatusCode::GATEWAY_TIMEOUT,
            FetchError::Memory => StatusCode::INSUFFICIENT_STORAGE,
            FetchError::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The requests to one handler, in the isolate that has it.
pub struct RequestEvents(pub(crate) mpsc::UnboundedReceiver<Event>);

impl fmt::Debug for RequestEvents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RequestEvents")
    }
}

/// Sends requests to an isolate.
pub struct Requester {
    /// `None` when no more requests are accepted.
    events: Mutex<Option<mpsc::UnboundedSender<Event>>>,
    /// True when no more requests are accepted. Sockets are then closed.
    closed: watch::Sender<bool>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    limits: RequestLimits,
    wall: Option<Duration>,
}

impl fmt::Debug for Requester {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Requester")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Requester {
    /// Creates the sender of requests, and the receiver of their events. `wall` is the maximum time from a request to
    /// its response.
    pub fn new(limits: RequestLimits, wall: Option<Duration>) -> (Requester, RequestEvents) {
        let (sender, events) = mpsc::unbounded_channel();
        let limits = RequestLimits {
            concurrent: limits.concurrent.clamp(1, MOST_CONCURRENT),
            ..limits
        };
        let requester = Requester {
            events: Mutex::new(Some(sender)),
            closed: watch::Sender::new(false),
            places: Arc::new(Semaphore::new(limits.concurrent)),
            waiting: AtomicUsize::new(0),
            limits,
            wall,
        };
        (requester, RequestEvents(events))
    }

    /// Sends a request, and returns its response. See [`Instance::fetch`](super::Instance::fetch).
    ///
    /// # Errors
    /// There is no response: see [`FetchError`].
    pub async fn fetch(&self, request: Request<Body>) -> Result<Response<Body>, FetchError> {
        let (mut parts, body) = request.into_parts();
        parts.uri = serialized(&parts.uri)?;
        let context = parts.extensions.remove::<RequestContext>().unwrap_or_default();
        let request = Request::from_parts(parts, body);
        match self.wall {
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
        let place = self.place().await?;
        // Engines represent such numbers without an allocation.
        let number = NEXT.fetch_add(1, Ordering::Relaxed) & (u32::MAX >> 2);
        let (answer, answered) = oneshot::channel();
        let call = Event::Call(Box::new(Call {
            number,
            request,
            context,
            answer,
            place,
            closed: self.closed.subscribe(),
        }));
        let events = self.sender().clone().ok_or_else(stopped)?;
        events.send(call).map_err(|_| stopped())?;
        let watched = Watched {
            number,
            events: Some(events),
        };
        let answer = answered.await.unwrap_or_else(|_| Err(stopped()));
        answer.map(|answer| delivered(answer, watched))
    }

    /// Waits for a place among the requests in progress.
    async fn place(&self) -> Result<OwnedSemaphorePermit, FetchError> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let RequestLimits { concurrent, queued } = self.limits;
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= queued {
            return Err(FetchError::Busy { concurrent, queued });
        }
        self.places.clone().acquire_owned().await.map_err(|_| stopped())
    }

    pub(super) fn in_progress(&self) -> usize {
        self.limits
            .concurrent
            .saturating_sub(self.places.available_permits())
    }

    /// Accepts no more requests, and waits for those in progress. Then [`Granted::next_request`] has no more requests.
    ///
    /// [`Granted::next_request`]: crate::extension::Granted::next_request
    pub async fn finish(&self) {
        let events = self.close();
        self.idle().await;
        drop(events);
    }

    /// Accepts no more requests. The isolate waits for events until the result is dropped.
    pub(super) fn close(&self) -> Option<mpsc::UnboundedSender<Event>> {
        self.closed.send_replace(true);
        self.sender().take()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender().is_none()
    }

    /// Completes when no request is in progress.
    pub(super) async fn idle(&self) {
        let all = u32::try_from(self.limits.concurrent).unwrap_or(u32::MAX);
        drop(self.places.acquire_many(all).await);
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, Option<mpsc::UnboundedSender<Event>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum number of requests in progress. More would not fit into the numbers of a semaphore on small machines.
const MOST_CONCURRENT: usize = 1 << 20;

fn stopped() -> FetchError {
    FetchError::Ended {
        reason: STOPPED.to_owned(),
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
