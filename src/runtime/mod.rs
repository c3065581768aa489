//! `Runtime`: the library's main interface.

mod answer;
mod boot;
mod brake;
#[cfg(feature = "v8")]
mod buffers;
mod builder;
mod console;
#[cfg(feature = "v8")]
mod fatal;
mod garbage;
#[cfg(feature = "quickjs")]
mod heap;
mod isolate;
mod limits;
#[cfg(feature = "quickjs")]
mod linker;
mod memory;
mod meter;
mod outcome;
pub(crate) mod panics;
mod park;
mod pool;
#[cfg(all(feature = "quickjs", target_pointer_width = "64"))]
mod quickjs;
mod release;
mod remote;
mod scripts;
mod settle;
#[cfg(feature = "v8")]
mod stack;
mod thread;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secure_runtime_capabilities::{Base, Families, Token};
use secure_runtime_loaders::store::Store;
use secure_runtime_loaders::{Graph, ModuleKind};

pub use self::builder::{BuildError, Builder};
pub use self::console::{ConsoleLine, ConsoleWriter, Unwritten};
pub use self::limits::{Limit, LimitHit, Limits, PackageLimits, Quotas, Unit};
pub use self::outcome::{
    DenialReport, Engine, Exit, MemoryUse, Outcome, RelatedError, RunError, UncaughtError,
};
pub use self::park::parked_threads;

pub(crate) use self::brake::Brake;
#[cfg(test)]
pub(crate) use self::brake::Stopped;
pub(crate) use self::console::PrintSink;
pub(crate) use self::memory::{Held, Memory, NoRoom};
pub(crate) use self::meter::{Account, Bytes, HeldByAll, Lasting, Meters};
pub(crate) use self::pool::Started;
pub(crate) use self::remote::{Description, OnTheWay, Remote, Remotes, cycle as isolate_cycle, runs_code};
pub(crate) use self::settle::call;
pub(crate) use self::thread::{prepare, start_engine};

/// Returns the number of bytes by which the heap of this thread's isolate can still grow. On V8, the engine limits the
/// heap itself, and the result is unlimited.
pub(crate) fn heap_room() -> usize {
    #[cfg(feature = "quickjs")]
    return heap::room();
    #[cfg(feature = "v8")]
    usize::MAX
}

use self::answer::Answer;
use self::brake::{Run, Running, UnderWay};
use self::isolate::Job;
use self::pool::Pool;
use crate::audit::AuditSink;
use crate::extensions::{KvStore, Presentation, Roots, Rules, Variables};
use crate::modules::{LinkPlan, Unattested};

/// Runs programs. Each program has its own isolate on its own thread.
///
/// A runtime is `Send + Sync` and cheap to clone. Between runs, it keeps no state except its key-value store. Runs of
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
    pool: Option<Arc<Pool>>,
    most_parked: usize,
    /// A starting isolate for the first run.
    started: Mutex<Option<Started>>,
}

/// A handle that stops the runs of one runtime, from any thread.
#[derive(Clone)]
pub struct Stop(Arc<Running>);

impl Stop {
    /// Ends every active run with [`Exit::Stopped`]. Runs that start later are not affected.
    pub fn stop(&self) {
        self.0.stop();
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
    /// Returns a builder for a runtime without a token and without a store.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns a handle that stops the runs of this runtime.
    pub fn stop_handle(&self) -> Stop {
        Stop(self.inner.running.clone())
    }

    /// Returns the number of isolates that currently wait for a program: see [`Builder::idle_isolates`].
    pub fn idle_isolates(&self) -> usize {
        self.inner.pool.as_ref().map_or(0, |pool| pool.waiting())
    }

    /// Runs the program of this graph.
    ///
    /// The runtime first fetches and verifies the bytes of every module, and determines the authority of every module.
    /// Only then is the entry module evaluated. If it exports a function as `default`, the runtime calls it with
    /// `args`.
    ///
    /// If the future is dropped, a program that has started continues. [`Runtime::stop_handle`] stops it.
    ///
    /// # Errors
    /// The program could not be started. Its bytes are missing or wrong, its grants cannot be linked, a module lacks an
    /// attestation, or it contains WebAssembly and the engine runs none. The engine itself may also fail to start. If a
    /// program started, the [`Outcome`] states how it ended.
    pub async fn run(&self, graph: &Graph, args: &[String]) -> Result<Outcome, RunError> {
        let inner = &self.inner;
        let count = parked_threads();
        if count >= inner.most_parked {
            return Err(RunError::Parked { count });
        }
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
        for (name, limits) in &inner.limits.packages {
            let package = graph.packages().iter().find(|package| package.name == *name);
            let Some(package) = package.filter(|package| !package.name.is_empty()) else {
                let package = name.clone();
                return Err(RunError::NoSuchPackage { package });
            };
            if let Some(limit) = limits
                .of_an_isolate(&package.globals)
                .filter(|_| !package.isolate)
            {
                return Err(RunError::SharedLimit {
                    package: name.clone(),
                    limit,
                });
            }
        }
        if let Some(packages) = remote::cycle(graph) {
            return Err(RunError::IsolateCycle { packages });
        }
        let (asker, outcome) = tokio::sync::oneshot::channel();
        let plan = Arc::new(plan);
        let run = Arc::new(Run::default());
        let files = Roots::of_program(plan.ceiling());
        let shared = Arc::new(isolate::Shared {
            graph: Arc::new(graph.clone()),
            bytes: Arc::new(bytes),
            store: inner.store.clone(),
            limits: inner.limits.clone(),
            print: inner.print.clone(),
            variables: inner.variables.clone(),
            kv: inner.kv.clone(),
            tls: inner.tls.clone(),
            rules: Rules {
                families: inner.families.clone(),
                base: inner.base.clone(),
                plan: plan.clone(),
                files: Arc::downgrade(&files),
                presentation: inner.presentation.clone(),
                program: graph.hash().to_string(),
                audit: inner.audit.clone(),
                meters: Arc::new(Meters::new(&inner.limits, &run)),
                marks: Arc::default(),
            },
            files,
            run,
            remotes: Arc::default(),
        });
        let no_thread = |error| RunError::Engine(format!("no thread for an isolate: {error}"));
        let under_way = UnderWay::begin(&inner.running, &shared.run);
        let pool = inner.pool.as_ref();
        Remotes::start(&shared, pool).map_err(no_thread)?;
        let heap = inner.limits.heap;
        let job = Job::Run {
            shared,
            args: args.to_vec(),
            _under_way: under_way,
            answer: Answer::to(asker),
        };
        let started = inner
            .started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let is_starting = started.is_some();
        pool::perform(started, pool, heap, job).map_err(no_thread)?;
        if is_starting {
            // The engine takes longer to start than the runtime takes to sign, so signing now delays nothing.
            plan.sign(graph.entry());
        }
        outcome
            .await
            .map_err(|_| RunError::Engine("the isolate's thread ended without an answer".to_owned()))?
    }
}
