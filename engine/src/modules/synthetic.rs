//! The values of the runtime's synthetic modules.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::error::CoreError;
use deno_core::{CustomModuleEvaluationKind, JsRuntime, v8};
use deno_error::JsErrorBox;
use secure_runtime_loaders::wasm;

use super::loader::{GraphLoader, refused};
use super::synthetic_urls::{ISOLATE, REFUSED, SELF, VALUE_TYPE, WASM};
use crate::extensions::{Chain, Message, Monitor, RemotePackage, Requests, object};
use crate::isolate::call as call_function;
use crate::js_engine;
use crate::package_worker::Description;
use crate::snapshot::Snapshot;

/// The factory of values for synthetic modules, such as `cap:self`, `cap:bindings` and those for WebAssembly.
pub(crate) struct CapabilityModules {
    pub(crate) monitor: Rc<Monitor>,
    pub(crate) loader: Rc<GraphLoader>,
    /// The functions of realm/lockdown.js, after the realm is locked.
    pub(crate) factory: RefCell<Option<Factory>>,
}

/// The functions that realm/lockdown.js passes to Rust.
pub(crate) struct Factory {
    pub(crate) make_wasm: v8::Global<v8::Function>,
    pub(crate) make_self: v8::Global<v8::Function>,
    pub(crate) make_bindings: v8::Global<v8::Function>,
    pub(crate) make_remote: v8::Global<v8::Function>,
    /// QuickJS has none.
    pub(crate) _of_engine: js_engine::Functions,
    pub(crate) attach: v8::Global<v8::Function>,
    pub(crate) describe: v8::Global<v8::Function>,
    pub(crate) serve: v8::Global<v8::Function>,
    pub(crate) returned: v8::Global<v8::Function>,
    pub(crate) handler: v8::Global<v8::Function>,
    pub(crate) request: v8::Global<v8::Function>,
    pub(crate) gone: v8::Global<v8::Function>,
}

impl CapabilityModules {
    /// Creates the value of a synthetic module. The engine calls this.
    pub(crate) fn evaluate(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        kind: &str,
        name: &str,
    ) -> Result<CustomModuleEvaluationKind, JsErrorBox> {
        let unknown = || refused(format!("{name}: no such module"));
        let own = self
            .loader
            .own_urls
            .of_value(name)
            .filter(|_| kind == VALUE_TYPE)
            .ok_or_else(unknown)?;
        let factory = self.factory.borrow();
        let factory = factory
            .as_ref()
            .ok_or_else(|| refused(format!("{name}: the realm is not locked yet")))?;
        let made = |value: Option<v8::Global<v8::Value>>| {
            value
                .map(CustomModuleEvaluationKind::Synthetic)
                .ok_or_else(|| refused(format!("{name}: the capabilities could not be made")))
        };
        if own.specifier == WASM {
            let bytes = self.loader.bytes.get(own.module as usize).ok_or_else(unknown)?;
            let module = wasm::for_engine(bytes).map_err(|problem| refused(format!("{name}: {problem}")))?;
            let store = v8::ArrayBuffer::new_backing_store_from_vec(module.bytes).make_shared();
            let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
            let start = module.start.and_then(|start| v8::String::new(scope, &start));
            let start = start.map_or_else(|| v8::null(scope).into(), Into::into);
            return made(call(scope, &factory.make_wasm, &[buffer.into(), start]));
        }
        if own.specifier == REFUSED {
            let refusal = self.loader.take_refusal(own.module).ok_or_else(unknown)?;
            let error = deno_core::error::to_v8_error(scope, &refusal);
            return Ok(CustomModuleEvaluationKind::Synthetic(v8::Global::new(
                scope, error,
            )));
        }
        if own.specifier == ISOLATE {
            let (remote, values) = self.loader.take_described(own.module).ok_or_else(unknown)?;
            let remote = object(scope, RemotePackage(remote)).map_err(JsErrorBox::from_err)?;
            let values = object(scope, Message::new(values)).map_err(JsErrorBox::from_err)?;
            return made(call(scope, &factory.make_remote, &[remote.into(), values.into()]));
        }
        let principal = self
            .monitor
            .rules
            .plan
            .principal(own.module)
            .ok_or_else(unknown)?;
        let capability = self.monitor.capability(principal);
        let capability = capability.map_err(|error| refused(format!("{}: {error}", principal.name)))?;
        let chain = object(scope, Chain(Rc::new(capability))).map_err(JsErrorBox::from_err)?;
        let value = if own.specifier == SELF {
            call(scope, &factory.make_self, &[chain.into()])
        } else {
            let label = if principal.package.is_empty() {
                None
            } else {
                v8::String::new(scope, &principal.name)
            };
            let label = label.map_or_else(|| v8::null(scope).into(), Into::into);
            let sharing = self
                .loader
                .holds_package_rights(own.module)
                .then_some(&principal.package);
            let sharing = sharing.and_then(|package| v8::String::new(scope, package));
            let sharing = sharing.map_or_else(|| v8::null(scope).into(), Into::into);
            let names = array(scope, &self.loader.names_of(own.module));
            call(
                scope,
                &factory.make_bindings,
                &[chain.into(), label, names, sharing],
            )
        };
        made(value)
    }
}

