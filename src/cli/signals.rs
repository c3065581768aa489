//! Being told to end: `SIGINT` (Ctrl-C) and `SIGTERM` stop the program, and end the process soon after, whatever it does.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::ending;
use super::failure::{Code, Failure};
use crate::{ConsoleWriter, Stop};

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

static TOLD: OnceLock<Told> = OnceLock::new();

/// The first signal that told the process to end, if there was one.
pub(super) fn told() -> Option<Told> {
    TOLD.get().copied()
}

impl Told {
    pub(super) fn code(self) -> Code {
        match self {
            Told::Interrupt => Code::Interrupted,
            Told::Terminate => Code::Terminated,
        }
    }

    pub(super) fn failure(self) -> Failure {
        let name = match self {
            Told::Interrupt => "SIGINT",
            Told::Terminate => "SIGTERM",
        };
        Failure::new(self.code(), format!("the program was stopped by {name}"))
    }
}

/// Listens for signals until the process ends, on a thread of its own: the main thread may be waiting for a reader.
///
/// # Errors
/// There is no thread, or no signal can be waited for.
pub(super) fn listen(stop: Stop, console: &ConsoleWriter) -> Result<(), Failure> {
    let no_thread = |error: std::io::Error| Failure::bug(format!("signals cannot be waited for: {error}"));
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(no_thread)?;
    let waiting = {
        let _entered = reactor.enter();
        waiting().map_err(no_thread)?
    };
    let console = console.clone();
    let listening = move || {
        let told = reactor.block_on(waiting);
        let since = Instant::now();
        let _ = TOLD.set(told);
        console.end_by(since + ending::FLUSH);
        while since.elapsed() < ending::END {
            stop.stop();
            thread::sleep(AGAIN);
        }
        ending::now(told.code());
    };
    let thread = thread::Builder::new().name("secure-runtime-signals".to_owned());
    thread.spawn(listening).map(drop).map_err(no_thread)
}

/// The first signal to come. The handlers are in place when this returns.
#[cfg(unix)]
fn waiting() -> std::io::Result<impl Future<Output = Told> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Told::Interrupt,
            _ = terminate.recv() => Told::Terminate,
        }
    })
}

#[cfg(not(unix))]
fn waiting() -> std::io::Result<impl Future<Output = Told> + Send + 'static> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Told::Interrupt
    })
}
