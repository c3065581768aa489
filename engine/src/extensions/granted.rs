//! An allowed operation, with everything that a method may use.

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use secure_runtime_capabilities::{ActionName, Base, FamilyName, Operation, Pattern};
use secure_runtime_loaders::ContentHash;

use super::error::{OperationError, clipped};
use super::extension::{Extension, Registration};
use super::handle::{Handle, Opened};
use super::host_objects::has_room_for_text;
use super::monitor::{Capability, Monitor};
use super::results::no_room;
use super::value::{Output, Value, wrong};
use crate::memory::Reservation;
use crate::quota::{Bytes, InFlight, Permit};
use crate::serving::{Event, RequestEvents};

/// The state of an extension in one isolate.
pub(super) struct IsolateState<E: Extension> {
    pub(super) program: Arc<E::Program>,
    pub(super) isolate: E::Isolate,
}

/// The state of a capability, with its extension.
pub(super) struct Bound<E: Extension> {
    pub(super) registration: Arc<Registration<E>>,
    pub(super) capability: Rc<Capability>,
    pub(super) state: E::Capability,
}

/// A capability, before an operation of it was decided.
pub struct CapabilityView<'a, E: Extension> {
    pub(super) registration: &'a Registration<E>,
    pub(super) capability: &'a Rc<Capability>,
}

/// Bytes that quotas count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CountedBytes {
    /// Bytes that are read from files, stores and databases: the quota `read`.
    Read,
    /// Bytes that are received from the network: the quota `fetched`.
    Fetched,
    /// Bytes that are written for the host to read: the quota `output`.
    Output,
}

/// A slot among the resources that a program may keep open: the quota `handles`.
pub struct OpenPermit(pub(super) Permit);

impl<'a, E: Extension> CapabilityView<'a, E> {
    /// Returns the patterns of the capability's rights for an action. They are the intersection of all blocks.
    pub fn effective(&self, action: ActionName) -> impl Iterator<Item = &'a Pattern> {
        self.capability
            .authority
            .effective(self.registration.name(), action)
    }

    /// Returns the module whose capability this is, by the hash of its source.
    pub fn module(&self) -> &'a ContentHash {
        &self.capability.principal.hash
    }

    /// Returns the extension's state in this isolate.
    ///
    /// # Errors
    /// The isolate has ended.
    pub fn isolate(&self) -> Result<IsolateView<E>, OperationError> {
        isolate(&self.capability.monitor, self.registration.name())
    }

    /// Keeps a resource open until the returned object is dropped, or the isolate ends.
    ///
    /// Engines may keep an ended isolate's objects alive, so files and sockets must be kept like this.
    pub fn keep<T: 'static>(&self, resource: T) -> Kept<T> {
        Kept(self.capability.monitor.open.keep(resource))
    }
}

/// The state of an extension in one isolate, and in its program.
pub struct IsolateView<E: Extension>(Rc<IsolateState<E>>);

impl<E: Extension> IsolateView<E> {
    /// Returns the state that all isolates of the program share.
    pub fn program(&self) -> &Arc<E::Program> {
        &self.0.program
    }

    /// Returns the state of this isolate alone.
    pub fn isolate(&self) -> &E::Isolate {
        &self.0.isolate
    }
}

fn isolate<E: Extension>(monitor: &Monitor, family: FamilyName) -> Result<IsolateView<E>, OperationError> {
    let state = monitor.open.state(family);
    let state = state.and_then(|state| Rc::downcast::<IsolateState<E>>(state).ok());
    state
        .map(IsolateView)
        .ok_or_else(|| OperationError::type_error("the isolate has ended"))
}

/// A resource that the isolate closes at the latest when it ends.
pub struct Kept<T: 'static>(super::resource_table::Resource<T>);

impl<T> Kept<T> {
    /// Returns the resource.
    ///
    /// # Errors
    /// It was closed, because the isolate has ended.
    pub fn get(&self) -> Result<Rc<T>, OperationError> {
        self.0.to_the_end()
    }
}

/// A call of a method, before it is decided. Functions that return the resource of a method use it.
pub struct Asked<'a, E: Extension> {
    pub(super) bound: &'a Bound<E>,
    pub(super) arguments: &'a [Value],
    pub(super) text: Option<&'a str>,
}

