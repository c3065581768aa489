//! Runs: of a program in its own isolate, and of a package in a package worker.

use std::sync::Arc;

use deno_core::error::CoreError;
use deno_core::{JsRuntime, ModuleSpecifier, v8};
use deno_error::JsErrorBox;
use tokio::sync::mpsc::UnboundedReceiver;

use super::boot::{WarmIsolate, engine};
use super::completion::Completion;
use super::event_loop::{call, run, run_in_turns, settled};
use super::job::Entry;
use super::leased::Isolate;
use super::shared::{Shared, exit};
use super::uncaught::{Ending, ending, uncaught};
use crate::console::ConsoleLine;
use crate::extensions::{Mark, Monitor, Requests, mark_of};
use crate::js_engine::evaluated;
use crate::limits::LimitScope;
use crate::memory::Memory;
use crate::modules::{CapabilityModules, wasm_permitted};
use crate::outcome::{Exit, Outcome, Returned, RunError, UncaughtError};
use crate::package_worker::{Description, Ended, PackageWorker, Request};
use crate::serving::{Event, Queue};
use crate::termination::{Termination, Times, Turns, Watchdog};

/// Runs the program and reports the outcome as soon as the open resources are closed. The teardown of the heap comes
/// later, because it takes longer than a small program.
pub(super) async fn main(
    shared: &Shared,
    entry: &Entry,
    answer: &Completion,
    booted: WarmIsolate,
) -> Result<(), RunError> {
    let monitor = Monitor::new(shared.rules.clone(), booted.memory.clone());
    if let Err(refusal) = wasm_permitted(&shared.graph, &monitor) {
        let rules = &monitor.rules;
        let Some(Mark::Denied(report)) = mark_of(&refusal, rules) else {
            return Err(RunError::WebAssemblyRefused(refusal.into()));
        };
        let error = UncaughtError::of(format!("CapabilityError: {refusal}"));
        let exit = Exit::Denied(Box::new(report.as_ref().clone()), error);
        answer.give(Ok(shared.outcome(exit)));
        return Ok(());
    }
    let limits = &shared.limits;
    let mut isolate = Isolate::new(shared, monitor, 0, booted)?;
    let module = isolate
        .loader
        .entry()
        .ok_or_else(|| engine("the graph has no entry module"))?;
    let (stopped, run) = (answer.clone(), Arc::downgrade(&shared.run));
    let termination = Termination::new(isolate.js.v8_isolate().thread_safe_handle(), move |why| {
        // The run refers to the termination handle. A strong reference to the run would be a cycle.
        let memory = run.upgrade().map(|run| run.memory_used());
        stopped.give(exit(why).map(|exit| Outcome {
            exit,
            memory: memory.unwrap_or_default(),
            returned: Returned::Nothing,
        }));
    });
    isolate.stopped_by(&termination, LimitScope::Program, limits.heap, &shared.run);
    shared.run.enter(&termination);
    let times = Times {
        unit: LimitScope::Program,
        wall: limits.wall,
        cpu: limits.cpu,
    };
    let watchdog = Watchdog::of_run(times, &shared.run).map_err(engine)?;

    let work = async {
        match entry {
            Entry::Call(args) => program(&mut isolate, shared.graph.entry(), &module, args)
                .await
                .map(|returned| (Exit::Completed, returned)),
            Entry::Serve(queue) => {
                let queue = queue
                    .take()
                    .ok_or_else(|| JsErrorBox::type_error("there is no queue"))?;
                let exit = serve(&mut isolate, shared, &module, queue, watchdog, &termination).await?;
                Ok((exit, Returned::Nothing))
            }
        }
    };
    let ended = termination.unless_terminated(work).await;

    termination.finish();
    let mut returned = Returned::Nothing;
    // If the whole run was stopped, a package worker may have been stopped first, and its callers have failed here. So
    // the reason of the run comes first.
    let exit = match (shared.run.reason().or(termination.reason()), ended) {
        (Some(why), _) => exit(why),
        (None, Some(Err(error))) => Ok(uncaught(error, &isolate, shared)),
        (None, Some(Ok((exit, result)))) => {
            returned = result;
            Ok(exit)
        }
        (None, None) => Ok(Exit::Completed),
    };
    isolate.open.close();
    drop(isolate.monitor.calls.take());
    shared.end_extensions();
    isolate.note_heap();
    answer.give(exit.map(|exit| Outcome {
        returned,
        ..shared.outcome(exit)
    }));
    Ok(())
}