impl CapabilityModules {
    /// Returns the description of this module's exports.
    pub(crate) fn describe(
        &self,
        js: &mut JsRuntime,
        namespace: v8::Global<v8::Object>,
    ) -> Result<Description, CoreError> {
        let namespace: v8::Global<v8::Value> = {
            deno_core::scope!(scope, js);
            let namespace: v8::Local<v8::Value> = v8::Local::new(scope, namespace).into();
            v8::Global::new(scope, namespace)
        };
        self.call(js, |factory| &factory.describe, &namespace)?;
        let state = js.op_state();
        let described = state.borrow_mut().borrow_mut::<Requests>().take_description();
        described.ok_or_else(|| refused("the module was not described".to_owned()).into())
    }

    /// Attaches the fast implementation of ops. A restored isolate does not have it, and programs without rights do not
    /// need it.
    ///
    /// Must be called before the isolate can be terminated, because deno_core does not expect a termination there.
    pub(crate) fn attach_fast_ops(&self, js: &mut JsRuntime, snapshot: Snapshot) -> Result<(), CoreError> {
        if snapshot.bytes().is_none() || self.monitor.rules.plan.ceiling().effective_rights().is_empty() {
            return Ok(());
        }
        let nothing = {
            deno_core::scope!(scope, js);
            let nothing: v8::Local<v8::Value> = v8::undefined(scope).into();
            v8::Global::new(scope, nothing)
        };
        self.call(js, |factory| &factory.attach, &nothing).map(drop)
    }

    /// Starts processing the call with this number.
    pub(crate) fn serve(&self, js: &mut JsRuntime, call: u32) -> Result<(), CoreError> {
        self.call_with_number(js, |factory| &factory.serve, call)
    }

    /// Calls a function of the realm with a number.
    pub(crate) fn call_with_number(
        &self,
        js: &mut JsRuntime,
        which: impl Fn(&Factory) -> &v8::Global<v8::Function>,
        number: u32,
    ) -> Result<(), CoreError> {
        let number: v8::Global<v8::Value> = {
            deno_core::scope!(scope, js);
            let number: v8::Local<v8::Value> = v8::Integer::new_from_unsigned(scope, number).into();
            v8::Global::new(scope, number)
        };
        self.call(js, which, &number).map(drop)
    }

    pub(crate) fn call(
        &self,
        js: &mut JsRuntime,
        which: impl Fn(&Factory) -> &v8::Global<v8::Function>,
        argument: &v8::Global<v8::Value>,
    ) -> Result<v8::Global<v8::Value>, CoreError> {
        let factory = self.factory.borrow();
        let function = factory.as_ref().map(which);
        let function = function.ok_or_else(|| refused("the realm is not locked yet".to_owned()))?;
        call_function(js, function, argument)
    }
}

fn array<'s>(scope: &mut v8::PinScope<'s, '_>, names: &[&str]) -> v8::Local<'s, v8::Value> {
    let names: Vec<v8::Local<v8::Value>> = names
        .iter()
        .filter_map(|name| v8::String::new(scope, name))
        .map(Into::into)
        .collect();
    v8::Array::new_with_elements(scope, &names).into()
}

fn call(
    scope: &mut v8::PinScope<'_, '_>,
    function: &v8::Global<v8::Function>,
    arguments: &[v8::Local<v8::Value>],
) -> Option<v8::Global<v8::Value>> {
    let function = v8::Local::new(scope, function);
    let receiver = v8::undefined(scope).into();
    let result = function.call(scope, receiver, arguments)?;
    Some(v8::Global::new(scope, result))
}
