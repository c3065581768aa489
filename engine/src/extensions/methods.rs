//! The methods of an extension. A method is declared with the action and the resource that it is decided as, so it
//! cannot run without a decision.

use std::any::Any;
use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::rc::Rc;

use secure_runtime_capabilities::{ActionName, Operation, Pattern};

use super::error::{OperationError, clipped};
use super::extension::Extension;
use super::granted::{Asked, Bound, Granted};
use super::handle::{Handle, Method, Opened, Run, Started, no_method};
use super::results::HeldBytes;
use super::value::{Arguments, Output, Value};
use crate::memory::Reservation;

/// The list of an extension's methods.
///
/// A method is declared on a decision, so there is always an action and a resource:
///
/// ```
/// # use secure_runtime_capabilities::ActionName;
/// # use secure_runtime_engine::extension::{Extension, Methods};
/// fn declare<E: Extension>(methods: &mut Methods<E>) {
///     methods.on_argument(ActionName::READ).sync("read", |granted, _| Ok(granted.resource().to_owned()));
/// }
/// ```
///
/// Without a decision, there is no function that declares a method:
///
/// ```compile_fail,E0599
/// # use secure_runtime_capabilities::ActionName;
/// # use secure_runtime_engine::extension::{Extension, Methods};
/// fn declare<E: Extension>(methods: &mut Methods<E>) {
///     methods.sync("read", |granted, _| Ok(granted.resource().to_owned()));
/// }
/// ```
///
/// The action cannot be left out:
///
/// ```compile_fail,E0061
/// # use secure_runtime_capabilities::ActionName;
/// # use secure_runtime_engine::extension::{Extension, Methods};
/// fn declare<E: Extension>(methods: &mut Methods<E>) {
///     methods.on_argument().sync("read", |granted, _| Ok(granted.resource().to_owned()));
/// }
/// ```
///
/// The resource is chosen by a function, which returns an operation. Without the function, the method is incomplete:
///
/// ```
/// # use secure_runtime_capabilities::ActionName;
/// # use secure_runtime_engine::extension::{Extension, Methods};
/// fn declare<E: Extension>(methods: &mut Methods<E>) {
///     let decision = methods.on(ActionName::READ, |asked| Ok((asked.operation(ActionName::READ, "x")?, "x".into())));
///     decision.sync("read", |granted, _| Ok(granted.resource().to_owned()));
/// }
/// ```
///
/// ```compile_fail,E0061
/// # use secure_runtime_capabilities::ActionName;
/// # use secure_runtime_engine::extension::{Extension, Methods};
/// fn declare<E: Extension>(methods: &mut Methods<E>) {
///     let decision = methods.on(ActionName::READ);
///     decision.sync("read", |granted, _| Ok(granted.resource().to_owned()));
/// }
/// ```
///
/// Only the reference monitor creates a [`Granted`], so an extension cannot call a method without a decision either:
///
/// ```compile_fail,E0451
/// # use secure_runtime_engine::extension::{Extension, Granted};
/// fn forge<'a, E: Extension>(real: Granted<'a, E>) -> Granted<'a, E> {
///     Granted { operation: real.operation, ..real }
/// }
/// ```
pub struct Methods<E: Extension> {
    pub(super) list: Vec<Method>,
    of: PhantomData<fn(E)>,
}

/// A resource of which a method returns only the parts that the capability allows.
pub struct Each {
    /// The resource that the audit record names.
    pub operation: Operation<'static>,
    /// A pattern that matches all resources that the method may return. If no right of the capability intersects it,
    /// the method is denied.
    pub pattern: Pattern,
    /// The resource in the guest's own words.
    pub shown: String,
}

type OfCall<E> = dyn for<'a> Fn(&Asked<'a, E>) -> Result<Decided<'a>, OperationError> + Send + Sync;

/// The subject of one decision.
enum Decided<'a> {
    One(Operation<'a>, Cow<'a, str>),
    Each(Box<Each>),
}

/// The decision on a method that is being declared.
pub struct Decision<'m, E: Extension> {
    methods: &'m mut Methods<E>,
    action: ActionName,
    title: Option<&'static str>,
    subject: Box<OfCall<E>>,
}

