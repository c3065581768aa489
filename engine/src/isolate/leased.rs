//! An isolate that is leased to a program.

use std::rc::Rc;
use std::sync::Arc;

use super::boot::{IsolateLease, WarmIsolate, engine};
use super::panics;
use super::released::Released;
use super::shared::Shared;
use crate::extensions::{Monitor, Requests, ResourceTable};
use crate::limits::{Limit, LimitHit, LimitScope};
use crate::modules::{CapabilityModules, GraphLoader};
use crate::outcome::RunError;
use crate::park::Parking;
use crate::termination::{Run, Stopped, Termination};
use crate::{js_engine, realm};

/// Maximum size of a heap until its isolate has unwound, as a multiple of its limit. A larger factor would let more
/// built-in functions return, but a parked thread keeps all of this memory.
const MOST_HEAP: usize = 4;

/// An isolate that belongs to a program.
pub(super) struct Isolate {
    /// Declared before `js`, so that it is dropped before the engine.
    _entered: js_engine::Entered,
    pub(super) js: Released,
    pub(super) monitor: Rc<Monitor>,
    pub(super) loader: Rc<GraphLoader>,
    pub(super) modules: Rc<CapabilityModules>,
    pub(super) open: ResourceTable,
    termination: Option<Termination>,
    /// Declared after `js`, so that it is dropped after the engine.
    _linked: js_engine::Linked,
    /// Declared after `js`, so that it is dropped after the engine.
    guard: Option<js_engine::HeapGuard>,
    _given: IsolateLease,
}

/// Closes the open resources. It also runs if the engine's bindings panic.
impl Drop for Isolate {
    fn drop(&mut self) {
        panics::unguard();
        if let Some(termination) = &self.termination {
            termination.finish();
        }
        self.open.close();
        drop(self.monitor.calls.take());
    }
}

impl Isolate {
    /// Assigns the isolate to this package of the program. Package 0 is the program itself.
    pub(super) fn new(
        shared: &Shared,
        monitor: Rc<Monitor>,
        package: u32,
        booted: WarmIsolate,
    ) -> Result<Isolate, RunError> {
        let loader = GraphLoader::new(
            shared.graph.clone(),
            shared.bytes.clone(),
            shared.store.clone(),
            monitor.clone(),
            shared.remotes.clone(),
            package,
        );
        let loader = loader.map_err(engine)?;
        let modules = CapabilityModules {
            monitor: monitor.clone(),
            loader: loader.clone(),
            factory: Default::default(),
        };
        monitor.rules.marks.used_here();
        shared.run.count(&monitor.memory);
        let (mut js, modules, given) = booted.given_to(&loader, modules);
        let linked = js_engine::link_by(&mut js, &loader);
        let memory = monitor.memory.clone();
        let entered = js_engine::enter(js.v8_isolate(), move |heap| memory.note_heap(heap));
        modules
            .attach_fast_ops(&mut js, shared.snapshot)
            .map_err(engine)?;
        let open = monitor.open.clone();
        for (extension, program) in shared.rules.extensions.iter().zip(&*shared.programs) {
            if let Some(state) = extension.start_isolate(program) {
                open.add_state(extension.family().name(), state);
            }
        }
        let name = shared.graph.package(package).map(|package| package.name.as_str());
        {
            let state = js.op_state();
            let mut state = state.borrow_mut();
            state.put(shared.print.clone());
            state.put(monitor.account(name.unwrap_or_default()));
            state.put(monitor.memory.clone());
            state.put(monitor.clone());
            state.put(Requests::default());
            state.put(realm::Timers::default());
        }
        Ok(Isolate {
            js: js.into(),
            monitor,
            loader,
            modules,
            open,
            termination: None,
            _linked: linked,
            guard: None,
            _entered: entered,
            _given: given,
        })
    }

    /// Records the size of the heap at the end.
    pub(super) fn note_heap(&mut self) {
        let bytes = js_engine::heap_used(&mut self.js);
        self.monitor.memory.note_heap(bytes);
    }

    /// Makes this isolate terminable, by other threads and at its heap limit.
    pub(super) fn stopped_by(
        &mut self,
        termination: &Termination,
        unit: LimitScope,
        heap: u64,
        run: &Arc<Run>,
    ) {
        self.termination = Some(termination.clone());
        self.js.op_state().borrow_mut().put(termination.clone());
        let why = Stopped::Limit(LimitHit {
            unit: unit.clone(),
            limit: Limit::Heap(heap),
        });
        let (at_limit, run) = (termination.clone(), run.clone());
        let parking = Parking::new(termination, &self.open, why, move |why| match unit {
            LimitScope::Program => run.stop(why),
            LimitScope::Package(_) => at_limit.terminate(why.clone()),
        });
        panics::guard(&parking);
        let (memory, guarded) = (self.monitor.memory.clone(), parking.clone());
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
        self.guard = Some(js_engine::limit_heap(&mut self.js, heap, &guarded, near_limit));
    }
}
