//! Looking for newer lists while programs run.

use std::thread::JoinHandle;
use std::{fmt, io, thread};

use tokio::sync::oneshot;

use super::{RevocationFeed, RevocationFeedError};

/// Looks for newer revocation lists until it is dropped.
pub struct Refresher {
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Refresher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Refresher")
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was said on its own; lists that grow stale deny.
            let _ = thread.join();
        }
    }
}

impl RevocationFeed {
    /// Looks for newer lists on a thread of its own until what is returned is dropped: each second where the source is
    /// a file; at an address after a third of the time that the list is good for, but after 10 seconds at the earliest
    /// and a minute at the latest. What is revoked is denied from the next operation on.
    ///
    /// `report` is called with a problem when it is another than at the look before.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn keep_fresh(self, report: impl Fn(&RevocationFeedError) + Send + 'static) -> io::Result<Refresher> {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("revocations".to_owned());
        let thread = thread.spawn(move || {
            reactor.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = self.refresh_again_and_again(report) => {}
                }
            });
            // A lookup of a name that still blocks is not waited for.
            reactor.shutdown_background();
        })?;
        Ok(Refresher {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    async fn refresh_again_and_again(&self, report: impl Fn(&RevocationFeedError)) {
        let mut last = None;
        loop {
            tokio::time::sleep(self.pause()).await;
            let problem = self.refresh().await.err();
            if let Some(problem) = problem.as_ref().filter(|problem| last.as_ref() != Some(*problem)) {
                report(problem);
            }
            last = problem;
        }
    }
}
