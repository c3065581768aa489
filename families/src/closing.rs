//! Resources that calls wait for, such as sockets. Closing one ends these calls.

use std::ops::Deref;
use std::rc::Rc;

use secure_runtime_engine::extension::{OperationError, clipped};
use tokio_util::sync::CancellationToken;

/// A resource in the table of resources. It is closed when the table drops it, also while calls wait for it.
pub(crate) struct Closing<T>(Used<T>);

/// A reference of a call to a resource.
pub(crate) struct Used<T> {
    resource: Rc<T>,
    closed: CancellationToken,
}

impl<T> Closing<T> {
    pub(crate) fn new(resource: T) -> Self {
        Closing(Used {
            resource: Rc::new(resource),
            closed: CancellationToken::new(),
        })
    }

    /// Returns the resource for a call. The call must drop its reference to the resource before it waits.
    pub(crate) fn used(&self) -> Used<T> {
        Used {
            resource: self.0.resource.clone(),
            closed: self.0.closed.clone(),
        }
    }
}

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        self.0.closed.cancel();
    }
}

impl<T> Used<T> {
    /// Waits for the future. Returns `None` if the resource is closed before.
    pub(crate) async fn until_closed<R>(&self, future: impl Future<Output = R>) -> Option<R> {
        self.closed.run_until_cancelled(future).await
    }

    /// Waits for the future, or until the resource is closed.
    ///
    /// # Errors
    /// The resource was closed. `shown` is its name for the guest.
    pub(crate) async fn wait<R>(
        &self,
        shown: &str,
        future: impl Future<Output = R>,
    ) -> Result<R, OperationError> {
        let done = self.until_closed(future).await;
        done.ok_or_else(|| {
            OperationError::system("Error", "EBADF", format!("{:?} is closed", clipped(shown)))
        })
    }
}

impl<T> Deref for Used<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.resource
    }
}
