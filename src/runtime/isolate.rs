//! One run, on its own thread: the engine, the realm, the modules, the event loop.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use deno_core::error::{CoreError, CoreErrorKind, JsError};
use deno_core::{JsRuntime, PollEventLoopOptions, RuntimeOptions, v8};
use secure_runtime_capabilities::{Base, Families};
use secure_runtime_loaders::{Graph, Store};

use super::answer::Answer;
use super::limits::{Brake, StopReason, Watchdog};
use super::{ConsoleLine, Exit, LimitHit, Limits, Outcome, RunError, Running, UncaughtError};
use crate::audit::AuditSink;
use crate::extensions::{self, Entries, Gate, KvStore, NetLimits, Presentation, Variables};
use crate::modules::{CapabilityModules, Factory, GraphLoader, LinkPlan, wasm_permitted};
use crate::realm;

/// How many times its limit a heap may grow to while a built-in function that does not notice the end goes on.
const MOST_HEAP: usize = 4;

/// Where printed text goes.
#[derive(Clone)]
pub(crate) struct PrintSink(Arc<dyn Fn(ConsoleLine<'_>) + Send + Sync>);

impl PrintSink {
    pub(crate) fn discard() -> Self {
        PrintSink(Arc::new(|_| ()))
    }

    pub(crate) fn new(sink: impl Fn(ConsoleLine<'_>) + Send + Sync + 'static) -> Self {
        PrintSink(Arc::new(sink))
    }

    pub(crate) fn print(&self, text: &str, is_error: bool) {
        (self.0)(ConsoleLine { text, is_error });
    }
}

impl fmt::Debug for PrintSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrintSink")
    }
}

/// Everything that one run needs; settled before the thread starts.
pub(super) struct Job {
    pub(super) graph: Arc<Graph>,
    pub(super) bytes: Arc<Vec<Bytes>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) plan: Arc<LinkPlan>,
    pub(super) args: Vec<String>,
    pub(super) families: Families,
    pub(super) base: Base,
    pub(super) limits: Limits,
    pub(super) audit: AuditSink,
    pub(super) print: PrintSink,
    pub(super) variables: Variables,
    pub(super) kv: Arc<dyn KvStore>,
    pub(super) presentation: Presentation,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) running: Arc<Running>,
    pub(super) answer: Answer,
}

/// A run that is under way. When it ends, also by a panic, nobody may stop it any more.
struct UnderWay {
    running: Arc<Running>,
    id: u64,
    finished: Arc<AtomicBool>,
}

