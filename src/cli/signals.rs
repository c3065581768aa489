//! Being told to end: `SIGINT` (Ctrl-C) and `SIGTERM` stop the program, so that what was recorded is written.

use std::time::Duration;

use super::failure::{Code, Failure};
use crate::{Outcome, RunError, Stop};

/// How long after one attempt to stop the program the next is made: it may not have begun at the first.
const AGAIN: Duration = Duration::from_millis(20);

/// What the process was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// `SIGINT`
    Interrupt,
    /// `SIGTERM`
    Terminate,
}

impl Told {
    pub(super) fn failure(self) -> Failure {
        let (code, name) = match self {
            Told::Interrupt => (Code::Interrupted, "SIGINT"),
            Told::Terminate => (Code::Terminated, "SIGTERM"),
        };
        Failure::new(code, format!("the program was stopped by {name}"))
    }
}

/// Waits for the run, and stops it when the process is told to end.
pub(super) async fn stopping(
    running: impl Future<Output = Result<Outcome, RunError>>,
    stop: &Stop,
) -> (Result<Outcome, RunError>, Option<Told>) {
    let mut running = std::pin::pin!(running);
    let told = tokio::select! {
        outcome = &mut running => return (outcome, None),
        told = told() => told,
    };
    loop {
        stop.stop();
        tokio::select! {
            outcome = &mut running => return (outcome, Some(told)),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

#[cfg(unix)]
async fn told() -> Told {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind| {
        let heard = match signal(kind) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => None,
        };
        // Where no signal can be waited for, the process ends by the signal itself.
        if heard.is_none() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => Told::Interrupt,
        () = wait(SignalKind::terminate()) => Told::Terminate,
    }
}

#[cfg(not(unix))]
async fn told() -> Told {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    Told::Interrupt
}
