//! The Rust object behind a capability or an opened resource, and registered extensions without their types.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use secure_runtime_capabilities::{ActionName, Authority, Family, FamilyName, Operation};

use super::error::OperationError;
use super::host_objects::host_object;
use super::monitor::{Capability, Monitor};
use super::resource_table::Resource;
use super::results::HeldBytes;
use super::sandbox_rule::SandboxRule;
use super::value::{Arguments, Output};
use crate::limits::Limits;
use crate::quota::Permit;

/// The state of an extension for one program, which its isolates share.
pub(crate) type ProgramState = Arc<dyn Any + Send + Sync>;

/// The part of a capability's state that is sent to another isolate.
pub(crate) type Sent = Arc<dyn Any + Send + Sync>;

/// A program that starts.
#[non_exhaustive]
pub struct ProgramStart<'a> {
    /// The rights of the whole program. No module has more.
    pub authority: &'a Authority,
    /// The limits of the program.
    pub limits: &'a Limits,
}

/// The registered extensions of a runtime, in order.
#[derive(Clone, Default)]
pub struct Extensions(Arc<[Arc<dyn Registered>]>);

impl Extensions {
    pub(super) fn of(registered: Vec<Arc<dyn Registered>>) -> Self {
        Extensions(registered.into())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Registered>> {
        self.0.iter()
    }

    /// Returns the names of the families, in order.
    pub fn families(&self) -> impl Iterator<Item = FamilyName> {
        self.iter().map(|extension| extension.family().name())
    }

    /// Returns true if an isolate that was started with these extensions fits programs with the others: the scripts
    /// and the methods are the same. The states of the extensions may differ.
    pub(crate) fn have_scripts_of(&self, others: &Extensions) -> bool {
        self.0.len() == others.0.len()
            && self.iter().zip(others.iter()).all(|(own, other)| {
                let names = |one: &Arc<dyn Registered>| {
                    let methods = one.methods().iter();
                    methods
                        .map(|method| (method.name, method.run.kind()))
                        .collect::<Vec<_>>()
                };
                own.family().name() == other.family().name()
                    && own.family().actions() == other.family().actions()
                    && own.script() == other.script()
                    && names(own) == names(other)
            })
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Arc<dyn Registered>> {
        self.0.get(index)
    }
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_list()
            .entries(self.iter().map(|one| one.family().name().to_string()))
            .finish()
    }
}

/// The source of a capability's state.
pub(crate) enum Source<'a> {
    /// The capability is the initial one of a module.
    Module,
    /// The capability was narrowed from the one with this state.
    Narrowed(&'a dyn Any),
    /// The capability arrived from another isolate.
    Received(&'a Sent),
}

/// The JavaScript of an extension: a function expression that returns the classes of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// The name in stack traces, such as `ext:sql/sql.js`.
    pub name: &'static str,
    /// The source.
    pub source: &'static str,
}

/// An extension without its types.
pub(crate) trait Registered: Send + Sync {
    fn family(&self) -> &Arc<dyn Family>;
    fn script(&self) -> Script;
    fn types(&self) -> &'static str;
    fn globals(&self) -> &'static [Global];
    fn methods(&self) -> &[Method];
    fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule>;
    fn start_program(&self, start: &ProgramStart<'_>) -> ProgramState;
    fn end_program(&self, state: &ProgramState);
    fn start_isolate(&self, program: &ProgramState) -> Option<Rc<dyn Any>>;
    /// Creates the state of a capability.
    fn bind(
        self: Arc<Self>,
        capability: &Rc<Capability>,
        source: Source<'_>,
    ) -> Result<Rc<dyn Any>, OperationError>;
    /// Returns the part of a state for another isolate.
    fn send(&self, state: &dyn Any) -> Result<Sent, OperationError>;
}

/// A free name of modules that an extension defines: its value acts with the rights of the module that uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global {
    /// The name, such as `Date`.
    pub name: &'static str,
    /// A text that occurs in the source of every module that needs the value, such as `random` for `Math`. It may be
    /// empty.
    pub needs: &'static str,
}

/// A method that scripts can call.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// The name in tables, such as `open for reading`.
    pub(crate) title: &'static str,
    /// The actions that it is decided as.
    pub(crate) action: Option<ActionName>,
    pub(crate) run: Run,
}

/// A method that was decided, and is about to run.
pub(crate) struct Started<T = Output> {
    pub(crate) future: Pin<Box<dyn Future<Output = Result<T, OperationError>>>>,
    pub(crate) action: ActionName,
    /// The resource in the guest's own words.
    pub(crate) shown: String,
}

/// The code of a method. It decides before it does anything else: see `methods.rs`.
#[expect(clippy::type_complexity, reason = "each type occurs once")]
pub(crate) enum Run {
    Number(Box<dyn Fn(&Handle) -> Result<f64, OperationError> + Send + Sync>),
    Text(Box<dyn Fn(&Handle, &str) -> Result<Option<String>, OperationError> + Send + Sync>),
    Sync(Box<dyn Fn(&Handle, Arguments) -> Result<Output, OperationError> + Send + Sync>),
    Async(Box<dyn Fn(&Handle, Arguments) -> Result<Started, OperationError> + Send + Sync>),
    /// Returns at most so many bytes for a buffer of the guest.
    Fill(Box<dyn Fn(&Handle, usize) -> Result<Started<HeldBytes>, OperationError> + Send + Sync>),
    /// Closes the resource of the handle.
    Close,
}

impl Run {
    /// Returns the name of this kind in realm/families.js.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Run::Number(_) => "number",
            Run::Text(_) => "text",
            Run::Sync(_) => "sync",
            Run::Async(_) => "async",
            Run::Fill(_) => "fill",
            Run::Close => "close",
        }
    }
}

/// The Rust object behind a guest's capability object, or behind an object that one of its methods opened.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) capability: Rc<Capability>,
    pub(crate) extension: Arc<dyn Registered>,
    /// The extension's state of the capability.
    pub(crate) state: Rc<dyn Any>,
    pub(crate) opened: Option<Rc<Opened>>,
}

/// A resource that a method opened.
pub(crate) struct Opened {
    /// The operation that was allowed when it was opened. Each use of the resource is decided again.
    pub(crate) operation: Operation<'static>,
    /// The actions that it was opened for.
    pub(crate) actions: &'static [ActionName],
    /// The resource in the guest's own words.
    pub(crate) shown: String,
    pub(crate) resource: Resource<(Rc<dyn Any>, Permit)>,
}

host_object!(Handle);

impl Handle {
    /// Creates the handle of a capability for one family.
    pub(crate) fn new(
        capability: Rc<Capability>,
        extension: Arc<dyn Registered>,
        source: Source<'_>,
    ) -> Result<Handle, OperationError> {
        Ok(Handle {
            state: extension.clone().bind(&capability, source)?,
            extension,
            capability,
            opened: None,
        })
    }

    pub(crate) fn family(&self) -> FamilyName {
        self.extension.family().name()
    }

    pub(crate) fn monitor(&self) -> &Rc<Monitor> {
        &self.capability.monitor
    }

    /// Returns a method by its index.
    pub(crate) fn method(&self, index: u32) -> Result<&Method, OperationError> {
        let method = self.extension.methods().get(index as usize);
        method.ok_or_else(no_method)
    }
}

/// Returns the error of a call that the handle has no method for.
pub(crate) fn no_method() -> OperationError {
    OperationError::type_error("this object has no such method")
}
