//! `Runtime`: the library's main interface.

mod builder;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secure_runtime_capabilities::{Base, Families, Token};
use secure_runtime_engine::Extensions;
use secure_runtime_engine::extension::{AnyExtension, ExtensionError};
use secure_runtime_engine::{
    AuditSink, Credentials, Engine, Exit, Instance, Limits, LinkPlan, OperationRow, Outcome, Pool, PrintSink,
    Program, RunError, Running, StartingIsolate, Startup, Unattested, isolate_cycle, parked_threads,
};
use secure_runtime_families::{Settings, builtin};
use secure_runtime_loaders::store::Store;
use secure_runtime_loaders::{Graph, ModuleKind};

pub use self::builder::{BuildError, Builder};

use crate::snapshot;

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
    credentials: Credentials,
    startup: Startup,
    running: Arc<Running>,
    pool: Option<Arc<Pool>>,
    most_parked: usize,
    /// A starting isolate for the first run.
    started: Mutex<Option<StartingIsolate>>,
}

/// Returns the parts that isolates start from: the built-in families with these settings, and other extensions.
fn startup(settings: Settings, extensions: &[AnyExtension]) -> Result<Startup, ExtensionError> {
    let extensions = builtin(settings).into_iter().chain(extensions.iter().cloned());
    Ok(Startup {
        snapshot: snapshot::BOOT,
        extensions: Extensions::new(extensions)?,
    })
}

/// Returns the operations that guests can call: those of the built-in families and of other extensions.
///
/// # Errors
/// The extensions cannot be added.
pub fn operations(extensions: &[AnyExtension]) -> Result<Vec<OperationRow>, ExtensionError> {
    let startup = startup(Settings::default(), extensions)?;
    Ok(secure_runtime_engine::operations(&startup.extensions))
}

/// Returns the TypeScript declarations of `cap:self`, with the built-in families and other extensions.
///
/// # Errors
/// The extensions cannot be added.
pub fn types(extensions: &[AnyExtension]) -> Result<String, ExtensionError> {
    let startup = startup(Settings::default(), extensions)?;
    Ok(secure_runtime_engine::types(&startup.extensions))
}

/// An isolate that starts before its program is known: see [`Builder::warm_isolate`].
pub struct WarmIsolate(StartingIsolate);

impl WarmIsolate {
    /// Begins to start an isolate with this heap limit in bytes and these extensions besides the built-in ones, without
    /// waiting for it. If no runtime gets it, it ends when this is dropped.
    ///
    /// # Errors
    /// The extensions cannot be added.
    pub fn start(heap: u64, extensions: &[AnyExtension]) -> Result<WarmIsolate, ExtensionError> {
        let startup = startup(Settings::default(), extensions)?;
        Ok(WarmIsolate(StartingIsolate::begin(heap, startup)))
    }
}

impl fmt::Debug for WarmIsolate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WarmIsolate")
    }
}

/// Prepares the process for the engine, and begins to start the engine on another thread, without waiting for it.
/// [`Runtime::run`] calls this unless somebody has called it before.
///
/// The crate's documentation lists the effects on the process: flags of V8, handlers of failed allocations, a panic
/// hook, and on QuickJS an environment variable. A host that sets its own panic hook afterwards, or reads the
/// environment on other threads, should call this first.
pub fn initialize() {
    secure_runtime_engine::start_engine();
}

/// A handle that stops the runs of one runtime, from any thread.
#[derive(Clone)]
pub struct Stop(Arc<Running>);

impl Stop {
    /// Ends every active run with [`crate::Exit::Stopped`]. Runs that start later are not affected.
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

/// The reason why an instance was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The entry module failed, or has no handler. The outcome has the reason.
    #[error("the program ended before it could answer a request: {}", ending(&.0.exit))]
    Ended(Box<Outcome>),
    /// The engine failed.
    #[error("the program ended before it could answer a request: {0}")]
    Engine(#[source] Arc<RunError>),
}

/// Describes the exit of a program that should not have ended.
fn ending(exit: &Exit) -> String {
    match exit {
        Exit::Uncaught(error) | Exit::Denied(_, error) => error.to_string(),
        Exit::Limit(hit) => hit.to_string(),
        _ => "it was stopped".to_owned(),
    }
}

impl Runtime {
    /// Returns a builder for a runtime without a token and without a store.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Returns the families of operations that programs of this runtime can be granted.
    pub fn families(&self) -> &Families {
        &self.inner.families
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
        let program = self.program(graph).await?;
        let plan = program.plan.clone();
        let started = inner
            .started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let is_starting = started.is_some();
        let outcome = program.start(args.to_vec(), &inner.running, inner.pool.as_ref(), started)?;
        if is_starting {
            // The engine takes longer to start than the runtime takes to sign, so signing now delays nothing.
            plan.sign(graph.entry());
        }
        outcome
            .await
            .map_err(|_| RunError::Engine("the isolate's thread ended without a result".to_owned()))?
    }

    /// Starts the program of this graph as an instance that answers requests.
    ///
    /// The program is prepared like by [`Runtime::run`]. Its entry module must export an object with a method `fetch`
    /// as `default`. The instance is returned when this module was evaluated. The limits of the runtime apply to it.
    /// [`Limits`] says which have another meaning.
    ///
    /// ```no_run
    /// # use secure_runtime::{Graph, Runtime};
    /// # async fn serve(runtime: &Runtime, graph: &Graph) -> Result<(), Box<dyn std::error::Error>> {
    /// use secure_runtime::http::{Body, Request};
    ///
    /// let instance = runtime.start(graph).await?;
    /// let request = Request::get("http://localhost/hello").body(Body::empty())?;
    /// let response = instance.fetch(request).await?;
    /// println!("{}", response.status());
    /// instance.stop();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The program could not be started, or its entry module failed or has no handler.
    pub async fn start(&self, graph: &Graph) -> Result<Instance, StartError> {
        let inner = &self.inner;
        let program = self.program(graph).await?;
        let (instance, ready) = program.serve(&inner.running, inner.pool.as_ref())?;
        if ready.await.is_ok() {
            return Ok(instance);
        }
        match instance.ended().await {
            Ok(outcome) => Err(StartError::Ended(Box::new(outcome))),
            Err(error) => Err(StartError::Engine(error)),
        }
    }

    /// Fetches and verifies the modules of a graph, and determines their rights.
    async fn program(&self, graph: &Graph) -> Result<Program, RunError> {
        let inner = &self.inner;
        let count = parked_threads();
        if count >= inner.most_parked {
            return Err(RunError::Parked { count });
        }
        let plan = LinkPlan::new(graph, inner.token.as_ref(), &inner.families, &inner.base)?;
        if let Some(Unattested { module, hash, by }) = plan.unattested() {
            return Err(RunError::NotAttested { module, hash, by });
        }
        if Engine::current() == Engine::QuickJs
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
            if let Some(limit) = limits.of_an_isolate().filter(|_| !package.isolate) {
                return Err(RunError::SharedLimit {
                    package: name.clone(),
                    limit,
                });
            }
        }
        if let Some(packages) = isolate_cycle(graph) {
            return Err(RunError::IsolateCycle { packages });
        }
        Ok(Program {
            graph: Arc::new(graph.clone()),
            plan: Arc::new(plan),
            bytes,
            store: inner.store.clone(),
            limits: inner.limits.clone(),
            families: inner.families.clone(),
            base: inner.base.clone(),
            credentials: inner.credentials.clone(),
            audit: inner.audit.clone(),
            print: inner.print.clone(),
            startup: inner.startup.clone(),
        })
    }
}
