//! Refreshing of lists while programs run.

use std::thread::JoinHandle;
use std::{fmt, io, thread};

use tokio::sync::oneshot;

use super::{RevocationFeed, RevocationFeedError};

/// A thread that looks for newer revocation lists until this value is dropped.
pub struct Refresher {
    /// Dropping the sender ends the thread.
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
            // The panic hook has reported a panic of the thread. Without it, the lists become stale and deny
            // everything.
            let _ = thread.join();
        }
    }
}

impl RevocationFeed {
    /// Starts a thread that looks for newer lists until the returned value is dropped. For a file, it looks every
    /// second. For an address, it looks after a third of the list's validity, but after at least 10 seconds and at most
    /// a minute. A revocation takes effect with the next operation.
    ///
    /// `report` is called with a problem if it differs from that of the previous look.
    ///
    /// # Errors
    /// The operating system cannot create a thread.
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
            // A name lookup may still block. The thread does not wait for it.
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
