//! The completion of a run.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot::Sender;

use crate::outcome::{Outcome, RunError};

type Ended = Result<Outcome, RunError>;

/// Sends the result of a run to its caller. Only the first result is sent.
///
/// Normally, the isolate's own thread sends it. But some built-in functions of the engines do not notice a termination,
/// and a guest can keep one busy for hours. Then the termination handle sends it, and the thread is left behind.
#[derive(Clone)]
pub(crate) struct Completion(Arc<Mutex<Option<Sender<Ended>>>>);

impl Completion {
    pub(crate) fn to(asker: Sender<Ended>) -> Self {
        Completion(Arc::new(Mutex::new(Some(asker))))
    }

    pub(super) fn give(&self, answer: Ended) {
        if let Some(asker) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // If the future of the run was dropped, there is no receiver.
            let _ = asker.send(answer);
        }
    }
}
