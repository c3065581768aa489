//! Instances: programs that wait for requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use secure_runtime_http::Body;
use tokio::sync::{mpsc, oneshot, watch};

use super::Event;
use super::requester::{FetchError, RequestEvents, Requester, STOPPED};
use crate::limits::Limits;
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
pub struct Instance {
    requester: Arc<Requester>,
    run: Arc<Run>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Instance {
    /// Creates the instance, the queue for its isolate, and the sender of its end.
    pub(crate) fn new(
        limits: &Limits,
        run: &Arc<Run>,
    ) -> (
        Instance,
        Queue,
        oneshot::Receiver<()>,
        watch::Sender<Option<Ended>>,
    ) {
        let (requester, RequestEvents(events)) = Requester::new(limits.requests, limits.wall);
        let (ready, is_ready) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let instance = Instance {
            requester: Arc::new(requester),
            run: run.clone(),
            ended,
        };
        (instance, Queue { events, ready }, is_ready, end)
    }

    /// Sends a request to the handler of the entry module, and returns its response.
    ///
    /// The URI of the request must be absolute. A [`RequestContext`](super::RequestContext) in the extensions of the
    /// request is a part of the handler's context. The body of the response is received as it is read. If the future or
    /// the body is dropped before its end, the signal of the request is aborted.
    ///
    /// # Errors
    /// There is no response: see [`FetchError`].
    pub async fn fetch(&self, request: Request<Body>) -> Result<Response<Body>, FetchError> {
        let mut ended = self.ended.clone();
        let response = async {
            match self.requester.fetch(request).await {
                // The isolate has ended, or will have in a moment.
                Err(FetchError::Ended { .. }) if !self.requester.is_closed() => std::future::pending().await,
                response => response,
            }
        };
        tokio::select! {
            biased;
            response = response => response,
            // The thread of the isolate may be stuck, and then drops nothing.
            _ = ended.wait_for(Option::is_some) => Err(self.ending()),
        }
    }

    /// Returns the number of requests in progress. A request is in progress until its response was sent and the
    /// promises that its handler passed to `context.waitUntil` are settled.
    pub fn requests(&self) -> usize {
        self.requester.in_progress()
    }

    /// Stops the instance at once. Requests in progress fail.
    pub fn stop(&self) {
        self.run.stop(&Stopped::Asked);
    }

    /// Accepts no more requests, waits for those in progress, and ends the instance. After the time `most`, it ends
    /// anyway.
    pub async fn drain(&self, most: Duration) {
        let events = self.requester.close();
        let mut ended = self.ended.clone();
        let is_idle = tokio::select! {
            idle = tokio::time::timeout(most, self.requester.idle()) => idle.is_ok(),
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
        let mut ended = self.ended.clone();
        let ended = ended
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|ended| ended.clone());
        ended.unwrap_or_else(|| {
            Err(Arc::new(RunError::engine(
                "the isolate's thread ended without a result",
            )))
        })
    }

    /// Returns true if the instance has ended, and so answers no more requests.
    pub fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Returns the error of a request to an instance that has ended.
    fn ending(&self) -> FetchError {
        let reason = match &*self.ended.borrow() {
            Some(Ok(outcome)) => match &outcome.exit {
                Exit::Limit(hit) => hit.to_string(),
                Exit::Stopped | Exit::Completed => STOPPED.to_owned(),
                // The error itself may name what a client must not know.
                _ => "an error was not caught; its log has the error".to_owned(),
            },
            Some(Err(_)) => "the engine failed".to_owned(),
            None => STOPPED.to_owned(),
        };
        FetchError::Ended { reason }
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
