//! The one answer of a run.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot::Sender;

use super::{Outcome, RunError};

type Ended = Result<Outcome, RunError>;

/// Says to whoever waits how a run ended; what is said first counts.
///
/// That is for the isolate's own thread to say. But some built-in functions of the engines do not notice that they are
/// stopped, and a guest can keep one busy for hours: then the brake says it, and the thread is left behind.
#[derive(Clone)]
pub(super) struct Answer(Arc<Mutex<Option<Sender<Ended>>>>);

impl Answer {
    pub(super) fn to(asker: Sender<Ended>) -> Self {
        Answer(Arc::new(Mutex::new(Some(asker))))
    }

    pub(super) fn give(&self, answer: Ended) {
        if let Some(asker) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody waits any more where the future of the run was dropped.
            let _ = asker.send(answer);
        }
    }
}
