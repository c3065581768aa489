//! Sockets that calls wait for. Closing one ends these calls.

use std::ops::Deref;
use std::rc::Rc;

use secure_runtime_engine::extension::{OperationError, clipped};
use tokio_util::sync::CancellationToken;

/// A socket in the table of resources. It is closed when the table drops it, also while calls wait for it.
pub(super) struct Closing<T>(Used<T>);

/// A reference of a call to a socket.
pub(super) struct Used<T> {
    socket: Rc<T>,
    closed: CancellationToken,
}

impl<T> Closing<T> {
    pub(super) fn new(socket: T) -> Self {
        Closing(Used {
            socket: Rc::new(socket),
            closed: CancellationToken::new(),
        })
    }

    /// Returns the socket for a call. The call must drop its reference to the resource before it waits.
    pub(super) fn used(&self) -> Used<T> {
        Used {
            socket: self.0.socket.clone(),
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
    /// Waits for the future, or until the socket is closed.
    ///
    /// # Errors
    /// The socket was closed. `shown` is its name for the guest.
    pub(super) async fn wait<R>(
        &self,
        shown: &str,
        future: impl Future<Output = R>,
    ) -> Result<R, OperationError> {
        let done = self.closed.run_until_cancelled(future).await;
        done.ok_or_else(|| {
            OperationError::system("Error", "EBADF", format!("{:?} is closed", clipped(shown)))
        })
    }
}

impl<T> Deref for Used<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.socket
    }
}