/// The decision on a method of an open resource that is being declared.
pub struct ResourceDecision<'m, E: Extension, T> {
    methods: &'m mut Methods<E>,
    action: ActionName,
    title: Option<&'static str>,
    of: PhantomData<fn(T)>,
}

/// The methods of a kind of open resource.
pub struct ResourceMethods<'m, E: Extension, T> {
    methods: &'m mut Methods<E>,
    of: PhantomData<fn(T)>,
}

impl<E: Extension> Methods<E> {
    pub(super) fn new() -> Self {
        Methods {
            list: Vec::new(),
            of: PhantomData,
        }
    }

    /// Begins a method that is decided as this action on the resource that its first argument means in this family.
    pub fn on_argument(&mut self, action: ActionName) -> Decision<'_, E> {
        self.on(action, move |asked| {
            let text = asked.text(0)?;
            Ok((asked.operation(action, text)?, text.into()))
        })
    }

    /// Begins a method that is decided as this action on the resource that the function returns.
    ///
    /// The second result is the resource in the guest's own words, for errors. The operation must be one of this family
    /// and action. Otherwise, every call fails.
    pub fn on<F>(&mut self, action: ActionName, resource: F) -> Decision<'_, E>
    where
        F: for<'a> Fn(&Asked<'a, E>) -> Result<(Operation<'a>, Cow<'a, str>), OperationError>
            + Send
            + Sync
            + 'static,
    {
        self.decided(
            action,
            Box::new(move |asked| {
                let (operation, shown) = resource(asked)?;
                Ok(Decided::One(operation, shown))
            }),
        )
    }

    /// Begins a method that returns some of many resources. It must return only those that
    /// [`Granted::allows`](Granted::allows).
    pub fn on_each<F>(&mut self, action: ActionName, resources: F) -> Decision<'_, E>
    where
        F: for<'a> Fn(&Asked<'a, E>) -> Result<Each, OperationError> + Send + Sync + 'static,
    {
        self.decided(
            action,
            Box::new(move |asked| Ok(Decided::Each(Box::new(resources(asked)?)))),
        )
    }

    fn decided(&mut self, action: ActionName, subject: Box<OfCall<E>>) -> Decision<'_, E> {
        Decision {
            methods: self,
            action,
            title: None,
            subject,
        }
    }

    /// Begins the methods of the resources of type `T` that [`Granted::open`] returns to scripts.
    pub fn resource<T: 'static>(&mut self) -> ResourceMethods<'_, E, T> {
        ResourceMethods {
            methods: self,
            of: PhantomData,
        }
    }

    fn add(&mut self, name: &'static str, title: Option<&'static str>, action: Option<ActionName>, run: Run) {
        self.list.push(Method {
            name,
            title: title.unwrap_or(name),
            action,
            run,
        });
    }
}

