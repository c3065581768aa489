//! Our own modules among the program's: what they are called, and the values behind them.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{CustomModuleEvaluationKind, cppgc, v8};
use deno_error::JsErrorBox;
use secure_runtime_loaders::wasm;

use super::loader::{GraphLoader, refused};
use crate::extensions::{Chain, Gate};

/// What guests import their capabilities from.
pub(super) const SELF: &str = "cap:self";
/// What the loader lets modules import the meaning of their free names from.
pub(super) const BINDINGS: &str = "cap:bindings";
/// What the JavaScript that stands for a WebAssembly module imports the function from that instantiates it.
pub(super) const WASM: &str = "cap:wasm";
/// The value behind each of these: a module of this type, which only the one module that stands for it can import.
const VALUE: &str = "cap:value";
pub(super) const VALUE_TYPE: &str = "secure-runtime";

/// One of our own modules: which of them, and of which guest module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) specifier: &'static str,
    pub(super) module: u32,
}

impl Own {
    /// `cap:self/3`
    pub(super) fn of_url(url: &str) -> Option<Own> {
        let (specifier, module) = url.rsplit_once('/')?;
        let specifier = [SELF, BINDINGS, WASM].into_iter().find(|own| *own == specifier)?;
        Some(Own {
            specifier,
            module: module.parse().ok()?,
        })
    }

    fn url(self) -> String {
        format!("{}/{}", self.specifier, self.module)
    }

    /// `cap:value/cap:self/3`
    pub(super) fn of_value(url: &str) -> Option<Own> {
        Own::of_url(url.strip_prefix(VALUE)?.strip_prefix('/')?)
    }

    pub(super) fn value_url(self) -> String {
        format!("{VALUE}/{}", self.url())
    }
}

/// Makes the values behind `cap:self` and `cap:bindings`, and what instantiates WebAssembly.
pub(crate) struct CapabilityModules {
    pub(crate) gate: Rc<Gate>,
    pub(crate) loader: Rc<GraphLoader>,
    /// What realm/lockdown.js gives, once the realm is locked.
    pub(crate) factory: RefCell<Option<Factory>>,
}

/// The functions that realm/lockdown.js gives to Rust.
pub(crate) struct Factory {
    pub(crate) make_wasm: v8::Global<v8::Function>,
    pub(crate) make_self: v8::Global<v8::Function>,
    pub(crate) make_bindings: v8::Global<v8::Function>,
}

impl CapabilityModules {
    /// The engine asks for the content of one of our modules.
    pub(crate) fn evaluate(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        kind: &str,
        name: &str,
    ) -> Result<CustomModuleEvaluationKind, JsErrorBox> {
        let unknown = || refused(format!("{name}: no such module"));
        let own = Own::of_value(name)
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
            let bytes =
                wasm::with_limited_memory(bytes).map_err(|problem| refused(format!("{name}: {problem}")))?;
            let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes).make_shared();
            let buffer = v8::ArrayBuffer::with_backing_store(scope, &store);
            return made(call(scope, &factory.make_wasm, &[buffer.into()]));
        }
        let principal = self.gate.plan.principal(own.module).ok_or_else(unknown)?;
        let capability = self.gate.capability(principal);
        let capability = capability.map_err(|error| refused(format!("{}: {error}", principal.name)))?;
        let chain = cppgc::make_cppgc_object(scope, Chain(Rc::new(capability)));
        let value = if own.specifier == SELF {
            call(scope, &factory.make_self, &[chain.into()])
        } else {
            let label = if principal.package.is_empty() {
                None
            } else {
                v8::String::new(scope, &principal.name)
            };
            let label = label.map_or_else(|| v8::null(scope).into(), Into::into);
            let names: Vec<v8::Local<v8::Value>> = self
                .loader
                .names_of(own.module)
                .iter()
                .filter_map(|name| v8::String::new(scope, name))
                .map(Into::into)
                .collect();
            let names = v8::Array::new_with_elements(scope, &names);
            call(
                scope,
                &factory.make_bindings,
                &[chain.into(), label, names.into()],
            )
        };
        made(value)
    }
}

/// What `cap:self` exports.
pub(super) const SELF_EXPORTS: [&str; 8] = [
    "CapabilityError",
    "seal",
    "fs",
    "net",
    "env",
    "clock",
    "random",
    "kv",
];

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
