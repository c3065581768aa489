//! One isolate on its own thread: the engine, the realm, the modules, and the event loop.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use deno_core::error::{CoreError, CoreErrorKind, JsError};
use deno_core::{JsRuntime, ModuleSpecifier, v8};
use deno_error::JsErrorBox;
use secure_runtime_loaders::{Graph, Store};
use tokio::sync::mpsc::UnboundedReceiver;

use super::answer::Answer;
use super::boot::{Booted, Given, engine};
use super::brake::{Brake, Run, Stopped, Times, UnderWay, Watchdog};
use super::limits::{Limit, LimitHit, Unit};
use super::panics;
use super::park::Parking;
use super::release::Released;
use super::remote::{Description, Ended, Remote, Remotes, Request};
use super::settle::{call, evaluated, run, settled};
use super::{DenialReport, Exit, Limits, Outcome, PrintSink, RelatedError, RunError, UncaughtError};
#[cfg(feature = "v8")]
use super::{fatal, garbage};
use crate::extensions::{
    Entries, Gate, KvStore, Left, Made, Mark, NetLimits, OpenThings, Requests, Roots, Rules, Uncaught,
    Variables,
};
use crate::modules::{CapabilityModules, GraphLoader, wasm_permitted};
use crate::realm;

/// Maximum size of a heap until its isolate has unwound, as a multiple of its limit. A larger factor would let more
/// built-in functions return, but a parked thread keeps all of this memory.
const MOST_HEAP: usize = 4;

/// State that all isolates of one run share. It is complete before the first of them starts.
pub(super) struct Shared {
    pub(super) graph: Arc<Graph>,
    pub(super) bytes: Arc<Vec<Bytes>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) limits: Limits,
    pub(super) print: PrintSink,
    pub(super) variables: Variables,
    pub(super) kv: Arc<dyn KvStore>,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) run: Arc<Run>,
    pub(super) rules: Rules,
    /// Keeps the folders of the program's scopes open. The rules only refer to them.
    pub(super) files: Arc<Roots>,
    pub(super) remotes: Arc<Remotes>,
}

impl Shared {
    /// Returns the outcome of the run, with the memory that it has used until now.
    fn outcome(&self, exit: Exit) -> Outcome {
        Outcome {
            exit,
            memory: self.run.memory_used(),
        }
    }

    /// Returns the result of a run that was stopped.
    fn stopped(&self, why: &Stopped) -> Result<Outcome, RunError> {
        exit(why).map(|exit| self.outcome(exit))
    }

    /// Returns the heap limit of this package's own isolate.
    fn heap_of(&self, package: &str) -> u64 {
        let own = self.limits.packages.get(package).and_then(|own| own.heap);
        own.unwrap_or(self.limits.heap)
    }
}

/// The work that an isolate is started for.
pub(super) enum Job {
    /// Runs a program.
    Run {
        shared: Arc<Shared>,
        args: Vec<String>,
        _under_way: UnderWay,
        answer: Answer,
    },
    /// Serves the requests to a package in its own isolate, until the program ends or the isolate fails.
    Serve {
        shared: Arc<Shared>,
        package: u32,
        remote: Arc<Remote>,
        requests: RefCell<Option<UnboundedReceiver<Request>>>,
    },
}

