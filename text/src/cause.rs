//! The cause of an error.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The error that caused another one. Errors that can be cloned and compared return it from `source()`.
///
/// Clones share the error. Two causes are equal if their messages are, because most errors of libraries
/// cannot be compared. `downcast_ref` returns the original error.
///
/// The message of an error contains the message of its source, although `source()` returns it as well. The
/// command, the audit log and guests print the message only, and it must be complete there.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for Cause {
    fn from(error: E) -> Cause {
        Cause(Arc::new(error))
    }
}

// A cause is not itself an `Error`: `thiserror` then returns the original error as the source.
impl Deref for Cause {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Cause) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_cause_is_the_original_error_and_equal_by_its_message() {
        let denied = Cause::from(io::Error::from(io::ErrorKind::PermissionDenied));
        let kind = denied.downcast_ref::<io::Error>().map(io::Error::kind);
        assert_eq!(kind, Some(io::ErrorKind::PermissionDenied));
        assert_eq!(
            denied,
            Cause::from(io::Error::from(io::ErrorKind::PermissionDenied))
        );
        assert_ne!(denied, Cause::from(io::Error::from(io::ErrorKind::NotFound)));
        assert_eq!(denied.to_string(), "permission denied");
    }
}