impl UnderWay {
    fn begin(running: &Arc<Running>, brake: &Brake) -> Self {
        UnderWay {
            running: running.clone(),
            id: running.enter(brake.clone()),
            finished: brake.finished.clone(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.finished.store(true, Ordering::SeqCst);
        self.running.leave(self.id);
    }
}

pub(super) fn run(job: Job) -> Result<Outcome, RunError> {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| RunError::Engine(format!("no event loop: {error}")))?;
    let outcome = tokio::task::LocalSet::new().block_on(&reactor, isolate(job));
    // File work that a stopped program left behind may still block; it is not waited for.
    reactor.shutdown_background();
    outcome
}

fn engine(error: impl fmt::Display) -> RunError {
    RunError::Engine(error.to_string())
}

async fn isolate(job: Job) -> Result<Outcome, RunError> {
    let gate = Gate::new(
        job.families,
        job.base,
        job.plan,
        job.graph.hash().to_string(),
        job.audit,
        job.presentation,
    );
    if let Err(refusal) = wasm_permitted(&job.graph, &gate) {
        let error = UncaughtError {
            message: format!("CapabilityError: {refusal}"),
            stack: String::new(),
        };
        return match gate.denial_of(&error.message) {
            Some(report) => Ok(Outcome {
                exit: Exit::Denied(Box::new(report), error),
            }),
            None => Err(RunError::Grants(refusal)),
        };
    }
    let loader = GraphLoader::new(job.graph.clone(), job.bytes, job.store, gate.clone()).map_err(engine)?;
    let entry = loader
        .entry()
        .ok_or_else(|| engine("the graph has no entry module"))?;
    let modules = Rc::new(CapabilityModules {
        gate: gate.clone(),
        loader: loader.clone(),
        factory: Default::default(),
    });

    let mut extensions = realm::extensions();
    extensions.push(extensions::families());
    let evaluator = modules.clone();
    let mut js = JsRuntime::try_new(RuntimeOptions {
        module_loader: Some(loader.clone()),
        extensions,
        create_params: Some(memory(&job.limits)),
        custom_module_evaluation_cb: Some(Box::new(move |scope, kind, name, _code| {
            evaluator.evaluate(scope, &kind, name.as_str())
        })),
        ..RuntimeOptions::default()
    })
    .map_err(engine)?;
    js.v8_isolate().add_message_listener(unprinted);
    {
        let state = js.op_state();
        let mut state = state.borrow_mut();
        state.put(job.print);
        state.put(job.variables);
        state.put(Entries::new(job.kv));
        state.put(NetLimits {
            body: job.limits.response,
            idle: job.limits.idle,
            tls: job.tls,
        });
    }
    lock(&mut js, &modules)?;

    let brake = Brake {
        reason: Arc::new(StopReason::default()),
        isolate: js.v8_isolate().thread_safe_handle(),
        wake: Arc::new(tokio::sync::Notify::new()),
        finished: Arc::new(AtomicBool::new(false)),
        pulled: Arc::new(AtomicBool::new(false)),
        limits: job.limits.clone(),
        answer: job.answer,
    };
    let at_limit = brake.clone();
    js.add_near_heap_limit_callback(move |current, initial| {
        at_limit.reason.heap();
        at_limit.pull();
        if current >= initial.saturating_mul(MOST_HEAP) {
            at_limit.abandon();
        }
        // Room to unwind in: the run is over, but the engine must not abort the process on the way out.
        current.saturating_mul(2)
    });
    let under_way = UnderWay::begin(&job.running, &brake);
    let watchdog = Watchdog::start(&job.limits, brake.clone()).map_err(engine)?;

    let ended = tokio::select! {
        ended = program(&mut js, &entry, &job.args) => ended,
        () = brake.wake.notified() => Ok(()),
    };

    drop(under_way);
    drop(watchdog);
    let exit = if brake.reason.is_set() {
        brake.exit()
    } else {
        match ended {
            Ok(()) => Exit::Completed,
            Err(error) => uncaught(error, &gate, &loader, &job.limits)?,
        }
    };
    Ok(Outcome { exit })
}

/// Without a listener, V8 prints an exception that a getter threw while another one was described, to the process's own
/// standard output and unescaped: a guest's text, on the host's terminal. Errors are reported by [`Outcome`] alone.
extern "C" fn unprinted(_message: v8::Local<'_, v8::Message>, _exception: v8::Local<'_, v8::Value>) {}

/// How much memory the isolate gets: as much for buffers as for the heap, where the engine counts them apart.
fn memory(limits: &Limits) -> v8::CreateParams {
    let params =
        v8::CreateParams::default().heap_limits(0, usize::try_from(limits.heap).unwrap_or(usize::MAX));
    #[cfg(feature = "v8")]
    let params = params.array_buffer_allocator(super::buffers::limited(limits.heap));
    params
}

/// Locks the realm and keeps what it gives.
fn lock(js: &mut JsRuntime, modules: &CapabilityModules) -> Result<(), RunError> {
    let value = js
        .execute_script("ext:secure_runtime/lockdown.js", realm::LOCKDOWN)
        .map_err(engine)?;
    deno_core::scope!(scope, js);
    // Code from strings is refused by the realm's own functions; V8 refuses it by itself as well.
    #[cfg(feature = "v8")]
    scope
        .get_current_context()
        .set_allow_generation_from_strings(false);
    let value = v8::Local::new(scope, value);
    let object: v8::Local<v8::Object> = value.try_into().map_err(engine)?;
    let function = |name: &str| -> Result<v8::Global<v8::Function>, RunError> {
        let key = v8::String::new(scope, name).ok_or_else(|| engine("out of memory"))?;
        let value = object
            .get(scope, key.into())
            .ok_or_else(|| engine(format!("lockdown gave no {name}")))?;
        let function: v8::Local<v8::Function> = value.try_into().map_err(engine)?;
        Ok(v8::Global::new(scope, function))
    };
    let factory = Factory {
        make_self: function("self")?,
        make_bindings: function("bindings")?,
        make_wasm: function("wasm")?,
    };
    modules.factory.replace(Some(factory));
    Ok(())
}

/// Evaluates the entry module, calls its default export where that is a function, and runs until nothing is left to do.
async fn program(
    js: &mut JsRuntime,
    entry: &deno_core::ModuleSpecifier,
    args: &[String],
) -> Result<(), CoreError> {
    let module = js.load_main_es_module(entry).await?;
    let evaluation = js.mod_evaluate(module);
    js.with_event_loop_promise(evaluation, PollEventLoopOptions::default())
        .await?;
    if let Some(main) = default_function(js, module)? {
        let args = {
            deno_core::scope!(scope, js);
            let values: Vec<v8::Local<v8::Value>> = args
                .iter()
                .filter_map(|arg| v8::String::new(scope, arg))
                .map(Into::into)
                .collect();
            let array: v8::Local<v8::Value> = v8::Array::new_with_elements(scope, &values).into();
            v8::Global::new(scope, array)
        };
        let called = js.call_with_args(&main, &[args]);
        js.with_event_loop_promise(called, PollEventLoopOptions::default())
            .await?;
    }
    js.run_event_loop(PollEventLoopOptions::default()).await
}

fn default_function(
    js: &mut JsRuntime,
    module: deno_core::ModuleId,
) -> Result<Option<v8::Global<v8::Function>>, CoreError> {
    let namespace = js.get_module_namespace(module)?;
    deno_core::scope!(scope, js);
    let namespace = v8::Local::new(scope, namespace);
    let Some(key) = v8::String::new(scope, "default") else {
        return Ok(None);
    };
    let value = namespace.get(scope, key.into());
    let function = value.and_then(|value| v8::Local::<v8::Function>::try_from(value).ok());
    Ok(function.map(|function| v8::Global::new(scope, function)))
}

fn uncaught(error: CoreError, gate: &Gate, loader: &GraphLoader, limits: &Limits) -> Result<Exit, RunError> {
    let error = match error.into_kind() {
        // QuickJS throws where V8 stops the isolate.
        CoreErrorKind::Js(error)
            if cfg!(feature = "quickjs")
                && error.exception_message.ends_with("InternalError: out of memory") =>
        {
            return Ok(Exit::Limit(LimitHit::Heap(limits.heap)));
        }
        CoreErrorKind::Js(error) => describe(&error, loader),
        // An error that a module of the program caused while it was loaded: an import that was not locked, say.
        other => UncaughtError {
            message: other.to_string(),
            stack: String::new(),
        },
    };
    Ok(match gate.denial_of(&error.message) {
        Some(report) => Exit::Denied(Box::new(report), error),
        None => Exit::Uncaught(error),
    })
}

fn describe(error: &JsError, loader: &GraphLoader) -> UncaughtError {
    let message = match (&error.name, &error.message) {
        (Some(name), Some(message)) => format!("{name}: {message}"),
        (None, Some(message)) => message.clone(),
        (Some(name), None) => name.clone(),
        (None, None) => error.exception_message.trim_start_matches("Uncaught ").to_owned(),
    };
    let mut stack = String::new();
    for frame in &error.frames {
        let file = frame.file_name.as_deref().unwrap_or("<anonymous>");
        if file.starts_with("ext:") {
            continue;
        }
        let name = loader.name_of(file).unwrap_or(file);
        let place = format!(
            "{name}:{}:{}",
            frame.line_number.unwrap_or(0),
            frame.column_number.unwrap_or(0)
        );
        if !stack.is_empty() {
            stack.push('\n');
        }
        match &frame.function_name {
            Some(function) => stack.push_str(&format!("    at {function} ({place})")),
            None => stack.push_str(&format!("    at {place}")),
        }
    }
    UncaughtError { message, stack }
}