impl<'a, E: Extension> Asked<'a, E> {
    /// Returns the state of the capability.
    pub fn state(&self) -> &'a E::Capability {
        &self.bound.state
    }

    /// Returns the folder of relative paths.
    pub fn base(&self) -> &'a Base {
        &self.bound.capability.monitor.rules.base
    }

    /// Returns all arguments of the call, in order.
    pub fn arguments(&self) -> &'a [Value] {
        self.arguments
    }

    /// Returns the argument at this position, or null if there is none.
    pub fn argument(&self, position: usize) -> &'a Value {
        self.arguments.get(position).unwrap_or(&Value::Null)
    }

    /// Returns the number at this position.
    ///
    /// # Errors
    /// The argument is not a number.
    pub fn number(&self, position: usize) -> Result<f64, OperationError> {
        match self.argument(position) {
            Value::Number(number) => Ok(*number),
            _ => Err(wrong(position, "a number")),
        }
    }

    /// Returns the text argument at this position.
    ///
    /// # Errors
    /// The argument is not a text.
    pub fn text(&self, position: usize) -> Result<&'a str, OperationError> {
        match (self.text, self.arguments.get(position)) {
            (Some(text), _) if position == 0 => Ok(text),
            (_, Some(Value::Text(text))) => Ok(text),
            _ => Err(wrong(position, "a text")),
        }
    }

    /// Returns the operation on the resource that a text means in this family.
    ///
    /// # Errors
    /// The family has no such action, or rejects the text.
    pub fn operation(&self, action: ActionName, text: &str) -> Result<Operation<'static>, OperationError> {
        parsed(self.bound, action, text)
    }
}

fn parsed<E: Extension>(
    bound: &Bound<E>,
    action: ActionName,
    text: &str,
) -> Result<Operation<'static>, OperationError> {
    let base = &bound.capability.monitor.rules.base;
    let operation = Operation::new(&*bound.registration.family, action.as_str(), text, base);
    operation
        .map(Operation::into_owned)
        .map_err(|error| OperationError::type_error(error.to_string()))
}

/// An operation that the capability allows. Only the reference monitor creates it, so a method cannot run without a
/// decision.
pub struct Granted<'a, E: Extension> {
    pub(super) bound: Rc<Bound<E>>,
    pub(super) operation: Operation<'a>,
    /// The resource in the guest's own words.
    pub(super) shown: Cow<'a, str>,
    /// The resources of a method that returns some of many.
    pub(super) each: Option<Box<Pattern>>,
}