impl Job {
    /// Performs the job on this thread and reports how it ended.
    pub(super) async fn perform(self, booted: Result<Booted, RunError>) {
        match &self {
            Job::Run {
                shared, args, answer, ..
            } => {
                let ended = match booted {
                    Ok(booted) => main(shared, args, answer, booted).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = ended {
                    answer.give(Err(error));
                }
            }
            Job::Serve {
                shared,
                package,
                remote,
                requests,
            } => {
                let requests = requests.take();
                let ended = match (booted, requests) {
                    (Ok(booted), Some(requests)) => {
                        package_isolate(shared, *package, remote, requests, booted).await
                    }
                    (Err(error), _) => Err(error),
                    (_, None) => Err(engine("there is no isolate to serve")),
                };
                remote.end(ended.unwrap_or_else(|error| Ended::Fault(error.to_string())));
            }
        }
    }
}

/// Reports a failure if the job is dropped before it completes. The engine's bindings panic, sometimes because the
/// isolate was terminated. If a completion was sent before, this one has no effect.
impl Drop for Job {
    fn drop(&mut self) {
        let panic = panics::of_this_isolate();
        let why = panic.unwrap_or_else(|| "the isolate's thread ended without a result".to_owned());
        match self {
            Job::Run { shared, answer, .. } => answer.give(match shared.run.reason() {
                Some(why) => shared.stopped(why),
                // The bindings panic if the engine has no memory left.
                None if was_refused() => Ok(shared.outcome(Exit::Limit(LimitHit {
                    unit: Unit::Program,
                    limit: Limit::Heap(shared.limits.heap),
                }))),
                None => Err(engine(why)),
            }),
            Job::Serve { shared, remote, .. } => remote.end(match remote.stopped() {
                Some(why) => why.into(),
                None if was_refused() => Ended::Limit(LimitHit {
                    unit: Unit::Package(remote.package.clone()),
                    limit: Limit::Heap(shared.heap_of(&remote.package)),
                }),
                None => Ended::Fault(why),
            }),
        }
    }
}

/// An isolate that belongs to a program.
struct Isolate {
    /// Declared before `js`, so that it is dropped before the engine.
    #[cfg(feature = "v8")]
    _entered: garbage::Entered,
    js: Released,
    gate: Rc<Gate>,
    loader: Rc<GraphLoader>,
    modules: Rc<CapabilityModules>,
    open: OpenThings,
    brake: Option<Brake>,
    #[cfg(feature = "quickjs")]
    _linked: super::linker::Linked,
    #[cfg(feature = "quickjs")]
    heap: Option<super::heap::Watched>,
    /// Declared after `js`, so that it is dropped after the engine.
    #[cfg(feature = "v8")]
    guarded: Option<fatal::Guarded>,
    _given: Given,
}

/// Closes the open resources. It also runs if the engine's bindings panic.
impl Drop for Isolate {
    fn drop(&mut self) {
        panics::unguard();
        if let Some(brake) = &self.brake {
            brake.finish();
        }
        self.open.close();
    }
}

impl Isolate {
    /// Assigns the isolate to this package of the program. Package 0 is the program itself.
    fn new(shared: &Shared, gate: Rc<Gate>, package: u32, booted: Booted) -> Result<Isolate, RunError> {
        let loader = GraphLoader::new(
            shared.graph.clone(),
            shared.bytes.clone(),
            shared.store.clone(),
            gate.clone(),
            shared.remotes.clone(),
            package,
        );
        let loader = loader.map_err(engine)?;
        let modules = CapabilityModules {
            gate: gate.clone(),
            loader: loader.clone(),
            factory: Default::default(),
        };
        gate.rules.marks.used_here();
        shared.run.count(&gate.memory);
        let (mut js, modules, given) = booted.given_to(&loader, modules);
        #[cfg(feature = "quickjs")]
        let linked = super::linker::link_by(&mut js, &loader);
        #[cfg(feature = "v8")]
        let entered = garbage::enter(js.v8_isolate(), &gate.memory);
        modules.attach_fast_ops(&mut js).map_err(engine)?;
        let open = OpenThings::default();
        let name = shared.graph.package(package).map(|package| package.name.as_str());
        {
            let state = js.op_state();
            let mut state = state.borrow_mut();
            state.put(shared.print.clone());
            state.put(shared.variables.clone());
            state.put(Entries::new(shared.kv.clone()));
            state.put(NetLimits {
                body: shared.limits.response,
                idle: shared.limits.idle,
                tls: shared.tls.clone(),
            });
            state.put(gate.account(name.unwrap_or_default()));
            state.put(gate.memory.clone());
            state.put(gate.clone());
            state.put(open.clone());
            state.put(Left::default());
            state.put(Requests::default());
            state.put(realm::Timers::default());
        }
        Ok(Isolate {
            js: js.into(),
            gate,
            loader,
            modules,
            open,
            brake: None,
            #[cfg(feature = "quickjs")]
            _linked: linked,
            #[cfg(feature = "quickjs")]
            heap: None,
            #[cfg(feature = "v8")]
            guarded: None,
            #[cfg(feature = "v8")]
            _entered: entered,
            _given: given,
        })
    }

    /// Records the size of the heap at the end.
    fn note_heap(&mut self) {
        #[cfg(feature = "v8")]
        let bytes = garbage::heap_of(self.js.v8_isolate());
        #[cfg(feature = "quickjs")]
        let bytes = super::heap::used();
        self.gate.memory.note_heap(bytes);
    }

