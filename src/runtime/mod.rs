//! `Runtime`: the library's front door.

mod answer;
#[cfg(feature = "v8")]
mod buffers;
mod builder;
mod isolate;
mod limits;
mod outcome;
mod thread;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{collections::HashMap, fmt};

use secure_runtime_capabilities::{Base, Families, Token};
use secure_runtime_loaders::store::Store;
use secure_runtime_loaders::{Graph, ModuleKind};

pub use self::builder::{BuildError, Builder};
pub use self::limits::{LimitHit, Limits};
pub use self::outcome::{DenialReport, Engine, Exit, Outcome, RunError, UncaughtError};

pub(crate) use self::isolate::PrintSink;
pub(crate) use self::thread::keep_no_code;

use self::answer::Answer;
use self::limits::Brake;
use crate::audit::AuditSink;
use crate::extensions::{KvStore, Presentation, Variables};
use crate::modules::{LinkPlan, Unattested};

/// One line that a guest printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsoleLine<'a> {
    /// The text, with its line feeds; control characters of the guest are escaped.
    pub text: &'a str,
    /// Whether it was printed by `console.error` or `console.warn`.
    pub is_error: bool,
}

/// Runs programs, each in an isolate of its own on a thread of its own.
///
/// A runtime is `Send + Sync` and cheap to clone; between runs it keeps no state but its key-value store's. Runs of
/// one runtime share its token, stores and limits, and nothing else.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    families: Families,
    base: Base,
    token: Option<Token>,
    store: Arc<dyn Store>,
    limits: Limits,
    audit: AuditSink,
    print: PrintSink,
    variables: Variables,
    kv: Arc<dyn KvStore>,
    presentation: Presentation,
    tls: Arc<rustls::ClientConfig>,
    running: Arc<Running>,
}

/// The isolates that run now.
#[derive(Default)]
pub(crate) struct Running {
    next: AtomicU64,
    brakes: Mutex<HashMap<u64, Brake>>,
}

impl Running {
    fn enter(&self, brake: Brake) -> u64 {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        self.brakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, brake);
        id
    }

    fn leave(&self, id: u64) {
        self.brakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

/// Stops the runs of one runtime, from any thread.
#[derive(Clone)]
pub struct Stop(Arc<Running>);

impl Stop {
    /// Ends every run that is under way with [`Exit::Stopped`]. Runs that start later are not touched.
    pub fn stop(&self) {
        for brake in self
            .0
            .brakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            brake.reason.ask();
            brake.pull();
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Stop")
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Runtime")
            .field("base", &self.inner.base)
            .field("limits", &self.inner.limits)
            .finish()
    }
}

impl Runtime {
    /// A runtime with nothing granted and no store yet.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A handle that stops the runs of this runtime.
    pub fn stop_handle(&self) -> Stop {
        Stop(self.inner.running.clone())
    }

    /// Runs the program of this graph: fetches and verifies every module's bytes, settles every module's authority,
    /// and only then evaluates the entry module. Where that exports a function as `default`, it is called with `args`.
    /// Dropping the future does not stop a program that has started: [`Runtime::stop_handle`] does.
    ///
    /// # Errors
    /// What kept the program from starting: bytes that are missing or wrong, grants that cannot be linked, a module
    /// that lacks an attestation, WebAssembly on an engine that runs none, an engine that did not start. How a program that started ended is in the
    /// [`Outcome`].
    pub async fn run(&self, graph: &Graph, args: &[String]) -> Result<Outcome, RunError> {
        let inner = &self.inner;
        let plan = LinkPlan::new(graph, inner.token.as_ref(), &inner.families, &inner.base)
            .map_err(|error| RunError::Grants(error.to_string()))?;
        if let Some(Unattested { module, hash, by }) = plan.unattested() {
            return Err(RunError::NotAttested { module, hash, by });
        }
        if cfg!(feature = "quickjs")
            && let Some(module) = graph
                .modules()
                .iter()
                .find(|module| module.kind == ModuleKind::Wasm)
        {
            return Err(RunError::WebAssembly {
                module: module.name.clone(),
            });
        }
        let mut bytes = Vec::with_capacity(graph.modules().len());
        for module in graph.modules() {
            let verified = inner
                .store
                .get(&module.hash, module.size)
                .await
                .map_err(|error| RunError::Module {
                    module: module.name.clone(),
                    error: Box::new(error),
                })?;
            bytes.push(verified);
        }
        let (asker, outcome) = tokio::sync::oneshot::channel();
        let answer = Answer::to(asker);
        let job = isolate::Job {
            graph: Arc::new(graph.clone()),
            bytes: Arc::new(bytes),
            store: inner.store.clone(),
            plan: Arc::new(plan),
            args: args.to_vec(),
            families: inner.families.clone(),
            base: inner.base.clone(),
            limits: inner.limits.clone(),
            audit: inner.audit.clone(),
            print: inner.print.clone(),
            variables: inner.variables.clone(),
            kv: inner.kv.clone(),
            presentation: inner.presentation.clone(),
            tls: inner.tls.clone(),
            running: inner.running.clone(),
            answer: answer.clone(),
        };
        thread::spawn(Box::new(move || {
            // A panic of the engine's bindings ends this run and nothing else.
            let ended = panic::catch_unwind(AssertUnwindSafe(|| isolate::run(job)));
            answer.give(
                ended.unwrap_or_else(|_| Err(RunError::Engine("the isolate's thread panicked".to_owned()))),
            );
        }))
        .map_err(|error| RunError::Engine(format!("no thread for the isolate: {error}")))?;
        outcome
            .await
            .map_err(|_| RunError::Engine("the isolate's thread ended without an answer".to_owned()))?
    }
}
