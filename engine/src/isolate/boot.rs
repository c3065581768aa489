//! An engine with a locked realm, before it belongs to a program. All isolates have this in common.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use deno_core::error::JsError;
use deno_core::{
    JsRuntime, ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleSpecifier,
    ResolutionKind, RuntimeOptions, v8,
};
use deno_error::JsErrorBox;

use super::event_loop::Reportable;
use crate::extensions::add_scripts;
use crate::memory::Memory;
use crate::modules::{BegunImports, CapabilityModules, Factory, GraphLoader};
use crate::outcome::RunError;
use crate::snapshot::Startup;
use crate::{js_engine, realm};

/// An isolate with a locked realm. It has run no guest and belongs to no program yet.
pub(super) struct WarmIsolate {
    pub(super) js: JsRuntime,
    /// The account of the isolate's memory outside the engine's heap.
    pub(super) memory: Memory,
    factory: Factory,
    program: Rc<Program>,
}

/// The parts of a program that its isolate refers to.
#[derive(Default)]
struct Program {
    loader: RefCell<Option<Rc<GraphLoader>>>,
    modules: RefCell<Option<Rc<CapabilityModules>>>,
}

/// The assignment of an isolate to a program. After it is dropped, the engine refers to nothing of the program. On
/// QuickJS, deno_core leaks some memory of an isolate that was stopped while a module was evaluated. So this leak stays
/// small.
pub(super) struct IsolateLease(Rc<Program>);

impl Drop for IsolateLease {
    fn drop(&mut self) {
        self.0.loader.take();
        self.0.modules.take();
    }
}

impl Program {
    fn loader(&self) -> Result<Rc<GraphLoader>, JsErrorBox> {
        self.loader.borrow().clone().ok_or_else(no_program)
    }
}

pub(super) fn engine(error: impl fmt::Display) -> RunError {
    RunError::Engine(error.to_string())
}

impl WarmIsolate {
    /// Starts an engine on this thread, with a heap limit in bytes.
    pub(super) fn new(heap: u64, startup: &Startup) -> Result<WarmIsolate, RunError> {
        let memory = Memory::new(heap);
        let snapshot = startup.snapshot;
        let program = Rc::new(Program::default());
        let evaluator = program.clone();
        let imports = BegunImports::new(&memory);
        let admitted = imports.clone();
        let mut js = JsRuntime::try_new(RuntimeOptions {
            module_loader: Some(program.clone()),
            validate_import_attributes_cb: Some(Box::new(move |scope, attributes, import| {
                admitted.admit(scope, attributes, import);
            })),
            extensions: js_engine::extensions(),
            startup_snapshot: snapshot.bytes(),
            // The ops are in the snapshot.
            skip_op_registration: snapshot.bytes().is_some(),
            create_params: Some(js_engine::create_params(heap, &memory)),
            custom_module_evaluation_cb: Some(Box::new(move |scope, kind, name, _code| {
                let modules = evaluator.modules.borrow().clone().ok_or_else(no_program)?;
                modules.evaluate(scope, &kind, name.as_str())
            })),
            ..RuntimeOptions::default()
        })
        .map_err(engine)?;
        js.v8_isolate().add_message_listener(unprinted);
        js_engine::prepare_isolate(js.v8_isolate());
        js_engine::run_scripts(&mut js, snapshot)?;
        add_scripts(&mut js, &startup.extensions, snapshot.extensions())?;
        let (factory, reportable) = finish(&mut js)?;
        js.op_state().borrow_mut().put(imports);
        js.op_state().borrow_mut().put(reportable);
        Ok(WarmIsolate {
            js,
            memory,
            factory,
            program,
        })
    }

    /// Assigns the isolate to a program. From now on, this loader loads its modules.
    pub(super) fn given_to(
        self,
        loader: &Rc<GraphLoader>,
        modules: CapabilityModules,
    ) -> (JsRuntime, Rc<CapabilityModules>, IsolateLease) {
        let modules = Rc::new(modules);
        modules.factory.replace(Some(self.factory));
        self.program.modules.replace(Some(modules.clone()));
        self.program.loader.replace(Some(loader.clone()));
        (self.js, modules, IsolateLease(self.program))
    }
}

fn no_program() -> JsErrorBox {
    JsErrorBox::type_error("this isolate has no program yet")
}

impl ModuleLoader for Program {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        kind: ResolutionKind,
    ) -> Result<ModuleSpecifier, JsErrorBox> {
        self.loader()?.resolve(specifier, referrer, kind)
    }

    fn import_meta_resolve(&self, specifier: &str, referrer: &str) -> Result<ModuleSpecifier, JsErrorBox> {
        self.loader()?.import_meta_resolve(specifier, referrer)
    }

    fn load(
        &self,
        specifier: &ModuleSpecifier,
        referrer: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        match self.loader() {
            Ok(loader) => loader.load(specifier, referrer, options),
            Err(error) => ModuleLoadResponse::Sync(Err(error)),
        }
    }
}

/// Discards V8's messages. Without a listener, V8 prints an exception that a getter threw while another exception was
/// described. It prints to the standard output of the process, without escapes, so a guest's text would reach the
/// host's terminal. Only [`crate::outcome::Outcome`] reports errors.
extern "C" fn unprinted(_message: v8::Local<'_, v8::Message>, _exception: v8::Local<'_, v8::Value>) {}

/// Calls [`realm::FINISH`] and returns its result, which must be an object.
fn finished<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>, RunError> {
    v8::tc_scope!(let scope, scope);
    let name = realm::FINISH;
    let global = scope.get_current_context().global(scope);
    let text = |text: &str| v8::String::new(scope, text).ok_or_else(|| engine("out of memory"));
    let (key, sample) = (text(name)?, text("a sample")?);
    let function = global.get(scope, key.into());
    let function: Option<v8::Local<v8::Function>> = function.and_then(|function| function.try_into().ok());
    let function = function.ok_or_else(|| engine(format!("lockdown left no {name}")))?;
    let sample = v8::Exception::error(scope, sample);
    let value = function.call(scope, global.into(), &[sample]);
    match (value, scope.exception()) {
        (Some(value), _) => value.try_into().map_err(engine),
        (None, Some(error)) => Err(engine(JsError::from_v8_exception(scope, error))),
        (None, None) => Err(engine(format!("{name} was stopped"))),
    }
}

/// Finishes the lockdown of the realm, and returns the functions that it creates.
fn finish(js: &mut JsRuntime) -> Result<(Factory, Reportable), RunError> {
    deno_core::scope!(scope, js);
    js_engine::refuse_code_from_strings(scope);
    let object = finished(scope)?;
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
        make_remote: function("remote")?,
        _of_engine: js_engine::Functions::new(function)?,
        attach: function("attach")?,
        describe: function("describe")?,
        serve: function("serve")?,
        returned: function("returned")?,
        handler: function("handler")?,
        request: function("request")?,
        gone: function("gone")?,
    };
    Ok((factory, Reportable(function("reportable")?)))
}