    /// Makes this isolate terminable, by other threads and at its heap limit.
    fn stopped_by(&mut self, brake: &Brake, unit: Unit, heap: u64, run: &Arc<Run>) {
        self.brake = Some(brake.clone());
        self.js.op_state().borrow_mut().put(brake.clone());
        let why = Stopped::Limit(LimitHit {
            unit: unit.clone(),
            limit: Limit::Heap(heap),
        });
        let (at_limit, run) = (brake.clone(), run.clone());
        let parking = Parking::new(brake, &self.open, why, move |why| match unit {
            Unit::Program => run.stop(why),
            Unit::Package(_) => at_limit.pull(why.clone()),
        });
        panics::guard(&parking);
        #[cfg(feature = "v8")]
        {
            self.guarded = Some(fatal::guard(self.js.v8_isolate(), parking.clone()));
        }
        let memory = self.gate.memory.clone();
        let near_limit = move |current: usize, initial: usize| {
            memory.note_heap(current);
            parking.stop();
            let most = initial.saturating_mul(MOST_HEAP);
            if current >= most {
                parking.park();
            }
            // The isolate needs memory to unwind, and for the allocation that did not fit. If this allocation now
            // succeeds, the built-in function returns, and the thread does not need to be parked.
            most
        };
        #[cfg(feature = "v8")]
        self.js.add_near_heap_limit_callback(near_limit);
        #[cfg(feature = "quickjs")]
        {
            let limit = usize::try_from(heap).unwrap_or(usize::MAX);
            self.heap = Some(super::heap::watch(&mut self.js, limit, near_limit));
        }
    }
}

/// Runs the program and reports the outcome as soon as the open resources are closed. The teardown of the heap comes
/// later, because it takes longer than a small program.
async fn main(shared: &Shared, args: &[String], answer: &Answer, booted: Booted) -> Result<(), RunError> {
    let gate = Gate::new(shared.rules.clone(), booted.memory.clone());
    if let Err(refusal) = wasm_permitted(&shared.graph, &gate) {
        let rules = &gate.rules;
        let Some(Mark::Denied(report)) = rules.marks.of(&refusal, rules) else {
            return Err(RunError::Grants(refusal.to_string()));
        };
        let error = UncaughtError::of(format!("CapabilityError: {refusal}"));
        let exit = Exit::Denied(Box::new(report.as_ref().clone()), error);
        answer.give(Ok(shared.outcome(exit)));
        return Ok(());
    }
    let limits = &shared.limits;
    let mut isolate = Isolate::new(shared, gate, 0, booted)?;
    let entry = isolate
        .loader
        .entry()
        .ok_or_else(|| engine("the graph has no entry module"))?;
    let (stopped, run) = (answer.clone(), Arc::downgrade(&shared.run));
    let brake = Brake::new(isolate.js.v8_isolate().thread_safe_handle(), move |why| {
        // The run refers to the brake. A strong reference to the run would be a cycle.
        let memory = run.upgrade().map(|run| run.memory_used());
        stopped.give(exit(why).map(|exit| Outcome {
            exit,
            memory: memory.unwrap_or_default(),
        }));
    });
    isolate.stopped_by(&brake, Unit::Program, limits.heap, &shared.run);
    shared.run.enter(&brake);
    let times = Times {
        unit: Unit::Program,
        wall: limits.wall,
        cpu: limits.cpu,
    };
    let watchdog = Watchdog::of_run(times, &shared.run).map_err(engine)?;

    let work = program(&mut isolate, shared.graph.entry(), &entry, args);
    let ended = brake.unless_pulled(work).await.unwrap_or(Ok(()));

    brake.finish();
    drop(watchdog);
    // If the whole run was stopped, a package worker may have been stopped first, and its callers have failed here. So
    // the reason of the run comes first.
    let exit = match (shared.run.reason().or(brake.reason()), ended) {
        (Some(why), _) => exit(why),
        (None, Ok(())) => Ok(Exit::Completed),
        (None, Err(error)) => Ok(uncaught(error, &isolate, shared)),
    };
    isolate.open.close();
    shared.files.close();
    isolate.note_heap();
    answer.give(exit.map(|exit| shared.outcome(exit)));
    Ok(())
}

/// Returns the exit of a run that was stopped.
fn exit(why: &Stopped) -> Result<Exit, RunError> {
    match why {
        Stopped::Asked => Ok(Exit::Stopped),
        Stopped::Limit(hit) => Ok(Exit::Limit(hit.clone())),
        Stopped::Failed(fault) => Err(engine(fault)),
    }
}

async fn package_isolate(
    shared: &Shared,
    package: u32,
    remote: &Arc<Remote>,
    requests: UnboundedReceiver<Request>,
    booted: Booted,
) -> Result<Ended, RunError> {
    let name = &remote.package;
    let own = shared.limits.packages.get(name).cloned().unwrap_or_default();
    let heap = own.heap.unwrap_or(shared.limits.heap);
    let gate = Gate::new(shared.rules.clone(), booted.memory.clone());
    let mut isolate = Isolate::new(shared, gate, package, booted)?;
    let unit = Unit::Package(name.clone());
    // The package worker refers to the brake. A strong reference to the worker would be a cycle, and neither would be
    // freed.
    let stopped = Arc::downgrade(remote);
    let brake = Brake::new(isolate.js.v8_isolate().thread_safe_handle(), move |why| {
        if let Some(remote) = stopped.upgrade() {
            remote.end(why.into());
        }
    });
    isolate.stopped_by(&brake, unit.clone(), heap, &shared.run);
    remote.stopped_by(&brake);
    shared.rules.meters.stop_isolate(name, &brake);
    isolate
        .js
        .op_state()
        .borrow_mut()
        .borrow_mut::<Requests>()
        .until(&brake);
    shared.run.enter(&brake);
    let times = Times {
        unit: unit.clone(),
        wall: own.wall,
        cpu: own.cpu,
    };
    let watchdog = Watchdog::of_isolate(times, &brake).map_err(engine)?;

    let work = answer_requests(&mut isolate, requests);
    let ended = brake.unless_pulled(work).await.unwrap_or(Ok(()));

    brake.finish();
    drop(watchdog);
    isolate.note_heap();
    Ok(match (brake.reason(), ended) {
        (Some(why), _) => why.into(),
        (None, Ok(())) => Ended::Stopped,
        (None, Err(error)) => match ending(error, &isolate, heap, unit) {
            Ending::Limit(hit) => Ended::Limit(hit),
            Ending::Denied(_, error) | Ending::Error(error) => Ended::Uncaught(error.message),
        },
    })
}

/// Serves requests in the order of their arrival. The event loop continues to run the work that they began.
async fn answer_requests(
    isolate: &mut Isolate,
    mut requests: UnboundedReceiver<Request>,
) -> Result<(), CoreError> {
    let mut is_idle = false;
    loop {
        tokio::select! {
            biased;
            request = requests.recv() => {
                let Some(request) = request else { return Ok(()) };
                is_idle = false;
                match request {
                    Request::Describe { module, answer } => {
                        let loaded = load(isolate, module).await;
                        let described = match loaded {
                            // The module is evaluated once. If the evaluation throws, the isolate ends.
                            Ok(id) => Ok(evaluate(isolate, module, id).await?),
                            Err(error) => Err(error.to_string()),
                        };
                        let _ = answer.send(described);
                    }
                    Request::Call(call) => {
                        let number = isolate.js.op_state().borrow_mut().borrow_mut::<Requests>().begin(call);
                        isolate.modules.serve(&mut isolate.js, number)?;
                    }
                }
            }
            ended = run(&mut isolate.js), if !is_idle => {
                ended?;
                is_idle = true;
            }
        }
    }
}

/// Loads a module of the package.
async fn load(isolate: &mut Isolate, module: u32) -> Result<deno_core::ModuleId, CoreError> {
    let url = isolate.loader.ask(module);
    let url = url.ok_or_else(|| JsErrorBox::type_error("there is no such module"))?;
    isolate.js.load_side_es_module(&url).await
}

/// Evaluates a module of the package and returns a description of its exports.
async fn evaluate(
    isolate: &mut Isolate,
    module: u32,
    id: deno_core::ModuleId,
) -> Result<Description, CoreError> {
    let js = &mut isolate.js;
    evaluated(js, &isolate.modules, module, id).await?;
    let namespace = js.get_module_namespace(id)?;
    isolate.modules.describe(js, namespace)
}

/// Evaluates the entry module, calls its default export if this is a function, and runs the event loop until it is
/// empty.
async fn program(
    isolate: &mut Isolate,
    module: u32,
    entry: &ModuleSpecifier,
    args: &[String],
) -> Result<(), CoreError> {
    let js = &mut isolate.js;
    let id = js.load_main_es_module(entry).await?;
    evaluated(js, &isolate.modules, module, id).await?;
    if let Some(main) = default_function(js, id)? {
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
        let result = call(js, &main, &args)?;
        settled(js, result).await?;
    }
    run(js).await
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

/// The consequence of an uncaught error for its isolate.
enum Ending {
    Limit(LimitHit),
    Denied(Arc<DenialReport>, UncaughtError),
    Error(UncaughtError),
}

/// Determines the consequence of an uncaught error. The text of the error does not count, because guests can write it:
/// see `extensions/marks.rs`.
fn ending(error: CoreError, isolate: &Isolate, heap: u64, unit: Unit) -> Ending {
    let error = match error.into_kind() {
        CoreErrorKind::Js(error) => error,
        // A module of the program caused this error while it was loaded, for example by an import that is not in the
        // lock.
        other => {
            return Ending::Error(UncaughtError::of(isolate.loader.shown(&other.to_string())));
        }
    };
    let shown = describe_error(&error, &isolate.loader);
    match said(&error).made {
        Made::Memory if was_refused() => Ending::Limit(LimitHit {
            unit,
            limit: Limit::Heap(heap),
        }),
        Made::Marked(text) => match isolate.gate.rules.marks.get(&text, &isolate.gate.rules) {
            Some(Mark::Limit(hit)) => Ending::Limit(hit),
            Some(Mark::Denied(report)) => Ending::Denied(report, shown),
            None => Ending::Error(shown),
        },
        _ => Ending::Error(shown),
    }
}

/// Returns true if the engine refused memory because of the heap limit. QuickJS then throws an error. V8 terminates the
/// isolate instead.
fn was_refused() -> bool {
    #[cfg(feature = "quickjs")]
    return super::heap::was_refused();
    #[cfg(feature = "v8")]
    false
}

/// Returns the text of a thrown value that is not an error, without the prefix that the engine adds.
fn thrown(message: &str) -> &str {
    let message = message.strip_prefix("Uncaught ").unwrap_or(message);
    message.strip_prefix("(in promise) ").unwrap_or(message)
}

fn uncaught(error: CoreError, isolate: &Isolate, shared: &Shared) -> Exit {
    match ending(error, isolate, shared.limits.heap, Unit::Program) {
        Ending::Limit(hit) => Exit::Limit(hit),
        Ending::Denied(report, error) => Exit::Denied(Box::new(report.as_ref().clone()), error),
        Ending::Error(error) => Exit::Uncaught(error),
    }
}

/// Returns the realm's description of a thrown value. Such a text begins with random bits that no guest knows, so
/// guests cannot forge it.
fn said(error: &JsError) -> Uncaught {
    Uncaught::of(&error.exception_message)
}

fn describe_error(error: &JsError, loader: &GraphLoader) -> UncaughtError {
    // V8 keeps the frames of an error out of the reach of guests.
    let is_framed = said(error).is_framed || cfg!(feature = "v8");
    let message = match (&error.name, &error.message) {
        (Some(name), Some(message)) => format!("{name}: {message}"),
        (None, Some(message)) => message.clone(),
        (Some(name), None) => name.clone(),
        // To read them, the engine calls a function of the guest, and this function threw.
        (None, None) if Uncaught::is_in(&error.exception_message) => {
            "an error whose name and message cannot be read".to_owned()
        }
        (None, None) => thrown(&error.exception_message).to_owned(),
    };
    let message = loader.shown(&message);
    let mut stack = String::new();
    // An object that is not of the engine's error class has no frames that the engine wrote.
    for frame in error.frames.iter().filter(|_| is_framed) {
        let file = frame.file_name.as_deref().unwrap_or("<anonymous>");
        if file.starts_with("ext:") || file.starts_with("cap:") {
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
            // A function name with a line break would look like two frames.
            Some(function) => {
                let function =
                    function.replace(|it: char| it.is_control() || "\u{2028}\u{2029}".contains(it), "?");
                stack.push_str(&format!("    at {function} ({place})"));
            }
            None => stack.push_str(&format!("    at {place}")),
        }
    }
    let cause = error.cause.iter().map(|cause| (None, &**cause));
    let errors = (1..)
        .zip(error.aggregated.iter().flatten())
        .map(|(number, error)| (Some(number), error));
    let related = cause.chain(errors).map(|(number, error)| RelatedError {
        number,
        error: describe_error(error, loader),
    });
    let related = related.collect();
    UncaughtError {
        message,
        stack,
        related,
    }
}
