//! A limit on the time spent waiting for a peer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The remaining time to wait for a peer. Waiting reduces it, and transferred bytes restore it up to the initial value.
/// So a peer cannot pause longer than the initial value, and its average rate cannot stay below `slowest` bytes a
/// second.
#[derive(Debug)]
pub struct Pace {
    patience: Duration,
    slowest: u64,
    left: Duration,
    since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Creates the time of a peer that has not waited yet.
    pub fn new(patience: Duration, slowest: u64) -> Self {
        Self {
            patience,
            slowest: slowest.max(1),
            left: patience,
            since: None,
            sleep: None,
        }
    }

    /// Waits for the peer's next action. `moved` returns the number of bytes that the action transferred.
    ///
    /// # Errors
    /// Returns an error if the time is used up.
    pub async fn wait<T>(
        &mut self,
        next: impl Future<Output = T>,
        moved: impl FnOnce(&T) -> usize,
    ) -> io::Result<T> {
        let start = Instant::now();
        let next = tokio::time::timeout(self.left, next).await;
        let next = next.map_err(|_| too_slow())?;
        self.settle(start.elapsed(), moved(&next));
        Ok(next)
    }

    /// Records that the transfer is blocked. Completes with an error when the time is used up.
    pub fn poll_pending<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let end = self.blocked();
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if sleep.deadline() != end {
                    sleep.as_mut().reset(end);
                }
                sleep
            }
            None => self.sleep.insert(Box::pin(tokio::time::sleep_until(end))),
        };
        sleep.as_mut().poll(context).map(|()| Err(too_slow()))
    }

    /// Records that the transfer is blocked. Returns the time at which it was blocked too long.
    pub(crate) fn blocked(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now) + self.left
    }

    /// Records a transfer of this many bytes.
    pub fn moved(&mut self, bytes: usize) {
        self.moved_at(bytes, Instant::now());
    }

    /// Records a transfer of this many bytes, which was possible from the time `at` on.
    pub(crate) fn moved_at(&mut self, bytes: usize, at: Instant) {
        let waited = self
            .since
            .take()
            .map_or(Duration::ZERO, |since| at.saturating_duration_since(since));
        self.settle(waited, bytes);
    }

    fn settle(&mut self, waited: Duration, bytes: usize) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a time that is paid back need not be exact"
        )]
        let earned = Duration::from_secs_f64(bytes as f64 / self.slowest as f64);
        let left = self.left.saturating_sub(waited).saturating_add(earned);
        self.left = left.min(self.patience);
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client is too slow")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// STORE-23: pauses add up, and transferred bytes restore the time.
    #[test]
    fn pauses_add_up_and_bytes_restore_time() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(10 * second, 1000);
        pace.settle(4 * second, 1000);
        assert_eq!(pace.left, 7 * second);
        pace.settle(second, 1);
        assert_eq!(pace.left.as_millis(), 6001);
        pace.settle(Duration::ZERO, 1 << 30);
        assert_eq!(pace.left, 10 * second);
        pace.settle(11 * second, 0);
        assert_eq!(pace.left, Duration::ZERO);
    }
}
