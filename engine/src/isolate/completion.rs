//! The completion of a run.

use std::sync::{Arc, Mutex, PoisonError};

use crate::outcome::{Outcome, RunError};

type Ended = Result<Outcome, RunError>;

type Receiver = Box<dyn FnOnce(Ended) + Send>;

/// Sends the result of a run to its caller. Only the first result is sent.
///
/// Normally, the isolate's own thread sends it. But some built-in functions of the engines do not notice a termination,
/// and a guest can keep one busy for hours. Then the termination handle sends it, and the thread is left behind.
#[derive(Clone)]
pub(crate) struct Completion(Arc<Mutex<Option<Receiver>>>);

impl Completion {
    /// Creates a completion that calls this function.
    pub(crate) fn to(receiver: impl FnOnce(Ended) + Send + 'static) -> Self {
        Completion(Arc::new(Mutex::new(Some(Box::new(receiver)))))
    }

    pub(super) fn give(&self, answer: Ended) {
        let receiver = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(receiver) = receiver {
            receiver(answer);
        }
    }
}
