//! Synthetic modules of the runtime: their URLs and their values.

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::error::CoreError;
use deno_core::{CustomModuleEvaluationKind, JsRuntime, v8};
use deno_error::JsErrorBox;
use secure_runtime_loaders::wasm;

use super::loader::{GraphLoader, refused};
use crate::extensions::{Chain, Gate, Parcel, RemotePackage, Requests, object};
use crate::runtime::{Description, call as call_function};
use crate::snapshot;

/// The module that guests import their capabilities from.
pub(super) const SELF: &str = "cap:self";
/// The module that defines the free names of a module. The loader adds its import.
pub(super) const BINDINGS: &str = "cap:bindings";
/// The module with the function that instantiates a WebAssembly module. The JavaScript of that module imports it.
pub(super) const WASM: &str = "cap:wasm";
/// The synthetic module for a module of a package with its own isolate.
pub(super) const ISOLATE: &str = "cap:isolate";
/// A module that imports another one for its effects and exports nothing. The host uses it to evaluate that module.
pub(super) const EVALUATION: &str = "cap:evaluation";
/// A module that throws the refusal of a computed import. The engine's error for an unresolved import would not be the
/// error that Rust created.
pub(super) const REFUSED: &str = "cap:refused";
/// The prefix of the values of synthetic modules. A value is a module with the type `VALUE_TYPE`. Only its own
/// synthetic module can import it.
const VALUE: &str = "cap:value";
pub(super) const VALUE_TYPE: &str = "secure-runtime";

/// A synthetic module: its kind, and the guest module that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) specifier: &'static str,
    /// The index of the guest module. For [`REFUSED`], the number of the refusal.
    pub(super) module: u32,
}

/// The URLs of synthetic modules. They contain random bits of this run. So no file contains such a URL, and no text of
/// a guest can be mistaken for an import of one.
#[derive(Debug)]
pub(super) struct OwnUrls {
    /// The random bits.
    pub(super) secret: String,
}

impl OwnUrls {
    /// Draws the random bits.
    ///
    /// # Errors
    /// The operating system returned no random bytes.
    pub(super) fn new() -> Result<OwnUrls, String> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|_| "the operating system gave no random bytes".to_owned())?;
        Ok(OwnUrls {
            secret: u128::from_le_bytes(secret).to_string(),
        })
    }

    /// Returns a URL such as `cap:self/SECRET/3`.
    pub(super) fn url(&self, own: Own) -> String {
        format!("{}/{}/{}", own.specifier, self.secret, own.module)
    }

    /// Returns a URL such as `cap:value/cap:self/SECRET/3`.
    pub(super) fn value_url(&self, own: Own) -> String {
        format!("{VALUE}/{}", self.url(own))
    }

    /// Returns the synthetic module with this URL.
    pub(super) fn of_url(&self, url: &str) -> Option<Own> {
        let (url, module) = url.rsplit_once('/')?;
        let (specifier, secret) = url.rsplit_once('/')?;
        if secret != self.secret {
            return None;
        }
        let specifier = [SELF, BINDINGS, WASM, ISOLATE, EVALUATION, REFUSED]
            .into_iter()
            .find(|own| *own == specifier)?;
        Some(Own {
            specifier,
            module: module.parse().ok()?,
        })
    }

    /// Returns the synthetic module whose value has this URL.
    pub(super) fn of_value(&self, url: &str) -> Option<Own> {
        self.of_url(url.strip_prefix(VALUE)?.strip_prefix('/')?)
    }
}

/// The factory of values for synthetic modules, such as `cap:self`, `cap:bindings` and those for WebAssembly.
pub(crate) struct CapabilityModules {
    pub(crate) gate: Rc<Gate>,
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
    #[cfg(feature = "v8")]
    pub(crate) evaluate: v8::Global<v8::Function>,
    pub(crate) attach: v8::Global<v8::Function>,
    pub(crate) describe: v8::Global<v8::Function>,
    pub(crate) serve: v8::Global<v8::Function>,
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
            let values = object(scope, Parcel::new(values)).map_err(JsErrorBox::from_err)?;
            return made(call(scope, &factory.make_remote, &[remote.into(), values.into()]));
        }
        let principal = self.gate.rules.plan.principal(own.module).ok_or_else(unknown)?;
        let capability = self.gate.capability(principal);
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
            let given = array(scope, &self.loader.given_to(own.module));
            call(
                scope,
                &factory.make_bindings,
                &[chain.into(), label, names, given, sharing],
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
    pub(crate) fn attach_fast_ops(&self, js: &mut JsRuntime) -> Result<(), CoreError> {
        if snapshot::BOOT.is_none() || self.gate.rules.plan.ceiling().effective_rights().is_empty() {
            return Ok(());
        }
        let nothing = {
            deno_core::scope!(scope, js);
            let nothing: v8::Local<v8::Value> = v8::undefined(scope).into();
            v8::Global::new(scope, nothing)
        };
        self.call(js, |factory| &factory.attach, &nothing).map(drop)
    }

    /// Starts the evaluation of a loaded module. Returns its promise.
    #[cfg(feature = "v8")]
    pub(crate) fn evaluation(
        &self,
        js: &mut JsRuntime,
        module: u32,
    ) -> Result<v8::Global<v8::Value>, CoreError> {
        let url = self.loader.evaluation(module);
        let url = {
            deno_core::scope!(scope, js);
            let url = url.and_then(|url| v8::String::new(scope, url.as_str()));
            let url = url.ok_or_else(|| refused("there is no such module".to_owned()))?;
            v8::Global::new(scope, v8::Local::<v8::Value>::from(url))
        };
        self.call(js, |factory| &factory.evaluate, &url)
    }

    /// Starts processing the call with this number.
    pub(crate) fn serve(&self, js: &mut JsRuntime, call: u32) -> Result<(), CoreError> {
        let call: v8::Global<v8::Value> = {
            deno_core::scope!(scope, js);
            let call: v8::Local<v8::Value> = v8::Integer::new_from_unsigned(scope, call).into();
            v8::Global::new(scope, call)
        };
        self.call(js, |factory| &factory.serve, &call).map(drop)
    }

    fn call(
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

/// The exports of `cap:self`.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// RUN-81.
    #[test]
    fn urls_have_random_bits_that_are_new_in_each_run() {
        let (one, other) = (OwnUrls::new().unwrap(), OwnUrls::new().unwrap());
        for urls in [&one, &other] {
            // The chance that 64 random bits are all zero is negligible.
            let bits: u128 = urls.secret.parse().unwrap();
            assert!(bits >> 64 != 0 && bits << 64 != 0, "{bits}");
        }
        let own = Own {
            specifier: SELF,
            module: 3,
        };
        let (url, value) = (one.url(own), one.value_url(own));
        assert!(one.of_url(&url) == Some(own) && one.of_value(&value) == Some(own));
        assert!(other.of_url(&url).is_none() && other.of_value(&value).is_none());
        for guess in ["cap:self/3", "cap:self//3", "cap:self/0/3"] {
            assert!(one.of_url(guess).is_none(), "{guess}");
        }
    }
}