impl<'a, E: Extension> Granted<'a, E> {
    /// Returns the same grant, without references to the call.
    pub(super) fn into_owned(self) -> Granted<'static, E> {
        Granted {
            bound: self.bound,
            operation: self.operation.into_owned(),
            shown: self.shown.into_owned().into(),
            each: self.each,
        }
    }

    /// Returns the extension.
    pub fn extension(&self) -> &E {
        &self.bound.registration.extension
    }

    /// Returns the state of the capability.
    pub fn state(&self) -> &E::Capability {
        &self.bound.state
    }

    /// Returns the operation that was decided. Use exactly its resource.
    pub fn operation(&self) -> &Operation<'a> {
        &self.operation
    }

    /// Returns the canonical resource that was decided.
    pub fn resource(&self) -> &str {
        self.operation.resource()
    }

    /// Returns the resource in the guest's own words, for error messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the extension's state in this isolate and its program.
    ///
    /// # Errors
    /// The isolate has ended.
    pub fn isolate(&self) -> Result<IsolateView<E>, OperationError> {
        isolate(&self.bound.capability.monitor, self.bound.registration.name())
    }

    /// Returns the state of another extension in this isolate, for families that work together.
    ///
    /// # Errors
    /// The isolate has ended, or this runtime does not have the extension.
    pub fn isolate_of<F: Extension>(&self, family: FamilyName) -> Result<IsolateView<F>, OperationError> {
        isolate(&self.bound.capability.monitor, family)
    }

    /// Returns the module that acts, by the hash of its source.
    pub fn module(&self) -> &ContentHash {
        &self.bound.capability.principal.hash
    }

    /// Returns the names of the module that acts and of its package. The name of the program's own package is empty.
    pub fn names(&self) -> (&str, &str) {
        let principal = &self.bound.capability.principal;
        (&principal.name, &principal.package)
    }

    /// Returns the operation on the resource that a text means in this family.
    ///
    /// # Errors
    /// The family has no such action, or rejects the text.
    pub fn parse(&self, action: ActionName, text: &str) -> Result<Operation<'static>, OperationError> {
        parsed(&self.bound, action, text)
    }

    /// Returns the folder of relative paths.
    pub fn base(&self) -> &Base {
        &self.bound.capability.monitor.rules.base
    }

    /// Decides another operation that the method needs, and records the decision. `shown` is its resource in the
    /// guest's own words.
    ///
    /// # Errors
    /// It is not allowed. The method must fail with this error.
    pub fn check(&self, operation: &Operation<'_>, shown: &str) -> Result<(), OperationError> {
        self.bound.capability.check(operation, shown)
    }

    /// Decides the operation itself again, for methods that work for a long time.
    ///
    /// # Errors
    /// It is not allowed any more, for example because the capability was revoked.
    pub fn check_again(&self) -> Result<(), OperationError> {
        let Some(pattern) = &self.each else {
            return self.check(&self.operation, &self.shown);
        };
        let capability = &self.bound.capability;
        let (family, action) = (self.operation.family(), self.operation.action());
        let some = capability.authority.intersects(family, action, pattern);
        capability.check_some(&self.operation, &self.shown, some)
    }

    /// Returns true if the capability allows an operation. Nothing is recorded, so the method must not act on it.
    pub fn allows(&self, operation: &Operation<'_>) -> bool {
        self.bound.capability.allows(operation)
    }

    /// Returns the patterns of the capability's rights for an action.
    pub fn effective(&self, action: ActionName) -> impl Iterator<Item = &Pattern> {
        self.bound
            .capability
            .authority
            .effective(self.bound.registration.name(), action)
    }

    /// Returns true if one right of the capability covers everything that the pattern matches.
    pub fn covers(&self, action: ActionName, pattern: &Pattern) -> bool {
        self.bound
            .capability
            .authority
            .covers(self.bound.registration.name(), action, pattern)
    }

    /// Returns true if the whole program may do the action on a resource that the pattern matches.
    pub fn program_may(&self, action: ActionName, pattern: &Pattern) -> bool {
        let program = self.bound.capability.monitor.rules.plan.ceiling();
        program.intersects(self.bound.registration.name(), action, pattern)
    }

    /// Returns the refusal of an operation for a reason other than the grants, and records it. `why` completes the
    /// sentence "... is not allowed: ".
    pub fn refuse(&self, operation: &Operation<'_>, shown: &str, why: &str) -> OperationError {
        self.bound.capability.refuse_otherwise(operation, shown, why)
    }

    /// Returns the refusal of the operation because of a limit of the extension, and records it.
    pub fn refuse_at_limit(&self, why: &str) -> OperationError {
        self.bound
            .capability
            .refuse_at_limit(&self.operation, &self.shown, why)
    }

    /// Counts bytes against the quotas of the package and the program.
    ///
    /// # Errors
    /// A quota is exceeded.
    pub fn count(&self, kind: CountedBytes, bytes: usize) -> Result<(), OperationError> {
        let kind = match kind {
            CountedBytes::Read => Bytes::Read,
            CountedBytes::Fetched => Bytes::Fetched,
            CountedBytes::Output => Bytes::Output,
        };
        self.within(self.bound.capability.account.bytes(kind, bytes))
    }

    /// Counts one more open resource. Call it before the resource is opened.
    ///
    /// # Errors
    /// A quota is exceeded.
    pub fn permit_open(&self) -> Result<OpenPermit, OperationError> {
        self.within(self.bound.capability.account.begin(InFlight::Handle))
            .map(OpenPermit)
    }

    fn within<T>(&self, counted: Result<T, crate::limits::LimitHit>) -> Result<T, OperationError> {
        let (family, action) = (self.operation.family(), self.operation.action());
        counted.map_err(|hit| {
            self.bound
                .capability
                .over(&hit, (family.as_str(), action.as_str()), &self.shown)
        })
    }

    /// Reserves memory for the isolate, at once.
    ///
    /// # Errors
    /// The isolate's limit is exceeded. `doing` begins the message, such as `reading`.
    pub fn reserve(&self, bytes: usize, doing: &str) -> Result<Reservation, OperationError> {
        let reserved = self.bound.capability.monitor.memory.hold_now(bytes);
        reserved.map_err(|why| no_room(doing, &self.shown, why))
    }

    /// Returns a function that reserves memory for the isolate, for work that outlives this call. It returns `None` if
    /// the isolate's limit is exceeded.
    pub fn reserver(&self) -> impl Fn(usize) -> Option<Reservation> + use<E> {
        let memory = self.bound.capability.monitor.memory.clone();
        move |bytes| memory.hold_now(bytes).ok()
    }

    /// Reserves memory for a result, and waits while other results of the isolate are on their way to the guest.
    ///
    /// # Errors
    /// The isolate's limit is exceeded, and there is nothing to wait for.
    pub async fn reserve_result(&self, bytes: usize, doing: &str) -> Result<Reservation, OperationError> {
        let reserved = self.bound.capability.monitor.memory.room_for(bytes).await;
        reserved.map_err(|why| no_room(doing, &self.shown, why))
    }

    /// Checks that the engine's heap has room for a text of so many bytes.
    ///
    /// # Errors
    /// It does not fit.
    pub fn has_room_for_text(&self, bytes: usize, doing: &str) -> Result<(), OperationError> {
        has_room_for_text(bytes, &format!("{doing} {:?}", clipped(&self.shown)))
    }

    /// Waits for the next event of a handler's requests, and returns its number for the function `serving.event` of
    /// scripts. There is no number after [`Requester::finish`](crate::extension::Requester::finish).
    ///
    /// # Errors
    /// The operation is not allowed any more. The request gets no response of the handler.
    pub async fn next_request(&self, events: &mut RequestEvents) -> Result<Option<f64>, OperationError> {
        loop {
            let (event, has_waited) = match events.0.try_recv() {
                Ok(event) => (Some(event), false),
                Err(_) => (events.0.recv().await, true),
            };
            if has_waited && matches!(event, Some(Event::Call(_))) {
                self.check_again()?;
            }
            let monitor = &self.bound.capability.monitor;
            match event {
                None => return Ok(None),
                Some(Event::Gone(number)) => return Ok(Some(-1.0 - f64::from(number))),
                Some(Event::Call(call)) => {
                    if let Some(number) = monitor.calls.borrow_mut().begin(*call, &monitor.memory) {
                        return Ok(Some(f64::from(number)));
                    }
                }
            }
        }
    }

    /// Runs work that may block, on another thread. `doing` begins the message of an error.
    ///
    /// # Errors
    /// The error of the work, or the work was stopped.
    pub async fn blocking<T: Send + 'static>(
        &self,
        doing: &str,
        work: impl FnOnce() -> Result<T, OperationError> + Send + 'static,
    ) -> Result<T, OperationError> {
        let stopped = |_| {
            let message = format!("{doing} {:?}: the work was stopped", clipped(&self.shown));
            OperationError::system("Error", "EIO", message)
        };
        tokio::task::spawn_blocking(work).await.map_err(stopped)?
    }

    /// Keeps a resource open until the returned object is dropped, or the isolate ends.
    pub fn keep<T: 'static>(&self, resource: T) -> Kept<T> {
        Kept(self.bound.capability.monitor.open.keep(resource))
    }

    /// Returns a resource that the script gets as an object, and data beside it. The script gets `[object, data]`.
    ///
    /// Methods of the object are declared with [`Methods::resource`](super::Methods::resource). They can use it for
    /// these actions only, which this method must have checked. Each use is decided again, for the resource of this
    /// operation. The isolate closes the resource at the latest when it ends.
    pub fn open<T: 'static>(
        &self,
        actions: &'static [ActionName],
        resource: T,
        permit: OpenPermit,
        data: impl Into<Value>,
    ) -> Output {
        let operation = self.operation.clone().into_owned();
        self.open_as(operation, actions, resource, permit, data)
    }

    /// Like [`Granted::open`], for another operation that this method has checked.
    pub fn open_as<T: 'static>(
        &self,
        operation: Operation<'static>,
        actions: &'static [ActionName],
        resource: T,
        permit: OpenPermit,
        data: impl Into<Value>,
    ) -> Output {
        let Bound {
            registration,
            capability,
            ..
        } = &*self.bound;
        let monitor = &capability.monitor;
        let resource: Rc<dyn Any> = Rc::new(resource);
        let opened = Handle {
            capability: capability.clone(),
            extension: registration.clone(),
            state: self.bound.clone(),
            opened: Some(Rc::new(Opened {
                operation,
                actions,
                // It is only for messages, and a guest may write a resource with any number of characters.
                shown: clipped(&self.shown).into_owned(),
                resource: monitor.open.keep((resource, permit.0)),
            })),
        };
        let number = monitor.hand_offs.leave(opened);
        Output::from(vec![Value::from(number), data.into()])
    }
}