pub(super) async fn package_isolate(
    shared: &Shared,
    package: u32,
    remote: &Arc<PackageWorker>,
    requests: UnboundedReceiver<Request>,
    booted: WarmIsolate,
) -> Result<Ended, RunError> {
    let name = &remote.package;
    let own = shared.limits.packages.get(name).cloned().unwrap_or_default();
    let heap = own.heap.unwrap_or(shared.limits.heap);
    let monitor = Monitor::new(shared.rules.clone(), booted.memory.clone());
    let mut isolate = Isolate::new(shared, monitor, package, booted)?;
    let unit = LimitScope::Package(name.clone());
    // The package worker refers to the termination handle. A strong reference to the worker would be a cycle, and
    // neither would be freed.
    let stopped = Arc::downgrade(remote);
    let termination = Termination::new(isolate.js.v8_isolate().thread_safe_handle(), move |why| {
        if let Some(remote) = stopped.upgrade() {
            remote.end(why.into());
        }
    });
    isolate.stopped_by(&termination, unit.clone(), heap, &shared.run);
    remote.stopped_by(&termination);
    shared.rules.quotas_used.stop_isolate(name, &termination);
    isolate
        .js
        .op_state()
        .borrow_mut()
        .borrow_mut::<Requests>()
        .until(&termination);
    shared.run.enter(&termination);
    let times = Times {
        unit: unit.clone(),
        wall: own.wall,
        cpu: own.cpu,
    };
    let watchdog = Watchdog::of_isolate(times, &termination).map_err(engine)?;
    let turns = Turns::default();
    let most = shared.limits.cpu.filter(|_| shared.is_serving);
    let of_turns = Watchdog::of_turns(unit.clone(), most, &termination, &turns).map_err(engine)?;

    let work = answer_requests(&mut isolate, requests, &turns);
    let ended = termination.unless_terminated(work).await.unwrap_or(Ok(()));

    termination.finish();
    drop((watchdog, of_turns));
    isolate.note_heap();
    Ok(match (termination.reason(), ended) {
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
    turns: &Turns,
) -> Result<(), CoreError> {
    let mut is_idle = false;
    loop {
        tokio::select! {
            biased;
            request = requests.recv() => {
                let Some(request) = request else { return Ok(()) };
                is_idle = false;
                turns.next();
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
            ended = run_in_turns(&mut isolate.js, turns), if !is_idle => {
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

/// Evaluates the entry module, and answers requests with its handler until the instance ends. Returns its exit.
///
/// An error that nobody caught does not end the instance, because other requests are in progress. It is printed.
async fn serve(
    isolate: &mut Isolate,
    shared: &Shared,
    entry: &ModuleSpecifier,
    queue: Queue,
    starting: Watchdog,
    termination: &Termination,
) -> Result<Exit, CoreError> {
    let Queue { mut events, ready } = queue;
    let (js, modules) = (&mut isolate.js, isolate.modules.clone());
    let id = js.load_main_es_module(entry).await?;
    evaluated(js, &modules, shared.graph.entry(), id).await?;
    let exported = default_export(js, id)?;
    modules.call(js, |factory| &factory.handler, &exported)?;
    let turns = Turns::default();
    let watchdog = Watchdog::of_turns(LimitScope::Program, shared.limits.cpu, termination, &turns);
    let _watchdog = watchdog.map_err(|error| JsErrorBox::generic(error.to_string()))?;
    drop(starting);
    // If the caller is gone, the queue is closed as well.
    let _ = ready.send(());
    let mut is_idle = false;
    loop {
        let ended = tokio::select! {
            biased;
            event = events.recv() => {
                is_idle = false;
                turns.next();
                let js = &mut isolate.js;
                match event {
                    None => return Ok(Exit::Completed),
                    Some(Event::Gone(number)) => modules.call_with_number(js, |factory| &factory.gone, number),
                    Some(Event::Call(call)) => {
                        let monitor = &isolate.monitor;
                        let number = monitor.calls.borrow_mut().begin(*call, &monitor.memory);
                        number.map_or(Ok(()), |number| {
                            modules.call_with_number(js, |factory| &factory.request, number)
                        })
                    }
                }
            }
            ended = run_in_turns(&mut isolate.js, &turns), if !is_idle => {
                is_idle = ended.is_ok();
                ended
            }
        };
        let Err(error) = ended else { continue };
        if termination.reason().is_some() {
            return Ok(Exit::Stopped);
        }
        let (text, limit) = match uncaught(error, isolate, shared) {
            Exit::Denied(_, error) | Exit::Uncaught(error) => (error.to_string(), None),
            exit => (String::new(), Some(exit)),
        };
        if let Some(exit) = limit {
            return Ok(exit);
        }
        let is_stopped = || termination.reason().is_some();
        let line = ConsoleLine {
            text: &format!("uncaught {text}\n"),
            is_error: true,
            module: "",
            package: "",
        };
        shared.print.print(line, is_stopped);
    }
}

/// Evaluates the entry module, calls its default export if this is a function, and runs the event loop until it is
/// empty. Returns the result of the function.
async fn program(
    isolate: &mut Isolate,
    module: u32,
    entry: &ModuleSpecifier,
    args: &[String],
) -> Result<Returned, CoreError> {
    let js = &mut isolate.js;
    let mut returned = Returned::Nothing;
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
        let result = settled(js, result).await?;
        returned = result_of(js, &isolate.modules, &isolate.monitor.memory, &result)?;
    }
    run(js).await?;
    Ok(returned)
}

/// Converts the result of the entry function. Its memory is reserved while it is copied.
fn result_of(
    js: &mut JsRuntime,
    modules: &CapabilityModules,
    memory: &Memory,
    result: &v8::Global<v8::Value>,
) -> Result<Returned, CoreError> {
    let made = modules.call(js, |factory| &factory.returned, result)?;
    deno_core::scope!(scope, js);
    let made = v8::Local::new(scope, made);
    let room = |size| {
        let reserved = memory.hold_now(size);
        reserved.map_err(|why| JsErrorBox::range_error(format!("the result of the entry function: {why}")))
    };
    if let Ok(text) = v8::Local::<v8::String>::try_from(made) {
        let _reserved = room(text.utf8_length(scope))?;
        return Ok(Returned::Json(text.to_rust_string_lossy(scope)));
    }
    if let Ok(bytes) = v8::Local::<v8::Uint8Array>::try_from(made) {
        let _reserved = room(bytes.byte_length())?;
        let mut copy = vec![0; bytes.byte_length()];
        bytes.copy_contents(&mut copy);
        return Ok(Returned::Bytes(copy));
    }
    Ok(Returned::Nothing)
}

/// Returns the default export of a module, which is undefined if there is none.
fn default_export(
    js: &mut JsRuntime,
    module: deno_core::ModuleId,
) -> Result<v8::Global<v8::Value>, CoreError> {
    let namespace = js.get_module_namespace(module)?;
    deno_core::scope!(scope, js);
    let namespace = v8::Local::new(scope, namespace);
    let value = v8::String::new(scope, "default").and_then(|key| namespace.get(scope, key.into()));
    let value = value.unwrap_or_else(|| v8::undefined(scope).into());
    Ok(v8::Global::new(scope, value))
}

fn default_function(
    js: &mut JsRuntime,
    module: deno_core::ModuleId,
) -> Result<Option<v8::Global<v8::Function>>, CoreError> {
    let value = default_export(js, module)?;
    deno_core::scope!(scope, js);
    let function = v8::Local::<v8::Function>::try_from(v8::Local::new(scope, value)).ok();
    Ok(function.map(|function| v8::Global::new(scope, function)))
}
