//! Handling of `SIGINT` (Ctrl-C) and `SIGTERM`. A signal stops the program, and the process ends soon after in any
//! case.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::ending;
use super::failure::{Code, Failure};
use secure_runtime::{ConsoleWriter, Stop};

/// Time between attempts to stop the program. It may not have started at the first attempt.
const AGAIN: Duration = Duration::from_millis(20);

/// The signal that the process received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// `SIGINT`
    Interrupt,
    /// `SIGTERM`
    Terminate,
}

static TOLD: OnceLock<Told> = OnceLock::new();

/// Returns the first signal that told the process to end, if there was one.
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

/// Listens for signals until the process ends. A separate thread is needed because the main thread may be waiting for a
/// reader.
///
/// # Errors
/// The thread cannot be created, or signals cannot be received.
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

/// Returns a future that completes at the first signal. Must be called on an event loop.
///
/// # Errors
/// Signals cannot be received.
pub(super) fn first() -> Result<impl Future<Output = Told> + Send + 'static, Failure> {
    waiting().map_err(|error| Failure::bug(format!("signals cannot be waited for: {error}")))
}

/// Returns a future for the first signal. The handlers are installed when this function returns.
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
