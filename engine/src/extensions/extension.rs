//! The interface of extensions: families of operations that a developer adds to the runtime.

use std::any::Any;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use secure_runtime_capabilities::{Authority, Family, FamilyName};

use super::error::OperationError;
use super::granted::{Bound, CapabilityView, IsolateState};
use super::handle::{
    Extensions, Global, Method, ProgramStart, ProgramState, Registered, Script, Sent, Source,
};
use super::methods::Methods;
use super::monitor::Capability;
use super::sandbox_rule::SandboxRule;

/// A family of operations that guests can be granted.
///
/// The extension names the family, declares its methods, and contains the JavaScript of its objects. The runtime does
/// the rest, in the same way for all families. It decides, records and counts every call. It narrows and revokes
/// capabilities, and sends them to other isolates. The built-in families are such extensions too.
///
/// The guide is `docs/extensions.md`, and `examples/sqlite` is a complete extension.
pub trait Extension: Send + Sync + Sized + 'static {
    /// State of one program, which its isolates share. `()` if there is none.
    type Program: Default + Send + Sync + 'static;
    /// State of one isolate. `()` if there is none. It is dropped when the isolate ends, on its thread.
    type Isolate: Default + 'static;
    /// State of one capability in one isolate. `()` if there is none.
    type Capability: Default + 'static;
    /// The part of a capability's state that is sent with it to another isolate. `()` if there is none.
    type Sent: Default + Send + Sync + 'static;

    /// Returns the family: its name and actions, and the parsers of its scopes and resources.
    fn family(&self) -> Arc<dyn Family>;

    /// Returns the JavaScript of the family's objects.
    fn script(&self) -> Script;

    /// Returns the TypeScript declarations of the family's objects, for editors. They must declare a type with the name
    /// of the script's class.
    fn types(&self) -> &'static str;

    /// Declares the methods that the script can call.
    fn methods(&self, methods: &mut Methods<Self>);

    /// Returns the free names of modules that the script defines.
    fn globals(&self) -> &'static [Global] {
        &[]
    }

    /// Returns what the OS sandbox must allow to a program whose modules have at most these rights. Without a rule, the
    /// kernel refuses the files, connections and unusual system calls of the methods.
    fn sandbox_rules(&self, _authority: &Authority) -> Vec<SandboxRule> {
        Vec::new()
    }

    /// Creates the state of a program that starts, before any of its modules runs.
    fn start_program(&self, _program: &ProgramStart<'_>) -> Self::Program {
        Self::Program::default()
    }

    /// Closes what the state of a program keeps open, when its entry module's isolate ends.
    fn end_program(&self, _program: &Self::Program) {}

    /// Creates the state of an isolate.
    fn start_isolate(&self, _program: &Arc<Self::Program>) -> Self::Isolate {
        Self::Isolate::default()
    }

    /// Creates the state of a capability.
    ///
    /// # Errors
    /// The capability cannot be created. The guest gets this error.
    fn capability(
        &self,
        _capability: CapabilityView<'_, Self>,
        _origin: Origin<'_, Self>,
    ) -> Result<Self::Capability, OperationError> {
        Ok(Self::Capability::default())
    }

    /// Returns the part of a capability's state for another isolate.
    ///
    /// # Errors
    /// The capability cannot be sent. The guest gets this error.
    fn send(&self, _state: &Self::Capability) -> Result<Self::Sent, OperationError> {
        Ok(Self::Sent::default())
    }
}

/// The origin of a capability whose state is created.
pub enum Origin<'a, E: Extension> {
    /// It is the initial capability of a module.
    Module,
    /// It was narrowed from the capability with this state.
    Narrowed(&'a E::Capability),
    /// It arrived from another isolate, with this part of its state.
    Received(&'a E::Sent),
}

/// An extension with its methods.
pub(super) struct Registration<E: Extension> {
    pub(super) extension: E,
    pub(super) family: Arc<dyn Family>,
    /// The name of the family. Every call needs it.
    name: FamilyName,
    methods: Vec<Method>,
}

impl<E: Extension> Registration<E> {
    fn new(extension: E) -> Self {
        let mut methods = Methods::new();
        extension.methods(&mut methods);
        let family = extension.family();
        Registration {
            name: family.name(),
            family,
            methods: methods.list,
            extension,
        }
    }

    pub(super) fn name(&self) -> FamilyName {
        self.name
    }
}

/// An extension of any type, for lists of extensions.
#[derive(Clone)]
pub struct AnyExtension(Arc<dyn Registered>);

impl<E: Extension> From<E> for AnyExtension {
    fn from(extension: E) -> Self {
        AnyExtension(Arc::new(Registration::new(extension)))
    }
}

impl AnyExtension {
    /// Returns the family.
    pub fn family(&self) -> &Arc<dyn Family> {
        self.0.family()
    }

    /// Returns what the OS sandbox must allow to a program with these rights.
    pub fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule> {
        self.0.sandbox_rules(authority)
    }
}

impl fmt::Debug for AnyExtension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("AnyExtension")
            .field(&self.family().name())
            .finish()
    }
}

