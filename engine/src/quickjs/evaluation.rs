//! The evaluation of a module. QuickJS's bindings abort the process if the runtime imports the program itself, like on
//! V8, and leak more of each isolate anyway (RUN-58). So deno_core evaluates it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use deno_core::error::{CoreError, CoreErrorKind};
use deno_core::{JsRuntime, ModuleId};

use crate::isolate::event_loop::poll;
use crate::modules::CapabilityModules;
use crate::termination::Termination;

/// Evaluates a loaded module and all its imports, and waits until this is done.
///
/// # Errors
/// The evaluation failed, or another error was not caught meanwhile. It is also an error if the event loop is empty
/// while the evaluation is pending.
pub(crate) async fn evaluated(
    js: &mut JsRuntime,
    _modules: &CapabilityModules,
    _module: u32,
    loaded: ModuleId,
) -> Result<(), CoreError> {
    let mut evaluation = pin!(js.mod_evaluate(loaded));
    // If a limit was hit during the evaluation, deno_core would search for the pending import, and print that it found
    // nothing.
    let termination = js.op_state().borrow().try_borrow::<Termination>().cloned();
    if termination.is_some_and(|termination| termination.reason().is_some()) {
        return Err(CoreErrorKind::ExecutionTerminated.into_box());
    }
    poll_fn(|context| {
        if let Poll::Ready(ended) = evaluation.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        let ended = poll(js, context)?;
        match (evaluation.as_mut().poll(context), ended) {
            (Poll::Ready(ended), _) => Poll::Ready(ended),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            (Poll::Pending, Poll::Ready(())) => {
                Poll::Ready(Err(CoreErrorKind::PendingPromiseResolution.into_box()))
            }
        }
    })
    .await
}
