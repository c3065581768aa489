//! A limit on the time in which the client of an HTTP/2 connection takes no bytes of any response.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::pace::Pace;

/// The pace at which a client takes the bytes of the responses of one HTTP/2 connection.
///
/// With HTTP/2, the client grants each response a number of bytes. If it grants none, no write to the connection is
/// blocked, so the pace of writes does not limit the time.
#[derive(Debug)]
pub(crate) struct Taking(Mutex<State>);

#[derive(Debug)]
struct State {
    pace: Pace,
    /// The number of responses whose next bytes wait for the client.
    waiting: usize,
    /// The time at which the client has been waited for too long.
    end: Option<Instant>,
}

impl Taking {
    pub(crate) fn new(pace: Pace) -> Self {
        Taking(Mutex::new(State {
            pace,
            waiting: 0,
            end: None,
        }))
    }

    /// Records that a response has bytes for the client.
    pub(crate) fn offer(&self) {
        let mut state = self.state();
        state.waiting += 1;
        state.end = Some(state.pace.blocked());
    }

    /// Records that the client took bytes that a response had, or that the response ended.
    pub(crate) fn take(&self, bytes: usize) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(1);
        state.pace.moved(bytes);
        state.end = (state.waiting > 0).then(|| state.pace.blocked());
    }

    /// Completes when the client was waited for too long. The time is checked so many times a `patience`.
    pub(crate) async fn is_too_slow(&self, patience: Duration) {
        const CHECKS: u32 = 4;
        loop {
            tokio::time::sleep(patience / CHECKS).await;
            if self.state().end.is_some_and(|end| end <= Instant::now()) {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SERVE-29: only the time in which responses wait for the client counts.
    #[tokio::test(start_paused = true)]
    async fn clients_must_take_bytes() {
        let second = Duration::from_secs(1);
        let taking = Taking::new(Pace::new(10 * second, 1000));
        let is_over = async |after: u32| {
            tokio::time::timeout(after * second, taking.is_too_slow(10 * second))
                .await
                .is_ok()
        };
        assert!(!is_over(100).await, "nothing is offered");
        taking.offer();
        taking.offer();
        assert!(!is_over(9).await);
        taking.take(4000);
        assert!(!is_over(4).await, "5 seconds are left");
        assert!(is_over(4).await);
        taking.take(1_000_000);
        assert!(!is_over(100).await);
    }
}