/// Error returned when an extension cannot be added to a runtime.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The name of the family cannot be an export of `cap:self`.
    #[error("the family `{family}`: this name is a word of JavaScript or of `cap:self`; use another name")]
    Reserved {
        /// The family.
        family: FamilyName,
    },
    /// Two extensions have the same family.
    #[error("the family `{family}` has two extensions; use another name for one of them")]
    Duplicate {
        /// The family.
        family: FamilyName,
    },
    /// Two methods have the same name, or an action is not one of the family.
    #[error("the family `{family}`: the method {method:?} {reason}")]
    Method {
        /// The family.
        family: FamilyName,
        /// The name of the method.
        method: &'static str,
        /// The reason.
        reason: &'static str,
    },
    /// The name of the script is reserved for the runtime.
    #[error("the family `{family}`: name its script `ext:{family}/….js`, not {name:?}")]
    Script {
        /// The family.
        family: FamilyName,
        /// The name of the script.
        name: &'static str,
    },
}

/// Names that a family cannot have: the reserved words of ECMAScript modules, and the other exports of `cap:self`.
const RESERVED: &str = " await break case catch class const continue debugger default delete do else enum export \
extends false finally for function if implements import in instanceof interface let new null package private \
protected public return seal static super switch this throw true try typeof var void while with yield eval arguments ";

impl Extensions {
    /// Creates the list of a runtime's extensions.
    ///
    /// # Errors
    /// [`ExtensionError`]
    pub fn new(extensions: impl IntoIterator<Item = AnyExtension>) -> Result<Self, ExtensionError> {
        let registered: Vec<_> = extensions.into_iter().map(|extension| extension.0).collect();
        for (at, extension) in registered.iter().enumerate() {
            let family = extension.family().name();
            if RESERVED.contains(&format!(" {family} ")) {
                return Err(ExtensionError::Reserved { family });
            }
            if registered
                .iter()
                .take(at)
                .any(|other| other.family().name() == family)
            {
                return Err(ExtensionError::Duplicate { family });
            }
            let name = extension.script().name;
            if !name.starts_with(&format!("ext:{family}/")) {
                return Err(ExtensionError::Script { family, name });
            }
            let methods = extension.methods();
            for (at, method) in methods.iter().enumerate() {
                let fault = |reason| ExtensionError::Method {
                    family,
                    method: method.name,
                    reason,
                };
                if methods.iter().take(at).any(|other| other.name == method.name) {
                    return Err(fault("is declared twice"));
                }
                let is_known = |action| {
                    extension
                        .family()
                        .actions()
                        .iter()
                        .any(|known| known.name == action)
                };
                if method.action.is_some_and(|action| !is_known(action)) {
                    return Err(fault("is decided as an action that the family does not have"));
                }
            }
        }
        Ok(Extensions::of(registered))
    }
}

impl<E: Extension> Registered for Registration<E> {
    fn family(&self) -> &Arc<dyn Family> {
        &self.family
    }

    fn script(&self) -> Script {
        self.extension.script()
    }

    fn types(&self) -> &'static str {
        self.extension.types()
    }

    fn globals(&self) -> &'static [Global] {
        self.extension.globals()
    }

    fn methods(&self) -> &[Method] {
        &self.methods
    }

    fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule> {
        self.extension.sandbox_rules(authority)
    }

    fn start_program(&self, start: &ProgramStart<'_>) -> ProgramState {
        Arc::new(self.extension.start_program(start))
    }

    fn end_program(&self, state: &ProgramState) {
        if let Some(state) = state.downcast_ref() {
            self.extension.end_program(state);
        }
    }

    fn start_isolate(&self, program: &ProgramState) -> Option<Rc<dyn Any>> {
        let program = program.clone().downcast::<E::Program>().ok()?;
        let isolate = self.extension.start_isolate(&program);
        Some(Rc::new(IsolateState::<E> { program, isolate }))
    }

    fn bind(
        self: Arc<Self>,
        capability: &Rc<Capability>,
        source: Source<'_>,
    ) -> Result<Rc<dyn Any>, OperationError> {
        let foreign = || OperationError::type_error("this capability belongs to another family");
        let origin = match source {
            Source::Module => Origin::Module,
            Source::Narrowed(state) => {
                let bound: &Bound<E> = state.downcast_ref().ok_or_else(foreign)?;
                Origin::Narrowed(&bound.state)
            }
            Source::Received(sent) => Origin::Received(sent.downcast_ref().ok_or_else(foreign)?),
        };
        let view = CapabilityView {
            registration: &self,
            capability,
        };
        let state = self.extension.capability(view, origin)?;
        Ok(Rc::new(Bound {
            capability: capability.clone(),
            state,
            registration: self,
        }))
    }

    fn send(&self, state: &dyn Any) -> Result<Sent, OperationError> {
        let foreign = || OperationError::type_error("this capability belongs to another family");
        let bound: &Bound<E> = state.downcast_ref().ok_or_else(foreign)?;
        Ok(Arc::new(self.extension.send(&bound.state)?))
    }
}