impl<E: Extension> Decision<'_, E> {
    /// Gives the method another name in tables and in the audit documentation, such as `open for reading`.
    #[must_use]
    pub fn titled(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Declares a method without arguments that returns a number at once. Guests call it often.
    pub fn number<F>(self, name: &'static str, run: F)
    where
        F: for<'a> Fn(Granted<'a, E>) -> Result<f64, OperationError> + Send + Sync + 'static,
    {
        let (action, subject) = (self.action, self.subject);
        let run = move |handle: &Handle| run(decide(handle, action, &subject, &[], None)?);
        self.methods
            .add(name, self.title, Some(action), Run::Number(Box::new(run)));
    }

    /// Declares a method with one text argument that returns a text or null at once. Guests call it often.
    pub fn text<F>(self, name: &'static str, run: F)
    where
        F: for<'a> Fn(Granted<'a, E>) -> Result<Option<String>, OperationError> + Send + Sync + 'static,
    {
        let (action, subject) = (self.action, self.subject);
        let run = move |handle: &Handle, text: &str| run(decide(handle, action, &subject, &[], Some(text))?);
        self.methods
            .add(name, self.title, Some(action), Run::Text(Box::new(run)));
    }

    /// Declares a method that returns at once.
    pub fn sync<F, R>(self, name: &'static str, run: F)
    where
        F: Fn(Granted<'static, E>, Arguments) -> Result<R, OperationError> + Send + Sync + 'static,
        R: Into<Output>,
    {
        let (action, subject) = (self.action, self.subject);
        let run = move |handle: &Handle, arguments: Arguments| {
            let granted = decide(handle, action, &subject, arguments.all(), None)?.into_owned();
            run(granted, arguments).map(Into::into)
        };
        self.methods
            .add(name, self.title, Some(action), Run::Sync(Box::new(run)));
    }

    /// Declares a method that returns a promise. It is decided before the function is called.
    pub fn asynchronous<F, P, R>(self, name: &'static str, run: F)
    where
        F: Fn(Granted<'static, E>, Arguments) -> P + Send + Sync + 'static,
        P: Future<Output = Result<R, OperationError>> + 'static,
        R: Into<Output>,
    {
        let (action, subject) = (self.action, self.subject);
        let run = move |handle: &Handle, arguments: Arguments| -> Result<Started, OperationError> {
            let granted = decide(handle, action, &subject, arguments.all(), None)?.into_owned();
            let shown = granted.shown.clone().into_owned();
            Ok(started(action, shown, run(granted, arguments)))
        };
        self.methods
            .add(name, self.title, Some(action), Run::Async(Box::new(run)));
    }
}

impl<'m, E: Extension, T: 'static> ResourceMethods<'m, E, T> {
    /// Begins a method that is decided as this action on the resource that was decided when it was opened.
    pub fn on(&mut self, action: ActionName) -> ResourceDecision<'_, E, T> {
        ResourceDecision {
            methods: self.methods,
            action,
            title: None,
            of: PhantomData,
        }
    }

    /// Declares the method that closes the resource. It decides nothing, and may be called more than once.
    pub fn close(&mut self, name: &'static str) {
        self.methods.add(name, None, None, Run::Close);
    }
}

impl<E: Extension, T: 'static> ResourceDecision<'_, E, T> {
    /// Gives the method another name in tables.
    #[must_use]
    pub fn titled(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Declares a method that returns at once.
    pub fn sync<F, R>(self, name: &'static str, run: F)
    where
        F: Fn(Granted<'static, E>, Rc<T>, Arguments) -> Result<R, OperationError> + Send + Sync + 'static,
        R: Into<Output>,
    {
        let action = self.action;
        let run = move |handle: &Handle, arguments: Arguments| {
            let (granted, resource) = decide_again(handle, action)?;
            run(granted, resource, arguments).map(Into::into)
        };
        self.methods
            .add(name, self.title, Some(action), Run::Sync(Box::new(run)));
    }

    /// Declares a method that returns a promise.
    pub fn asynchronous<F, P, R>(self, name: &'static str, run: F)
    where
        F: Fn(Granted<'static, E>, Rc<T>, Arguments) -> P + Send + Sync + 'static,
        P: Future<Output = Result<R, OperationError>> + 'static,
        R: Into<Output>,
    {
        let action = self.action;
        let run = move |handle: &Handle, arguments: Arguments| -> Result<Started, OperationError> {
            let (granted, resource) = decide_again(handle, action)?;
            let shown = granted.shown.clone().into_owned();
            Ok(started(action, shown, run(granted, resource, arguments)))
        };
        self.methods
            .add(name, self.title, Some(action), Run::Async(Box::new(run)));
    }

    /// Declares a method that fills a buffer of the guest, and returns a promise of the number of bytes.
    ///
    /// The function is called with the size of the buffer. It returns at most so many bytes, with their reservation.
    /// They are copied into the buffer when the isolate continues, so no other thread writes to memory of a guest. In
    /// JavaScript, the call is `calls.NAME(object, buffer)` with a `Uint8Array`.
    pub fn filling<F, P>(self, name: &'static str, run: F)
    where
        F: Fn(Granted<'static, E>, Rc<T>, usize) -> P + Send + Sync + 'static,
        P: Future<Output = Result<(Vec<u8>, Reservation), OperationError>> + 'static,
    {
        let action = self.action;
        let run = move |handle: &Handle, size: usize| -> Result<Started<HeldBytes>, OperationError> {
            let (granted, resource) = decide_again(handle, action)?;
            let shown = granted.shown.clone().into_owned();
            let future = run(granted, resource, size);
            let future = Box::pin(async move {
                let (bytes, held) = future.await?;
                Ok(HeldBytes::new(bytes, held))
            });
            Ok(Started {
                future,
                action,
                shown,
            })
        };
        self.methods
            .add(name, self.title, Some(action), Run::Fill(Box::new(run)));
    }
}

/// Returns a method that was decided, with the future of its result.
fn started<P, R>(action: ActionName, shown: String, future: P) -> Started
where
    P: Future<Output = Result<R, OperationError>> + 'static,
    R: Into<Output>,
{
    Started {
        future: Box::pin(async move { future.await.map(Into::into) }),
        action,
        shown,
    }
}

/// Returns the state of the handle's capability.
fn bound<E: Extension>(handle: &Handle) -> Result<(&Bound<E>, Rc<Bound<E>>), OperationError> {
    let bound = handle.state.downcast_ref::<Bound<E>>().ok_or_else(no_method)?;
    let shared = handle.state.clone().downcast::<Bound<E>>();
    Ok((bound, shared.map_err(|_| no_method())?))
}

/// Decides a call of a capability's method.
fn decide<'a, E: Extension>(
    handle: &'a Handle,
    action: ActionName,
    subject: &OfCall<E>,
    arguments: &'a [Value],
    text: Option<&'a str>,
) -> Result<Granted<'a, E>, OperationError> {
    if handle.opened.is_some() {
        return Err(no_method());
    }
    let (bound, shared) = bound::<E>(handle)?;
    let asked = Asked {
        bound,
        arguments,
        text,
    };
    let capability = &bound.capability;
    match subject(&asked)? {
        Decided::One(operation, shown) => {
            own(bound, action, &operation)?;
            capability.check(&operation, &shown)?;
            Ok(Granted {
                bound: shared,
                operation,
                shown,
                each: None,
            })
        }
        Decided::Each(each) => {
            let Each {
                operation,
                pattern,
                shown,
            } = *each;
            own(bound, action, &operation)?;
            let some = capability
                .authority
                .intersects(operation.family(), operation.action(), &pattern);
            capability.check_some(&operation, &shown, some)?;
            Ok(Granted {
                bound: shared,
                operation,
                shown: shown.into(),
                each: Some(Box::new(pattern)),
            })
        }
    }
}

/// Refuses an operation of another family or action than the declared one.
fn own<E: Extension>(
    bound: &Bound<E>,
    action: ActionName,
    operation: &Operation<'_>,
) -> Result<(), OperationError> {
    let family = bound.registration.name();
    if (operation.family(), operation.action()) == (family, action) {
        return Ok(());
    }
    let (other, done) = (operation.family(), operation.action());
    let message = format!("a method that is declared as `{family} {action}` asked for `{other} {done}`");
    Err(OperationError::type_error(message))
}

/// Decides a use of an open resource.
fn decide_again<E: Extension, T: 'static>(
    handle: &Handle,
    action: ActionName,
) -> Result<(Granted<'static, E>, Rc<T>), OperationError> {
    let (bound, shared) = bound::<E>(handle)?;
    let opened: &Opened = handle.opened.as_deref().ok_or_else(no_method)?;
    if !opened.actions.contains(&action) {
        let message = format!("{:?} was not opened to {action}", clipped(&opened.shown));
        return Err(OperationError::system("PermissionDenied", "EBADF", message));
    }
    let operation = opened.operation.with_action(action);
    bound.capability.check(&operation, &opened.shown)?;
    let closed = || {
        let message = format!("{:?} is closed", clipped(&opened.shown));
        OperationError::system("Error", "EBADF", message)
    };
    let resource: Rc<dyn Any> = opened.resource.get().ok_or_else(closed)?.0.clone();
    let resource = resource.downcast::<T>().map_err(|_| no_method())?;
    let granted = Granted {
        bound: shared,
        operation,
        shown: opened.shown.clone().into(),
        each: None,
    };
    Ok((granted, resource))
}
